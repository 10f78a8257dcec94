import type { TraceSink } from '#manage/trace-recorder';
import { tagOf } from '#sip/header/name-addr';
import { createResponse } from '#sip/message/create';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import type { TimerWheel } from '#sip/transaction/timer-wheel';
import type { TimerProfile } from '#sip/transaction/timers';
import type { ServerTransaction, ServerUser } from '#sip/transaction/transaction-port';
import type { TransportName } from '#sip/transport/flow';
import { type Access, plainAccess } from './access.ts';
import { Call, type CallEvents, type CallPhone } from './call.ts';
import type { Credentials } from './credentials.ts';
import { Endpoint, type PhoneTls } from './endpoint.ts';
import { senderOf } from './party.ts';
import { type IpsecOptions, ProtectedAccess } from './protected-access.ts';
import { refusalWords } from './refusal-words.ts';
import { type RegisterOutcome, Registration } from './registration.ts';
import { type ReceivedSms, ShortMessages, type SmsOptions, type SmsOutcome } from './short-messages.ts';
import {
  allowedMethods,
  callHeaders,
  contactOf,
  identityAt,
  identityHeaders,
  initialRequest,
  registrationEventHeaders,
  type UeIdentity,
} from './ue-requests.ts';

export interface UeOptions {
  /** Home domain. */
  readonly domain: string;
  /** Public identity to register, a sip: URI. */
  readonly impu: string;
  readonly credentials: Credentials;
  /** The P-CSCF. */
  readonly proxy: { readonly address: string; readonly port: number };
  readonly transport?: TransportName;
  /** Leaves it out: nothing is agreed, all goes in the clear or by TLS. */
  readonly ipsec?: IpsecOptions | undefined;
  /** For TLS; the name in the certificate is by default the home domain. */
  readonly tls?: Omit<PhoneTls, 'name'> & { readonly name?: string | undefined };
  /** Own address, default the loopback of the proxy's family. */
  readonly address?: string;
  readonly port?: number;
  /** Seconds, default 600000 as phones ask for. */
  readonly expires?: number;
  /** Whether the registration is renewed in time; default true. */
  readonly refresh?: boolean;
  readonly accessNetworkInfo?: string;
  readonly reliableProvisional?: boolean;
  /** Whether calls make quality of service a condition (RFC 3312). */
  readonly preconditions?: boolean;
  readonly timers?: TimerProfile;
  /** A wheel that many phones share; see `startTimerWheel`. */
  readonly wheel?: TimerWheel;
  readonly trace?: TraceSink | null;
  readonly events?: UeEvents;
}

/** A MESSAGE that came. */
export interface ReceivedMessage {
  /** P-Asserted-Identity, else From. */
  readonly from: string;
  readonly contentType: string;
  /** Octets as latin1. */
  readonly body: string;
}

export interface UeEvents {
  /** A call came; without a listener it is answered 486. The callback says `ring`, `answer` or `reject`. */
  incomingCall?(call: Call): void;
  message?(message: ReceivedMessage): void;
  /** A short message came, or a report on one. */
  sms?(sms: ReceivedSms): void;
  /** A NOTIFY came, such as one of the registration state. */
  notify?(event: string, body: string): void;
  /** The registration was renewed, or could not be. */
  refreshed?(outcome: RegisterOutcome): void;
  /** No secure connection to the P-CSCF came about, and why. */
  insecure?(words: string): void;
}

const firstMediaPort = 49_152;
/** Client ports of a phone with IPsec: each renewal takes the next one. */
const protectedClients = 4;

/**
 * A phone as a VoLTE soft client is one: registers with AKA or SIP Digest, with IPsec or without, calls and is called,
 * sends and takes MESSAGE. Source: TS 24.229 5.1.
 */
export class Ue implements ServerUser {
  readonly impu: string;
  readonly #endpoint: Endpoint;
  readonly #access: Access;
  readonly #identity: UeIdentity;
  readonly #registration: Registration;
  readonly #calls = new Map<string, Call>();
  readonly #callKeys = new Map<Call, string>();
  readonly #phone: CallPhone;
  readonly #sms: ShortMessages;
  events: UeEvents;
  #mediaPort = firstMediaPort;
  #closed = false;

