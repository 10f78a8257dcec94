import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ManagementHttpConfig } from '#service/config/config-shape';
import type { Logger } from '#service/log';
import {
  answerRequest,
  errorAnswer,
  type MethodRegistry,
  notification,
  type RpcConnection,
  rpcCodes,
  rpcLimits,
} from './json-rpc.ts';

const path = '/rpc';
const maxConnections = 64;
/** Requests of one WebSocket that wait for their answers. */
const maxWaiting = 256;
/** Octets that a client has not taken yet; beyond that notifications are left out. */
const maxUnsent = 1024 * 1024;
const requestMs = 10_000;
const checkMs = 2_000;

/**
 * JSON-RPC by HTTP: `POST /rpc`, or a WebSocket on the same path, which carries events as well. With a token each request
 * has to bear it (`Authorization: Bearer`); without one only clients that name this host by its address or as localhost
 * are served, so that no web page that a browser shows can ask.
 *
 * Throws the system's error when the address cannot be had.
 */
export class ManagementHttpServer {
  readonly #app: FastifyInstance;
  readonly #sockets: WebSocketServer;

  private constructor(app: FastifyInstance, sockets: WebSocketServer) {
    this.#app = app;
    this.#sockets = sockets;
  }

  static async listen(
    config: ManagementHttpConfig,
    registry: MethodRegistry,
    log: Pick<Logger, 'error'>,
  ): Promise<ManagementHttpServer> {
    const app = fastify({
      bodyLimit: rpcLimits.requestBytes,
      requestTimeout: requestMs,
      // Node.js takes the longer of these two for the body, and looks every half minute unless told otherwise.
      http: { headersTimeout: requestMs, requestTimeout: requestMs, connectionsCheckingInterval: checkMs },
      exposeHeadRoutes: false,
    });
    app.server.maxConnections = maxConnections;
    const sockets = new WebSocketServer({ noServer: true, maxPayload: rpcLimits.requestBytes });
    const failed = (error: unknown, method: string) =>
      log.error({ reason: 'method-failed', method, err: error }, 'a management method failed');
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => done(null, body));
    app.addHook('onRequest', async (request, reply) => {
      const refusal = refusalOf(config, request.raw);
      if (refusal === 401) return reply.code(401).header('www-authenticate', 'Bearer').send();
      if (refusal !== null) return reply.code(refusal).send();
    });
    app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
      const status = error.statusCode ?? 500;
      void reply
        .code(status)
        .type('application/json')
        .send(errorAnswer(null, rpcCodes.invalidRequest, `HTTP ${status}`));
    });
    app.post(path, async (request, reply) => {
      const answer = await answerRequest(String(request.body), registry, failed);
      if (answer === undefined) return reply.code(204).send();
      return reply.type('application/json').send(answer);
    });
    app.server.on('upgrade', (request, socket, head) => {
      const refusal = request.url === path ? refusalOf(config, request) : 404;
      if (refusal !== null) {
        socket.end(`HTTP/1.1 ${refusal} Refused\r\nConnection: close\r\n\r\n`);
        return;
      }
      sockets.handleUpgrade(request, socket, head, (client) => serveSocket(client, registry, failed));
    });
    const { address, port } = config.listen;
    await app.listen({ host: address, port });
    return new ManagementHttpServer(app, sockets);
  }

  /** Where it listens: the port, when the configuration asked for any. */
  get port(): number {
    const address = this.#app.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async close(): Promise<void> {
    for (const client of this.#sockets.clients) client.terminate();
    this.#app.server.closeAllConnections();
    await this.#app.close();
  }
}

/** Status of an HTTP refusal, null when the client may ask. */
function refusalOf({ token }: ManagementHttpConfig, request: IncomingMessage): 401 | 403 | null {
  if (token !== undefined) return bearsToken(request.headers.authorization, token) ? null : 401;
  return isLocalName(request.headers.host) && request.headers.origin === undefined ? null : 403;
}

function bearsToken(authorization: string | undefined, token: string): boolean {
  const [scheme, given = ''] = (authorization ?? '').split(' ', 2);
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return scheme?.toLowerCase() === 'bearer' && timingSafeEqual(digest(given), digest(token));
}

/** Whether a Host header names this host as no web page's name does. */
function isLocalName(host: string | undefined): boolean {
  const name = (host ?? '').replace(/:\d{1,5}$/, '').replace(/^\[|\]$/g, '');
  return name === 'localhost' || isIP(name) !== 0;
}

function serveSocket(
  client: WebSocket,
  registry: MethodRegistry,
  failed: (error: unknown, method: string) => void,
): void {
  const connection: RpcConnection = {
    notify(method, params) {
      if (client.bufferedAmount < maxUnsent) client.send(notification(method, params));
    },
    onClose: (ended) => void client.once('close', ended),
  };
  let waiting = 0;
  let turn: Promise<void> = Promise.resolve();
  client.on('error', () => client.terminate());
  client.on('message', (data) => {
    if (++waiting > maxWaiting) {
      client.close(1013, 'too many requests wait');
      return;
    }
    // In the order of the requests, one at a time: a client cannot have the node do a thousand things at once.
    turn = turn.then(async () => {
      const answer = await answerRequest(String(data), registry, failed, connection);
      waiting--;
      if (answer !== undefined && client.readyState === client.OPEN) client.send(answer);
    });
  });
}
