import { ParseFailure } from '../errors.ts';
import { tagOf } from '../header/name-addr.ts';
import { parseDecimal } from '../header/number-value.ts';
import { parseOptionTags } from '../header/option-tags.ts';
import { createResponse } from '../message/create.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { writeMessage } from '../message/write.ts';
import { coreReasons, type Reason, warningOf } from '../reasons.ts';
import { defaultSetAsideMs, TargetHealth } from '../resolver/target-health.ts';
import type { InviteClient } from '../transaction/invite-client.ts';
import type { TimerWheel } from '../transaction/timer-wheel.ts';
import type { ClientTransaction, TransactionLayer } from '../transaction/transaction-layer.ts';
import type { ClientUser, ServerTransaction, ServerUser } from '../transaction/transaction-port.ts';
import type { Flow, Target } from '../transport/flow.ts';
import type { SipUri } from '../uri/sip-uri.ts';
import type { Uri } from '../uri/uri.ts';
import { CallOrder } from './call-order.ts';
import { bearsMark } from './loop-mark.ts';
import { type Claim, MergedRequests } from './merged-requests.ts';
import type { NodeLogic } from './node-logic.ts';
import { type BranchUser, type ForwardOptions, nextHop, ProxyBranch } from './proxy-branch.ts';
import { ProxyTransaction } from './proxy-transaction.ts';
import { type OwnNames, popOwnRoute, takeOwnRoute } from './route-processing.ts';

/** What a proxy core needs of the worker it lives in. */
export interface ProxyCoreOptions {
  /** Name in Warning headers. */
  readonly name: string;
  readonly own: OwnNames;
  readonly wheel: TimerWheel;
  /** Timer C, milliseconds (more than three minutes). */
  readonly timerCMs: number;
  /** Option tags that may stand in Proxy-Require. */
  readonly proxyRequire: readonly string[];
  /** Methods named in Allow when we answer OPTIONS. */
  readonly allow: readonly string[];
  /** Server header of responses of our own; none when left out or ''. */
  readonly server?: string;
  /** `guarded`: as in ForwardOptions. */
  readonly resolve: (uri: Uri, side: string, guarded?: boolean) => readonly Target[] | Promise<readonly Target[]>;
  /** Which targets have failed of late; a table of its own when left out. */
  readonly health?: TargetHealth;
  /** Whether nothing is known of who sends by this flow: then a refusal leaves no transaction. No, when left out. */
  readonly isStranger?: (flow: Flow) => boolean;
  /** A request has its final response, of this status; an INVITE is told of only when it failed. */
  readonly finished?: (request: SipRequest, status: number) => void;
  /** A request has its first final response, milliseconds after it came; `reason`: why we refused, null for the word of others. */
  readonly answered?: (request: SipRequest, status: number, afterMs: number, reason: Reason | null) => void;
  /** The first 180 to a request has gone out. */
  readonly ringing?: (request: SipRequest, afterMs: number) => void;
  /** An exception in a procedure: the request gets 500, this hears why. */
  readonly failed: (error: unknown, request: SipRequest) => void;
}

/** Vias of our own a request may carry before it counts as looping. Requirement C-20. */
const maxOwnVias = 8;
/** Octets of the shortest Via of ours, however short our name is, and of the comma and blank before it. */
const ownViaOctets = 43;
/** Octets of an answer to somebody unknown, for each octet of his request. Requirement X-I20. */
const maxAmplification = 1.5;

/** How an ACK is sent on that the node says nothing else of. */
const towardsCore: ForwardOptions = Object.freeze({});

/**
 * A stateful proxy: validates, takes our Route, lets the node's logic act, forwards, brings responses back.
 * Source: RFC 3261 16; requirements C-05 to C-09, C-20, C-21, C-35.
 */
export class ProxyCore implements ServerUser {
  readonly logic: NodeLogic;
  readonly health: TargetHealth;
  readonly #options: ProxyCoreOptions;
  #layer: TransactionLayer | null = null;
  readonly #order = new CallOrder();
  readonly #merged = new MergedRequests();
  #draining = false;

  constructor(options: ProxyCoreOptions, logic: NodeLogic) {
    this.#options = options;
    this.logic = logic;
    this.health = options.health ?? new TargetHealth({ now: () => options.wheel.nowMs, setAsideMs: defaultSetAsideMs });
  }

  /** Joins the core to its transaction layer (each knows the other). */
  attach(layer: TransactionLayer): void {
    this.#layer = layer;
  }

  /** From now on new requests outside dialogs get 503. Requirement C-15. */
  drain(): void {
    this.#draining = true;
  }

