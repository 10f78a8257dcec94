import { randomUUID } from 'node:crypto';
import type { TraceSink } from '#manage/trace-recorder';
import { ParseFailure } from '#sip/errors';
import { parseContact } from '#sip/header/contact';
import { parseNameAddr, tagOf } from '#sip/header/name-addr';
import { createRequest, createResponse } from '#sip/message/create';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { Timer, type TimerWheel } from '#sip/transaction/timer-wheel';
import type { TimerProfile } from '#sip/transaction/timers';
import type { ServerTransaction, ServerUser } from '#sip/transaction/transaction-port';
import type { Target, TransportName } from '#sip/transport/flow';
import { Call, type CallEvents, type CallPhone } from './call.ts';
import { answerChallenge, type Credentials, emptyAuthorization } from './credentials.ts';
import { Endpoint, type PhoneTls } from './endpoint.ts';
import { refusalWords } from './refusal-words.ts';

export interface UeOptions {
  /** Home domain. */
  readonly domain: string;
  /** Public identity to register, a sip: URI. */
  readonly impu: string;
  readonly credentials: Credentials;
  /** The P-CSCF. */
  readonly proxy: { readonly address: string; readonly port: number };
  readonly transport?: TransportName;
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
  /** A NOTIFY came, such as one of the registration state. */
  notify?(event: string, body: string): void;
  /** The registration was renewed, or could not be. */
  refreshed?(outcome: RegisterOutcome): void;
  /** No secure connection to the P-CSCF came about, and why. */
  insecure?(words: string): void;
}

export type RegisterOutcome = Registered | Refused;

export interface Registered {
  readonly registered: true;
  /** Seconds granted. */
  readonly expires: number;
  readonly associatedUris: readonly string[];
  readonly serviceRoute: readonly string[];
  /** How often the USIM had to resynchronise on the way. */
  readonly resynchronised: number;
}

/** A request that was not granted; 408: no answer came, 503 without flow: it could not be sent. */
export interface Refused {
  readonly registered?: false;
  readonly status: number;
  readonly words: string;
}

const allowed = 'INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, MESSAGE, NOTIFY, OPTIONS, INFO, REFER';
const mmtel = 'urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel';
const maxChallenges = 4;
/** Invalid challenges in a row after which a UE gives up. Source: TS 24.229 5.1.1.5.3. */
const maxInvalidChallenges = 2;
const firstMediaPort = 49_152;
/** When a renewal that failed is tried again. */
const refreshRetryMs = 30_000;

/**
 * A phone as a VoLTE soft client is one, without IPsec: registers with AKA or SIP Digest, calls and is called, sends and
 * takes MESSAGE. Source: TS 24.229 5.1.
 */
export class Ue implements ServerUser {
  readonly impu: string;
  readonly #options: UeOptions;
  readonly #endpoint: Endpoint;
  readonly #target: Target;
  readonly #calls = new Map<string, Call>();
  readonly #callKeys = new Map<Call, string>();
  readonly #registerCallId = randomUUID();
  readonly #instance = `<urn:uuid:${randomUUID()}>`;
  readonly #refresh = new Timer(this, 'refresh');
  readonly #phone: CallPhone;
  events: UeEvents;
  #registerSeq = 0;
  #serviceRoute: readonly string[] = [];
  #associatedUris: readonly string[] = [];
  #mediaPort = firstMediaPort;
  #closed = false;

