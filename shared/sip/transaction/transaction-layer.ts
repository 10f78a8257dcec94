import { randomBytes } from 'node:crypto';
import { ParseFailure } from '../errors.ts';
import { parseVia, type Via, withReceived } from '../header/via.ts';
import { createResponse } from '../message/create.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipMessage, SipResponse } from '../message/response.ts';
import { writeMessage } from '../message/write.ts';
import { type BrokenMessage, parseMessage } from '../parser/parse-message.ts';
import { checkRequest, readCSeq, type SanityFailure } from '../parser/sanity.ts';
import { coreReasons, type Reason, sanityReason, warningOf } from '../reasons.ts';
import type { Flow, Listener, Target } from '../transport/flow.ts';
import { responseTarget } from '../transport/response-address.ts';
import { InviteClient } from './invite-client.ts';
import { InviteServer } from './invite-server.ts';
import { NonInviteClient } from './non-invite-client.ts';
import { NonInviteServer } from './non-invite-server.ts';
import type { TimerWheel } from './timer-wheel.ts';
import type { TimerProfile } from './timers.ts';
import { branchIndex, formatBranch, serverTransactionKey } from './transaction-key.ts';
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
  /** Called when a Call-ID gains or loses a live server transaction here (dispatch). */
  readonly retain: (callId: string) => void;
  readonly release: (callId: string) => void;
  /** Told of what was answered or dropped before it reached a procedure. */
  readonly rejected: (
    reason: Reason,
    detail: string,
    answered: boolean,
    message: SipRequest | null,
    flow: Flow,
  ) => void;
  /** Every message that was read, after parsing, before anything else looks at it. */
  readonly received?: (message: SipRequest | SipResponse, flow: Flow) => void;
}

const maxClients = 1 << 20;

/**
 * Matches messages to transactions, runs the four machines, gives the rest to its user.
 *
 * Source: RFC 3261 17, 18; RFC 6026; requirements C-01 to C-07, C-12, C-13, C-23.
 */
export class TransactionLayer implements TransactionPort {
  readonly wheel: TimerWheel;
  readonly #options: TransactionLayerOptions;
  readonly #user: ServerUser;
  readonly #servers = new Map<string, InviteServer | NonInviteServer>();
  readonly #clients: (ClientTransaction | null)[] = [null];
  readonly #free: number[] = [];
  /** CANCEL transactions share the branch of the INVITE they cancel. */
  readonly #cancels = new Map<string, NonInviteClient>();
  readonly #serialPrefix = randomBytes(4).toString('hex');
  #serial = 0;
  #generation = 0;

