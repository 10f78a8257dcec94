import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Logger } from '#service/log';
import type { ManagedNode } from '#service/node-status';
import {
  answerRequest,
  errorAnswer,
  type MethodRegistry,
  notification,
  type RpcConnection,
  rpcCodes,
  rpcLimits,
} from './json-rpc.ts';
import { methodsOf } from './node-methods.ts';

const maxConnections = 32;
/** Octets that a client has not taken yet; beyond that notifications are left out. */
const maxUnsent = 1024 * 1024;
/** How long an old socket gets to answer before it counts as dead, milliseconds. */
const probeMs = 1000;

/**
 * Opens the management interface of a node with all its methods: the Unix socket, and HTTP where the configuration wants
 * it. What it throws is as in ManagementServer.listen.
 */
export async function startManagement(node: ManagedNode, log: Logger): Promise<{ close(): Promise<void> }> {
  const registry = methodsOf(node);
  const { socket, http } = node.live.current.management;
  const server = await ManagementServer.listen(socket, registry, log);
  if (http === undefined) return server;
  const { ManagementHttpServer } = await import('./http-server.ts');
  const byHttp = await ManagementHttpServer.listen(http, registry, log);
  return { close: async () => void (await Promise.all([server.close(), byHttp.close()])) };
}

/**
 * JSON-RPC over a Unix socket, one request or batch per line, answers in the order of the requests. Only the user that
 * runs the node may connect (mode 0600).
 */
export class ManagementServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Listens on a socket path, making its folder where needed. A socket nobody answers on is taken over.
   *
   * Throws the system's error otherwise: EADDRINUSE when a running node answers there, EEXIST when a file that is no
   * socket stands there.
   */
  static async listen(
    socketPath: string,
    registry: MethodRegistry,
    log: Pick<Logger, 'error'>,
  ): Promise<ManagementServer> {
    mkdirSync(dirname(socketPath), { recursive: true });
    await removeStale(socketPath);
    const server = createServer({ allowHalfOpen: true });
    const management = new ManagementServer(server);
    server.maxConnections = maxConnections;
    server.on('connection', (socket) => management.#serve(socket, registry, log));
    // The socket file is made inside listen(): with this mask nobody else can connect even for a moment.
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((done, refuse) => {
        server.once('error', refuse);
        server.listen(socketPath, done);
        process.umask(mask);
      });
    } finally {
      process.umask(mask);
    }
    chmodSync(socketPath, 0o600);
    server.on('error', (error) =>
      log.error({ reason: 'management-failed', err: error }, 'the management socket failed'),
    );
    return management;
  }

  /** Stops listening, ends all connections and removes the socket file. */
  close(): Promise<void> {
    return new Promise((done) => {
      this.#server.close(() => done());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #serve(socket: Socket, registry: MethodRegistry, log: Pick<Logger, 'error'>): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // A client that goes away is its own business.
    socket.on('error', () => socket.destroy());
    const failed = (error: unknown, method: string) =>
      log.error({ reason: 'method-failed', method, err: error }, 'a management method failed');
    const connection: RpcConnection = {
      notify(method, params) {
        if (socket.writable && socket.writableLength < maxUnsent) socket.write(`${notification(method, params)}\n`);
      },
      onClose: (ended) => void socket.once('close', ended),
    };
    void serveLines(socket, (line) => answerRequest(line, registry, failed, connection)).catch(() => socket.destroy());
  }
}

/**
 * Answers a connection line by line. Reading stops while an answer is made or the client does not take it, so that
 * what waits in memory is at most one line and one chunk.
 */
async function serveLines(socket: Socket, answer: (line: string) => Promise<string | undefined>): Promise<void> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const data of socket) {
    let chunk = data as Buffer;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a)) {
      const line = Buffer.concat([...pending, chunk.subarray(0, end)]);
      pending = [];
      pendingBytes = 0;
      chunk = chunk.subarray(end + 1);
      if (line.length > rpcLimits.requestBytes) return refuseLarge(socket);
      const text = line.toString('utf8').trim();
      const reply = text === '' ? undefined : await answer(text);
      if (reply !== undefined) await writeLine(socket, reply);
    }
    pending.push(chunk);
    pendingBytes += chunk.length;
    if (pendingBytes > rpcLimits.requestBytes) return refuseLarge(socket);
  }
  const rest = Buffer.concat(pending).toString('utf8').trim();
  const reply = rest === '' ? undefined : await answer(rest);
  if (reply !== undefined) await writeLine(socket, reply);
  socket.end();
}

function refuseLarge(socket: Socket): void {
  socket.end(
    `${errorAnswer(null, rpcCodes.invalidRequest, `a request is larger than ${rpcLimits.requestBytes} bytes`)}\n`,
  );
}

async function writeLine(socket: Socket, text: string): Promise<void> {
  if (socket.write(`${text}\n`) || socket.destroyed) return;
  await new Promise<void>((done) => {
    socket.once('drain', done);
    socket.once('close', () => done());
  });
}

/** Removes a socket file on which nobody answers; throws when somebody does, or when it is something else. */
async function removeStale(socketPath: string): Promise<void> {
  const found = lstatSync(socketPath, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw Object.assign(new Error(`${socketPath} exists and is no socket: remove it or change management.socket`), {
      code: 'EEXIST',
    });
  const answered = await new Promise<boolean>((done) => {
    const socket = connect(socketPath);
    const finish = (answers: boolean) => {
      socket.destroy();
      done(answers);
    };
    socket.setTimeout(probeMs, () => finish(true));
    socket.once('connect', () => finish(true));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      finish(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
  if (answered)
    throw Object.assign(new Error(`a running node answers on ${socketPath}`), { code: 'EADDRINUSE', path: socketPath });
  unlinkSync(socketPath);
}