  private constructor(options: UeOptions, endpoint: Endpoint, access: Access) {
    this.#endpoint = endpoint;
    this.#access = access;
    this.impu = options.impu;
    this.events = options.events ?? {};
    this.#identity = identityAt(access.contactSentBy, endpoint.transport, options);
    this.#registration = new Registration(endpoint, access, this.#identity, {
      credentials: options.credentials,
      expires: options.expires,
      refresh: options.refresh,
      refreshed: (outcome) => this.events.refreshed?.(outcome),
    });
    this.#phone = {
      endpoint,
      target: access.target,
      contact: contactOf(this.#identity),
      mediaPort: this.#nextMediaPort(),
      reliableProvisional: options.reliableProvisional ?? false,
      preconditions: options.preconditions ?? false,
      identityHeaders: () => identityHeaders(this.#identity),
      enlist: (call, callId, localTag) => {
        this.#calls.set(dialogKey(callId, localTag), call);
        this.#callKeys.set(call, dialogKey(callId, localTag));
      },
      dismiss: (call) => {
        this.#calls.delete(this.#callKeys.get(call) ?? '');
        this.#callKeys.delete(call);
      },
    };
    this.#sms = new ShortMessages({
      wheel: endpoint.wheel,
      send: async (to, headers, body) => {
        const response = await this.request('MESSAGE', to, headers, body);
        return { status: response.status, words: refusalWords(response) };
      },
      received: (sms) => this.events.sms?.(sms),
    });
  }

  /** Opens the phone's sockets. Throws SipError ERR_SIP_LISTEN. */
  static async open(options: UeOptions): Promise<Ue> {
    const { proxy, transport = 'udp', port, timers, wheel, trace } = options;
    const address = options.address ?? (proxy.address.includes(':') ? '::1' : '127.0.0.1');
    const late: { ue: Ue | null } = { ue: null };
    const tls = { ...options.tls, name: options.tls?.name ?? options.domain };
    const endpoint = await Endpoint.open(
      {
        transport,
        ...(transport === 'tls' ? { tls } : {}),
        insecure: (words) => late.ue?.events.insecure?.(words),
        address,
        port,
        timers,
        wheel,
        trace,
        ...(options.ipsec === undefined ? {} : { protectedClients }),
      },
      {
        onRequest: (transaction, request) => late.ue?.onRequest(transaction, request),
        onAck: (request) => late.ue?.onAck(request),
        onCancel: (invite) => late.ue?.onCancel(invite),
        onServerEnded: () => {},
      },
    );
    try {
      const { ipsec } = options;
      const access =
        ipsec === undefined ? plainAccess(endpoint, proxy) : await ProtectedAccess.open(endpoint, proxy, ipsec);
      late.ue = new Ue(options, endpoint, access);
    } catch (error) {
      await endpoint.close();
      throw error;
    }
    return late.ue;
  }

  /** How it reaches the P-CSCF. */
  get access(): Access {
    return this.#access;
  }

  get address(): string {
    return this.#endpoint.address;
  }

  get port(): number {
    return this.#endpoint.port;
  }

  get serviceRoute(): readonly string[] {
    return this.#registration.serviceRoute;
  }

  /** P-Associated-URI of the last registration, without brackets. */
  get associatedUris(): readonly string[] {
    return this.#registration.associatedUris;
  }

  get calls(): Iterable<Call> {
    return this.#callKeys.keys();
  }

  /**
   * Registers, or renews the registration, and answers the challenges on the way; `expires` in seconds.
   * Source: TS 24.229 5.1.1.
   */
  register(expires?: number): Promise<RegisterOutcome> {
    return this.#registration.register(expires);
  }

  /** Takes the registration back. */
  deregister(): Promise<RegisterOutcome> {
    return this.register(0);
  }

  /** Calls a sip: or tel: URI. */
  call(to: string, events: CallEvents = {}): Call {
    const invite = this.#initialRequest('INVITE', to, callHeaders(this.#phone.contact));
    return Call.dial(this.#phoneOfCall(), to, invite, events);
  }

  /** Sends a MESSAGE; gives its final answer. */
  async message(to: string, body: string, contentType = 'text/plain'): Promise<{ status: number; words: string }> {
    const request = this.#initialRequest('MESSAGE', to, [[Header['Content-Type'], contentType]], body);
    const response = await this.#endpoint.request(request, this.#access.target);
    return { status: response.status, words: refusalWords(response) };
  }

  /** Sends a short message to a number, by way of a service centre (a URI). Source: TS 24.341 5.3.1. */
  sms(centre: string, number: string, text: string, options: SmsOptions = {}): Promise<SmsOutcome> {
    return this.#sms.submit(centre, number, text, options);
  }

  /** Any other request outside a dialog, such as OPTIONS or SUBSCRIBE. */
  request(method: string, to: string, headers: [HeaderKey, string][] = [], body = ''): Promise<SipResponse> {
    return this.#endpoint.request(this.#initialRequest(method, to, headers, body), this.#access.target);
  }

  /** Subscribes to its own registration state. Source: TS 24.229 5.1.1.3. */
  subscribeToRegistration(expires = 600_000): Promise<SipResponse> {
    return this.request('SUBSCRIBE', this.impu, registrationEventHeaders(this.#phone.contact, expires));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#registration.stop();
    await this.#access.close();
    await this.#endpoint.close();
  }

  onRequest(transaction: ServerTransaction, request: SipRequest): void {
    const localTag = tagOf(request.headers.get(Header.To) ?? '');
    const call = localTag === '' ? undefined : this.#calls.get(dialogKey(callIdOf(request), localTag));
    if (call !== undefined) {
      call.onRequest(transaction, request);
      return;
    }
    const respond = (status: number) => {
      const response = createResponse(request, status, this.#endpoint.layer.newTag());
      if (status === 405 || request.method === 'OPTIONS') response.headers.append(Header.Allow, allowedMethods);
      transaction.respond(response);
    };
    switch (request.method) {
      case 'INVITE':
        if (localTag !== '') respond(481);
        else if (this.events.incomingCall === undefined) respond(486);
        else this.events.incomingCall(Call.take(this.#phoneOfCall(), transaction, request, {}));
        return;
      case 'MESSAGE':
        respond(200);
        if (this.#sms.take(request)) return;
        this.events.message?.({
          from: senderOf(request),
          contentType: request.headers.get(Header['Content-Type']) ?? '',
          body: request.body,
        });
        return;
      case 'NOTIFY':
        respond(200);
        this.events.notify?.(request.headers.get(Header.Event) ?? '', request.body);
        return;
      case 'OPTIONS':
        respond(200);
        return;
      case 'BYE':
      case 'PRACK':
      case 'UPDATE':
      case 'INFO':
        respond(481);
        return;
      default:
        respond(405);
    }
  }

  onAck(request: SipRequest): void {
    this.#calls.get(dialogKey(callIdOf(request), tagOf(request.headers.get(Header.To) ?? '')))?.onAck();
  }

  onCancel(invite: ServerTransaction): void {
    if (invite.context instanceof Call) invite.context.onCancel();
  }

  onServerEnded(): void {}

  #initialRequest(method: string, to: string, headers: [HeaderKey, string][], body = ''): SipRequest {
    return initialRequest(this.#identity, {
      method,
      to,
      tag: this.#endpoint.layer.newTag(),
      routes: [this.#access.route, ...this.#registration.serviceRoute],
      headers: [...headers, ...this.#access.requestHeaders()],
      body,
    });
  }

  /** What a call needs: the way to the P-CSCF may change while it lasts. */
  #phoneOfCall(): CallPhone {
    const access = this.#access;
    return {
      ...this.#phone,
      mediaPort: this.#nextMediaPort(),
      get target() {
        return access.target;
      },
    };
  }

  #nextMediaPort(): number {
    this.#mediaPort = this.#mediaPort >= 65_000 ? firstMediaPort : this.#mediaPort + 2;
    return this.#mediaPort;
  }
}

function dialogKey(callId: string, localTag: string): string {
  return `${localTag} ${callId}`;
}

function callIdOf(request: SipRequest): string {
  return request.headers.get(Header['Call-ID']) ?? '';
}
