import { connect, createServer, isIP, type Server, type Socket } from 'node:net';
import { SipError } from '#sip/errors';
import { reasonPhrase } from '#sip/message/reason-phrases';
import { type FramerSink, type FramingDefect, StreamFramer } from '#sip/parser/stream-framer';
import type { Flow, Listener, Target } from './flow.ts';
import { FlowTable } from './flow-table.ts';
import { pong } from './keep-alive.ts';
import { refusalFromHead } from './stream-refusal.ts';
import { failureOfCode, type TransportFailure } from './transport-failure.ts';

/** What the stream side tells; one read brings one batch. */
export interface StreamHandlers {
  beginBatch(): void;
  endBatch(): void;
  message(text: string, flow: Flow): void;
  /** A connection is gone, whoever ended it. */
  closed(connection: number): void;
  /** May be called from inside `send`. A token may be told of after its message was answered. */
  failed(token: number, failure: TransportFailure): void;
}

export interface StreamLimits {
  /** Nothing heard or sent for this long ends a connection; above Timer C (185 s), so no transaction is cut off. */
  readonly idleMs: number;
  /** A message that has begun must be complete within this time. */
  readonly messageMs: number;
  readonly connectMs: number;
  readonly connectionsPerSource: number;
  readonly connections: number;
  /** Bytes that may wait for a slow reader before its connection is ended. */
  readonly writeBytes: number;
  /** Messages that may wait for a connection to open. */
  readonly waitingMessages: number;
  readonly pongsPerSecond: number;
}

/** Source: C-11; X-S3, X-S4, X-S17. */
export const defaultStreamLimits: StreamLimits = Object.freeze({
  idleMs: 200_000,
  messageMs: 10_000,
  connectMs: 3_000,
  connectionsPerSource: 64,
  connections: 4096,
  writeBytes: 1024 * 1024,
  waitingMessages: 64,
  pongsPerSecond: 10,
});

/** How long a message that was written counts as lost with its connection. */
const unansweredMs = 5_000;
const rememberedTokens = 256;
/** How long a peer has to close its side after we have closed ours. */
const lingerMs = 3_000;
const sweepMs = 1_000;

/** Counters of the stream side, for metrics. */
export interface StreamCounts {
  accepted: number;
  connected: number;
  refusedOverCap: number;
  broken: number;
  timedOut: number;
  overrun: number;
}

/**
 * SIP over TCP: listens, accepts, connects, frames, and ends what is idle, slow or broken.
 *
 * Source: RFC 3261 18, RFC 5923, RFC 5626 4.4.1.
 */
