import { createResponse } from '../message/create.ts';
import { Header } from '../message/header-names.ts';
import { reasonPhrase } from '../message/reason-phrases.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { coreReasons, type Reason, warningOf } from '../reasons.ts';
import type { ServerTransaction } from '../transaction/transaction-port.ts';
import type { SipUri } from '../uri/sip-uri.ts';
import { type BranchUser, type ForwardOptions, ProxyBranch } from './proxy-branch.ts';
import type { ProxyCore } from './proxy-core.ts';
import { bestResponse, mergeChallenges } from './response-context.ts';

/** One branch to be: its request and how to send it. */
export interface BranchPlan {
  readonly request: SipRequest;
  readonly options?: ForwardOptions;
}

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
  /** Whatever the node wants to remember with the transaction. */
  context: unknown = null;
  readonly #server: ServerTransaction;
  readonly #core: ProxyCore;
  readonly #branches: ProxyBranch[] = [];
  readonly #finals: SipResponse[] = [];
  #groups: BranchPlan[][] = [];
  #canceled = false;
  /** Failures that the node is thinking about: the answer waits for them. */
  #deciding = 0;
  /** Responses that wait while one before them is held. */
  #held: (() => void)[] | null = null;

  constructor(server: ServerTransaction, request: SipRequest, ownRoute: SipUri | null, core: ProxyCore) {
    this.#server = server;
    this.request = request;
    this.ownRoute = ownRoute;
    this.#core = core;
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

  /** Sends the request on: one more branch, at once. Source: RFC 3261 16.6. */
  forward(options: ForwardOptions = {}): void {
    this.#startBranch({ request: this.request.clone(), options });
  }

  /** Forks: all of a group at once, the next group when the one before ended without success. */
  fork(groups: BranchPlan[][]): void {
    this.#groups = groups;
    this.#nextGroup();
  }

  /** Answers with a response of our own; `edit` may add header fields. */
  reply(status: number, edit?: (response: SipResponse) => void, phrase = reasonPhrase(status)): void {
    if (this.answered) return;
    const response = createResponse(this.request, status, status === 100 ? '' : this.#core.newTag(), phrase);
    edit?.(response);
    this.#respond(response);
  }

  /** Refuses: the status of the reason, its id and text in a Warning header, the log and the counters. */
  refuse(reason: Reason, detail = '', edit?: (response: SipResponse) => void): void {
    if (this.answered) return;
    this.#core.reportRefusal(this.request, reason, detail);
    const response = this.#refusal(reason, detail);
    edit?.(response);
    this.#respond(response);
    for (const branch of this.#branches) branch.cancel(null);
  }

  /** Sends an early 100. Source: RFC 3261 16.2. */
  trying(): void {
    if (this.#server.method === 'INVITE') this.reply(100);
  }

  /** The caller cancels. Source: RFC 3261 16.10; requirement C-06. */
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
    if (this.#held !== null) {
      this.#held.push(() => this.#takeResponse(branch, response));
      return;
    }
    this.#takeResponse(branch, response);
  }

  branchFailed(branch: ProxyBranch, reason: Reason): void {
    if (this.#held !== null) {
      this.#held.push(() => this.#takeFailure(branch, reason));
      return;
    }
    this.#takeFailure(branch, reason);
  }

  /** Sends a response; after the last one this transaction has nothing left to do (further 2xx to an INVITE may come). */
  #respond(response: SipResponse): void {
    const wasAnswered = this.answered;
    this.#server.respond(response);
    const last = response.status >= 300 || (response.status >= 200 && this.#server.method !== 'INVITE');
    if (last && !wasAnswered) this.#core.forget(this.#server);
  }

  #takeFailure(branch: ProxyBranch, reason: Reason): void {
    branch.final = this.#refusal(reason, '');
    branch.failure = reason;
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
    const verdict = this.#core.logic.handleResponse?.(this, branch, response);
    if (!(verdict instanceof Promise)) {
      if (verdict !== false) this.#respond(response);
      return;
    }
    this.#held = [];
    verdict
      .catch((error: unknown) => this.#core.reportError(error, this.request))
      .then((answer) => {
        if (answer !== false) this.#respond(response);
        const waiting = this.#held ?? [];
        this.#held = null;
        while (waiting.length > 0) {
          const next = waiting.shift()!;
          next();
          if (this.#held !== null) {
            (this.#held as (() => void)[]).push(...waiting);
            break;
          }
        }
      });
  }

  #failed(branch: ProxyBranch): void {
    const verdict = this.#canceled ? false : (this.#core.logic.handleFailure?.(this, branch) ?? false);
    if (!(verdict instanceof Promise)) {
      this.#settle(branch, verdict);
      return;
    }
    this.#deciding++;
    verdict
      .catch((error: unknown) => {
        this.#core.reportError(error, this.request);
        return false;
      })
      .then((taken) => {
        this.#deciding--;
        this.#settle(branch, taken);
      });
  }

  #settle(branch: ProxyBranch, taken: boolean): void {
    if (!taken && branch.final !== null) this.#finals.push(branch.final);
    if (this.answered || this.#deciding > 0) return;
    if (this.#branches.some((other) => other.pending)) return;
    if (taken) return;
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
    if (best.flow === null) {
      // A response of our own that stands for a silent or dead next hop.
      const failed = this.#branches.find((branch) => branch.final === best);
      if (failed?.failure) this.#core.reportRefusal(this.request, failed.failure, '');
      this.#respond(best);
      return;
    }
    if (best.status === 503) {
      this.refuse(coreReasons.nextHopBusy);
      return;
    }
    mergeChallenges(best, this.#finals);
    const branch = this.#branches.find((candidate) => candidate.final === best)!;
    this.#upstream(branch, best);
  }

  #nextGroup(): void {
    const group = this.#groups.shift();
    if (group === undefined) {
      this.#answerBest();
      return;
    }
    for (const plan of group) this.#startBranch(plan);
  }

  #startBranch(plan: BranchPlan): void {
    if (this.answered || this.#canceled) return;
    const { request } = plan;
    this.#core.decrementMaxForwards(request);
    const branch = new ProxyBranch(request, plan.options ?? {}, this, this.#core);
    this.#branches.push(branch);
    branch.start();
  }

  #stopOthers(winner: ProxyBranch, reason: string | null): void {
    this.#groups = [];
    for (const branch of this.#branches) if (branch !== winner) branch.cancel(reason);
  }

  #refusal(reason: Reason, detail: string): SipResponse {
    const response = createResponse(this.request, reason.status, this.#core.newTag());
    response.headers.append(Header.Warning, warningOf(reason, this.#core.name, detail));
    return response;
  }
}

/** Source: requirement S-123; RFC 3326. */
const callCompletedElsewhere = 'SIP;cause=200;text="Call completed elsewhere"';
