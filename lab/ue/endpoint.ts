import type { TraceSink } from '#manage/trace-recorder';
import { createResponse } from '#sip/message/create';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { TimerWheel } from '#sip/transaction/timer-wheel';
import { gmTimers, type TimerProfile } from '#sip/transaction/timers';
import { TransactionLayer } from '#sip/transaction/transaction-layer';
import type { ServerUser } from '#sip/transaction/transaction-port';
import type { Flow, Listener, Target, TransportName } from '#sip/transport/flow';
import type { StreamTransport } from '#sip/transport/stream-transport';
import type { UdpSocket } from '#sip/transport/udp';
import { PhoneSockets, type ProtectedSockets, protectedSocketsOf, type Receiver } from './phone-sockets.ts';

/** Whom a phone believes to be the P-CSCF, by TLS. */
export interface PhoneTls {
  /** PEM of the authorities; left out, those that Node.js trusts. */
  readonly ca?: string | undefined;
  /** Takes any certificate. */
  readonly insecure?: boolean | undefined;
  /** Name the certificate must be for. */
  readonly name: string;
}

export interface EndpointOptions {
  /** What requests are sent by; UDP and TCP are listened to. */
  readonly transport: TransportName;
  /** Needed for TLS. */
  readonly tls?: PhoneTls | undefined;
  /** Hears why no secure connection came about. */
  readonly insecure?: ((words: string) => void) | undefined;
  readonly address: string;
  /** 0 or left out: a free one. */
  readonly port?: number | undefined;
  /** Default: those of the Gm reference point. */
  readonly timers?: TimerProfile | undefined;
  /** A wheel that many endpoints share. */
  readonly wheel?: TimerWheel | undefined;
  readonly trace?: TraceSink | null | undefined;
  /** How many client ports to have for IPsec, and one server port beside them; none when left out. */
  readonly protectedClients?: number | undefined;
}

const transports: readonly TransportName[] = ['udp', 'tcp', 'tls'];
const udpIndex = 0;
const portTries = 20;

/** A timer wheel with its alarm clock. */
export function startTimerWheel(): { readonly wheel: TimerWheel; stop(): void } {
  let alarm: NodeJS.Timeout | undefined;
  const now = () => performance.now();
  const wheel = new TimerWheel(now, (atMs) => {
    clearTimeout(alarm);
    alarm = setTimeout(() => wheel.ring(), Math.max(0, Math.ceil(atMs - now())));
  });
  return { wheel, stop: () => clearTimeout(alarm) };
}

/** The sockets of a UE, UDP and TCP on one port, TLS from any, perhaps protected ones, with its transactions on top. */
export class Endpoint {
  readonly layer: TransactionLayer;
  readonly wheel: TimerWheel;
  readonly transport: TransportName;
  readonly address: string;
  readonly port: number;
  /** `host:port` for Contact and the like. */
  readonly sentBy: string;
  readonly timers: TimerProfile;
  /** Null without protected ports. */
  readonly protectedSockets: ProtectedSockets | null;
  /** Where answers to what came to a protected port go; back by its flow when left out. */
  answerFlow: ((flow: Flow) => Flow) | null = null;
  /** By listener, null for those of streams. */
  readonly #datagrams: readonly (UdpSocket | null)[];
  readonly #streams: StreamTransport;
  readonly #listeners: readonly Listener[];
  /** Name in the P-CSCF's certificate, undefined without TLS. */
  readonly #domain: string | undefined;
  readonly #stopWheel: () => void;

  private constructor(
    options: EndpointOptions,
    user: ServerUser,
    datagrams: readonly (UdpSocket | null)[],
    streams: StreamTransport,
    listeners: readonly Listener[],
    receive: Receiver,
  ) {
    const own = options.wheel === undefined ? startTimerWheel() : undefined;
    const { trace = null } = options;
    const timers = options.timers ?? gmTimers;
    this.timers = timers;
    this.wheel = own?.wheel ?? options.wheel!;
    this.#stopWheel = own?.stop ?? (() => {});
    this.transport = options.transport;
    this.address = options.address;
    this.port = listeners[udpIndex]!.port;
    this.sentBy = listeners[udpIndex]!.sentBy;
    this.protectedSockets = protectedSocketsOf(listeners);
    this.#datagrams = datagrams;
    this.#streams = streams;
    this.#listeners = listeners;
    this.#domain = options.tls?.name;
    this.layer = new TransactionLayer(
      {
        worker: 0,
        wheel: this.wheel,
        listeners,
        profileOf: () => timers,
        traced: false,
        retain: () => 0,
        release: () => {},
        rejected: () => {},
        switchToTcpAbove: 'auto',
        answerFlow: (flow) => this.answerFlow?.(flow) ?? flow,
        send: (text, target, token) => {
          trace?.sip('out', text, target);
          if (target.transport !== 'udp') streams.send(text, target, token);
          else datagrams[target.listener]?.send(text, target.address, target.port, token);
        },
      },
      user,
    );
    receive.begin = () => this.wheel.advance();
    receive.message = (text, flow) => {
      trace?.sip('in', text, flow);
      this.layer.receive(text, flow);
    };
    receive.failed = (token) => this.layer.sendFailed(token);
  }

  /** Binds UDP and TCP. Throws SipError ERR_SIP_LISTEN. */
  static async open(options: EndpointOptions, user: ServerUser): Promise<Endpoint> {
    const receive: Receiver = { begin() {}, message() {}, failed() {} };
    for (let tried = 1; ; tried++) {
      const sockets = new PhoneSockets(options, receive);
      try {
        await sockets.open();
        return new Endpoint(options, user, sockets.datagrams, sockets.streams, sockets.listeners, receive);
      } catch (error) {
        // A free UDP port was not free for TCP.
        await sockets.close();
        if ((options.port ?? 0) !== 0 || tried === portTries) throw error;
      }
    }
  }

  target(address: string, port: number): Target {
    const { transport } = this;
    const target: Target = { listener: transports.indexOf(transport), transport, address, port, connection: 0 };
    return this.#domain === undefined ? target : { ...target, domain: this.#domain };
  }

  /** The port of a listener, by its number. */
  portOf(listener: number): number {
    return this.#listeners[listener]?.port ?? 0;
  }

  /** Sends a request that is no INVITE; a timeout counts as 408 and a failed send as 503. Source: RFC 3261 8.1.3.1. */
  request(request: SipRequest, target: Target): Promise<SipResponse> {
    return new Promise((resolve) => {
      const end = (status: number, phrase?: string) => resolve(createResponse(request, status, '', phrase));
      const client = this.layer.startClient(request, target, {
        onResponse: (response) => {
          if (response.status >= 200) resolve(response);
        },
        onTimeout: () => end(408),
        onTransportError: () => end(503, 'Not Sent'),
      });
      if (client === null) end(503, 'Not Sent');
    });
  }

  async close(): Promise<void> {
    this.#stopWheel();
    await Promise.all([this.#streams.close(), ...this.#datagrams.map((socket) => socket?.close())]);
  }
}
