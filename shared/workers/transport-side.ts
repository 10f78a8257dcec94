import { SipError } from '#sip/errors';
import type { Flow, Listener, Target } from '#sip/transport/flow';
import { probeNativeUdp } from '#sip/transport/native-library';
import { openNativeUdp } from '#sip/transport/native-udp';
import { type StreamLimits, StreamTransport } from '#sip/transport/tcp';
import { openDgram, type UdpHandlers, type UdpSocket } from '#sip/transport/udp';
import type { DiameterRoute, SendFailure } from './frame-link.ts';

/** Where frames go: the one inline worker, or the pool's rings. One wake brings one batch. */
export interface FrameSink {
  beginBatch(nowMs: number): void;
  endBatch(): void;
  sip(text: string, flow: Flow): void;
  sendFailed(worker: number, token: number, failure: SendFailure): void;
  connectionClosed(connection: number): void;
  diameter(message: Buffer): void;
  diameterFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void;
}

/** The Diameter connections, as the transport side uses them. */
export interface DiameterPort {
  /** Sends a request; false when no peer is there for it. */
  send(message: Buffer, route: DiameterRoute): boolean;
  answer(message: Buffer): void;
}

export interface TransportSideOptions {
  readonly listeners: readonly Listener[];
  /** `auto`: native where it exists. */
  readonly udp: 'auto' | 'native' | 'dgram';
  readonly streamLimits?: Partial<StreamLimits>;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
}

/** A worker's number rides above its token through the transports. */
const tokenBits = 2 ** 47;

type Deferred =
  | { readonly kind: 'sendFailed'; readonly worker: number; readonly token: number; readonly failure: SendFailure }
  | { readonly kind: 'diameterFailed'; readonly hopByHop: number };

/**
 * The sockets of a daemon: listeners, stream connections, and the way to the Diameter peers. Lives on the main thread.
 *
 * What fails inside a send is told in a batch of its own, never from inside the send. Tokens are below 2^47, workers
 * below 64.
 */
export class TransportSide {
  readonly #options: TransportSideOptions;
  readonly #streams: StreamTransport;
  readonly #datagrams = new Map<number, UdpSocket>();
  readonly #ports = new Map<number, number>();
  #sink: FrameSink | undefined;
  #diameter: DiameterPort | undefined;
  #deferred: Deferred[] = [];
  #inBatch = false;

  constructor(options: TransportSideOptions) {
    this.#options = options;
    this.#streams = new StreamTransport(
      {
        beginBatch: () => this.#begin(),
        endBatch: () => this.#end(),
        message: (text, flow) => this.#sink?.sip(text, flow),
        closed: (connection) => this.#alone(() => this.#sink?.connectionClosed(connection)),
        failed: (token, failure) => this.#sendFailed(token, failure),
      },
      options.nowMs,
      options.streamLimits,
    );
  }

  /** Connects the side that handles what comes in; before `open`. */
  attach(sink: FrameSink): void {
    this.#sink = sink;
  }

  attachDiameter(port: DiameterPort): void {
    this.#diameter = port;
  }

  /** Counters of the stream connections, and how many there are. */
  get streams(): Pick<StreamTransport, 'counts' | 'openConnections'> {
    return this.#streams;
  }

  /** Which UDP implementation serves: `native`, or `dgram` and why. */
  get udpImplementation(): string {
    if (this.#options.udp === 'dgram') return 'dgram (chosen)';
    const reason = probeNativeUdp();
    return reason === null ? 'native' : `dgram (${reason})`;
  }

  /** The port a listener is bound to; its own unless that is 0. */
  portOf(listener: number): number {
    return this.#ports.get(listener) ?? 0;
  }

  /** Opens all listeners, or none. Throws SipError ERR_SIP_LISTEN. */
  async open(): Promise<void> {
    const native = this.#options.udp === 'native' || (this.#options.udp === 'auto' && probeNativeUdp() === null);
    const openUdp = native ? openNativeUdp : openDgram;
    try {
      for (const listener of this.#options.listeners) {
        if (listener.transport === 'udp') {
          const socket = await openUdp(listener, this.#udpHandlers(listener.index));
          this.#datagrams.set(listener.index, socket);
          this.#ports.set(listener.index, socket.port);
        } else if (listener.transport === 'tcp') {
          this.#ports.set(listener.index, await this.#streams.listen(listener));
        } else {
          const where = `${listener.transport}:${listener.address}:${listener.port}`;
          throw new SipError('ERR_SIP_LISTEN', `${where}: this version listens on udp and tcp only`);
        }
      }
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const sockets = [...this.#datagrams.values()];
    this.#datagrams.clear();
    await Promise.all([this.#streams.close(), ...sockets.map((socket) => socket.close())]);
  }

  /** Sends one SIP message for a worker. */
  sip(text: string, target: Target, worker: number, token: number): void {
    const tag = token === 0 ? 0 : worker * tokenBits + token;
    if (target.transport === 'udp') {
      const socket = this.#datagrams.get(target.listener);
      if (socket) socket.send(text, target.address, target.port, tag);
      else this.#sendFailed(tag, 'closed');
    } else this.#streams.send(text, target, tag);
  }

  closeConnection(connection: number): void {
    this.#streams.closeConnection(connection);
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

  #udpHandlers(index: number): UdpHandlers {
    return {
      beginBatch: () => this.#begin(),
      endBatch: () => this.#end(),
      datagram: (text, address, port) =>
        this.#sink?.sip(text, { listener: index, transport: 'udp', address, port, connection: 0 }),
      failed: (token, failure) => this.#sendFailed(token, failure),
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
      else this.#sink?.diameterFailed(event.hopByHop, 'no-peer');
    }
    this.#end();
  }
}
