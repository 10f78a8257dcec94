import { SipError } from '#sip/errors';
import type { BoundListener, Flow, Listener, Target } from '#sip/transport/flow';
import type { StreamEvent } from '#sip/transport/stream-events';
import type { StreamLimits } from '#sip/transport/stream-limits';
import { type StreamOptions, StreamTransport } from '#sip/transport/stream-transport';
import { TlsSecurity, type TlsSettings } from '#sip/transport/tls-security';
import type { UdpHandlers } from '#sip/transport/udp';
import type { DiameterRoute, SendFailure } from './frame-link.ts';
import { type UdpChoice, UdpListeners } from './udp-listeners.ts';

/** Where frames go: the one inline worker, or the pool's rings. One wake brings one batch. */
export interface FrameSink {
  beginBatch(nowMs: number): void;
  endBatch(): void;
  sip(text: string, flow: Flow): void;
  sendFailed(worker: number, token: number, failure: SendFailure): void;
  connectionClosed(connection: number): void;
  /** An ICMP error for an address: a worker that sends by itself may have sent something there. */
  unreachable?(listener: number, address: string, port: number, failure: SendFailure): void;
  diameter(message: Buffer): void;
  diameterFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void;
  peerRestarted(host: string): void;
}

/** The Diameter connections, as the transport side uses them. */
export interface DiameterPort {
  /** Sends a request; false when no peer is there for it. */
  send(message: Buffer, route: DiameterRoute): boolean;
  answer(message: Buffer): void;
}

export interface TransportSideOptions {
  readonly listeners: readonly Listener[];
  readonly udp: UdpChoice;
  readonly streamLimits?: Partial<StreamLimits>;
  /** Needed as soon as a listener says tls. */
  readonly tls?: TlsSettings | undefined;
  /** Whether the node at an address is one of the core; default: none is. */
  readonly isCore?: StreamOptions['isCore'];
  /** Hears what happens to stream connections and certificates. */
  readonly report?: (event: StreamEvent) => void;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

/** Listeners that are bound and wait to serve. */
export interface PreparedListeners {
  /** Serves what is new, and closes what is gone: at once for new connections, after the drain time for the rest. */
  serve(): void;
  /** Gives up what was bound. */
  withdraw(): Promise<void>;
}

/** The listener that cannot be opened, and why. */
export interface ListenFailure {
  readonly listener: Listener;
  readonly words: string;
}

/** A worker's number rides above its token through the transports. */
const tokenBits = 2 ** 47;

type Deferred =
  | { readonly kind: 'sendFailed'; readonly worker: number; readonly token: number; readonly failure: SendFailure }
  | { readonly kind: 'diameterFailed'; readonly hopByHop: number }
  | { readonly kind: 'closed'; readonly connection: number };

/**
 * The sockets of a daemon: listeners, stream connections, and the way to the Diameter peers. Lives on the main thread.
 *
 * What fails inside a send is told in a batch of its own, never from inside the send. Tokens are below 2^47, workers
 * below 64.
 */
export class TransportSide {
  readonly #options: TransportSideOptions;
  readonly #udp: UdpListeners;
  #streams: StreamTransport;
  #security: TlsSecurity | undefined;
  /** By index, closed ones included. */
  #listeners: readonly Listener[];
  readonly #ports = new Map<number, number>();
  #sink: FrameSink | undefined;
  #diameter: DiameterPort | undefined;
  #deferred: Deferred[] = [];
  #inBatch = false;

  constructor(options: TransportSideOptions) {
    this.#options = options;
    this.#listeners = options.listeners;
    this.#udp = new UdpListeners(options.listeners.length, options.udp, (index) => this.#udpHandlers(index));
    this.#streams = this.#openStreams();
  }

  /** Shared with the workers: on which descriptors they may send by themselves, by listener. */
  get descriptors(): Int32Array {
    return this.#udp.descriptors;
  }

  /** Connects the side that handles what comes in; before `open`. */
  attach(sink: FrameSink): void {
    this.#sink = sink;
  }

  attachDiameter(port: DiameterPort): void {
    this.#diameter = port;
  }

