import { connect, createServer, isIP, type Server, type Socket } from 'node:net';
import { SipError } from '#sip/errors';
import type { BoundListener, Flow, Listener, Target } from './flow.ts';
import { FlowTable } from './flow-table.ts';
import { StreamConnection, type StreamHost } from './stream-connection.ts';
import type { StreamCounts, StreamHandlers } from './stream-events.ts';
import { defaultStreamLimits, type StreamLimits } from './stream-limits.ts';
import type { Securing, StreamSecurity } from './stream-security.ts';
import { topViaOf } from './top-via.ts';

export interface StreamOptions {
  readonly limits?: Partial<StreamLimits>;
  /** Needed for listeners and targets of TLS. */
  readonly security?: StreamSecurity;
  /** Whether the node at an address is one of the core; default: none is. */
  readonly isCore?: (listener: Listener, address: string) => boolean;
}

const sweepMs = 1_000;
/** Shares of the connections there may be at which an alarm is given, and may be given again. */
const crowdedFrom = 0.8;
const easedBelow = 0.7;
const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 } as const;

interface StreamListener {
  readonly listener: Listener;
  readonly securing: Securing | null;
  /** Undefined: connections only leave from it, or it is closed. */
  readonly server?: Server;
  /** When what is left of a closed one is ended. */
  readonly drain?: NodeJS.Timeout;
}

/**
 * SIP over TCP and TLS: listens, accepts, connects, frames, and ends what is idle, slow or broken.
 *
 * When there are as many connections as there may be, a UE that connects is refused: its is the newest connection
 * without a registration. A core node that connects, and a connection of ours, take the place of the newest
 * connection that no registered UE needs (`hold`).
 *
 * A connection that a core node opened is used for requests to that node when it said `alias` in the Via of its first
 * request (RFC 5923). Such a word alone must not draw requests for somebody else: it counts only from a core address
 * (`isCore`), for the address the connection comes from and the port of sent-by, never for another host; a numeric
 * sent-by must be that very address. With TLS the certificate must be for the host of sent-by, and each request is
 * still compared with the certificate. What a UE says about aliases is not read at all.
 *
 * On protected ports connections come in at the server port and leave from the client port, never otherwise: only these
 * pairs have security associations. A connection there is a UE's that has proven who it is: it is not idled out.
 *
 * Source: RFC 3261 18, RFC 5923, RFC 5626 4.4.1, TS 33.203 7.1; requirements P-01, C-10 to C-12, C-14; X-S4, X-S5, X-F3.
 */
export class StreamTransport implements StreamHost {
  readonly counts: StreamCounts = {
    accepted: 0,
    connected: 0,
    refusedOverCap: 0,
    displaced: 0,
    handshakesFailed: 0,
    broken: 0,
    timedOut: 0,
    overrun: 0,
  };
  /** May be replaced at any time; fewer connections than there are end none. */
  limits: StreamLimits;
  readonly handlers: StreamHandlers;
  readonly nowMs: () => number;
  readonly #options: StreamOptions;
  readonly #listeners = new Map<number, StreamListener>();
  readonly #table = new FlowTable<StreamConnection>();
  #sweeper: NodeJS.Timeout | undefined;
  #crowded = false;
  #closing = false;

  constructor(handlers: StreamHandlers, nowMs: () => number, options: StreamOptions = {}) {
    this.handlers = handlers;
    this.nowMs = nowMs;
    this.#options = options;
    this.limits = { ...defaultStreamLimits, ...options.limits };
  }

  get openConnections(): number {
    return this.#table.size;
  }

  /** Listens; gives the port in use. Throws SipError ERR_SIP_LISTEN. */
  async listen(listener: Listener): Promise<number> {
    const bound = await this.bind(listener);
    bound.serve();
    return bound.port;
  }

