import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { MAX_MESSAGE_LENGTH } from '../codec/message.ts';
import { type FramingFault, StreamFramer } from './stream-framer.ts';

export interface ConnectionListener {
  connected(connection: Connection): void;
  message(connection: Connection, octets: Buffer): void;
  /** The stream makes no sense any more; nothing further is delivered. */
  fault(connection: Connection, fault: FramingFault): void;
  /** Once, after the socket is gone. */
  closed(connection: Connection, words: string): void;
}

/** A stranger's message may be this long: enough for any CER. */
const MAX_FIRST_MESSAGE_LENGTH = 16 * 1024;
/** Requests in flight that are remembered; the oldest is forgotten beyond it, its answer then counts as unknown. */
const MAX_OUTSTANDING = 16 * 1024;
/** With more than this unsent the peer does not read: it gets no new requests. */
const MAX_QUEUED_OCTETS = 4 * 1024 * 1024;
/** How long a connection that we ended may take to go. */
const LINGER_MS = 1000;

/** One TCP connection: framing, writing, and which requests on it await an answer. */
export class Connection {
  readonly id: number;
  /** By the clock: when octets came last. */
  lastReceivedMs: number;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #framer: StreamFramer;
  readonly #outstanding = new Map<number, Buffer>();
  #words = 'closed by the peer';
  #ended = false;
  #corked = false;
  readonly #uncork = () => {
    this.#corked = false;
    this.#socket.uncork();
  };

  constructor(id: number, socket: Socket, listener: ConnectionListener, clock: Clock) {
    this.id = id;
    this.#socket = socket;
    this.#clock = clock;
    this.lastReceivedMs = clock.now();
    this.#framer = new StreamFramer(MAX_FIRST_MESSAGE_LENGTH, (octets) => listener.message(this, octets));
    socket.setNoDelay(true);
    socket.on('connect', () => listener.connected(this));
    socket.on('data', (chunk: Buffer) => {
      this.lastReceivedMs = clock.now();
      const fault = this.#framer.push(chunk);
      if (fault !== undefined) listener.fault(this, fault);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => this.#because(error.code ?? error.message));
    socket.on('close', () => listener.closed(this, this.#words));
  }

  /** Lets messages up to 1 MiB in, once the peer is known. */
  trust(): void {
    this.#framer.limit = MAX_MESSAGE_LENGTH;
  }

  get localAddress(): string {
    return plainAddress(this.#socket.localAddress ?? '127.0.0.1');
  }

  get remote(): string {
    return `${plainAddress(this.#socket.remoteAddress ?? '?')}:${this.#socket.remotePort ?? 0}`;
  }

  /** Whether a new request may be written. */
  get writable(): boolean {
    return !this.#ended && this.#socket.writable && this.#socket.writableLength < MAX_QUEUED_OCTETS;
  }

  send(octets: Buffer): void {
    if (!this.#ended) this.#write(octets);
  }

  /** Sends a request and remembers it until `settle`. */
  ask(hopByHop: number, octets: Buffer): void {
    if (this.#outstanding.size >= MAX_OUTSTANDING) {
      for (const oldest of this.#outstanding.keys()) {
        this.#outstanding.delete(oldest);
        break;
      }
    }
    this.#outstanding.set(hopByHop, octets);
    this.#write(octets);
  }

  /** Whether a request with this identifier went out here and had no answer yet; now it has. */
  settle(hopByHop: number): boolean {
    return this.#outstanding.delete(hopByHop);
  }

  /** Takes out the requests that stay without answer, with their messages. */
  takeOutstanding(): Map<number, Buffer> {
    const taken = new Map(this.#outstanding);
    this.#outstanding.clear();
    return taken;
  }

  get outstanding(): number {
    return this.#outstanding.size;
  }

  /** Closes after what was written has gone out; hears nothing more. */
  end(words: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#because(words);
    this.#framer.stop();
    this.#socket.end();
    const timer = this.#clock.setTimer(LINGER_MS, () => this.#socket.destroy());
    this.#socket.once('close', () => this.#clock.clearTimer(timer));
  }

  destroy(words: string): void {
    this.#ended = true;
    this.#because(words);
    this.#framer.stop();
    this.#socket.destroy();
  }

  /** What one turn of the event loop writes goes out in one system call: from four messages on that halves the cost. */
  #write(octets: Buffer): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(this.#uncork);
    }
    this.#socket.write(octets);
  }

  #because(words: string): void {
    this.#words = words;
  }
}

/** An IPv4 address that a dual-stack socket shows as IPv6, in its own form. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
