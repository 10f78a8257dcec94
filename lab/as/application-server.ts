import type { TraceSink } from '#manage/trace-recorder';
import { ParseFailure } from '#sip/errors';
import { tagOf } from '#sip/header/name-addr';
import { createResponse } from '#sip/message/create';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { type BranchUser, nextHop } from '#sip/proxy/proxy-branch';
import { ProxyCore } from '#sip/proxy/proxy-core';
import { opensDialog } from '#sip/proxy/record-route';
import { OwnNames, takeOwnRoute } from '#sip/proxy/route-processing';
import { Timer } from '#sip/transaction/timer-wheel';
import { coreTimers, type TimerProfile } from '#sip/transaction/timers';
import type { ServerTransaction, ServerUser } from '#sip/transaction/transaction-port';
import { formatHost } from '#sip/uri/host-port';
import type { Parameters } from '#sip/uri/parameters';
import { parseUri } from '#sip/uri/uri';
import { Call, type CallEvents } from '../ue/call.ts';
import { Endpoint, startTimerWheel } from '../ue/endpoint.ts';
import { announce } from './announcement.ts';
import { type Asked, answer, fail, keepTrying, redirect } from './answering.ts';
import { BackToBackCall, secondLeg } from './back-to-back-call.ts';
import { type Behaviour, behaviourOf, ownRequestUri, uriParameter } from './behaviour.ts';
import { type CallGround, callPhone } from './call-phone.ts';
import type { DialogParty, DialogPort } from './dialog-port.ts';
import { DialogTable } from './dialog-table.ts';
import { type Hop, nextTarget } from './next-target.ts';
import { originatingRequest } from './originating.ts';
import { nothingLeadsOn, proxying } from './proxying.ts';
import { RegisteredUsers } from './registered-users.ts';
import { RelayedRequest } from './relayed-request.ts';
import { type GatewayMessage, ShortMessageGateway } from './sms/short-message-gateway.ts';
import { shortMessageRequest } from './sms/short-message-request.ts';
import { WaitingRequest } from './waiting-request.ts';

export interface ApplicationServerOptions {
  readonly address: string;
  /** 0: a free one. */
  readonly port: number;
  readonly home: string;
  readonly scscf: Hop;
  /** Further names of this server in Route and Request-URI, as `host:port`; port 0 for a name without one. */
  readonly names?: readonly string[];
  /** Identities of telephone numbers, for short messages. */
  readonly numbers?: ReadonlyMap<string, string>;
  readonly timers?: TimerProfile;
  /** How long a phone has for its delivery report; default: 45 s. */
  readonly reportMs?: number;
  readonly trace?: TraceSink | null;
  /** What happened besides the messages themselves. */
  readonly note?: (words: string) => void;
}

/** Whose services are run for a call or message made here. */
export interface InNameOf {
  readonly from: string;
  readonly to: string;
  readonly registered: boolean;
}

const allowed = [
  'INVITE',
  'ACK',
  'CANCEL',
  'BYE',
  'PRACK',
  'UPDATE',
  'INFO',
  'MESSAGE',
  'REGISTER',
  'OPTIONS',
  'REFER',
];
const timerCMs = 185_000;
const expiryEveryMs = 10_000;
/** TS 24.011 10, TR1N with room for the way through an IMS. */
const defaultReportMs = 45_000;

/**
 * An application server with many behaviours, chosen by the user part of the address that a request came by: what filter
 * criteria name. Source: TS 24.229 5.7.
 */
export class ApplicationServer implements ServerUser {
  readonly users: RegisteredUsers;
  readonly #options: ApplicationServerOptions;
  readonly #endpoint: Endpoint;
  readonly #own: OwnNames;
  readonly #core: ProxyCore;
  readonly #gateway: ShortMessageGateway;
  readonly #dialogs = new DialogTable();
  readonly #stopWheel: () => void;
  readonly #expiry: NodeJS.Timeout;