  get name(): string {
    return this.#options.name;
  }

  get wheel(): TimerWheel {
    return this.#options.wheel;
  }

  get timerCMs(): number {
    return this.#options.timerCMs;
  }

  onRequest(server: ServerTransaction, request: SipRequest): void {
    const callId = request.headers.get(Header['Call-ID'])!;
    const turn = this.#order.enter(callId, server, request);
    if (turn === 'free') this.#handle(server, request, callId);
    else if (turn === 'full') {
      this.#refuse(server, request, coreReasons.overload, 'too many requests of one Call-ID wait');
    }
  }

  onAck(request: SipRequest): void {
    if (this.logic.admit?.(request) != null) return;
    const ownRoute = takeOwnRoute(request, this.#options.own);
    if (this.#spent(request)) return;
    if (ownRoute !== null && this.logic.joinsPassages) popOwnRoute(request, this.#options.own);
    const verdict = this.logic.handleAck?.(request, ownRoute);
    if (verdict instanceof Promise) {
      verdict.then(
        (later) => later !== false && this.#forwardAck(request, later ?? towardsCore),
        (error: unknown) => this.reportError(error, request),
      );
    } else if (verdict !== false) this.#forwardAck(request, verdict ?? towardsCore);
  }

  /** Sends an ACK to a 2xx on, without any state. Source: RFC 3261 16.11; requirement C-07. */
  #forwardAck(request: SipRequest, { side = 'mw', targets, guarded }: ForwardOptions): void {
    this.decrementMaxForwards(request);
    const uri = nextHop(request);
    if (uri === null) return;
    const found = targets ?? this.resolve(uri, side, guarded);
    if (!(found instanceof Promise)) this.#sendAck(request, found);
    else
      found.then(
        (resolved) => this.#sendAck(request, resolved),
        (error: unknown) => this.reportError(error, request),
      );
  }

  #sendAck(request: SipRequest, targets: readonly Target[]): void {
    const target = this.health.first(targets);
    if (target !== null) this.#layer!.sendStateless(request, target);
  }

  onCancel(invite: ServerTransaction, cancel: SipRequest): void {
    const transaction = invite.context;
    if (transaction instanceof ProxyTransaction) {
      const reasons = cancel.headers.values(Header.Reason);
      transaction.cancel(reasons.length === 0 ? null : reasons.join(', '));
      return;
    }
    // It may not have had its turn yet.
    const kept = this.#order.kept(cancel.headers.get(Header['Call-ID'])!, invite);
    if (kept !== null) this.#refuse(invite, kept, coreReasons.canceled, '');
  }

  onServerEnded(server: ServerTransaction): void {
    this.#merged.release(server);
    this.forget(server);
  }

  /** Takes a request as ours to answer, unless another live transaction has the same one. Requirement C-05. */
  claim(server: ServerTransaction, request: SipRequest): Claim {
    return this.#merged.claim(server, request);
  }

  /** Whether a request passed a fork of this node that had this mark. Requirement C-36. */
  hasForked(request: SipRequest, mark: string): boolean {
    return bearsMark(request, mark, (via) => this.#layer!.isOwnSentBy(via));
  }

  /**
   * Sends a request of our own, which has all its header fields but Via: to where its Route or Request-URI leads, to
   * the next target when one does not answer. `user` hears every response but 100 (of a non-INVITE: the final one), our
   * Via taken off, or that there is none; maybe before this returns.
   *
   * What comes back is dispatched by Call-ID: see `newCallId`. Source: RFC 3261 8.1.2, 8.1.3.
   */
  originate(request: SipRequest, user: BranchUser, options: ForwardOptions = {}): ProxyBranch {
    const branch = new ProxyBranch(request, options, user, this);
    branch.start();
    return branch;
  }

  /** Sends an ACK of our own to a 2xx, which has all its header fields but Via. Source: RFC 3261 13.2.2.4. */
  acknowledge(request: SipRequest, options: ForwardOptions = towardsCore): void {
    this.#forwardAck(request, options);
  }

  /** Nothing of this transaction comes any more: only its last response is kept, by the server transaction. */
  forget(server: ServerTransaction): void {
    const transaction = server.context;
    server.context = null;
    if (transaction instanceof ProxyTransaction) this.logic.handleEnd?.(transaction);
  }

  resolve(uri: Uri, side: string, guarded = false): readonly Target[] | Promise<readonly Target[]> {
    return this.#options.resolve(uri, side, guarded);
  }

  /** `mark`: what the branch ends with, '' for nothing. */
  startClient(request: SipRequest, target: Target, user: ClientUser, mark = ''): ClientTransaction | null {
    return this.#layer!.startClient(request, target, user, mark);
  }

  cancelClient(client: InviteClient, reason: string | null): void {
    this.#layer!.cancel(client, reason);
  }

  newTag(): string {
    return this.#layer!.newTag();
  }

  isInDialog(request: SipRequest): boolean {
    return tagOf(request.headers.get(Header.To) ?? '') !== '';
  }

  /** Source: RFC 3261 16.6 step 3; requirement C-20. */
  decrementMaxForwards(request: SipRequest): void {
    const value = request.headers.get(Header['Max-Forwards']);
    const hops = value === null ? 71 : parseDecimal(value, 255);
    request.headers.set(Header['Max-Forwards'], String(hops instanceof ParseFailure ? 70 : hops - 1));
  }

  /** A response of our own, without Warning. Source: RFC 3261 8.2.6, 20.35; requirement C-27. */
  respondTo(request: SipRequest, status: number, toTag: string, phrase?: string): SipResponse {
    const response = createResponse(request, status, toTag, phrase);
    const { server } = this.#options;
    if (server !== undefined && server !== '') response.headers.append(Header.Server, server);
    return response;
  }

  reportRefusal(request: SipRequest, reason: Reason, detail: string): void {
    this.logic.refused?.(request, reason, detail);
  }

  reportFinal(request: SipRequest, status: number): void {
    this.#options.finished?.(request, status);
  }

  reportAnswer(request: SipRequest, status: number, startedMs: number, reason: Reason | null): void {
    this.#options.answered?.(request, status, this.wheel.nowMs - startedMs, reason);
  }

  reportRinging(request: SipRequest, startedMs: number): void {
    this.#options.ringing?.(request, this.wheel.nowMs - startedMs);
  }

  reportError(error: unknown, request: SipRequest): void {
    this.#options.failed(error, request);
  }

  #handle(server: ServerTransaction, request: SipRequest, callId: string): void {
    try {
      const admission = this.logic.admit?.(request) ?? null;
      if (admission === 'drop') server.drop();
      else if (admission !== null) this.#refuse(server, request, admission, '');
      else this.#process(server, request, callId);
    } catch (error) {
      this.#options.failed(error, request);
      const transaction = server.context;
      if (transaction instanceof ProxyTransaction) transaction.refuse(coreReasons.internal);
      else if (!server.answered) this.#refuse(server, request, coreReasons.internal, '');
    }
  }

  #process(server: ServerTransaction, request: SipRequest, callId: string): void {
    const ownRoute = takeOwnRoute(request, this.#options.own);
    const { logic } = this;
    const joined = ownRoute !== null && logic.joinsPassages === true && this.isInDialog(request);
    const nextRoute = joined ? popOwnRoute(request, this.#options.own) : null;
    const transaction = new ProxyTransaction(server, request, ownRoute, nextRoute, this);
    server.context = transaction;
    const local = logic.handleLocal !== undefined && this.#isLocal(transaction);
    if (!local && !this.#validate(transaction)) return;
    const result = local
      ? logic.handleLocal!(transaction)
      : logic.handleRequest === undefined
        ? transaction.forward()
        : logic.handleRequest(transaction);
    if (result instanceof Promise) void this.#await(result, transaction, callId);
  }

  /** Keeps the order of one Call-ID across a procedure that waits; never rejects. Requirement C-35. */
  async #await(result: Promise<void>, transaction: ProxyTransaction, callId: string): Promise<void> {
    this.#order.hold(callId);
    try {
      await result;
      // Nothing would ever end it.
      if (!transaction.answered && transaction.branches.length === 0) {
        throw new Error('a procedure left a request without an answer');
      }
    } catch (error) {
      this.#options.failed(error, transaction.request);
      transaction.refuse(coreReasons.internal);
    }
    this.#order.release(callId, (server, request) => this.#handle(server, request, callId));
  }

  /** RFC 3261 16.3: Max-Forwards, loops, Proxy-Require; OPTIONS to ourselves; a draining node. P-143: emergencies go on. */
  #validate(transaction: ProxyTransaction): boolean {
    const { request } = transaction;
    if (request.method === 'OPTIONS' && this.#isForUs(request)) {
      this.#answerOptions(transaction);
      return false;
    }
    if (this.#spent(request)) transaction.refuse(coreReasons.tooManyHops);
    else if (this.#passedTooOften(request)) {
      transaction.refuse(coreReasons.loop);
    } else if (
      this.#draining &&
      !transaction.inDialog &&
      (request.method === 'INVITE' || request.method === 'REGISTER') &&
      this.logic.isEmergency?.(request) !== true
    ) {
      transaction.refuse(coreReasons.draining, '', (response) => response.headers.append(Header['Retry-After'], '5'));
    } else {
      const unsupported = this.unsupported(request, Header['Proxy-Require'], this.#options.proxyRequire);
      if (unsupported.length === 0) return true;
      transaction.refuse(coreReasons.badExtension, unsupported.join(', '), (response) =>
        response.headers.append(Header.Unsupported, unsupported.join(', ')),
      );
    }
    return false;
  }

  #spent(request: SipRequest): boolean {
    const value = request.headers.get(Header['Max-Forwards']);
    return value !== null && parseDecimal(value, 255) === 0;
  }

  #passedTooOften(request: SipRequest): boolean {
    const most = this.logic.maxOwnVias ?? maxOwnVias;
    return atMostOwnVias(request) > most && this.#ownVias(request) > most;
  }

  #ownVias(request: SipRequest): number {
    let count = 0;
    for (const via of request.headers.values(Header.Via)) {
      if (this.#layer!.isOwnSentBy(via)) count++;
    }
    return count;
  }

  /** The option tags of a header that are not among those supported. */
  unsupported(request: SipRequest, key: number, supported: readonly string[]): readonly string[] {
    if (!request.headers.has(key)) return [];
    return parseOptionTags(request.headers.values(key)).filter((tag) => !supported.includes(tag));
  }

  /** Whether a request inside a dialog has this node itself for its end. */
  #isLocal(transaction: ProxyTransaction): boolean {
    return transaction.inDialog && this.#ownUri(transaction.request) !== null;
  }