  /** The first half of `listen`: all of it that may fail. Throws SipError ERR_SIP_LISTEN, ERR_SIP_TLS. */
  async bind(listener: Listener): Promise<BoundListener> {
    const { index } = listener;
    const ready = this.#ready(listener);
    const server = createServer(socketOptions);
    server.on('connection', (socket) => {
      const entry = this.#listeners.get(index);
      if (entry?.server === server) this.#accept(entry, socket);
      else socket.destroy();
    });
    await new Promise<void>((resolve, reject) => {
      const where = `${listener.transport} ${listener.address}:${listener.port}`;
      server.once('error', (cause) => reject(new SipError('ERR_SIP_LISTEN', `${where}: ${cause.message}`, { cause })));
      server.listen(
        { host: listener.address, port: listener.port, ipv6Only: isIP(listener.address) === 6, backlog: 1024 },
        resolve,
      );
    });
    server.on('error', () => {});
    const address = server.address();
    return {
      port: typeof address === 'object' && address ? address.port : listener.port,
      serve: () => this.#add({ ...ready, server }),
      release: () => void server.close(),
    };
  }

  /** Takes over what has changed about a listener that stays: its sides, its name. Throws SipError ERR_SIP_TLS. */
  update(listener: Listener): void {
    const entry = this.#listeners.get(listener.index);
    if (entry !== undefined) this.#listeners.set(listener.index, { ...entry, ...this.#ready(listener) });
  }