  private constructor(options: UeOptions, endpoint: Endpoint) {
    this.#options = options;
    this.#endpoint = endpoint;
    this.impu = options.impu;
    this.events = options.events ?? {};
    this.#target = endpoint.target(options.proxy.address, options.proxy.port);
    this.#phone = {
      endpoint,
      target: this.#target,
      contact: this.#contact(),
      mediaPort: this.#nextMediaPort(),
      reliableProvisional: options.reliableProvisional ?? false,
      identityHeaders: () => this.#identityHeaders(),
      enlist: (call, callId, localTag) => {
        this.#calls.set(dialogKey(callId, localTag), call);
        this.#callKeys.set(call, dialogKey(callId, localTag));
      },
      dismiss: (call) => {
        this.#calls.delete(this.#callKeys.get(call) ?? '');
        this.#callKeys.delete(call);
      },
    };
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
      },
      {
        onRequest: (transaction, request) => late.ue?.onRequest(transaction, request),
        onAck: (request) => late.ue?.onAck(request),
        onCancel: (invite) => late.ue?.onCancel(invite),
        onServerEnded: () => {},
      },
    );
    late.ue = new Ue(options, endpoint);
    return late.ue;
  }

  get address(): string {
    return this.#endpoint.address;
  }

  get port(): number {
    return this.#endpoint.port;
  }

  get serviceRoute(): readonly string[] {
    return this.#serviceRoute;
  }

  /** P-Associated-URI of the last registration, without brackets. */
  get associatedUris(): readonly string[] {
    return this.#associatedUris;
  }

  get calls(): Iterable<Call> {
    return this.#callKeys.keys();
  }

  /** Registers, or renews the registration, and answers the challenges on the way. Source: TS 24.229 5.1.1. */
  async register(expires = this.#options.expires ?? 600_000): Promise<RegisterOutcome> {
    const { credentials, domain } = this.#options;
    const uri = `sip:${domain}`;
    let authorization = emptyAuthorization(credentials.impi, domain);
    let wanted = expires;
    let resynchronised = 0;
    let invalid = 0;
    for (let challenges = 0; ; ) {
      const response = await this.#endpoint.request(this.#registerRequest(wanted, authorization), this.#target);
      const { status } = response;
      if (status === 401 || status === 407) {
        const header = status === 401 ? Header['WWW-Authenticate'] : Header['Proxy-Authenticate'];
        const challenge = response.headers.get(header);
        if (challenge === null) return { status, words: 'challenged without a challenge' };
        const answer = answerChallenge(challenge, credentials, 'REGISTER', uri);
        if (typeof answer === 'string') return { status, words: answer };
        if (answer.kind === 'resynchronise') resynchronised++;
        if (answer.kind === 'rejected') invalid++;
        if (invalid >= maxInvalidChallenges || ++challenges > maxChallenges) {
          const words = invalid > 0 ? 'the network does not prove that it knows the key (MAC)' : 'challenged too often';
          return { status, words };
        }
        authorization = answer.authorization;
        continue;
      }
      const least = Number(response.headers.get(Header['Min-Expires']) ?? 0);
      if (status === 423 && least > wanted && wanted > 0) {
        wanted = least;
        continue;
      }
      if (status >= 300) return { status, words: refusalWords(response) };
      return this.#registered(response, expires, resynchronised);
    }
  }

  /** Takes the registration back. */
  deregister(): Promise<RegisterOutcome> {
    return this.register(0);
  }

  /** Calls a sip: or tel: URI. */
  call(to: string, events: CallEvents = {}): Call {
    const invite = this.#initialRequest('INVITE', to, [
      [Header.Contact, this.#phone.contact],
      [Header.Supported, '100rel, timer'],
      [Header.Allow, allowed],
      [Header.Accept, 'application/sdp, application/3gpp-ims+xml'],
      [Header['P-Preferred-Service'], 'urn:urn-7:3gpp-service.ims.icsi.mmtel'],
      [Header['Accept-Contact'], `*;+g.3gpp.icsi-ref="${mmtel}"`],
      [Header['P-Early-Media'], 'supported'],
    ]);
    return Call.dial({ ...this.#phone, mediaPort: this.#nextMediaPort() }, to, invite, events);
  }

  /** Sends a MESSAGE; gives its final answer. */
  async message(to: string, body: string, contentType = 'text/plain'): Promise<{ status: number; words: string }> {
    const request = this.#initialRequest('MESSAGE', to, [[Header['Content-Type'], contentType]], body);
    const response = await this.#endpoint.request(request, this.#target);
    return { status: response.status, words: refusalWords(response) };
  }

  /** Any other request outside a dialog, such as OPTIONS or SUBSCRIBE. */
  request(method: string, to: string, headers: [HeaderKey, string][] = [], body = ''): Promise<SipResponse> {
    return this.#endpoint.request(this.#initialRequest(method, to, headers, body), this.#target);
  }

  /** Subscribes to its own registration state. Source: TS 24.229 5.1.1.3. */
  subscribeToRegistration(expires = 600_000): Promise<SipResponse> {
    return this.request('SUBSCRIBE', this.impu, [
      [Header.Contact, this.#phone.contact],
      [Header.Event, 'reg'],
      [Header.Accept, 'application/reginfo+xml'],
      [Header.Expires, String(expires)],
    ]);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#endpoint.wheel.stop(this.#refresh);
    await this.#endpoint.close();
  }

  onTimer(): void {
    this.register().then((outcome) => {
      if (!outcome.registered && !this.#closed) this.#endpoint.wheel.start(this.#refresh, refreshRetryMs);
      this.events.refreshed?.(outcome);
    });
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
      if (status === 405 || request.method === 'OPTIONS') response.headers.append(Header.Allow, allowed);
      transaction.respond(response);
    };
    switch (request.method) {
      case 'INVITE':
        if (localTag !== '') respond(481);
        else if (this.events.incomingCall === undefined) respond(486);
        else
          this.events.incomingCall(
            Call.take({ ...this.#phone, mediaPort: this.#nextMediaPort() }, transaction, request, {}),
          );
        return;
      case 'MESSAGE':
        respond(200);
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

  #registered(response: SipResponse, asked: number, resynchronised: number): RegisterOutcome {
    const expires = asked === 0 ? 0 : this.#grantedExpires(response, asked);
    this.#serviceRoute = asked === 0 ? [] : response.headers.values(Header['Service-Route']);
    this.#associatedUris = response.headers.values(Header['P-Associated-URI']).map(bareUri);
    this.#endpoint.wheel.stop(this.#refresh);
    if (expires > 0 && this.#options.refresh !== false && !this.#closed) {
      // Source: TS 24.229 5.1.1.4.1.
      const seconds = expires > 1200 ? expires - 600 : expires / 2;
      this.#endpoint.wheel.start(this.#refresh, seconds * 1000);
    }
    return {
      registered: true,
      expires,
      associatedUris: this.#associatedUris,
      serviceRoute: this.#serviceRoute,
      resynchronised,
    };
  }

  /** The time of our own contact among those of the answer. */
  #grantedExpires(response: SipResponse, asked: number): number {
    const own = this.#contactUri();
    for (const value of response.headers.values(Header.Contact)) {
      const contact = parseContact(value);
      if (contact instanceof ParseFailure) continue;
      if ((contact.instance === this.#instance || contact.uri === own) && contact.expires >= 0) return contact.expires;
    }
    const header = Number(response.headers.get(Header.Expires) ?? Number.NaN);
    return Number.isInteger(header) ? header : asked;
  }

  #registerRequest(expires: number, authorization: string): SipRequest {
    const { domain, impu } = this.#options;
    this.#registerSeq++;
    return createRequest('REGISTER', `sip:${domain}`, [
      [Header['Max-Forwards'], '70'],
      [Header.From, `<${impu}>;tag=${this.#endpoint.layer.newTag()}`],
      [Header.To, `<${impu}>`],
      [Header['Call-ID'], this.#registerCallId],
      [Header.CSeq, `${this.#registerSeq} REGISTER`],
      [
        Header.Contact,
        `<${this.#contactUri()}>;+g.3gpp.icsi-ref="${mmtel}";+g.3gpp.smsip;+sip.instance="${this.#instance}";audio`,
      ],
      [Header.Expires, String(expires)],
      [Header.Authorization, authorization],
      [Header.Supported, 'path'],
      [Header.Allow, allowed],
      [Header['P-Access-Network-Info'], this.#accessNetworkInfo()],
      [Header['User-Agent'], 'IMS CSCF lab UE'],
    ]);
  }

  #initialRequest(method: string, to: string, headers: [HeaderKey, string][], body = ''): SipRequest {
    const { impu, proxy } = this.#options;
    const { layer, transport } = this.#endpoint;
    const host = proxy.address.includes(':') ? `[${proxy.address}]` : proxy.address;
    const first = `<sip:${host}:${proxy.port};lr${byTransport(transport)}>`;
    return createRequest(
      method,
      to,
      [
        ...[first, ...this.#serviceRoute].map((route): [HeaderKey, string] => [Header.Route, route]),
        [Header['Max-Forwards'], '70'],
        [Header.From, `<${impu}>;tag=${layer.newTag()}`],
        [Header.To, `<${to}>`],
        [Header['Call-ID'], randomUUID()],
        [Header.CSeq, `1 ${method}`],
        ...this.#identityHeaders(),
        ...headers,
      ],
      body,
    );
  }

  #identityHeaders(): [HeaderKey, string][] {
    return [
      [Header['P-Preferred-Identity'], `<${this.impu}>`],
      [Header['P-Access-Network-Info'], this.#accessNetworkInfo()],
    ];
  }

  #accessNetworkInfo(): string {
    return this.#options.accessNetworkInfo ?? '3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=0010100010000101';
  }

  #contactUri(): string {
    const { impi } = this.#options.credentials;
    const { sentBy, transport } = this.#endpoint;
    const at = impi.indexOf('@');
    return `sip:${at < 0 ? impi : impi.slice(0, at)}@${sentBy}${byTransport(transport)}`;
  }

  #contact(): string {
    return `<${this.#contactUri()}>;+g.3gpp.icsi-ref="${mmtel}"`;
  }

  #nextMediaPort(): number {
    this.#mediaPort = this.#mediaPort >= 65_000 ? firstMediaPort : this.#mediaPort + 2;
    return this.#mediaPort;
  }
}

/** The URI parameter of a transport; UDP needs none. */
function byTransport(transport: TransportName): string {
  return transport === 'udp' ? '' : `;transport=${transport}`;
}

function dialogKey(callId: string, localTag: string): string {
  return `${localTag} ${callId}`;
}

function callIdOf(request: SipRequest): string {
  return request.headers.get(Header['Call-ID']) ?? '';
}

function bareUri(value: string): string {
  const parsed = parseNameAddr(value);
  return parsed instanceof ParseFailure ? value : parsed.uri;
}

function senderOf(request: SipRequest): string {
  return bareUri(request.headers.first(Header['P-Asserted-Identity']) ?? request.headers.get(Header.From) ?? '');
}
