import { createServer, type Server } from 'node:http';
import type { Endpoint } from '../config/address.ts';

/** What Prometheus may take to ask, milliseconds. */
const requestMs = 5_000;
const maxConnections = 32;

/**
 * Serves `GET /metrics` in the text format of Prometheus. `text` gives it anew for every request. Resolves when it listens;
 * rejects when the address cannot be had (EADDRINUSE and its like).
 */
export async function serveMetrics({ address, port }: Endpoint, text: () => Promise<string>): Promise<Server> {
  const server = createServer(
    { requestTimeout: requestMs, headersTimeout: requestMs, maxHeaderSize: 8192 },
    (request, response) => {
      const path = request.url?.split('?', 1)[0];
      if (path !== '/metrics') {
        response.writeHead(404, plain).end('there is only /metrics\n');
        return;
      }
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        response.writeHead(405, { ...plain, allow: 'GET, HEAD' }).end();
        return;
      }
      text().then(
        (body) => response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }).end(body),
        () => response.writeHead(500, plain).end(),
      );
    },
  );
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, resolve);
  });
  return server.unref();
}

const plain = { 'content-type': 'text/plain' };
