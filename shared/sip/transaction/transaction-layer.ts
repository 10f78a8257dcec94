import { randomBytes } from 'node:crypto';
import { ParseFailure } from '../errors.ts';
import { parseVia, readSentBy, type Via, withReceived } from '../header/via.ts';
import { createResponse } from '../message/create.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipMessage, SipResponse } from '../message/response.ts';
import { writeMessage } from '../message/write.ts';
import { BrokenMessage, parseMessage } from '../parser/parse-message.ts';
import { checkRequest, readCSeq, type SanityFailure } from '../parser/sanity.ts';
import { coreReasons, type Reason, sanityReason, warningOf } from '../reasons.ts';
import type { Flow, Listener, Target } from '../transport/flow.ts';
import { responseTarget } from '../transport/response-address.ts';
import type { TransportFailure } from '../transport/transport-failure.ts';
import { InviteClient } from './invite-client.ts';
import { InviteServer } from './invite-server.ts';
import { KeptTexts } from './kept-texts.ts';
import { Linger } from './linger.ts';
import { NonInviteClient } from './non-invite-client.ts';
import { NonInviteServer } from './non-invite-server.ts';
import { type Datagram, StreamSwitch } from './stream-switch.ts';
import type { TimerWheel } from './timer-wheel.ts';
import type { TimerProfile } from './timers.ts';
import { branchIndex, branchKey, formatBranch, serverTransactionKey } from './transaction-key.ts';
import { type ClientUser, ignoreOutcome, type ServerUser, type TransactionPort } from './transaction-port.ts';

export type ClientTransaction = InviteClient | NonInviteClient;

/** What the layer is given by the worker it lives in. */
export interface TransactionLayerOptions {
  readonly worker: number;
  readonly wheel: TimerWheel;
  readonly listeners: readonly Listener[];
  /** Timer values for what comes by, or goes from, a listener and an address (Gm waits longer). */
  readonly profileOf: (listener: Listener, address: string) => TimerProfile;
  readonly send: TransactionPort['send'];
  /** Whether header edits are journalled. */
  readonly traced: boolean;
  /** Server header of responses of our own; none when left out or ''. */
  readonly server?: string;
  /** Called when a Call-ID gains or loses a live server transaction here (dispatch). */
  readonly retain: (callId: string) => number;
  readonly release: (hold: number) => void;
  /** Told of what was answered or dropped before it reached a procedure. */
  readonly rejected: (
    reason: Reason,
    detail: string,
    answered: boolean,
    message: SipRequest | null,
    flow: Flow,
  ) => void;
  /** Octets above which a request that is not pinned to UDP goes by TCP; never when left out or 0. */
  readonly switchToTcpAbove?: number | 'auto';
  /** Octets that answered transactions may take (see Linger); 64 MiB when left out. */
  readonly keptOctets?: number;
  /**
   * Where the answer to a request goes that came to a protected port by this flow: the answer leaves from the client port
   * to the server port of the UE, whatever its Via says of rport. Left out, it goes back the way the request came.
   * Source: TS 33.203 7.1; requirement P-81.
   */
  readonly answerFlow?: (flow: Flow) => Flow;
  /** Every message that was read, after parsing, before anything else looks at it. */
  readonly received?: (message: SipRequest | SipResponse, flow: Flow) => void;
}

const maxClients = 1 << 20;

/**
 * Matches messages to transactions, runs the four machines, gives the rest to its user.
 *
 * Source: RFC 3261 17, 18; RFC 6026; requirements C-01 to C-07, C-12, C-13, C-23, P-81.
 */
export class TransactionLayer implements TransactionPort {
  readonly wheel: TimerWheel;
  readonly keptTexts = new KeptTexts();
  readonly #options: TransactionLayerOptions;
  readonly #user: ServerUser;
  readonly #servers = new Map<string, InviteServer | NonInviteServer>();
  readonly #clients: (ClientTransaction | null)[] = [null];
  readonly #free: number[] = [];
  readonly #linger: Linger;
  /** CANCEL transactions share the branch of the INVITE they cancel. */
  readonly #cancels = new Map<string, NonInviteClient>();
  readonly #streams: StreamSwitch;
  /** By listener, whether it is protected; null where none is. */
  readonly #protected: readonly boolean[] | null;
  readonly #serialPrefix = randomBytes(4).toString('hex');
  #serial = 0;
  #generation = 0;

