import { ParseFailure } from '../errors.ts';
import { parseRetryAfter } from '../header/retry-after.ts';
import { Header } from '../message/header-names.ts';
import { neededOfReceived, neededOfSent } from '../message/late-headers.ts';
import { reasonPhrase } from '../message/reason-phrases.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { parseMessage } from '../parser/parse-message.ts';
import { coreReasons, type Reason, warningOf } from '../reasons.ts';
import type { ServerTransaction } from '../transaction/transaction-port.ts';
import type { SipUri } from '../uri/sip-uri.ts';
import { breadthOf, breadthShare } from './fork-breadth.ts';
import { loopMark } from './loop-mark.ts';
import { type BranchUser, type ForwardOptions, ProxyBranch } from './proxy-branch.ts';
import type { ProxyCore } from './proxy-core.ts';
import { bestResponse, mergeChallenges } from './response-context.ts';

/** One branch to be: its request and how to send it. */
export interface BranchPlan {
  readonly request: SipRequest;
  readonly options?: ForwardOptions;
}

/** Responses that may wait behind one that is held; provisional ones beyond that are dropped. */
const maxHeld = 64;

/**
 * A request in the hands of this node, from its arrival to its final response: the response context of RFC 3261 16.
 *
 * A procedure edits `request` and calls `forward`, `fork`, `reply` or `refuse`. Responses go upstream by 16.7.
 */
export class ProxyTransaction implements BranchUser {
  /** The request as received plus the edits made since. */
  readonly request: SipRequest;
  /** The Route entry of ours that was on top, already popped; null when there was none. */
  readonly ownRoute: SipUri | null;
  /** The one behind it, popped too, where it was ours again and the node joins both passages; else null. */
  readonly nextRoute: SipUri | null;
  /** Whatever the node wants to remember with the transaction. */
  context: unknown = null;
  readonly #server: ServerTransaction;
  readonly #core: ProxyCore;
  readonly #startedMs: number;
  /** Why we refuse, once we do. */
  #reason: Reason | null = null;
  #rang = false;
  readonly #branches: ProxyBranch[] = [];
  readonly #finals: SipResponse[] = [];
  #groups: BranchPlan[][] = [];
  #canceled = false;
  /** To tag of the responses of our own, '' until there is one. */
  #tag = '';
  /** What the branches of a fork end with, '' for a request that is not forked. */
  #mark = '';
  /** Failures that the node is thinking about: the answer waits for them. */
  #deciding = 0;
  /** Responses that wait while one before them is held. */
  #held: (() => void)[] | null = null;
  /** That one and those that wait, to tell which of them come again; null when nothing is held. */
  #heldResponses: SipResponse[] | null = null;

  constructor(
    server: ServerTransaction,
    request: SipRequest,
    ownRoute: SipUri | null,
    nextRoute: SipUri | null,
    core: ProxyCore,
  ) {
    this.#server = server;
    this.request = request;
    this.ownRoute = ownRoute;
    this.nextRoute = nextRoute;
    this.#core = core;
    this.#startedMs = core.wheel.nowMs;
  }

  /** Whether a final response has gone upstream. */
  get answered(): boolean {
    return this.#server.answered;
  }

  /** Whether the caller has cancelled. */
  get canceled(): boolean {
    return this.#canceled;
  }

  get branches(): readonly ProxyBranch[] {
    return this.#branches;
  }

  /** Whether the request asks for something inside an existing dialog (To tag). */
  get inDialog(): boolean {
    return this.#core.isInDialog(this.request);
  }

  /** To tag of the responses of our own to a request that has none. */
  get toTag(): string {
    return this.#ownTag();
  }

  /**
   * Says that this node is the recipient of the request. Gives false when it was answered instead: with 482 as a copy of
   * one that came another way and is, or was a moment ago, answered here; with the same answer when its sender has sent
   * it again and a node between does not know it any more; with 420 when `supported` is given and Require asks for more
   * than that.
   *
   * Source: RFC 3261 8.2.2.2, 8.2.2.3; requirement C-05.
   */
  serveAsUas(supported: readonly string[] | null = null): boolean {
    const claim = this.#core.claim(this.#server, this.request);
    if (claim !== 'own') {
      if (claim === 'merged') this.refuse(coreReasons.mergedRequest);
      else this.#repeat(claim.again);
      return false;
    }
    const unsupported = supported === null ? [] : this.#core.unsupported(this.request, Header.Require, supported);
    if (unsupported.length === 0) return true;
    this.refuse(coreReasons.requiredExtension, unsupported.join(', '), (response) =>
      response.headers.append(Header.Unsupported, unsupported.join(', ')),
    );
    return false;
  }

