import { isIPv6 } from 'node:net';
import type { TraceSink } from '#manage/trace-recorder';
import { createResponse } from '#sip/message/create';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { TimerWheel } from '#sip/transaction/timer-wheel';
import { gmTimers, type TimerProfile } from '#sip/transaction/timers';
import { TransactionLayer } from '#sip/transaction/transaction-layer';
import type { ServerUser } from '#sip/transaction/transaction-port';
import type { Flow, Listener, Target, TransportName } from '#sip/transport/flow';
import { StreamTransport } from '#sip/transport/stream-transport';
import { phoneSecurity } from '#sip/transport/tls-security';
import { openDgram, type UdpSocket } from '#sip/transport/udp';

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
}

const transports: readonly TransportName[] = ['udp', 'tcp', 'tls'];
const udpIndex = 0;
const tcpIndex = 1;
const tlsIndex = 2;
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

/** The sockets of a UE, UDP and TCP on one port, TLS from any, with its transactions on top. */
export class Endpoint {
  readonly layer: TransactionLayer;
  readonly wheel: TimerWheel;
  readonly transport: TransportName;
  readonly address: string;
  readonly port: number;
  /** `host:port` for Contact and the like. */
  readonly sentBy: string;
  readonly timers: TimerProfile;
  readonly #udp: UdpSocket;
  readonly #streams: StreamTransport;
  /** Name in the P-CSCF's certificate, undefined without TLS. */
  readonly #domain: string | undefined;
  readonly #stopWheel: () => void;

  private constructor(
    options: EndpointOptions,
    user: ServerUser,
    udp: UdpSocket,
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
    this.port = udp.port;
    this.sentBy = listeners[udpIndex]!.sentBy;
    this.#udp = udp;
    this.#streams = streams;
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
        send: (text, target, token) => {
          trace?.sip('out', text, target);
          if (target.transport === 'udp') udp.send(text, target.address, target.port, token);
          else streams.send(text, target, token);
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
    const { address, tls } = options;
    const receive: Receiver = { begin() {}, message() {}, failed() {} };
    for (let tried = 1; ; tried++) {
      const udp = await openDgram(listenerOf(udpIndex, address, options.port ?? 0), {
        beginBatch: () => receive.begin(),
        endBatch: () => {},
        datagram: (text, from, port) =>
          receive.message(text, { listener: udpIndex, transport: 'udp', address: from, port, connection: 0 }),
        failed: (token) => receive.failed(token),
      });
      const streams = new StreamTransport(
        {
          beginBatch: () => receive.begin(),
          endBatch: () => {},
          message: (text, flow) => receive.message(text, flow),
          closed: () => {},
          failed: (token) => receive.failed(token),
          report: (event) => {
            if (event.kind === 'handshake-failed') options.insecure?.(event.words);
          },
        },
        () => performance.now(),
        {
          limits: { idleMs: 24 * 3600 * 1000 },
          ...(tls === undefined ? {} : { security: phoneSecurity(tls.ca, tls.insecure !== true) }),
        },
      );
      const listeners = [udpIndex, tcpIndex, tlsIndex].map((index) => listenerOf(index, address, udp.port));
      try {
        await streams.listen(listeners[tcpIndex]!);
        streams.connectFrom(listeners[tlsIndex]!);
        return new Endpoint(options, user, udp, streams, listeners, receive);
      } catch (error) {
        // The free UDP port was not free for TCP.
        await Promise.all([udp.close(), streams.close()]);
        if ((options.port ?? 0) !== 0 || tried === portTries) throw error;
      }
    }
  }

  target(address: string, port: number): Target {
    const { transport } = this;
    const target: Target = { listener: transports.indexOf(transport), transport, address, port, connection: 0 };
    return this.#domain === undefined ? target : { ...target, domain: this.#domain };
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
    await Promise.all([this.#udp.close(), this.#streams.close()]);
  }
}

interface Receiver {
  begin(): void;
  message(text: string, flow: Flow): void;
  failed(token: number): void;
}

function listenerOf(index: number, address: string, port: number): Listener {
  const host = isIPv6(address) ? `[${address}]` : address;
  return {
    index,
    sides: ['gm'],
    transport: transports[index]!,
    address,
    port,
    sentBy: `${host}:${port}`,
  };
}