  #isForUs(request: SipRequest): boolean {
    return this.#ownUri(request)?.user === '';
  }

  /** The Request-URI when it names this node and no Route leads on, else null. */
  #ownUri(request: SipRequest): SipUri | null {
    if (request.headers.has(Header.Route)) return null;
    const { uri } = request;
    return !(uri instanceof ParseFailure) && uri.kind === 'sip' && this.#options.own.has(uri) ? uri : null;
  }

  /** Requirement P-145. */
  #answerOptions(transaction: ProxyTransaction): void {
    if (!transaction.serveAsUas()) return;
    transaction.reply(200, (response: SipResponse) => {
      response.headers.append(Header.Allow, this.#options.allow.join(', '));
      response.headers.append(Header.Accept, 'application/sdp, application/3gpp-ims+xml');
      response.headers.append(Header.Supported, 'path');
    });
  }

  isStranger({ flow }: SipRequest): boolean {
    return flow !== null && this.#options.isStranger?.(flow) === true;
  }

  /**
   * Refuses somebody unknown: the answer goes out once and nothing is kept of it, a retransmission is refused anew. Over
   * UDP it is never much longer than the request, which may bear somebody else's address. Requirement X-I20.
   */
  respondOnce(server: ServerTransaction, request: SipRequest, response: SipResponse): void {
    const most =
      request.flow?.transport === 'udp' ? maxAmplification * receivedOctets(request) : Number.POSITIVE_INFINITY;
    let octets = writeMessage(response).length;
    if (octets > most && response.headers.remove(Header.Warning)) octets = writeMessage(response).length;
    if (octets <= most) server.respond(response);
    server.drop();
    this.reportFinal(request, response.status);
  }

  #refuse(server: ServerTransaction, request: SipRequest, reason: Reason, detail: string): void {
    this.reportRefusal(request, reason, detail);
    this.#options.answered?.(request, reason.status, 0, reason);
    const response = this.respondTo(request, reason.status, this.newTag());
    response.headers.append(Header.Warning, warningOf(reason, this.#options.name, detail));
    if (this.isStranger(request)) {
      this.respondOnce(server, request, response);
      return;
    }
    server.respond(response);
    this.reportFinal(request, reason.status);
  }
}

/** Octets of the message that a request came as. */
function receivedOctets(request: SipRequest): number {
  let most = 0;
  // A line nobody has edited lies in the text that was received.
  for (const { text } of request.headers.lines) if (text.length > most) most = text.length;
  return most;
}

/** How many Vias of our own there is room for in the Via lines: cheaper than to look at them. */
function atMostOwnVias(request: SipRequest): number {
  const { lines } = request.headers;
  let most = 0;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.id !== Header.Via) continue;
    const octets = line.valueEnd - line.valueStart + 2;
    most += octets < 2 * ownViaOctets ? 1 : Math.floor(octets / ownViaOctets);
  }
  return most;
}
