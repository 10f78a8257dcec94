import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { type FramingDefect, StreamFramer } from '#sip/parser/stream-framer';

/** Where bytes go. */
export interface Address {
  readonly address: string;
  readonly port: number;
}

type Waiter = { readonly fits: (text: string) => boolean; readonly resolve: (text: string) => void };

/** What was heard, and who waits for it. */
class Heard {
  readonly all: string[] = [];
  readonly #waiters: Waiter[] = [];
  /** How many messages waiters have looked at already: each is given out once. */
  readonly #taken = new Set<number>();

  add(text: string): void {
    this.all.push(text);
    const at = this.#waiters.findIndex((waiter) => waiter.fits(text));
    if (at < 0) return;
    this.#taken.add(this.all.length - 1);
    this.#waiters.splice(at, 1)[0]!.resolve(text);
  }

  /** The next message that fits and was not given out before; null after `ms`. */
  next(fits: (text: string) => boolean, ms: number): Promise<string | null> {
    const found = this.all.findIndex((text, i) => !this.#taken.has(i) && fits(text));
    if (found >= 0) {
      this.#taken.add(found);
      return Promise.resolve(this.all[found]!);
    }
    return new Promise((resolve) => {
      const waiter: Waiter = {
        fits,
        resolve: (text) => {
          clearTimeout(timer);
          resolve(text);
        },
      };
      const timer = setTimeout(() => {
        const at = this.#waiters.indexOf(waiter);
        if (at >= 0) this.#waiters.splice(at, 1);
        resolve(null);
      }, ms);
      this.#waiters.push(waiter);
    });
  }
}

const patienceMs = 5_000;

/** A UDP socket that sends any octets and keeps what it hears, latin1. */
export class UdpPeer {
  readonly address: string;
  readonly port: number;
  readonly #socket: UdpSocket;
  readonly #heard = new Heard();

  private constructor(socket: UdpSocket) {
    this.#socket = socket;
    ({ address: this.address, port: this.port } = socket.address());
    socket.on('message', (bytes) => this.#heard.add(bytes.toString('latin1')));
  }

  static async open(address: string, port = 0): Promise<UdpPeer> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(port, address, resolve);
    });
    return new UdpPeer(socket);
  }

  get heard(): readonly string[] {
    return this.#heard.all;
  }

  send(octets: string | Buffer, to: Address): Promise<void> {
    const bytes = typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets;
    return new Promise((resolve, reject) =>
      this.#socket.send(bytes, to.port, to.address, (error) => (error ? reject(error) : resolve())),
    );
  }

  next(fits: (text: string) => boolean, ms = patienceMs): Promise<string | null> {
    return this.#heard.next(fits, ms);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

/** A TCP connection that sends any octets and keeps what it hears, cut into messages. */
export class TcpPeer {
  /** Fulfilled when the connection is gone, with the milliseconds it lived. */
  readonly closed: Promise<number>;
  readonly #socket: Socket;
  readonly #heard = new Heard();
  /** Octets as they came. */
  raw = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    const startMs = performance.now();
    const framer = new StreamFramer();
    const sink = {
      message: (text: string) => this.#heard.add(text),
      ping() {},
      broken: (defect: FramingDefect, head: string) => this.#heard.add(`${defect.reason}\n${head}`),
    };
    socket.on('data', (chunk) => {
      this.raw += chunk.toString('latin1');
      framer.push(chunk, sink);
    });
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.once('close', () => resolve(performance.now() - startMs)));
  }

  static async open(to: Address, from = '127.0.0.1'): Promise<TcpPeer> {
    const socket = connect({ host: to.address, port: to.port, localAddress: from, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('connect', resolve);
    });
    return new TcpPeer(socket);
  }

  get heard(): readonly string[] {
    return this.#heard.all;
  }

  get port(): number {
    return this.#socket.localPort ?? 0;
  }

  get address(): string {
    return this.#socket.localAddress ?? '';
  }

  send(octets: string | Buffer): void {
    if (typeof octets === 'string') this.#socket.write(octets, 'latin1');
    else this.#socket.write(octets);
  }

  next(fits: (text: string) => boolean, ms = patienceMs): Promise<string | null> {
    return this.#heard.next(fits, ms);
  }

  /** Whether the other side ends the connection within `ms`. */
  isClosedWithin(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      this.closed.then(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  /** Ends it with a reset, as a peer does that is gone. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  close(): Promise<unknown> {
    this.#socket.end();
    this.#socket.destroy();
    return this.closed;
  }
}
