import type { AnswerContent } from '../answer.ts';
import type { RequestFailure } from '../client.ts';
import type { Clock } from '../clock.ts';
import { resultCodes } from '../errors.ts';
import { isSuccess } from '../result.ts';
import { collapseServices } from './collapse.ts';
import { HeldRequests } from './held-requests.ts';
import { isUnknownSession, type RxOutcome, type RxOutcomePolicy, rxOutcome, withoutConsent } from './rx-outcome.ts';
import type { AaRequest, AaService, AbortSession, ReAuth, SessionTermination } from './rx-requests.ts';
import { type AaAnswer, rxResultCodes, type SessionTerminationAnswer } from './rx-results.ts';
import { rxAnswer } from './rx-server.ts';
import { rxRequestTypes } from './rx-values.ts';

/** What a session asks of the PCRF with; RxClient is one. */
export interface RxPort {
  newSessionId(): string;
  authorize(request: AaRequest): Promise<AaAnswer | RequestFailure>;
  terminate(request: SessionTermination): Promise<SessionTerminationAnswer | RequestFailure>;
}

/** What a session tells the one who opened it; called after the PCRF has got its answer. */
export interface RxEvents {
  /** An AAA said yes; what else it told. */
  granted?(answer: AaAnswer): void;
  reAuth(request: ReAuth): void;
  /** The PCRF takes the bearer away; the session ends by itself. */
  aborted(request: AbortSession): void;
  /** The PCRF restarted and knows the session no more; it has ended. */
  lost(): void;
}

/** What a session tells the table that holds it. */
export interface RxSessionKeeper {
  renamed(session: RxSession, before: string): void;
  answered(session: RxSession, answer: AaAnswer): void;
  closed(session: RxSession): void;
  /** An event handler threw. */
  defect(error: unknown): void;
}

export interface RxSessionOptions {
  readonly port: RxPort;
  readonly clock: Clock;
  readonly policy: RxOutcomePolicy;
  readonly events: RxEvents;
  readonly keeper: RxSessionKeeper;
  /** A session that this one is in the place of: ended when the PCRF says that there are two (5064). */
  readonly replaces?: RxSession | undefined;
}

/**
 * `new`: the PCRF holds nothing; `asking`: the first AAR is under way; `open`: the PCRF holds the session, or may;
 * `updating`: open, with an AAR under way; `ending`: an STR is under way or will be; `closed`: over.
 */
export type RxSessionState = 'new' | 'asking' | 'open' | 'updating' | 'ending' | 'closed';

interface Queued {
  service: AaService;
  readonly outcome: Promise<RxOutcome>;
  readonly settle: (outcome: RxOutcome) => void;
}

/** A peer that is gone is given this long to come back before the one repetition of an STR. */
const REPEAT_AFTER_MS = 5000;

/**
 * The life of one Rx session: AARs one at a time, RARs and an ASR of the PCRF in between, one STR at the end.
 *
 * Source: TS 29.214 4.4; RFC 6733 8.1; requirements D-60 to D-63, P-125 to P-128.
 */
export class RxSession {
  readonly #port: RxPort;
  readonly #clock: Clock;
  readonly #policy: RxOutcomePolicy;
  readonly #events: RxEvents;
  readonly #keeper: RxSessionKeeper;
  readonly #held: HeldRequests;
  #replaces: RxSession | undefined;
  #id: string;
  #state: RxSessionState = 'new';
  #pcrf: { readonly host: string; readonly realm: string } | undefined;
  #classes: readonly Buffer[] = [];
  /** The AAR under way; never rejects. */
  #running: Promise<RxOutcome> | undefined;
  #queued: Queued | undefined;
  #end: Promise<void> | undefined;

  constructor(options: RxSessionOptions) {
    this.#port = options.port;
    this.#clock = options.clock;
    this.#policy = options.policy;
    this.#events = options.events;
    this.#keeper = options.keeper;
    this.#replaces = options.replaces;
    this.#held = new HeldRequests(options.clock);
    this.#id = options.port.newSessionId();
  }

  /** The Session-Id of now: it changes when the PCRF holds another session for the same thing. */
  get id(): string {
    return this.#id;
  }

  get state(): RxSessionState {
    return this.#state;
  }