  constructor(options: TransactionLayerOptions, user: ServerUser) {
    this.#options = options;
    this.#user = user;
    this.wheel = options.wheel;
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

  /** Starts a client transaction: puts our Via on top of the request, sends it. */
  startClient(request: SipRequest, target: Target, user: ClientUser): ClientTransaction | null {
    const index = this.#free.pop() ?? this.#clients.length;
    if (index >= maxClients) return null;
    this.#generation = (this.#generation + 1) & 0xfff;
    const token = ((this.#generation << 20) | index) >>> 0;
    const branch = formatBranch(this.#options.worker, index, this.#nextSerial());
    const listener = this.#options.listeners[target.listener]!;
    request.headers.prepend(Header.Via, `SIP/2.0/${viaTransport(target)} ${listener.sentBy};branch=${branch}`);
    const profile = this.#options.profileOf(listener, target.address);
    const client =
      request.method === 'INVITE'
        ? new InviteClient(request, branch, token, target, profile, user, this)
        : new NonInviteClient(request, branch, token, target, profile, user, this);
    this.#clients[index] = client;
    client.start(request);
    return client;
  }

  /** Sends the CANCEL of an INVITE that has no final response yet. Source: RFC 3261 9.1. */
  cancel(invite: InviteClient, reason: string | null): void {
    const request = invite.cancelRequest(reason);
    if (request === null || this.#cancels.has(invite.branch)) return;
    const cancel = new NonInviteClient(request, invite.branch, 0, invite.target, invite.profile, ignoreOutcome, this);
    this.#cancels.set(invite.branch, cancel);
    cancel.start(request);
  }

  /** Sends a request outside any transaction (an ACK to a 2xx), with our Via on top. */
  sendStateless(request: SipRequest, target: Target): void {
    const listener = this.#options.listeners[target.listener]!;
    const branch = formatBranch(this.#options.worker, 0, this.#nextSerial());
    request.headers.prepend(Header.Via, `SIP/2.0/${viaTransport(target)} ${listener.sentBy};branch=${branch}`);
    this.send(writeMessage(request), target, 0, request);
  }

  /** A send that failed, named by the token it was given. */
  sendFailed(token: number): void {
    const client = this.#clients[token & (maxClients - 1)];
    if (client != null && client.token === token) client.transportFailed();
  }

  send(text: string, target: Target, token: number, message: SipMessage | null): void {
    this.#options.send(text, target, token, message);
  }

  /** A machine reports its end. */
  ended(transaction: InviteClient | NonInviteClient | InviteServer | NonInviteServer): void {
    if (transaction instanceof InviteServer || transaction instanceof NonInviteServer) {
      this.#servers.delete(transaction.key);
      this.#options.release(transaction.callId);
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
      this.#drop('request without a usable Via', flow);
      return;
    }
    const key = serverTransactionKey(request, via);
    const known = this.#servers.get(key);
    if (known !== undefined) {
      if (request.method !== 'ACK') known.retransmitted();
      else if (!(known as InviteServer).acknowledged()) this.#user.onAck(request);
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
    const target = this.#stampVia(request, via, flow);
    const callId = request.headers.get(Header['Call-ID'])!;
    const profile = this.#options.profileOf(this.#options.listeners[flow.listener]!, flow.address);
    this.#options.retain(callId);
    if (request.method === 'INVITE') {
      const server = new InviteServer(request, key, callId, target, flow.address, profile, this);
      this.#servers.set(key, server);
      this.#user.onRequest(server, request);
      return;
    }
    const server = new NonInviteServer(request, key, callId, target, profile, this);
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
      const response = createResponse(request, 481, this.newTag());
      response.headers.append(Header.Warning, warningOf(coreReasons.noTransaction, this.#sentBy(flow)));
      server.respond(response);
      return;
    }
    server.respond(createResponse(request, 200, this.newTag()));
    this.#user.onCancel(invite, request);
  }

  /** Writes received and rport into the topmost Via and gives where responses go. Requirement C-12. */
  #stampVia(request: SipRequest, via: Via, flow: Flow): Target {
    const received = via.host !== flow.address || via.rport >= 0 ? flow.address : null;
    const rport = via.rport >= 0 ? flow.port : null;
    if (received === null && via.received === '') return responseTarget(via, flow);
    const stamped = withReceived(via.raw, received ?? flow.address, rport);
    request.headers.replaceFirst(Header.Via, stamped);
    // With received written, only rport matters for the way back (RFC 3581 4).
    return responseTarget(via, flow);
  }

  #reject(request: SipRequest, via: Via, flow: Flow, failure: SanityFailure): void {
    const answer = request.method !== 'ACK';
    const reason = sanityReason(failure.status);
    this.#options.rejected(reason, failure.reason, answer, request, flow);
    if (!answer) return;
    const target = this.#stampVia(request, via, flow);
    const response = createResponse(request, failure.status, this.newTag());
    response.headers.append(Header.Warning, warningOf(reason, this.#sentBy(flow), failure.reason));
    this.send(writeMessage(response), target, 0, response);
  }

  #rejectBroken(message: BrokenMessage, flow: Flow): void {
    const { request } = message;
    const raw = request?.headers.first(Header.Via) ?? null;
    const via = raw === null ? null : parseVia(raw);
    const answerable =
      request !== null &&
      via !== null &&
      !(via instanceof ParseFailure) &&
      request.headers.has(Header.From) &&
      request.headers.has(Header.To) &&
      request.headers.has(Header['Call-ID']) &&
      request.headers.has(Header.CSeq);
    if (!answerable) {
      this.#drop(message.reason, flow);
      return;
    }
    this.#reject(request, via, flow, { status: message.status, reason: message.reason });
  }

  #drop(detail: string, flow: Flow): void {
    this.#options.rejected(coreReasons.malformed, detail, false, null, flow);
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

  #nextSerial(): string {
    this.#serial += 1;
    return this.#serialPrefix + this.#serial.toString(36);
  }
}

function viaTransport(target: Target): string {
  return target.transport === 'udp' ? 'UDP' : target.transport === 'tcp' ? 'TCP' : 'TLS';
}