  /** Counters of the stream connections, how many there are and may be. */
  get streams(): Pick<StreamTransport, 'counts' | 'openConnections' | 'limits'> {
    return this.#streams;
  }

  /** What is to be said of the certificates, null without TLS; after `open`. */
  get certificates(): TlsSecurity['words'] | null {
    return this.#security?.words ?? null;
  }

  /** Reads the certificate files anew. Gives whether they are in use now; without TLS there is nothing to do. */
  async reloadCertificates(): Promise<boolean> {
    return (await this.#security?.reload()) ?? true;
  }

  /** Which UDP implementation serves: `native`, or `dgram` and why. */
  get udpImplementation(): string {
    return this.#udp.implementation;
  }

  /** Whether only traffic inside IPsec associations comes to a listener. */
  isProtected(listener: number): boolean {
    return this.#listeners[listener]?.protection !== undefined;
  }

  /** The port a listener is bound to; its own unless that is 0. */
  portOf(listener: number): number {
    return this.#ports.get(listener) ?? 0;
  }

  /** Opens all listeners, or none. Throws SipError ERR_SIP_LISTEN, ERR_SIP_TLS. */
  async open(): Promise<void> {
    const { tls, report } = this.#options;
    try {
      if (tls !== undefined) {
        this.#security = await TlsSecurity.open(tls, (event) => report?.(event));
        this.#streams = this.#openStreams();
      }
      for (const listener of this.#listeners) {
        if (listener.protection === 'client' && listener.transport !== 'udp') {
          this.#streams.connectFrom(listener);
          this.#ports.set(listener.index, listener.port);
        } else this.#start(listener, await this.#bind(listener, 0));
      }
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /**
   * Gets ready for other listeners, all that may fail: binds what is new, or nothing. `next` by index: those that stay at
   * their places, those that are gone marked as closed. `drainMs`: how long what is under way on these may take.
   */
  async prepare(next: readonly Listener[], drainMs: number): Promise<PreparedListeners | ListenFailure> {
    const bound = new Map<Listener, BoundListener>();
    const withdraw = async () => {
      await Promise.all([...bound.values()].map((one) => one.release()));
    };
    for (const listener of next) {
      const before = this.#listeners[listener.index];
      if (listener.closed || (before !== undefined && !before.closed)) continue;
      try {
        bound.set(listener, await this.#bind(listener, drainMs));
      } catch (error) {
        await withdraw();
        if (error instanceof SipError) return { listener, words: error.message };
        throw error;
      }
    }
    return { serve: () => this.#replace(next, bound, drainMs), withdraw };
  }

  /** Other bounds of the stream connections from now on. */
  limitStreams(limits: Partial<StreamLimits>): void {
    this.#streams.limits = { ...this.#streams.limits, ...limits };
  }

  async close(): Promise<void> {
    this.#security?.close();
    await Promise.all([this.#streams.close(), this.#udp.close()]);
  }

  /** Sends one SIP message for a worker. */
  sip(text: string, target: Target, worker: number, token: number): void {
    const tag = token === 0 ? 0 : worker * tokenBits + token;
    if (target.transport === 'udp') {
      const socket = this.#udp.socketOf(target.listener);
      if (socket) socket.send(text, target.address, target.port, tag);
      else this.#sendFailed(tag, 'closed');
    } else this.#streams.send(text, target, tag);
  }

  closeConnection(connection: number): void {
    this.#streams.closeConnection(connection);
  }

  /** Whether a registered UE needs a connection: see StreamTransport.hold. */
  holdConnection(connection: number, held: boolean): void {
    this.#streams.hold(connection, held);
  }

  diameterRequest(message: Buffer, route: DiameterRoute): void {
    if (this.#diameter?.send(message, route)) return;
    this.#defer({ kind: 'diameterFailed', hopByHop: message.readUInt32BE(12) });
  }

  diameterAnswer(message: Buffer): void {
    this.#diameter?.answer(message);
  }

  /** From the Diameter peers: one message, which its receiver may keep. */
  onDiameter(message: Buffer): void {
    this.#begin();
    this.#sink?.diameter(message);
    this.#end();
  }

  /** From the Diameter peers: the request was not sent, or its peer is lost. */
  onDiameterFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void {
    if (reason === 'no-peer') this.#defer({ kind: 'diameterFailed', hopByHop });
    else this.#alone(() => this.#sink?.diameterFailed(hopByHop, reason));
  }

  /** From the Diameter peers: one of them has restarted. */
  onPeerRestarted(host: string): void {
    this.#alone(() => this.#sink?.peerRestarted(host));
  }

  #openStreams(): StreamTransport {
    const { nowMs, streamLimits = {}, isCore, report } = this.#options;
    return new StreamTransport(
      {
        beginBatch: () => this.#begin(),
        endBatch: () => this.#end(),
        message: (text, flow) => this.#sink?.sip(text, flow),
        closed: (connection) => this.#defer({ kind: 'closed', connection }),
        failed: (token, failure) => this.#sendFailed(token, failure),
        report: (event) => report?.(event),
      },
      nowMs,
      {
        limits: streamLimits,
        ...(isCore === undefined ? {} : { isCore }),
        ...(this.#security === undefined ? {} : { security: this.#security }),
      },
    );
  }

  #replace(next: readonly Listener[], bound: ReadonlyMap<Listener, BoundListener>, drainMs: number): void {
    const before = this.#listeners;
    this.#listeners = next;
    for (const [listener, one] of bound) this.#start(listener, one);
    for (const listener of next) {
      const { index } = listener;
      const old = before[index];
      if (old === undefined || old.closed) continue;
      if (listener.transport !== 'udp') {
        if (listener.closed) this.#streams.unlisten(index, drainMs);
        else if (old.sentBy !== listener.sentBy || String(old.sides) !== String(listener.sides)) {
          this.#streams.update(listener);
        }
      } else if (listener.closed) this.#udp.drain(index, drainMs);
    }
  }

  #start(listener: Listener, bound: BoundListener): void {
    this.#ports.set(listener.index, bound.port);
    bound.serve();
  }

  #bind(listener: Listener, drainMs: number): Promise<BoundListener> {
    return listener.transport === 'udp' ? this.#udp.bind(listener, drainMs) : this.#streams.bind(listener);
  }

  #udpHandlers(index: number): UdpHandlers {
    return {
      beginBatch: () => this.#begin(),
      endBatch: () => this.#end(),
      datagram: (text, address, port) =>
        this.#sink?.sip(text, { listener: index, transport: 'udp', address, port, connection: 0 }),
      failed: (token, failure) => this.#sendFailed(token, failure),
      unreachable: (address, port, failure) =>
        this.#alone(() => this.#sink?.unreachable?.(index, address, port, failure)),
    };
  }

  #begin(): void {
    this.#inBatch = true;
    this.#sink?.beginBatch(this.#options.nowMs());
  }

  #end(): void {
    this.#sink?.endBatch();
    this.#inBatch = false;
  }

  /** Delivers something that no batch surrounds; inside one it joins that. */
  #alone(deliver: () => void): void {
    if (this.#inBatch) {
      deliver();
      return;
    }
    this.#begin();
    deliver();
    this.#end();
  }

  #sendFailed(tag: number, failure: SendFailure): void {
    if (tag === 0) return;
    const worker = Math.floor(tag / tokenBits);
    this.#defer({ kind: 'sendFailed', worker, token: tag - worker * tokenBits, failure });
  }

  #defer(event: Deferred): void {
    if (this.#deferred.push(event) === 1) setImmediate(() => this.#deliverDeferred());
  }

  #deliverDeferred(): void {
    const events = this.#deferred;
    this.#deferred = [];
    this.#begin();
    for (const event of events) {
      if (event.kind === 'sendFailed') this.#sink?.sendFailed(event.worker, event.token, event.failure);
      else if (event.kind === 'closed') this.#sink?.connectionClosed(event.connection);
      else this.#sink?.diameterFailed(event.hopByHop, 'no-peer');
    }
    this.#end();
  }
}
