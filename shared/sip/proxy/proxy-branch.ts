import { ParseFailure } from '../errors.ts';
import { parseNameAddr } from '../header/name-addr.ts';
import { parseRetryAfter } from '../header/retry-after.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { coreReasons, type Reason } from '../reasons.ts';
import type { InviteClient } from '../transaction/invite-client.ts';
import { Timer, type TimerOwner } from '../transaction/timer-wheel.ts';
import { coreTimers, giveUpMs } from '../transaction/timers.ts';
import type { ClientTransaction } from '../transaction/transaction-layer.ts';
import type { ClientUser } from '../transaction/transaction-port.ts';
import type { Target } from '../transport/flow.ts';
import type { TransportFailure } from '../transport/transport-failure.ts';
import { parseUri, type Uri } from '../uri/uri.ts';
import type { ProxyCore } from './proxy-core.ts';

/** How one branch is to be sent; everything left out follows RFC 3261 16.6. */
export interface ForwardOptions {
  /** Reference point whose listeners send it (`mw` when left out). */
  readonly side?: string;
  /** Where to, in order of trial, as flows of UEs are given; default: what Route or the Request-URI resolves to. */
  readonly targets?: readonly Target[];
  /** Somebody who is not trusted chose the next hop: the DNS is asked for no name but those of the configuration. */
  readonly guarded?: boolean;
  /** Refusal when no target can be reached. */
  readonly unreachable?: Reason;
  /** Refusal when the next hop stays silent. */
  readonly silent?: Reason;
  /** Gives a target up when not even a 100 came within this time (milliseconds); 0: only timers B and F do. */
  readonly responseTimeoutMs?: number;
  /** Nothing else can be done if it fails, in spite of that time: a next hop that restarts is waited for. */
  readonly lastResort?: boolean;
}

/** A refusal so long after the first is believed: that of the fourth time, which is sent after 7*T1 (3.5 s in the core). */
const restartInT1 = 6;

/** Who hears of a branch. */
export interface BranchUser {
  branchResponse(branch: ProxyBranch, response: SipResponse): void;
  /** The branch is over without an answer from the next hop. */
  branchFailed(branch: ProxyBranch, reason: Reason): void;
}

/**
 * One copy of a request on its way to one next hop: tries its targets in order, runs Timer C, carries CANCEL.
 *
 * What becomes of a target that was resolved is told to the core's health table. One that was given is a UE's, and a
 * phone out of coverage is no broken server.
 * Source: RFC 3261 16.6, 16.7, 16.8, 16.10, RFC 3263 4.3; requirements C-06, C-14, C-16, C-17, C-30.
 */
export class ProxyBranch implements ClientUser, TimerOwner {
  readonly request: SipRequest;
  readonly options: ForwardOptions;
  /** The final response of this branch, ours after a timeout or transport error; null while pending. */
  final: SipResponse | null = null;
  /** Why it failed without an answer of the next hop, else null. */
  failure: Reason | null = null;
  /** Whatever the node wants to remember with the branch. */
  context: unknown = null;
  #targets: readonly Target[] = [];
  #next = 0;
  #client: ClientTransaction | null = null;
  /** A provisional response of the target in use came. */
  #provisional = false;
  /** One beyond 100 went upstream: the caller has met this next hop, no other one is tried. */
  #introduced = false;
  /** When the target in use first refused, -1 where it did not. */
  #refusedMs = -1;
  #cancelReason: string | null | undefined;
  #over = false;
  readonly #user: BranchUser;
  readonly #core: ProxyCore;
  readonly #mark: string;
  readonly #timerC = new Timer(this, 'C');
  readonly #silence = new Timer(this, 'silence');

  /** `mark`: what the branch parameter ends with, '' for nothing. */
  constructor(request: SipRequest, options: ForwardOptions, user: BranchUser, core: ProxyCore, mark = '') {
    this.request = request;
    this.options = options;
    this.#user = user;
    this.#core = core;
    this.#mark = mark;
  }

  /** Whether the next hop may still answer. */
  get pending(): boolean {
    return !this.#over;
  }

