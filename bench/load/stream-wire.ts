import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { StreamFramer } from '#sip/parser/stream-framer';
import { Batch } from './batch.ts';
import { loopbackAddress, type Wire, type WireEvents } from './wire.ts';

export interface StreamWireOptions {
  readonly transport: 'tcp' | 'tls';
  /** The P-CSCF. */
  readonly address: string;
  readonly port: number;
  /** Second octet of the phones' addresses. */
  readonly group: number;
}

const connectMs = 5_000;

/** One connection for each phone, from an address of its own; what comes on it later is the phone's. */
export class StreamWire implements Wire {
  readonly transport: 'tcp' | 'tls';
  readonly #options: StreamWireOptions;
  readonly #events: WireEvents;
  readonly #sockets = new Map<number, Socket>();
  /** Written to in this batch. */
  readonly #corked: Socket[] = [];
  readonly #batch = new Batch(() => this.#uncork());
  #closing = false;

  constructor(options: StreamWireOptions, events: WireEvents) {
    this.transport = options.transport;
    this.#options = options;
    this.#events = events;
  }

  sentBy(phone: number): string {
    const port = this.#sockets.get(phone)?.localPort ?? 5060;
    return `${loopbackAddress(this.#options.group, phone)}:${port}`;
  }

  open(phone: number): Promise<void> {
    if (this.#sockets.has(phone)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const socket = this.#connect(phone);
      const timer = setTimeout(() => socket.destroy(new Error('no connection in time')), connectMs);
      const refused = (error: Error) => {
        clearTimeout(timer);
        reject(error);
      };
      socket.once('error', refused);
      socket.once(this.transport === 'tls' ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer);
        socket.off('error', refused);
        socket.on('error', () => {});
        this.#adopt(phone, socket);
        resolve();
      });
    });
  }

  send(text: string, phone: number): void {
    const socket = this.#sockets.get(phone);
    if (socket === undefined) return;
    if (this.#batch.isOpen && socket.writableCorked === 0) {
      socket.cork();
      this.#corked.push(socket);
    }
    socket.write(text, 'latin1');
  }

  batch(work: () => void): void {
    this.#batch.run(work);
  }

  async close(): Promise<void> {
    this.#closing = true;
    for (const socket of this.#sockets.values()) socket.destroy();
    this.#sockets.clear();
  }

  #connect(phone: number): Socket {
    const { address: host, port, group, transport } = this.#options;
    const local = { host, port, localAddress: loopbackAddress(group, phone), noDelay: true };
    // What the certificate says is not what is measured here.
    return transport === 'tls' ? connectTls({ ...local, rejectUnauthorized: false }) : connect(local);
  }

  #uncork(): void {
    for (const socket of this.#corked) socket.uncork();
    this.#corked.length = 0;
  }

  #adopt(phone: number, socket: Socket): void {
    const framer = new StreamFramer();
    const sink = {
      message: (text: string) => this.#events.message(text),
      ping() {},
      broken: () => socket.destroy(),
    };
    this.#sockets.set(phone, socket);
    socket.on('data', (chunk: Buffer) => this.batch(() => void framer.push(chunk, sink)));
    socket.once('close', () => {
      this.#sockets.delete(phone);
      if (!this.#closing) this.#events.lost(phone);
    });
  }
}