  constructor(options: TransactionLayerOptions, user: ServerUser) {
    this.#options = options;
    this.#user = user;
    this.wheel = options.wheel;
    this.#linger = new Linger(options.keptOctets ?? 64 * 1024 * 1024);
    const isProtected = options.listeners.map(({ protection }) => protection !== undefined);
    this.#protected = isProtected.includes(true) ? isProtected : null;
    this.#streams = new StreamSwitch(options.switchToTcpAbove ?? 0, () => options.wheel.nowMs);
  }

  /** Live transactions: server, client. */
  get counts(): { servers: number; clients: number } {
    return { servers: this.#servers.size, clients: this.#clients.length - 1 - this.#free.length + this.#cancels.size };
  }

  /** Server transactions that still await their final response. */
  get pendingServers(): number {
    let pending = 0;
    for (const server of this.#servers.values()) if (!server.answered) pending++;
    return pending;
  }

  /** Whether the server transaction of a request with this topmost Via is here, so that it is a retransmission. */
  holds(via: Via, method: string): boolean {
    return this.#servers.has(branchKey(via, method));
  }

  /** One framed message from the wire (latin1). */
  receive(text: string, flow: Flow): void {
    const message = parseMessage(text, flow, this.#options.traced);
    if (message.kind === 'broken') {
      this.#rejectBroken(message, flow);
      return;
    }
    this.#options.received?.(message, flow);
    if (message.kind === 'response') this.#receiveResponse(message, flow);
    else this.#receiveRequest(message, flow);
  }

  /** Starts a client transaction: puts our Via on top of the request, its branch ending with `mark`, sends it. */
  startClient(request: SipRequest, target: Target, user: ClientUser, mark = ''): ClientTransaction | null {
    const index = this.#free.pop() ?? this.#clients.length;
    if (index >= maxClients) return null;
    this.#generation = (this.#generation + 1) & 0xfff;
    const token = ((this.#generation << 20) | index) >>> 0;
    const branch = formatBranch(this.#options.worker, index, this.#nextSerial(), mark);
    const via = this.#viaOf(target, branch);
    request.headers.prepend(Header.Via, via);
    const profile = this.#options.profileOf(this.#options.listeners[target.listener]!, target.address);
    let text = writeMessage(request);
    let way = target;
    let datagram: Datagram | null = null;
    const stream = text.length > this.#streams.aboveOctets ? this.#streams.streamOf(target, text.length) : null;
    if (stream !== null) {
      datagram = { target, text, via };
      way = stream;
      text = this.#writeForStream(request, stream, branch);
    }
    const client =
      request.method === 'INVITE'
        ? new InviteClient(request, text, branch, token, way, datagram, profile, user, this)
        : new NonInviteClient(request.method, text, branch, token, way, datagram, profile, user, this);
    this.#clients[index] = client;
    client.start(request);
    return client;
  }

  /** Sends the CANCEL of an INVITE that has no final response yet. Source: RFC 3261 9.1. */
  cancel(invite: InviteClient, reason: string | null): void {
    const request = invite.cancelRequest(reason);
    if (request === null || this.#cancels.has(invite.branch)) return;
    const { branch, target, profile } = invite;
    const text = writeMessage(request);
    const cancel = new NonInviteClient('CANCEL', text, branch, 0, target, null, profile, ignoreOutcome, this);
    this.#cancels.set(branch, cancel);
    cancel.start(request);
  }

  /** Sends a request outside any transaction (an ACK to a 2xx), with our Via on top. */
  sendStateless(request: SipRequest, target: Target): void {
    const branch = formatBranch(this.#options.worker, 0, this.#nextSerial());
    request.headers.prepend(Header.Via, this.#viaOf(target, branch));
    const text = writeMessage(request);
    const stream = text.length > this.#streams.aboveOctets ? this.#streams.provenStreamOf(target, text.length) : null;
    if (stream === null) {
      this.send(text, target, 0, request);
      return;
    }
    this.send(this.#writeForStream(request, stream, branch), stream, 0, request);
  }

  /** A request that is too large for a datagram, its Via changed. Source: RFC 3261 18.1.1; requirement C-10. */
  #writeForStream(request: SipRequest, stream: Target, branch: string): string {
    request.by('switchToTcp (RFC 3261 18.1.1)').headers.replaceFirst(Header.Via, this.#viaOf(stream, branch));
    return writeMessage(request);
  }

  /** A send that failed, named by the token it was given. */
  sendFailed(token: number, failure: TransportFailure = 'closed'): void {
    const client = this.#clients[token & (maxClients - 1)];
    if (client == null || client.token !== token) return;
    if (client.datagram !== null) this.#streams.failed(client.target, failure);
    client.transportFailed(failure);
  }

  send(text: string, target: Target, token: number, message: SipMessage | null): void {
    this.#options.send(text, target, token, message);
  }

  lingerMs(fullMs: number): number {
    return this.#linger.ms(fullMs);
  }

  /** A machine reports its end. */
  ended(transaction: InviteClient | NonInviteClient | InviteServer | NonInviteServer): void {
    if (transaction instanceof InviteServer || transaction instanceof NonInviteServer) {
      this.#servers.delete(transaction.key);
      this.#linger.ended(transaction.method);
      this.#options.release(transaction.hold);
      this.#user.onServerEnded(transaction);
      return;
    }
    if (transaction.token === 0) {
      this.#cancels.delete(transaction.branch);
      return;
    }
    const index = transaction.token & (maxClients - 1);
    this.#clients[index] = null;
    this.#free.push(index);
  }

  #receiveResponse(response: SipResponse, flow: Flow): void {
    const via = response.headers.first(Header.Via);
    const parsed = via === null ? null : parseVia(via);
    const cseq = readCSeq(response);
    const { headers } = response;
    const usable = cseq !== null && headers.has(Header['Call-ID']) && headers.has(Header.To);
    if (parsed === null || parsed instanceof ParseFailure || !usable) {
      this.#drop('response without a usable Via, To, Call-ID or CSeq', flow);
      return;
    }
    const index = branchIndex(parsed.branch);
    const client = index > 0 ? (this.#clients[index] ?? null) : null;
    const { method } = cseq;
    if (client !== null && client.branch === parsed.branch && client.method === method) {
      if (client.datagram !== null) this.#streams.worked(client.target);
      client.receive(response);
      return;
    }
    if (method === 'CANCEL') {
      this.#cancels.get(parsed.branch)?.receive(response);
      return;
    }
    this.#drop('response that matches no transaction of ours', flow);
  }

  #receiveRequest(request: SipRequest, flow: Flow): void {
    const raw = request.headers.first(Header.Via);
    const via = raw === null ? null : parseVia(raw);
    if (via === null || via instanceof ParseFailure) {
      const reason = via === null ? 'no Via' : `Via is malformed: ${via.reason}`;
      this.#rejectBroken(new BrokenMessage(400, reason, 0, request), flow);
      return;
    }
    const key = serverTransactionKey(request, via);
    const known = this.#servers.get(key);
    if (known !== undefined) {
      if (request.method !== 'ACK') known.retransmitted();
      else if (!(known as InviteServer).acknowledged() && checkRequest(request) === null) this.#user.onAck(request);
      return;
    }
    const failure = checkRequest(request);
    if (failure !== null) {
      this.#reject(request, via, flow, failure);
      return;
    }
    if (request.method === 'ACK') {
      this.#user.onAck(request);
      return;
    }
    this.#openServer(request, key, via, flow);
  }

  #openServer(request: SipRequest, key: string, via: Via, flow: Flow): void {
    const profile = this.#options.profileOf(this.#options.listeners[flow.listener]!, flow.address);
    const target = this.#stampVia(request, via, flow, profile);
    const hold = this.#options.retain(request.headers.get(Header['Call-ID'])!);
    this.#linger.opened(request.method);
    if (request.method === 'INVITE') {
      const server = new InviteServer(request, key, hold, target, flow.address, profile, this);
      this.#servers.set(key, server);
      this.#user.onRequest(server, request);
      return;
    }
    const server = new NonInviteServer(request, key, hold, target, profile, this);
    this.#servers.set(key, server);
    if (request.method !== 'CANCEL') {
      this.#user.onRequest(server, request);
      return;
    }
    const invite = this.#servers.get(serverTransactionKey(request, via, 'INVITE'));
    // Only who sent the INVITE may cancel it: a branch can be overheard. Requirement X-I17.
    if (!(invite instanceof InviteServer) || invite.source !== flow.address) {
      const detail = invite === undefined ? '' : 'a CANCEL from another address than the INVITE';
      this.#options.rejected(coreReasons.noTransaction, detail, true, request, flow);
      const response = this.#ownResponse(request, 481);
      response.headers.append(Header.Warning, warningOf(coreReasons.noTransaction, this.#sentBy(flow)));
      server.respond(response);
      return;
    }
    server.respond(this.#ownResponse(request, 200));
    this.#user.onCancel(invite, request);
  }

  /** Writes received and rport into the topmost Via and gives where responses go. Requirements C-12, P-142. */
  #stampVia(request: SipRequest, via: Via, flow: Flow, profile: TimerProfile): Target {
    const received = via.host !== flow.address || via.rport >= 0 ? flow.address : null;
    const rport = via.rport >= 0 ? flow.port : null;
    if (received !== null || via.received !== '') {
      request.headers.replaceFirst(Header.Via, withReceived(via.raw, received ?? flow.address, rport));
    }
    if (this.#protected?.[flow.listener]) return this.#options.answerFlow?.(flow) ?? flow;
    if (profile.answersToSource === true && flow.transport === 'udp') return flow;
    // With received written, only rport matters for the way back (RFC 3581 4).
    return responseTarget(via, flow);
  }

  #reject(request: SipRequest, via: Via, flow: Flow, failure: SanityFailure): void {
    const answer = request.method !== 'ACK';
    const reason = sanityReason(failure.status);
    this.#options.rejected(reason, failure.reason, answer, request, flow);
    if (!answer) return;
    const profile = this.#options.profileOf(this.#options.listeners[flow.listener]!, flow.address);
    const target = this.#stampVia(request, via, flow, profile);
    const response = this.#ownResponse(request, failure.status);
    response.headers.append(Header.Warning, warningOf(reason, this.#sentBy(flow), failure.reason));
    this.send(writeMessage(response), target, 0, response);
  }

  #rejectBroken(message: BrokenMessage, flow: Flow): void {
    const { request } = message;
    const raw = request?.headers.first(Header.Via) ?? null;
    const parsed = raw === null ? null : parseVia(raw);
    const via = parsed instanceof ParseFailure ? readSentBy(raw!) : parsed;
    if (request === null || via === null) {
      this.#drop(message.reason, flow);
      return;
    }
    this.#reject(request, via, flow, { status: message.status, reason: message.reason });
  }

  #drop(detail: string, flow: Flow): void {
    this.#options.rejected(coreReasons.malformed, detail, false, null, flow);
  }

  #viaOf(target: Target, branch: string): string {
    const listener = this.#options.listeners[target.listener]!;
    return `SIP/2.0/${viaTransport(target)} ${listener.sentBy}${aliasOf(target, listener)};branch=${branch}`;
  }

  #sentBy(flow: Flow): string {
    return this.#options.listeners[flow.listener]!.sentBy;
  }

  /** Whether a Via value was written by one of our listeners. */
  isOwnSentBy(via: string): boolean {
    return this.#options.listeners.some((listener) => via.includes(` ${listener.sentBy};`));
  }

  /** A tag for responses of our own. Source: RFC 3261 19.3. */
  newTag(): string {
    return this.#nextSerial();
  }

  #ownResponse(request: SipRequest, status: number): SipResponse {
    const response = createResponse(request, status, this.newTag());
    const { server } = this.#options;
    if (server !== undefined && server !== '') response.headers.append(Header.Server, server);
    return response;
  }

  #nextSerial(): string {
    this.#serial += 1;
    return this.#serialPrefix + this.#serial.toString(36);
  }
}

/** On connections of ours to core nodes: they may send us requests by them. Source: RFC 5923 5.1; requirement C-11. */
function aliasOf(target: Target, listener: Listener): string {
  if (target.transport === 'udp') return '';
  return target.connection === 0 && listener.sides.includes('mw') ? ';alias' : '';
}

function viaTransport(target: Target): string {
  return target.transport === 'udp' ? 'UDP' : target.transport === 'tcp' ? 'TCP' : 'TLS';
}