  /** The target in use, null before the first. */
  get target(): Target | null {
    return this.#targets[this.#next - 1] ?? null;
  }

  /** Resolves the next hop and sends. */
  start(): void {
    if (this.options.targets !== undefined) {
      this.#begin(this.options.targets);
      return;
    }
    const uri = nextHop(this.request);
    if (uri === null) {
      this.#fail(coreReasons.unresolvable);
      return;
    }
    const targets = this.#core.resolve(uri, this.options.side ?? 'mw', this.options.guarded);
    if (!(targets instanceof Promise)) this.#begin(this.#core.health.select(targets));
    else
      targets
        .catch(() => [])
        .then((found) => this.#begin(this.#core.health.select(found)))
        .catch((error: unknown) => {
          this.#core.reportError(error, this.request);
          this.#fail(coreReasons.internal);
        });
  }

  /** Cancels: at once when a provisional came, else as soon as one comes. `reason`: value of the Reason header. */
  cancel(reason: string | null): void {
    if (this.#over || this.#cancelReason !== undefined) return;
    this.#cancelReason = reason;
    if (this.#client === null) {
      this.#fail(coreReasons.canceled);
      return;
    }
    if (this.#provisional) this.#sendCancel();
  }

  /** Word of the next hop came another way: it is not silent, however long its answer takes. */
  heard(): void {
    this.#core.wheel.stop(this.#silence);
  }

  /** Nobody waits for this branch any more. */
  abandon(): void {
    if (this.#over) return;
    this.#finish();
    this.#client?.abandon();
  }

  onResponse(response: SipResponse): void {
    this.#core.wheel.stop(this.#silence);
    this.#refusedMs = -1;
    if (response.status === 503) this.#setAside(response);
    else this.#noteAnswer();
    if (response.status < 200) {
      this.#proceed(response);
      return;
    }
    if (response.status === 503 && this.#mayMoveOn && !this.#introduced) {
      this.#tryNext();
      return;
    }
    if (response.status >= 300 && this.#over) return;
    this.#finish();
    this.#pass(response);
  }

  onTimeout(): void {
    if (this.#over) return;
    if (!this.#provisional) this.#setAside(null);
    if (this.#mayMoveOn && !this.#provisional) this.#tryNext();
    else this.#fail(this.#refusedMs < 0 ? this.#silentReason : this.#unreachableReason);
  }

  onTransportError(): void {
    if (this.#over) return;
    this.#setAside(null);
    if (this.#mayMoveOn && !this.#provisional) this.#tryNext();
    else this.#fail(this.#unreachableReason);
  }

  /**
   * A node that restarts refuses for a second or two. Where there is no other, a request inside a dialog is sent again
   * until Timer B or F, one that begins something until the fourth time, unless the node said how long it waits: then
   * there is something else it can do. A phone that refuses is gone.
   */
  ridesOut(failure: TransportFailure): boolean {
    const { targets, responseTimeoutMs = 0, lastResort = false } = this.options;
    if (this.#over || targets !== undefined || this.#cancelReason !== undefined) return false;
    if (this.#mayMoveOn && !this.#provisional) return false;
    // A connection that has ended took along what was in it.
    const { transport } = this.#client?.target ?? this.target!;
    if (failure !== 'refused' && (failure !== 'closed' || transport === 'udp')) return false;
    const inDialog = this.#core.isInDialog(this.request);
    if (!inDialog && responseTimeoutMs > 0 && !lastResort) return false;
    const { nowMs } = this.#core.wheel;
    if (this.#refusedMs < 0) this.#refusedMs = nowMs;
    if (!inDialog && nowMs - this.#refusedMs >= restartInT1 * (this.#client?.profile ?? coreTimers).t1Ms) return false;
    this.#setAside(null);
    return true;
  }

  onTimer(timer: Timer): void {
    if (timer === this.#silence) {
      this.#client?.abandon();
      this.onTimeout();
      return;
    }
    if (this.#cancelReason !== undefined) {
      this.#client?.abandon();
      this.#fail(coreReasons.canceled);
      return;
    }
    if (this.#provisional) this.cancel(null);
    else this.#fail(this.#silentReason);
  }

  get #silentReason(): Reason {
    if (this.options.silent !== undefined) return this.options.silent;
    return this.request.method === 'INVITE' ? coreReasons.noAnswer : coreReasons.nextHopSilent;
  }

  get #unreachableReason(): Reason {
    return this.options.unreachable ?? coreReasons.nextHopUnreachable;
  }

  get #mayMoveOn(): boolean {
    return !this.#over && this.#next < this.#targets.length && this.#cancelReason === undefined;
  }

  #noteAnswer(): void {
    if (this.options.targets === undefined) this.#core.health.answered(this.target!);
  }

  /** `busy`: the 503, null when nothing came. */
  #setAside(busy: SipResponse | null): void {
    if (this.options.targets !== undefined) return;
    const value = busy?.headers.get(Header['Retry-After']) ?? null;
    const retryAfter = value === null ? null : parseRetryAfter(value);
    const isTold = retryAfter !== null && !(retryAfter instanceof ParseFailure);
    this.#core.health.failed(this.target!, isTold ? retryAfter.seconds : -1);
  }

  #begin(targets: readonly Target[]): void {
    if (this.#over) return;
    this.#targets = targets;
    if (targets.length === 0) this.#fail(this.options.unreachable ?? coreReasons.unresolvable);
    else this.#tryNext();
  }

  #tryNext(): void {
    const target = this.#targets[this.#next]!;
    this.#next += 1;
    this.#provisional = false;
    this.#refusedMs = -1;
    const last = this.#next === this.#targets.length;
    const timeout = this.options.responseTimeoutMs ?? 0;
    if (timeout > 0) this.#core.wheel.start(this.#silence, timeout);
    if (this.request.method === 'INVITE') this.#core.wheel.start(this.#timerC, this.#core.timerCMs);
    this.#client = this.#core.startClient(last ? this.request : this.request.clone(), target, this, this.#mark);
    if (this.#client === null) this.#fail(coreReasons.overload);
  }

  #proceed(response: SipResponse): void {
    if (this.#over) return;
    this.#provisional = true;
    if (this.#cancelReason !== undefined) this.#sendCancel();
    else if (response.status > 100 && this.request.method === 'INVITE') {
      this.#core.wheel.start(this.#timerC, this.#core.timerCMs);
    }
    if (response.status > 100 && this.request.method === 'INVITE') {
      this.#introduced = true;
      this.#pass(response);
    }
  }

  #sendCancel(): void {
    const client = this.#client;
    if (client === null || client.method !== 'INVITE') return;
    this.#core.cancelClient(client as InviteClient, this.#cancelReason ?? null);
    this.#core.wheel.start(this.#timerC, giveUpMs(client.profile ?? coreTimers));
  }

  #pass(response: SipResponse): void {
    response.headers.removeFirst(Header.Via);
    this.#user.branchResponse(this, response);
  }

  #fail(reason: Reason): void {
    if (this.#over) return;
    this.#finish();
    this.#user.branchFailed(this, reason);
  }

  #finish(): void {
    this.#over = true;
    this.#core.wheel.stop(this.#timerC);
    this.#core.wheel.stop(this.#silence);
  }
}

/**
 * The URI a request goes to: the topmost Route, else the Request-URI. A Route without lr makes the request strict
 * routed: the two change places as RFC 3261 16.6 step 6 says.
 */
export function nextHop(request: SipRequest): Uri | null {
  const route = request.headers.first(Header.Route);
  if (route === null) return usable(request.uri);
  const address = parseNameAddr(route);
  if (address instanceof ParseFailure) return null;
  const uri = usable(parseUri(address.uri));
  if (uri?.kind === 'sip' && !uri.parameters.has('lr')) {
    request.headers.removeFirst(Header.Route);
    request.headers.append(Header.Route, `<${request.requestUri}>`);
    request.setRequestUri(address.uri);
  }
  return uri;
}

function usable(uri: Uri | ParseFailure): Uri | null {
  return uri instanceof ParseFailure ? null : uri;
}