  /** Origin-Host of the PCRF that holds the session, undefined before it is known. */
  get pcrfHost(): string | undefined {
    return this.#pcrf?.host;
  }

  /** Origin-Realm of that PCRF. */
  get pcrfRealm(): string | undefined {
    return this.#pcrf?.realm;
  }

  /** Class AVPs of its AAA. */
  get classes(): readonly Buffer[] {
    return this.#classes;
  }

  /**
   * Sends an AAR with the whole service and gives what follows from its answer; never rejects. While one is under way
   * the next waits, and all that wait become one, whose outcome they share. Source: requirement D-62.
   */
  authorize(service: AaService): Promise<RxOutcome> {
    if (this.#state === 'ending' || this.#state === 'closed') return Promise.resolve(this.#refused());
    if (this.#running === undefined) return this.#start(service);
    if (this.#queued === undefined) {
      const { promise, resolve } = Promise.withResolvers<RxOutcome>();
      this.#queued = { service, outcome: promise, settle: resolve };
    } else {
      this.#queued.service = collapseServices(this.#queued.service, service);
    }
    return this.#queued.outcome;
  }

  /**
   * Ends the session: one STR, once more when it brings no answer, none when the PCRF holds nothing. Waits for an AAR
   * that is under way. Calling it again changes nothing; the promise never rejects. Source: requirements D-60, P-126.
   */
  end(cause?: number): Promise<void> {
    this.#end ??= this.#finish(cause);
    return this.#end;
  }

  /** Forgets the session without an STR: its PCRF has forgotten it too. Source: requirement D-09. */
  drop(): void {
    if (this.#state === 'closed') return;
    this.#close();
    this.#deliver(() => this.#events.lost());
  }

  /** Answers a RAR of this session. Source: requirements D-63, P-127. */
  takeReAuth(request: ReAuth): AnswerContent | Promise<AnswerContent> {
    return this.#whenAnswered(() => {
      if (this.#state === 'ending' || this.#state === 'closed') return rxAnswer(resultCodes.UNKNOWN_SESSION_ID);
      this.#afterwards(() => this.#deliver(() => this.#events.reAuth(request)));
      return rxAnswer(resultCodes.SUCCESS);
    });
  }

  /** Answers an ASR of this session; the STR follows. Source: requirements D-60, D-63, P-128. */
  takeAbort(request: AbortSession): AnswerContent | Promise<AnswerContent> {
    return this.#whenAnswered(() => {
      if (this.#state === 'closed') return rxAnswer(resultCodes.UNKNOWN_SESSION_ID);
      if (this.#state === 'ending') return rxAnswer(resultCodes.SUCCESS);
      this.#afterwards(() => {
        if (this.#state === 'closed') return;
        this.#deliver(() => this.#events.aborted(request));
        void this.end();
      });
      return rxAnswer(resultCodes.SUCCESS);
    });
  }

  #whenAnswered(answer: () => AnswerContent): AnswerContent | Promise<AnswerContent> {
    return this.#state === 'asking' ? this.#held.hold(answer) : answer();
  }

