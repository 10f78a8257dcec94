import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'vitest';
import type { Flow } from '#sip/transport/flow';
import type { StreamEvent, StreamHandlers } from '#sip/transport/stream-events';

/** What a stream transport told, with a way to wait for it. */
export class Heard implements StreamHandlers {
  readonly messages: { text: string; flow: Flow }[] = [];
  readonly failures: [number, string][] = [];
  readonly gone: number[] = [];
  readonly events: StreamEvent[] = [];
  depth = 0;
  /** How often octets were read, of whichever connection. */
  batches = 0;
  #wakes: (() => void)[] = [];
  beginBatch(): void {
    this.depth++;
  }
  endBatch(): void {
    this.depth--;
    this.batches++;
    this.#look();
  }
  message(text: string, flow: Flow): void {
    expect(this.depth).toBe(1);
    this.messages.push({ text, flow });
  }
  closed(connection: number): void {
    this.gone.push(connection);
    this.#look();
  }
  failed(token: number, failure: string): void {
    this.failures.push([token, failure]);
    this.#look();
  }
  report(event: StreamEvent): void {
    this.events.push(event);
    this.#look();
  }
  /** Why handshakes failed. */
  get words(): string[] {
    return this.events.flatMap((event) => (event.kind === 'handshake-failed' ? [event.words] : []));
  }
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => condition() && resolve();
      this.#wakes.push(look);
      look();
    });
  }
  #look(): void {
    for (const wake of this.#wakes) wake();
  }
}

/** A whole request; `via` is what follows `SIP/2.0/` in its Via. */
export function request(n: number, extra = 'Content-Length: 0\r\n', method = 'OPTIONS', via = 'TCP host'): string {
  return `${method} sip:x SIP/2.0\r\nVia: SIP/2.0/${via};branch=z9hG4bK${n}\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: call-${n}\r\nCSeq: ${n} ${method}\r\n${extra}\r\n`;
}

/** Everything a peer hears, with a way to wait for it. */
export function listen(socket: Socket): {
  text: () => string;
  until: (condition: (text: string) => boolean) => Promise<void>;
} {
  let text = '';
  let look = () => {};
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    look();
  });
  return {
    text: () => text,
    until: (condition) =>
      new Promise((resolve) => {
        look = () => condition(text) && resolve();
        look();
      }),
  };
}

/** Sockets of a test, closed together. */
export class Peers {
  readonly #toClose: { close(): unknown }[] = [];

  /** Anything else that is to be closed. */
  add<T extends { close(): unknown }>(one: T): T {
    this.#toClose.push(one);
    return one;
  }

  async dial(port: number, host = '127.0.0.1', localAddress?: string): Promise<Socket> {
    const socket = connect({ port, host, ...(localAddress === undefined ? {} : { localAddress }) });
    socket.on('error', () => {});
    await once(socket, 'connect');
    this.add({ close: () => socket.destroy() });
    return socket;
  }

  /** A server that keeps what connects to it. */
  async server(): Promise<{ server: Server; port: number; sockets: Socket[]; next: () => Promise<Socket> }> {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => {});
      sockets.push(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.add({
      close: () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    });
    const next = async () => {
      if (sockets.length === 0) await once(server, 'connection');
      return sockets.at(-1)!;
    };
    return { server, port: (server.address() as { port: number }).port, sockets, next };
  }

  async close(): Promise<void> {
    for (const one of this.#toClose.splice(0)) await one.close();
  }
}
