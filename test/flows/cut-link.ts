import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP connection to another server that a test can cut, as a broken network does, and mend. */
export class CutLink {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #cut: 'no' | 'refused' | 'silent' = 'no';

  private constructor(server: Server, to: number) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.#join(socket, to));
  }

  static async open(to: number): Promise<CutLink> {
    const server = createServer({ allowHalfOpen: false }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new CutLink(server, to);
  }

  /** `refused`: connections end; `silent`: nothing comes through, and nobody is told. */
  cut(how: 'refused' | 'silent'): void {
    this.#cut = how;
    for (const pair of this.#pairs) {
      for (const socket of pair) {
        if (how === 'silent') socket.pause();
        else socket.destroy();
      }
    }
  }

  heal(): void {
    this.#cut = 'no';
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  close(): void {
    this.cut('refused');
    this.#server.close();
  }

  #join(socket: Socket, to: number): void {
    if (this.#cut === 'refused') {
      socket.destroy();
      return;
    }
    const pair = [socket, connect(to, '127.0.0.1')] as const;
    this.#pairs.add(pair);
    for (const [one, other] of [pair, [pair[1], pair[0]] as const]) {
      one.on('error', () => {});
      one.on('data', (octets) => other.write(octets));
      one.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
      if (this.#cut === 'silent') one.pause();
    }
  }
}