  /** Sends the request on: one more branch, at once. Source: RFC 3261 16.6. */
  forward(options: ForwardOptions = {}): void {
    if (this.answered || this.#canceled) return;
    this.#open(this.request.clone(), options).start();
  }

  /**
   * Forks: all of a group at once, the next group when the one before ended without success. A request that was forked
   * here before in the same way is refused as a loop, one that may not be split as far as that with 440.
   *
   * Source: RFC 3261 16.6, RFC 5393 4.2, 5.3.3; requirement C-36.
   */
  fork(groups: BranchPlan[][]): void {
    if (this.answered) return;
    const planned = groups.filter((group) => group.length > 0);
    const forks = planned.length > 1 || (planned[0]?.length ?? 0) > 1;
    if (forks && !this.#mayFork(planned)) return;
    this.#groups = planned;
    this.#nextGroup();
  }

  /** Answers with a response of our own; `edit` may add header fields. */
  reply(status: number, edit?: (response: SipResponse) => void, phrase = reasonPhrase(status)): void {
    if (this.answered) return;
    const response = this.#core.respondTo(this.request, status, this.#ownTag(), phrase);
    edit?.(response);
    this.#respond(response);
  }

  /**
   * Refuses: the status of the reason, its id and text in a Warning header, the log and the counters. `cancelReason`: value
   * of the Reason header in the CANCELs of what is under way.
   */
  refuse(
    reason: Reason,
    detail = '',
    edit?: (response: SipResponse) => void,
    cancelReason: string | null = null,
  ): void {
    if (this.answered) return;
    this.#reason = reason;
    this.#core.reportRefusal(this.request, reason, detail);
    const response = this.#refusal(reason, detail);
    edit?.(response);
    if (this.#branches.length === 0 && this.#core.isStranger(this.request)) {
      this.#core.reportAnswer(this.request, response.status, this.#startedMs, reason);
      this.#core.respondOnce(this.#server, this.request, response);
      return;
    }
    this.#respond(response);
    for (const branch of this.#branches) branch.cancel(cancelReason);
  }

  /** Sends an early 100. Source: RFC 3261 16.2. */
  trying(): void {
    if (this.#server.method === 'INVITE') this.reply(100);
  }

  /** The caller cancels; `reason`: value of the Reason header. Source: RFC 3261 16.10; requirement C-06. */
  cancel(reason: string | null): void {
    if (this.#canceled) return;
    this.#canceled = true;
    this.#groups = [];
    if (this.#branches.length === 0 || this.#branches.every((branch) => !branch.pending)) {
      this.refuse(coreReasons.canceled);
      return;
    }
    for (const branch of this.#branches) branch.cancel(reason);
  }

  branchResponse(branch: ProxyBranch, response: SipResponse): void {
    if (this.#held === null) {
      this.#takeResponse(branch, response);
      return;
    }
    // Whoever hears nothing sends again: one of them is enough.
    if (this.#heldResponses!.some((held) => isRepetition(held, response))) return;
    if (response.status >= 200 || this.#held.length < maxHeld) {
      this.#heldResponses!.push(response);
      this.#held.push(() => this.#takeResponse(branch, response));
    }
  }

  branchFailed(branch: ProxyBranch, reason: Reason): void {
    if (this.#held !== null) {
      this.#held.push(() => this.#takeFailure(branch, reason));
      return;
    }
    this.#takeFailure(branch, reason);
  }

  /** Answers as the same request was answered before, by the way that this one came. */
  #repeat(text: string): void {
    const response = parseMessage(text, this.request.flow!);
    if (response.kind !== 'response') {
      this.refuse(coreReasons.mergedRequest);
      return;
    }
    const { headers } = response.by('repeatAnswer (RFC 3261 17.2.2)');
    headers.remove(Header.Via);
    headers.prepend(Header.Via, this.request.headers.values(Header.Via).join(', '));
    this.#respond(response);
  }

  /** Sends a response; after the last one this transaction has nothing left to do (further 2xx to an INVITE may come). */
  #respond(response: SipResponse): void {
    const wasAnswered = this.answered;
    this.#server.respond(response);
    if (response.status === 180 && !this.#rang) {
      this.#rang = true;
      this.#core.reportRinging(this.request, this.#startedMs);
    }
    const last = response.status >= 300 || (response.status >= 200 && this.#server.method !== 'INVITE');
    if (wasAnswered || response.status < 200) return;
    this.#core.reportAnswer(this.request, response.status, this.#startedMs, this.#reason);
    if (!last) {
      this.#shrink();
      return;
    }
    this.#core.forget(this.#server);
    this.#core.reportFinal(this.request, response.status);
  }

  /** An INVITE has its 2xx, and other forks may send theirs for as long as Timer L runs: that needs little. */
  #shrink(): void {
    this.request.settle(neededOfReceived);
    for (const branch of this.#branches) {
      if (branch.pending) continue;
      branch.request.settle(neededOfSent);
      branch.final = null;
    }
  }

  #takeFailure(branch: ProxyBranch, reason: Reason): void {
    // Whatever became of it: to a caller that has given up it is a cancelled branch.
    const why = this.#canceled ? coreReasons.canceled : reason;
    branch.final = this.#refusal(why, '');
    branch.failure = why;
    this.#failed(branch);
  }

  #takeResponse(branch: ProxyBranch, response: SipResponse): void {
    if (response.status >= 300) {
      if (this.answered) return;
      branch.final = response;
      if (response.status >= 600) this.#stopOthers(branch, null);
      this.#failed(branch);
      return;
    }
    const success = response.status >= 200;
    if (success) {
      branch.final = response;
      this.#stopOthers(branch, callCompletedElsewhere);
    }
    this.#upstream(branch, response);
  }

  /** Lets the node edit or hold a response, then sends it upstream. */
  #upstream(branch: ProxyBranch, response: SipResponse): void {
    try {
      const verdict = this.#core.logic.handleResponse?.(this, branch, response);
      if (verdict instanceof Promise) void this.#hold(verdict, response);
      else if (verdict !== false) this.#respond(response);
    } catch (error) {
      this.#core.reportError(error, this.request);
      // The next hop will not repeat it; the caller must not wait for ever.
      if (response.status >= 200) this.refuse(coreReasons.internal);
    }
  }

  /** Keeps a response, and what comes after it, until the node has made up its mind. Never rejects. */
  async #hold(verdict: Promise<void | false>, response: SipResponse): Promise<void> {
    const waiting: (() => void)[] = [];
    this.#held = waiting;
    this.#heldResponses = [response, ...(this.#heldResponses ?? [])];
    const answer = await verdict.catch((error: unknown) => this.#core.reportError(error, this.request));
    this.#held = null;
    if (answer !== false) this.#guarded(() => this.#respond(response));
    for (let i = 0; i < waiting.length; i++) {
      this.#guarded(waiting[i]!);
      const again = this.#held as (() => void)[] | null;
      if (again === null) continue;
      again.push(...waiting.slice(i + 1));
      return;
    }
    this.#heldResponses = null;
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#core.reportError(error, this.request);
    }
  }

  #failed(branch: ProxyBranch): void {
    // After a 6xx no new branch may be made, so nobody is asked. Source: RFC 3261 16.7 step 5.
    const final = this.#canceled || branch.final!.status >= 600;
    const before = this.#branches.length;
    let verdict: boolean | Promise<boolean> = false;
    this.#guarded(() => {
      if (!final) verdict = this.#core.logic.handleFailure?.(this, branch) ?? false;
    });
    if (typeof verdict === 'boolean') this.#settle(branch, verdict, before);
    else void this.#await(verdict, branch, before);
  }

  /** Waits for what the node says to a failure. Never rejects. */
  async #await(verdict: Promise<boolean>, branch: ProxyBranch, before: number): Promise<void> {
    this.#deciding++;
    const taken = await verdict.catch((error: unknown) => {
      this.#core.reportError(error, this.request);
      return false;
    });
    this.#deciding--;
    this.#guarded(() => this.#settle(branch, taken, before));
  }

  /** `before`: how many branches there were when the node was asked. */
  #settle(branch: ProxyBranch, taken: boolean, before: number): void {
    if (!taken && branch.final !== null) this.#finals.push(branch.final);
    if (this.answered || this.#deciding > 0) return;
    if (this.#branches.some((other) => other.pending)) return;
    // A branch that the node started instead may have failed by now; else it is still to come.
    if (taken && this.#branches.length === before) return;
    if (this.#groups.length > 0 && !this.#canceled && !this.#finals.some((final) => final.status >= 600)) {
      this.#nextGroup();
      return;
    }
    this.#answerBest();
  }

  #answerBest(): void {
    const index = bestResponse(this.#finals);
    if (index < 0) {
      this.refuse(coreReasons.internal, 'no branch gave a response');
      return;
    }
    const best = this.#finals[index]!;
    if (best.status === 408 && this.#server.method !== 'INVITE') {
      // Nobody may answer 408 to a non-INVITE, a next hop that does so included. Source: RFC 4320 4.2; requirement C-04.
      this.refuse(coreReasons.nextHopSilent);
      return;
    }
    if (best.flow === null) {
      // A response of our own that stands for a silent or dead next hop.
      const failed = this.#branches.find((branch) => branch.final === best);
      if (failed?.failure) {
        this.#reason = failed.failure;
        this.#core.reportRefusal(this.request, failed.failure, '');
      }
      this.#respond(best);
      return;
    }
    if (best.status === 503) {
      // Not passed on, but for how long to wait: 500 may say so as well. Source: RFC 3261 16.7 step 6, 21.5.1.
      this.refuse(coreReasons.nextHopBusy, '', (response) => {
        const value = best.headers.get(Header['Retry-After']);
        if (value !== null && !(parseRetryAfter(value) instanceof ParseFailure)) {
          response.headers.append(Header['Retry-After'], value);
        }
      });
      return;
    }
    mergeChallenges(best, this.#finals);
    const branch = this.#branches.find((candidate) => candidate.final === best)!;
    this.#upstream(branch, best);
  }

  /** Whether a fork may be made: not a loop, and not wider than Max-Breadth; if so each branch gets its share. */
  #mayFork(groups: readonly BranchPlan[][]): boolean {
    const mark = loopMark(this.request, this.ownRoute);
    if (this.#core.hasForked(this.request, mark)) {
      this.refuse(coreReasons.loop, 'it was forked here before');
      return false;
    }
    const breadth = breadthOf(this.request);
    if (breadth instanceof ParseFailure) {
      this.refuse(coreReasons.malformed, breadth.reason);
      return false;
    }
    const widest = Math.max(...groups.map((group) => group.length));
    if (widest > breadth) {
      this.refuse(coreReasons.maxBreadth, `${widest} branches, ${breadth} allowed`);
      return false;
    }
    for (const group of groups) {
      for (const [i, { request }] of group.entries()) {
        if (group.length === 1 && !request.headers.has(Header['Max-Breadth'])) continue;
        const share = String(breadthShare(breadth, group.length, i));
        request.by('shareBreadth (RFC 5393 5.3.3)').headers.set(Header['Max-Breadth'], share);
      }
    }
    this.#mark = mark;
    return true;
  }

  #nextGroup(): void {
    const group = this.#groups.shift();
    if (group === undefined) {
      this.#answerBest();
      return;
    }
    if (this.answered || this.#canceled) return;
    // All are open before the first is sent: one that fails at once must not end the search.
    const opened = group.map(({ request, options }) => this.#open(request, options ?? {}));
    for (const branch of opened) branch.start();
  }

  #open(request: SipRequest, options: ForwardOptions): ProxyBranch {
    this.#core.decrementMaxForwards(request);
    const branch = new ProxyBranch(request, options, this, this.#core, this.#mark);
    this.#branches.push(branch);
    return branch;
  }

  #stopOthers(winner: ProxyBranch, reason: string | null): void {
    this.#groups = [];
    for (const branch of this.#branches) if (branch !== winner) branch.cancel(reason);
  }

  #refusal(reason: Reason, detail: string): SipResponse {
    const response = this.#core.respondTo(this.request, reason.status, this.#ownTag());
    response.headers.append(Header.Warning, warningOf(reason, this.#core.name, detail));
    return response;
  }

  /** All our responses to one request have one tag. Source: RFC 3261 8.2.6.2. */
  #ownTag(): string {
    if (this.#tag === '') this.#tag = this.#core.newTag();
    return this.#tag;
  }
}

/** Whether a response is another copy of one: of the same dialog, and of the same provisional one. */
function isRepetition(one: SipResponse, other: SipResponse): boolean {
  if (one.status !== other.status) return false;
  return [Header.To, Header.RSeq, Header.CSeq].every((id) => one.headers.get(id) === other.headers.get(id));
}

/** Source: requirement S-123; RFC 3326. */
const callCompletedElsewhere = 'SIP;cause=200;text="Call completed elsewhere"';