export class StreamTransport {
  readonly counts: StreamCounts = {
    accepted: 0,
    connected: 0,
    refusedOverCap: 0,
    broken: 0,
    timedOut: 0,
    overrun: 0,
  };
  readonly limits: StreamLimits;
  readonly handlers: StreamHandlers;
  readonly nowMs: () => number;
  readonly #servers = new Map<number, Server>();
  readonly #listeners = new Map<number, Listener>();
  readonly #table = new FlowTable<StreamConnection>();
  #sweeper: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(handlers: StreamHandlers, nowMs: () => number, limits: Partial<StreamLimits> = {}) {
    this.handlers = handlers;
    this.nowMs = nowMs;
    this.limits = { ...defaultStreamLimits, ...limits };
  }

  get openConnections(): number {
    return this.#table.size;
  }

  /** Listens; gives the port in use. Throws SipError ERR_SIP_LISTEN. */
  async listen(listener: Listener): Promise<number> {
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 });
    server.on('connection', (socket) => this.#accept(listener, socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(new SipError('ERR_SIP_LISTEN', `tcp ${listener.address}:${listener.port}: ${cause.message}`, { cause })),
      );
      server.listen(
        { host: listener.address, port: listener.port, ipv6Only: isIP(listener.address) === 6, backlog: 1024 },
        resolve,
      );
    });
    server.on('error', () => {});
    this.#servers.set(listener.index, server);
    this.#listeners.set(listener.index, listener);
    this.#sweeper ??= setInterval(() => this.sweep(), sweepMs).unref();
    const address = server.address();
    return typeof address === 'object' && address ? address.port : listener.port;
  }

  /**
   * Sends on the connection the target names, or on an open one to its address, or on a new one. When a named
   * connection is gone, a message with a token fails and one without (a response) takes another connection. A number
   * that now means a connection with another address (it was noted before a restart) counts as gone.
   *
   * Source: RFC 3261 18.1.1, 18.2.2.
   */
  send(text: string, target: Target, token: number): void {
    let connection = target.connection > 0 ? this.#table.get(target.connection) : undefined;
    if (target.connection > 0 && !(connection?.usable && connection.address === target.address)) {
      if (token !== 0) {
        this.handlers.failed(token, 'closed');
        return;
      }
      connection = undefined;
    }
    if (!connection) {
      const open = this.#table.find(target.listener, target.address, target.port);
      connection = open?.usable ? open : this.#connect(target, token);
    }
    connection?.send(text, token);
  }

  /** Ends a connection after what is queued on it. */
  closeConnection(number: number): void {
    this.#table.get(number)?.end();
  }

  /** Ends what has been idle, incomplete or half closed for too long; runs every second. */
  sweep(): void {
    const now = this.nowMs();
    for (const connection of this.#table.all()) connection.checkTime(now);
  }

  /** Stops listening and ends all connections. */
  async close(): Promise<void> {
    this.#closing = true;
    clearInterval(this.#sweeper);
    const closed = [...this.#servers.values()].map((server) => new Promise((resolve) => server.close(resolve)));
    for (const connection of this.#table.all()) connection.destroy();
    await Promise.all(closed);
  }

  /** A connection has ended: its number is not known any more. */
  forget(number: number, told: boolean): void {
    this.#table.remove(number);
    if (told && !this.#closing) this.handlers.closed(number);
  }

  #accept(listener: Listener, socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const full = address === '' || this.#table.size >= this.limits.connections;
    if (full || this.#table.countFrom(address) >= this.limits.connectionsPerSource) {
      this.counts.refusedOverCap++;
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    this.counts.accepted++;
    this.#adopt(listener.index, address, socket.remotePort ?? 0, socket, true);
  }

  #connect(target: Target, token: number): StreamConnection | undefined {
    const listener = this.#listeners.get(target.listener);
    const family = isIP(target.address);
    const legal = listener && family === isIP(listener.address) && target.port > 0 && target.port < 65536;
    if (!legal || this.#closing || this.#table.size >= this.limits.connections) {
      if (token !== 0) this.handlers.failed(token, 'unreachable');
      return undefined;
    }
    const any = listener.address === '0.0.0.0' || listener.address === '::';
    const socket = connect({
      host: target.address,
      port: target.port,
      family,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
      ...(any ? {} : { localAddress: listener.address }),
    });
    this.counts.connected++;
    return this.#adopt(target.listener, target.address, target.port, socket, false);
  }

  #adopt(listener: number, address: string, port: number, socket: Socket, open: boolean): StreamConnection {
    const number = this.#table.nextNumber();
    const flow: Flow = { listener, transport: 'tcp', address, port, connection: number };
    const connection = new StreamConnection(this, socket, flow, open);
    this.#table.add(number, connection);
    return connection;
  }
}

/** One connection: connecting, open, ending (our side is closed) or gone. */
class StreamConnection implements FramerSink {
  readonly #transport: StreamTransport;
  readonly #socket: Socket;
  readonly #flow: Flow;
  readonly #framer = new StreamFramer();
  #state: 'connecting' | 'open' | 'ending' | 'gone';
  #waiting: { readonly text: string; readonly token: number }[] = [];
  #connectTimer: NodeJS.Timeout | undefined;
  #failure: TransportFailure = 'closed';
  #activeMs: number;
  #incompleteSinceMs = -1;
  #tokens: number[] = [];
  #tokenTimes: number[] = [];
  #pongSecond = 0;
  #pongs = 0;

  constructor(transport: StreamTransport, socket: Socket, flow: Flow, open: boolean) {
    this.#transport = transport;
    this.#socket = socket;
    this.#flow = flow;
    this.#state = open ? 'open' : 'connecting';
    this.#activeMs = transport.nowMs();
    if (!open) {
      this.#connectTimer = setTimeout(() => this.destroy('timeout'), transport.limits.connectMs);
      socket.once('connect', () => this.#onConnect());
    }
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#failure = failureOfCode(error.code);
    });
    socket.on('close', () => this.#onClose());
  }

  get listener(): number {
    return this.#flow.listener;
  }

  get address(): string {
    return this.#flow.address;
  }

  get port(): number {
    return this.#flow.port;
  }

  /** Whether messages may be sent on it, now or when it is open. */
  get usable(): boolean {
    return this.#state === 'connecting' || (this.#state === 'open' && this.#socket.writable);
  }

  send(text: string, token: number): void {
    if (this.#state === 'connecting') {
      if (this.#waiting.length < this.#transport.limits.waitingMessages) this.#waiting.push({ text, token });
      else if (token !== 0) this.#transport.handlers.failed(token, 'unreachable');
      return;
    }
    this.#activeMs = this.#transport.nowMs();
    if (token !== 0) this.#remember(token);
    this.#socket.write(text, 'latin1');
    if (this.#socket.writableLength > this.#transport.limits.writeBytes) {
      this.#transport.counts.overrun++;
      this.destroy('timeout');
    }
  }

  /** Ends it after what is queued. */
  end(last = ''): void {
    if (this.#state === 'gone' || this.#state === 'ending') return;
    this.#framer.stop();
    this.#state = 'ending';
    this.#activeMs = this.#transport.nowMs();
    this.#socket.end(last, 'latin1');
  }

  destroy(failure: TransportFailure = 'closed'): void {
    this.#failure = failure;
    this.#socket.destroy();
  }

  checkTime(nowMs: number): void {
    const limits = this.#transport.limits;
    const idle = nowMs - this.#activeMs;
    if (this.#state === 'ending') {
      if (idle >= lingerMs) this.destroy();
    } else if (this.#incompleteSinceMs >= 0 && nowMs - this.#incompleteSinceMs >= limits.messageMs) {
      this.#transport.counts.timedOut++;
      this.destroy();
    } else if (this.#state === 'open' && idle >= limits.idleMs) {
      this.#transport.counts.timedOut++;
      this.end();
    }
  }

  message(text: string): void {
    this.#incompleteSinceMs = -1;
    this.#transport.handlers.message(text, this.#flow);
  }

  ping(): void {
    const second = Math.floor(this.#activeMs / 1000);
    if (second !== this.#pongSecond) {
      this.#pongSecond = second;
      this.#pongs = 0;
    }
    if (this.#pongs++ < this.#transport.limits.pongsPerSecond) this.#socket.write(pong, 'latin1');
  }

  broken(defect: FramingDefect, head: string): void {
    this.#transport.counts.broken++;
    const statusLine = `${defect.status} ${reasonPhrase(defect.status)}`;
    const warning = `Warning: 399 cscf "${defect.reason}"\r\n`;
    this.end(refusalFromHead(head, statusLine, warning, this.#flow)?.text ?? '');
  }

  #onConnect(): void {
    clearTimeout(this.#connectTimer);
    this.#state = 'open';
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { text, token } of waiting) this.send(text, token);
  }

  #onData(chunk: Buffer): void {
    this.#activeMs = this.#state === 'ending' ? this.#activeMs : this.#transport.nowMs();
    const handlers = this.#transport.handlers;
    handlers.beginBatch();
    this.#framer.push(chunk, this);
    handlers.endBatch();
    if (!this.#framer.incomplete) this.#incompleteSinceMs = -1;
    else if (this.#incompleteSinceMs < 0) this.#incompleteSinceMs = this.#activeMs;
  }

  #onClose(): void {
    const told = this.#state !== 'connecting';
    this.#state = 'gone';
    clearTimeout(this.#connectTimer);
    this.#framer.stop();
    const { handlers } = this.#transport;
    for (const { token } of this.#waiting) if (token !== 0) handlers.failed(token, this.#failure);
    this.#waiting = [];
    const since = this.#transport.nowMs() - unansweredMs;
    const failure = this.#failure === 'refused' ? 'closed' : this.#failure;
    for (let i = 0; i < this.#tokens.length; i++) {
      if (this.#tokenTimes[i]! >= since) handlers.failed(this.#tokens[i]!, failure);
    }
    this.#transport.forget(this.#flow.connection, told);
  }

  /** Keeps the newest tokens: the requests that are lost if the connection breaks. */
  #remember(token: number): void {
    if (this.#tokens.length >= rememberedTokens * 2) {
      this.#tokens = this.#tokens.slice(-rememberedTokens);
      this.#tokenTimes = this.#tokenTimes.slice(-rememberedTokens);
    }
    this.#tokens.push(token);
    this.#tokenTimes.push(this.#activeMs);
  }
}