  /** Listens no more; its connections end after `drainMs`, when what they carry is over. */
  unlisten(index: number, drainMs: number): void {
    const entry = this.#listeners.get(index);
    if (entry?.server === undefined) return;
    const { listener, securing, server } = entry;
    server.close();
    const drain = setTimeout(() => this.#endAll(index), drainMs).unref();
    this.#listeners.set(index, { listener, securing, drain });
  }

  /**
   * Lets connections leave from the address of a listener on which nobody listens: a phone's, or a protected client port,
   * which they have as their own. (A port with a listener can't be had for that.)
   */
  connectFrom(listener: Listener): void {
    this.#add({ listener, securing: null });
  }

  /**
   * Sends on the connection the target names, or on an open one to its address, or on a new one. When a named
   * connection is gone, a message with a token fails and one without (a response) takes another connection. A number
   * that now means a connection with another address (it was noted before a restart) counts as gone. With TLS an open
   * connection is taken only if its certificate is for the domain of the target.
   *
   * Source: RFC 3261 18.1.1, 18.2.2; requirement C-12.
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
      const reused = open?.usable && (target.transport === 'tcp' || open.reaches(domainOf(target)));
      connection = reused ? open : this.#connect(target, token);
    }
    connection?.send(text, token);
  }

  /** Ends a connection after what is queued on it. */
  closeConnection(number: number): void {
    this.#table.get(number)?.end();
  }

  /** Whether a registered UE needs a connection: then neither idleness nor want of room ends it. */
  hold(number: number, held: boolean): void {
    this.#table.hold(number, held);
  }

  isHeld(number: number): boolean {
    return this.#table.isHeld(number) || this.#isProtected(this.#table.get(number)?.listener ?? -1);
  }

  sentBy(listener: number): string {
    return this.#listeners.get(listener)!.listener.sentBy;
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
    const closed: Promise<unknown>[] = [];
    for (const { server, drain } of this.#listeners.values()) {
      clearTimeout(drain);
      if (server !== undefined) closed.push(new Promise((resolve) => server.close(resolve)));
    }
    for (const connection of this.#table.all()) connection.destroy();
    await Promise.all(closed);
  }

  forget(number: number, told: boolean): void {
    this.#table.remove(number);
    if (this.#crowded && this.#table.size < this.limits.connections * easedBelow) this.#crowded = false;
    if (told && !this.#closing) this.handlers.closed(number);
  }

  firstMessage(connection: StreamConnection, text: string): void {
    if (this.#isProtected(connection.listener)) return;
    const via = text.startsWith('SIP/2.0 ') ? null : topViaOf(text);
    if (via === null || !via.parameters.has('alias')) return;
    const secure = this.#listeners.get(connection.listener)?.listener.transport === 'tls';
    if (isIP(via.host) !== 0 && via.host !== connection.address) return;
    if (secure && !connection.proves(via.host)) return;
    this.#table.alias(connection.number, via.port || (secure ? 5061 : 5060));
  }

  #ready(listener: Listener): Pick<StreamListener, 'listener' | 'securing'> {
    return { listener, securing: listener.transport === 'tls' ? this.#security().accepting(listener) : null };
  }

  #endAll(index: number): void {
    for (const connection of this.#table.all()) if (connection.listener === index) connection.end();
  }

  #add(ready: StreamListener): void {
    clearTimeout(this.#listeners.get(ready.listener.index)?.drain);
    this.#listeners.set(ready.listener.index, ready);
    this.#sweeper ??= setInterval(() => this.sweep(), sweepMs).unref();
  }

  #accept(ready: StreamListener, socket: Socket): void {
    const { listener, securing } = ready;
    const address = socket.remoteAddress ?? '';
    const dispensable = listener.protection === undefined && this.#options.isCore?.(listener, address) !== true;
    const cause = this.#table.countFrom(address) >= this.limits.connectionsPerSource ? 'source' : 'total';
    if (address === '' || cause === 'source' || !this.#hasRoom(!dispensable)) {
      this.counts.refusedOverCap++;
      socket.on('error', () => {});
      socket.destroy();
      if (address !== '') this.handlers.report?.({ kind: 'refused', address, cause });
      return;
    }
    this.counts.accepted++;
    this.#adopt(socket, {
      flow: this.#flow(listener, address, socket.remotePort ?? 0),
      accepted: true,
      dispensable,
      securing,
      domain: '',
    });
  }

  #connect(target: Target, token: number): StreamConnection | undefined {
    const listener = this.#listeners.get(target.listener)?.listener;
    const family = isIP(target.address);
    const legal =
      listener &&
      listener.protection !== 'server' &&
      family === isIP(listener.address) &&
      target.port > 0 &&
      target.port < 65536;
    if (!legal || this.#closing || !this.#hasRoom(true)) {
      if (token !== 0) this.handlers.failed(token, 'unreachable');
      return undefined;
    }
    const any = listener.address === '0.0.0.0' || listener.address === '::';
    const domain = domainOf(target);
    const securing = listener.transport === 'tls' ? this.#security().connecting(domain) : null;
    const socket = connect({
      host: target.address,
      port: target.port,
      family,
      ...socketOptions,
      ...(any ? {} : { localAddress: listener.address }),
      ...(listener.protection === 'client' ? { localPort: listener.port } : {}),
    });
    this.counts.connected++;
    return this.#adopt(socket, {
      flow: this.#flow(listener, target.address, target.port),
      accepted: false,
      dispensable: false,
      securing,
      domain,
    });
  }

  #isProtected(listener: number): boolean {
    return this.#listeners.get(listener)?.listener.protection !== undefined;
  }

  #flow(listener: Listener, address: string, port: number): Flow {
    const { index, transport } = listener;
    return { listener: index, transport, address, port, connection: this.#table.nextNumber() };
  }

  #adopt(socket: Socket, options: ConstructorParameters<typeof StreamConnection>[2]): StreamConnection {
    const connection = new StreamConnection(this, socket, options);
    this.#table.add(connection.number, connection);
    const { connections } = this.limits;
    if (!this.#crowded && this.#table.size >= connections * crowdedFrom) {
      this.#crowded = true;
      this.handlers.report?.({ kind: 'crowded', open: this.#table.size, limit: connections });
    }
    connection.start();
    return connection;
  }

  /** Whether there may be one more connection; `makeRoom`: at the cost of one that nobody is registered by. */
  #hasRoom(makeRoom: boolean): boolean {
    if (this.#table.size < this.limits.connections) return true;
    const newest = makeRoom ? this.#table.newestDispensable() : undefined;
    if (!newest) return false;
    this.counts.displaced++;
    this.handlers.report?.({ kind: 'displaced', address: newest.address });
    newest.drop();
    return true;
  }

  #security(): StreamSecurity {
    const { security } = this.#options;
    if (security) return security;
    throw new SipError('ERR_SIP_TLS', 'TLS without certificates: add tls: { certificate: FILE, key: FILE }');
  }
}

function domainOf({ domain, address }: Target): string {
  return domain ?? address;
}