  #start(service: AaService): Promise<RxOutcome> {
    this.#state = this.#state === 'new' ? 'asking' : 'updating';
    const running = this.#run(service);
    this.#running = running;
    return running;
  }

  async #run(service: AaService): Promise<RxOutcome> {
    let outcome = await this.#ask(service);
    if (outcome.kind === 'retry-after-str' && !this.#isOver()) {
      await this.#renew();
      if (!this.#isOver()) outcome = await this.#ask(service);
    }
    this.#running = undefined;
    if (outcome.kind === 'retry-after-str') outcome = withoutConsent(outcome.words, this.#policy, undefined);
    const queued = this.#queued;
    if (this.#isOver() || queued === undefined) return outcome;
    this.#queued = undefined;
    void this.#start(queued.service).then(queued.settle);
    return outcome;
  }

  async #ask(service: AaService): Promise<RxOutcome> {
    const isFirst = this.#state === 'asking';
    const answer = await this.#port.authorize({
      ...service,
      requestType: requestTypeOf(service, isFirst),
      sessionId: this.#id,
      destinationHost: this.#pcrf?.host,
      destinationRealm: this.#pcrf?.realm,
    });
    const outcome = rxOutcome(answer, this.#policy);
    const isHeld = this.#learn(answer, isFirst);
    if (this.#state === 'closed') {
      if (answer.failure === undefined && isSuccess(answer.result.code)) void this.#terminate(undefined);
      return outcome;
    }
    if (this.#state !== 'ending') this.#state = isHeld ? 'open' : 'new';
    else if (!isHeld) this.#close();
    this.#held.release(isHeld ? undefined : resultCodes.UNKNOWN_SESSION_ID);
    return outcome;
  }

  /** Whether the PCRF holds the session after this answer, or may. */
  #learn(answer: AaAnswer | RequestFailure, isFirst: boolean): boolean {
    if (answer.failure !== undefined) return !isFirst || answer.failure !== 'no-peer';
    if (answer.result.kind === 'experimental' || !isSuccess(answer.result.code)) {
      // Whoever holds a duplicate holds it under this Session-Id, for all we know.
      if (answer.result.code === rxResultCodes.DUPLICATED_AF_SESSION) return true;
      return !isFirst && !isUnknownSession(answer.result);
    }
    if (answer.originHost !== '') this.#pcrf = { host: answer.originHost, realm: answer.originRealm };
    if (answer.classes.length > 0) this.#classes = answer.classes;
    this.#keeper.answered(this, answer);
    this.#deliver(() => this.#events.granted?.(answer));
    return true;
  }

  /** Takes another Session-Id; what the PCRF may hold of the one before, or of the session before, it lets go. */
  async #renew(): Promise<void> {
    const replaced = this.#replaces;
    this.#replaces = undefined;
    if (replaced !== undefined) await replaced.end();
    else if (this.#state === 'open') await this.#terminate(undefined);
    if (this.#isOver()) return;
    const before = this.#id;
    this.#held.release(resultCodes.UNKNOWN_SESSION_ID);
    this.#id = this.#port.newSessionId();
    this.#pcrf = undefined;
    this.#classes = [];
    this.#state = 'asking';
    this.#keeper.renamed(this, before);
  }

  async #finish(cause: number | undefined): Promise<void> {
    if (this.#state === 'closed') return;
    const holdsNothing = this.#state === 'new';
    this.#state = 'ending';
    this.#queued?.settle(this.#refused());
    this.#queued = undefined;
    if (this.#running !== undefined) {
      await this.#running;
      if (this.#isClosed()) return;
    }
    if (!holdsNothing) await this.#terminate(cause);
    this.#close();
  }

  async #terminate(cause: number | undefined): Promise<void> {
    const request = {
      sessionId: this.#id,
      destinationHost: this.#pcrf?.host,
      destinationRealm: this.#pcrf?.realm,
      cause,
      classes: this.#classes,
    };
    const answer = await this.#port.terminate(request);
    if (answer.failure === undefined || answer.failure === 'malformed') return;
    if (answer.failure !== 'timeout') {
      await new Promise<void>((resolve) => this.#clock.setTimer(REPEAT_AFTER_MS, resolve));
    }
    await this.#port.terminate(request);
  }

  #close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#queued?.settle(this.#refused());
    this.#queued = undefined;
    this.#held.release(resultCodes.UNKNOWN_SESSION_ID);
    this.#keeper.closed(this);
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  #isOver(): boolean {
    return this.#state === 'ending' || this.#state === 'closed';
  }

  #refused(): RxOutcome {
    return withoutConsent('the Rx session has ended', this.#policy, undefined);
  }

  /** Runs once the answer that is being given has gone out. */
  #afterwards(run: () => void): void {
    this.#clock.setTimer(0, run);
  }

  #deliver(event: () => void): void {
    try {
      event();
    } catch (error) {
      this.#keeper.defect(error);
    }
  }
}

/** Initial or update as it is; who names no type wants none sent, and a restoration stays one. */
function requestTypeOf({ requestType }: AaService, isFirst: boolean): number | undefined {
  if (requestType === undefined || requestType === rxRequestTypes.PCSCF_RESTORATION) return requestType;
  return isFirst ? rxRequestTypes.INITIAL_REQUEST : rxRequestTypes.UPDATE_REQUEST;
}
