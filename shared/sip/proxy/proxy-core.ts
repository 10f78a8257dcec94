import { ParseFailure } from '../errors.ts';
import { tagOf } from '../header/name-addr.ts';
import { parseDecimal } from '../header/number-value.ts';
import { parseOptionTags } from '../header/option-tags.ts';
import { createResponse } from '../message/create.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { coreReasons, type Reason, warningOf } from '../reasons.ts';
import type { InviteClient } from '../transaction/invite-client.ts';
import type { TimerWheel } from '../transaction/timer-wheel.ts';
import type { ClientTransaction, TransactionLayer } from '../transaction/transaction-layer.ts';
import type { ClientUser, ServerTransaction, ServerUser } from '../transaction/transaction-port.ts';
import type { Target } from '../transport/flow.ts';
import type { Uri } from '../uri/uri.ts';
import type { NodeLogic } from './node-logic.ts';
import { nextHop } from './proxy-branch.ts';
import { ProxyTransaction } from './proxy-transaction.ts';
import { type OwnNames, takeOwnRoute } from './route-processing.ts';

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
  readonly resolve: (uri: Uri, side: string) => readonly Target[] | Promise<readonly Target[]>;
  /** An exception in a procedure: the request gets 500, this hears why. */
  readonly failed: (error: unknown, request: SipRequest) => void;
}

/** Vias of our own a request may carry before it counts as looping. Requirement C-20. */
const maxOwnVias = 8;
/** Requests of one Call-ID that may wait for the one before them. */
const maxWaiting = 64;

/**
 * A stateful proxy: validates, takes our Route, lets the node's logic act, forwards, brings responses back.
 * Source: RFC 3261 16; requirements C-05 to C-09, C-20, C-21, C-35.
 */
export class ProxyCore implements ServerUser {
  readonly logic: NodeLogic;
  readonly #options: ProxyCoreOptions;
  #layer: TransactionLayer | null = null;
  /** Call-IDs with a request in an asynchronous procedure, and what came after it. */
  readonly #busy = new Map<string, (() => void)[]>();
  #draining = false;

