import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { MAX_MESSAGE_LENGTH, writeHopByHop } from '../codec/message.ts';
import { type SentRequest, SentRequests } from './sent-requests.ts';
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
/** With more than this unsent the peer does not read: it gets no new requests. */
const MAX_QUEUED_OCTETS = 4 * 1024 * 1024;
/** With more than this of answers that it asked for and does not read, it is no peer to keep. */
const MAX_UNREAD_OCTETS = 4 * MAX_QUEUED_OCTETS;
/** The end of a session: nobody waits for its answer. Source: RFC 6733 8.4.1. */
const SESSION_TERMINATION = 275;
/** How long such a request waits for another message that it can leave with, milliseconds. */
const PATIENCE_MS = 20;
/** How long a connection that we ended may take to go. */
const LINGER_MS = 1000;

export interface ConnectionOptions {
  readonly clock: Clock;
  /** 0 up to 1. */
  readonly random: () => number;
  /** The socket does TLS. */
  readonly secure: boolean;
  /** How an error of the socket is told. */
  readonly words: (error: NodeJS.ErrnoException) => string;
  /** Requests that may await an answer here, and after what time nobody waits for it. */
  readonly maxSent: number;
  readonly keepSentMs: number;
}

/** One connection over TCP or TLS: framing, writing, and which requests on it await an answer. */
export class Connection {
  readonly id: number;
  readonly secure: boolean;
  /** By the clock: when octets came last. */
  lastReceivedMs: number;
  /** Requests of the peer that we have not answered yet. */
  asked = 0;
  readonly sent: SentRequests;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #framer: StreamFramer;
  #hopByHop: number;
  #words = 'closed by the peer';
  #ended = false;
  #corked = false;
  /** Runs while only what can wait has been written. */
  #patience: unknown;
  readonly #uncork = () => {
    this.#corked = false;
    this.#patience = undefined;
    this.#socket.uncork();
  };

  constructor(id: number, socket: Socket, listener: ConnectionListener, options: ConnectionOptions) {
    const { clock, secure } = options;
    this.id = id;
    this.secure = secure;
    this.sent = new SentRequests(options.maxSent, options.keepSentMs);
    this.#socket = socket;
    this.#clock = clock;
    this.#hopByHop = Math.floor(options.random() * 2 ** 32);
    this.lastReceivedMs = clock.now();
    this.#framer = new StreamFramer(MAX_FIRST_MESSAGE_LENGTH, (octets) => listener.message(this, octets));
    socket.setNoDelay(true);
    socket.on(secure ? 'secureConnect' : 'connect', () => listener.connected(this));
    socket.on('data', (chunk: Buffer) => {
      this.lastReceivedMs = clock.now();
      const fault = this.#framer.push(chunk);
      if (fault !== undefined) listener.fault(this, fault);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!this.#ended) this.#words = options.words(error);
    });
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
    if (this.#ended || !this.#socket.writable || this.#socket.writableLength >= MAX_QUEUED_OCTETS) return false;
    return this.sent.hasRoom(this.#clock.now());
  }

  /** An identifier that no request on this connection has at the moment. Source: RFC 6733 3. */
  nextHopByHop(): number {
    do this.#hopByHop = (this.#hopByHop + 1) >>> 0;
    while (this.sent.has(this.#hopByHop));
    return this.#hopByHop;
  }

  /** Sends an answer or a message of the base protocol. */
  send(octets: Buffer): void {
    if (this.#ended) return;
    if (this.#socket.writableLength >= MAX_UNREAD_OCTETS) this.destroy('the peer does not read what we send');
    else this.#write(octets);
  }

  /** Sends a request under an identifier of this connection and remembers it until its answer comes. */
  ask(request: SentRequest): void {
    const hopByHop = this.nextHopByHop();
    writeHopByHop(request.octets, hopByHop);
    this.sent.add(hopByHop, request);
    this.#write(request.octets, request.command === SESSION_TERMINATION);
  }

  /** Closes after what was written has gone out; hears nothing more. */
  end(words: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#words = words;
    this.#framer.stop();
    this.#socket.end();
    const timer = this.#clock.setTimer(LINGER_MS, () => this.#socket.destroy());
    this.#socket.once('close', () => this.#clock.clearTimer(timer));
  }

  destroy(words: string): void {
    if (!this.#ended) this.#words = words;
    this.#ended = true;
    this.#framer.stop();
    this.#socket.destroy();
  }

  /**
   * What one turn of the event loop writes goes out in one system call: from four messages on that halves the cost, and
   * each call wakes the peer. What `canWait` leaves with the next message, or a little later alone.
   */
  #write(octets: Buffer, canWait = false): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      if (canWait) this.#patience = this.#clock.setTimer(PATIENCE_MS, this.#uncork);
      else process.nextTick(this.#uncork);
    } else if (!canWait && this.#patience !== undefined) {
      this.#clock.clearTimer(this.#patience);
      this.#patience = undefined;
      process.nextTick(this.#uncork);
    }
    this.#socket.write(octets);
  }
}

/** An IPv4 address that a dual-stack socket shows as IPv6, in its own form. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