  private constructor(options: ApplicationServerOptions, endpoint: Endpoint, stopWheel: () => void) {
    this.#options = options;
    this.#endpoint = endpoint;
    this.#stopWheel = stopWheel;
    const { sentBy, wheel } = endpoint;
    this.#own = new OwnNames([sentBy, ...(options.names ?? [])]);
    this.#core = new ProxyCore(
      {
        name: sentBy,
        own: this.#own,
        wheel,
        timerCMs,
        proxyRequire: [],
        allow: allowed,
        resolve: (uri) => [nextTarget(uri, options.scscf)],
        failed: (error) => this.#note(`internal error: ${(error as Error).message}`),
      },
      proxying(this.#own, sentBy),
    );
    this.#core.attach(endpoint.layer);
    this.users = new RegisteredUsers(() => wheel.nowMs);
    this.#gateway = new ShortMessageGateway({
      users: this.users,
      numbers: options.numbers ?? new Map(),
      reportMs: options.reportMs ?? defaultReportMs,
      nowMs: () => Date.now(),
      send: (message) => this.#sendShortMessage(message),
      after: (ms, action) => wheel.start(new Timer({ onTimer: action }, 'after'), ms),
      note: (words) => this.#note(words),
    });
    this.#expiry = setInterval(() => this.#gateway.expire(), expiryEveryMs).unref();
  }

  /** Opens its sockets, UDP and TCP on one port. Throws SipError ERR_SIP_LISTEN. */
  static async open(options: ApplicationServerOptions): Promise<ApplicationServer> {
    const { address, port, timers = coreTimers, trace } = options;
    const late: { server: ApplicationServer | null } = { server: null };
    const { wheel, stop } = startTimerWheel();
    const endpoint = await Endpoint.open(
      { transport: 'udp', address, port, timers, wheel, trace },
      {
        onRequest: (transaction, request) => late.server?.onRequest(transaction, request),
        onAck: (request) => late.server?.onAck(request),
        onCancel: (invite, cancel) => late.server?.onCancel(invite, cancel),
        onServerEnded: (transaction) => late.server?.onServerEnded(transaction),
      },
    );
    late.server = new ApplicationServer(options, endpoint, stop);
    return late.server;
  }

  get address(): string {
    return this.#endpoint.address;
  }

  get port(): number {
    return this.#endpoint.port;
  }

  /** Short messages that wait or are on their way. */
  get waitingMessages(): number {
    return this.#gateway.size;
  }

  /** What a request asks for, in words; null for what is not for this server. */
  behaviourOf(request: SipRequest): Behaviour | ParseFailure {
    return behaviourOf(request, this.#own);
  }

  /** Calls somebody in the name of a user. Source: TS 24.229 5.7.3. */
  call(parties: InNameOf, events: CallEvents = {}): Call {
    const contact = this.#contact('originating');
    const invite = this.#originating('INVITE', parties, [
      [Header.Contact, contact],
      [Header.Supported, '100rel, timer'],
      [Header.Allow, allowed.join(', ')],
    ]);
    const phone = callPhone(this.#ground, { opened: invite, contact, from: parties.from });
    return Call.dial(phone, parties.to, invite, events);
  }

  /** Sends a text in the name of a user; gives the final answer. */
  message(parties: InNameOf, text: string): Promise<SipResponse> {
    const body = Buffer.from(text).toString('latin1');
    return this.#send(
      this.#originating('MESSAGE', parties, [[Header['Content-Type'], 'text/plain;charset=utf-8']], body),
    );
  }

  async close(): Promise<void> {
    clearInterval(this.#expiry);
    this.#stopWheel();
    await this.#endpoint.close();
  }

  onRequest(server: ServerTransaction, request: SipRequest): void {
    const asked = this.#asked(server, request);
    try {
      this.#handle(asked);
    } catch (error) {
      this.#note(`internal error: ${(error as Error).message}`);
      if (!server.answered) answer(asked, 500);
    }
  }

  onAck(request: SipRequest): void {
    const party = this.#dialogs.find(callIdOf(request), tagOf(request.headers.get(Header.To) ?? ''));
    if (party !== undefined) party.onAck(request);
    else this.#core.onAck(request);
  }

  onCancel(invite: ServerTransaction, cancel: SipRequest): void {
    const { context } = invite;
    const isOurs =
      context instanceof Call ||
      context instanceof BackToBackCall ||
      context instanceof RelayedRequest ||
      context instanceof WaitingRequest;
    if (isOurs) context.onCancel();
    else this.#core.onCancel(invite, cancel);
  }

  onServerEnded(server: ServerTransaction): void {
    this.#core.onServerEnded(server);
  }

  #handle(asked: Asked): void {
    const { server, request } = asked;
    const localTag = tagOf(request.headers.get(Header.To) ?? '');
    const party = localTag === '' ? undefined : this.#dialogs.find(callIdOf(request), localTag);
    const behaviour = this.behaviourOf(request);
    if (party !== undefined) party.onRequest(server, request);
    else if (behaviour instanceof ParseFailure) answer(asked, localTag === '' ? 404 : 481, behaviour.reason);
    else if (request.method === 'REGISTER' && takesRegister(behaviour)) this.#register(asked);
    else this.#behave(asked, behaviour, localTag !== '');
  }

  #behave(asked: Asked, behaviour: Behaviour, inDialog: boolean): void {
    const { parameters } = behaviour;
    switch (behaviour.name) {
      case 'silent':
        asked.server.drop();
        return;
      case 'trying':
        keepTrying(asked);
        return;
      case 'failing':
        fail(asked, parameters);
        return;
      case 'redirect':
        redirect(asked, parameters);
        return;
      case 'announcing':
        this.#announce(asked, parameters, inDialog);
        return;
      case 'b2bua':
        this.#relay(asked, parameters, inDialog);
        return;
      case 'ipsmgw':
        this.#acceptShortMessage(asked);
        return;
      case 'proxy':
      case 'forwarding':
        this.#core.onRequest(asked.server, asked.request);
        return;
    }
  }

  #announce(asked: Asked, parameters: Parameters, inDialog: boolean): void {
    const { server, request, wheel } = asked;
    if (request.method !== 'INVITE') answer(asked, inDialog ? 481 : 405);
    else if (inDialog) answer(asked, 481);
    else {
      const parts = { opened: request, contact: this.#contact('announcing'), from: null };
      const call = Call.take(callPhone(this.#ground, parts), server, request, {});
      announce(call, parameters, wheel);
    }
  }

  #relay(asked: Asked, parameters: Parameters, inDialog: boolean): void {
    const { server, request } = asked;
    // What these two open comes back by requests of the other side, which only a proxy can place.
    const asProxy = request.method !== 'INVITE' && opensDialog(request.method);
    if (asProxy) {
      this.#core.onRequest(server, request);
      return;
    }
    if (inDialog) answer(asked, 481);
    else if (request.headers.get(Header['Max-Forwards']) === '0') answer(asked, 483);
    else {
      const to = uriParameter(parameters, 'to');
      // What is left of the Route leads back to the S-CSCF.
      takeOwnRoute(request, this.#own);
      if (to === null && !request.headers.has(Header.Route) && ownRequestUri(request, this.#own) !== null) {
        answer(asked, 404, nothingLeadsOn);
        return;
      }
      const port = this.#dialogPort('b2bua');
      if (request.method === 'INVITE') new BackToBackCall(port, server, request, to);
      else new RelayedRequest(port, server, request, secondLeg(port, request, to));
    }
  }

  #acceptShortMessage(asked: Asked): void {
    const { server, request } = asked;
    const accepted = this.#gateway.accept(request);
    if (accepted === null) {
      this.#core.onRequest(server, request);
      return;
    }
    answer(asked, accepted.status, accepted.phrase);
    accepted.act();
  }

  /** Source: TS 24.229 5.7.1.1. */
  #register(asked: Asked): void {
    const taken = this.users.take(asked.request);
    if (taken instanceof ParseFailure) {
      answer(asked, 400, taken.reason);
      return;
    }
    const { impu, expires, contact, parts } = taken;
    answer(asked, 200, undefined, [[Header.Contact, `<${contact}>;expires=${expires}`]]);
    const bodies = parts.length === 0 ? '' : `, with ${parts.map(({ mediaType }) => mediaType).join(', ')}`;
    this.#note(
      expires === 0 ? `${impu} is not registered any more` : `${impu} is registered for ${expires} s${bodies}`,
    );
    const user = this.users.find(impu);
    if (user !== null) this.#gateway.registered(user);
  }

  #originating(
    method: string,
    { from, to, registered }: InNameOf,
    headers: [HeaderKey, string][],
    body = '',
  ): SipRequest {
    const by = { from, tag: this.#newTag(), scscf: this.#scscf, home: this.#options.home };
    return originatingRequest({ method, to, ...by, servedAs: registered ? 'reg' : 'unreg', headers, body });
  }

  /** Never rejects. */
  async #sendShortMessage(message: GatewayMessage): Promise<number> {
    const scscf = parseUri(message.scscf) instanceof ParseFailure ? this.#scscf : message.scscf;
    const by = { from: this.#uri('ipsmgw'), tag: this.#newTag(), scscf, home: this.#options.home };
    return (await this.#send(shortMessageRequest(message, by))).status;
  }

  #send(request: SipRequest): Promise<SipResponse> {
    const uri = nextHop(request);
    if (uri === null) return Promise.resolve(createResponse(request, 503, '', 'Not Sent'));
    return this.#endpoint.request(request, nextTarget(uri, this.#options.scscf));
  }

  #asked(server: ServerTransaction, request: SipRequest): Asked {
    const { wheel } = this.#endpoint;
    return { server, request, wheel, newTag: () => this.#newTag(), contactOf: (user) => this.#contact(user) };
  }

  get #ground(): CallGround {
    return { endpoint: this.#endpoint, dialogs: this.#dialogs, scscf: this.#options.scscf };
  }

  #dialogPort(user: string): DialogPort {
    return {
      contactUri: this.#uri(user),
      newTag: () => this.#newTag(),
      originate: (request: SipRequest, branchUser: BranchUser) => this.#core.originate(request, branchUser),
      acknowledge: (ack) => this.#acknowledge(ack),
      enlist: (party: DialogParty, callId, localTag) => this.#dialogs.enlist(party, callId, localTag),
      dismiss: (callId, localTag) => this.#dialogs.dismiss(callId, localTag),
    };
  }

  #acknowledge(ack: SipRequest): void {
    const uri = nextHop(ack);
    if (uri !== null) this.#endpoint.layer.sendStateless(ack, nextTarget(uri, this.#options.scscf));
  }

  get #scscf(): string {
    const { address, port } = this.#options.scscf;
    return `sip:${formatHost(address)}:${port}`;
  }

  #uri(user: string): string {
    return `sip:${user}@${this.#endpoint.sentBy}`;
  }

  #contact(user: string): string {
    return `<${this.#uri(user)}>`;
  }

  #newTag(): string {
    return this.#endpoint.layer.newTag();
  }

  #note(words: string): void {
    this.#options.note?.(words);
  }
}

/** Those who hang, fail or stay silent do so for a REGISTER as well. */
function takesRegister({ name }: Behaviour): boolean {
  return name !== 'silent' && name !== 'trying' && name !== 'failing';
}

function callIdOf(request: SipRequest): string {
  return request.headers.get(Header['Call-ID']) ?? '';
}