  constructor(options: ProxyCoreOptions, logic: NodeLogic) {
    this.#options = options;
    this.logic = logic;
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
    const waiting = this.#busy.get(callId);
    if (waiting === undefined) {
      this.#handle(server, request, callId);
      return;
    }
    if (waiting.length < maxWaiting) waiting.push(() => this.#handle(server, request, callId));
    else this.#refuse(server, request, coreReasons.overload, 'too many requests of one Call-ID wait');
  }

  onAck(request: SipRequest): void {
    if (this.logic.admit?.(request) != null) return;
    const ownRoute = takeOwnRoute(request, this.#options.own);
    if (this.#spent(request)) return;
    const verdict = this.logic.handleAck?.(request, ownRoute);
    if (verdict !== false) this.#forwardAck(request, verdict?.side ?? 'mw', verdict?.targets);
  }

  /** Sends an ACK to a 2xx on, without any state. Source: RFC 3261 16.11; requirement C-07. */
  #forwardAck(request: SipRequest, side: string, targets: readonly Target[] | undefined): void {
    this.decrementMaxForwards(request);
    const uri = nextHop(request);
    if (uri === null) return;
    const found = targets ?? this.resolve(uri, side);
    if (!(found instanceof Promise)) {
      if (found.length > 0) this.#layer!.sendStateless(request, found[0]!);
      return;
    }
    found.then(
      (resolved) => {
        if (resolved.length > 0) this.#layer!.sendStateless(request, resolved[0]!);
      },
      (error: unknown) => this.reportError(error, request),
    );
  }

  onCancel(invite: ServerTransaction, cancel: SipRequest): void {
    const transaction = invite.context;
    if (transaction instanceof ProxyTransaction) transaction.cancel(cancel.headers.get(Header.Reason));
  }

  onServerEnded(server: ServerTransaction): void {
    this.forget(server);
  }

  /** Nothing of this transaction comes any more: only its last response is kept, by the server transaction. */
  forget(server: ServerTransaction): void {
    const transaction = server.context;
    server.context = null;
    if (transaction instanceof ProxyTransaction) this.logic.handleEnd?.(transaction);
  }

  resolve(uri: Uri, side: string): readonly Target[] | Promise<readonly Target[]> {
    return this.#options.resolve(uri, side);
  }

  startClient(request: SipRequest, target: Target, user: ClientUser): ClientTransaction | null {
    return this.#layer!.startClient(request, target, user);
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

  reportRefusal(request: SipRequest, reason: Reason, detail: string): void {
    this.logic.refused?.(request, reason, detail);
  }

  reportError(error: unknown, request: SipRequest): void {
    this.#options.failed(error, request);
  }

  #handle(server: ServerTransaction, request: SipRequest, callId: string): void {
    const admission = this.logic.admit?.(request) ?? null;
    if (admission === 'drop') return;
    if (admission !== null) {
      this.#refuse(server, request, admission, '');
      return;
    }
    const ownRoute = takeOwnRoute(request, this.#options.own);
    const transaction = new ProxyTransaction(server, request, ownRoute, this);
    server.context = transaction;
    if (!this.#validate(transaction)) return;
    try {
      const result =
        this.logic.handleRequest === undefined ? transaction.forward() : this.logic.handleRequest(transaction);
      if (result instanceof Promise) this.#await(result, transaction, callId);
    } catch (error) {
      this.#crashed(error, transaction);
    }
  }

  /** Keeps the order of one Call-ID across a procedure that waits. Requirement C-35. */
  #await(result: Promise<void>, transaction: ProxyTransaction, callId: string): void {
    this.#busy.set(callId, []);
    result
      .catch((error: unknown) => this.#crashed(error, transaction))
      .then(() => {
        const waiting = this.#busy.get(callId) ?? [];
        this.#busy.delete(callId);
        while (waiting.length > 0) {
          waiting.shift()!();
          const again = this.#busy.get(callId);
          if (again === undefined) continue;
          again.push(...waiting);
          return;
        }
      });
  }

  #crashed(error: unknown, transaction: ProxyTransaction): void {
    this.#options.failed(error, transaction.request);
    transaction.refuse(coreReasons.internal);
  }

  /** RFC 3261 16.3: Max-Forwards, loops, Proxy-Require; OPTIONS to ourselves; a draining node. */
  #validate(transaction: ProxyTransaction): boolean {
    const { request } = transaction;
    if (request.method === 'OPTIONS' && this.#isForUs(request)) {
      this.#answerOptions(transaction);
      return false;
    }
    if (this.#spent(request)) transaction.refuse(coreReasons.tooManyHops);
    else if (request.headers.countLines(Header.Via) > maxOwnVias && this.#ownVias(request) > maxOwnVias) {
      transaction.refuse(coreReasons.loop);
    } else if (
      this.#draining &&
      !transaction.inDialog &&
      (request.method === 'INVITE' || request.method === 'REGISTER')
    ) {
      transaction.refuse(coreReasons.draining, '', (response) => response.headers.append(Header['Retry-After'], '5'));
    } else {
      const unsupported = this.#unsupported(request);
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

  #ownVias(request: SipRequest): number {
    let count = 0;
    for (const via of request.headers.values(Header.Via)) {
      if (this.#layer!.isOwnSentBy(via)) count++;
    }
    return count;
  }

  #unsupported(request: SipRequest): string[] {
    if (!request.headers.has(Header['Proxy-Require'])) return [];
    const tags = parseOptionTags(request.headers.values(Header['Proxy-Require']));
    return tags.filter((tag) => !this.#options.proxyRequire.includes(tag));
  }

  #isForUs(request: SipRequest): boolean {
    if (request.headers.has(Header.Route)) return false;
    const { uri } = request;
    return !(uri instanceof ParseFailure) && uri.kind === 'sip' && uri.user === '' && this.#options.own.has(uri);
  }

  /** Requirement P-145. */
  #answerOptions(transaction: ProxyTransaction): void {
    transaction.reply(200, (response: SipResponse) => {
      response.headers.append(Header.Allow, this.#options.allow.join(', '));
      response.headers.append(Header.Accept, 'application/sdp, application/3gpp-ims+xml');
      response.headers.append(Header.Supported, 'path');
    });
  }

  #refuse(server: ServerTransaction, request: SipRequest, reason: Reason, detail: string): void {
    this.reportRefusal(request, reason, detail);
    const response = createResponse(request, reason.status, this.newTag());
    response.headers.append(Header.Warning, warningOf(reason, this.#options.name, detail));
    server.respond(response);
  }
}
