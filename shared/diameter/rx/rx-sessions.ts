import type { AnswerContent } from '../answer.ts';
import type { RequestHandler } from '../client.ts';
import type { Clock } from '../clock.ts';
import type { DiameterMessage } from '../codec/message.ts';
import { baseAvps } from '../dictionary/base.ts';
import type { CommandDefinition } from '../dictionary/dictionary.ts';
import { rxCommands } from '../dictionary/rx.ts';
import { resultCodes } from '../errors.ts';
import { sameIdentity } from '../identity.ts';
import type { RxOutcomePolicy } from './rx-outcome.ts';
import { readAbortSession, readReAuth } from './rx-read.ts';
import { rxAnswer } from './rx-server.ts';
import { type RxEvents, type RxPort, RxSession, type RxSessionKeeper } from './rx-session.ts';

export interface RxSessionsOptions {
  readonly port: RxPort;
  readonly clock: Clock;
  /** What an event handler threw. */
  readonly onDefect: (error: unknown) => void;
}

/** What was done for the PCRFs since the start. */
export interface RxCounters {
  reAuths: number;
  aborts: number;
  /** RARs and ASRs of sessions that are not held here, or of a realm that does not hold them. */
  unknown: number;
  /** Sessions that a PCRF lost by a restart. */
  lost: number;
}

/** Origin-State-Ids of more PCRFs than this are not kept. */
const MAX_PCRFS = 256;

/**
 * The Rx sessions of one worker by Session-Id. It answers the RARs and ASRs of the PCRFs, 5002 where it knows no such
 * session, and drops the sessions of a PCRF that restarted.
 *
 * Source: TS 29.214 4.4.6; RFC 6733 8.3, 8.5, 8.16; requirements D-09, P-127, P-128.
 */
export class RxSessions {
  readonly counters: RxCounters = { reAuths: 0, aborts: 0, unknown: 0, lost: 0 };
  readonly #port: RxPort;
  readonly #clock: Clock;
  readonly #sessions = new Map<string, RxSession>();
  /** Origin-State-Id by Origin-Host in lower case. */
  readonly #stateIds = new Map<string, number>();
  readonly #keeper: RxSessionKeeper;

  constructor({ clock, onDefect, port }: RxSessionsOptions) {
    this.#port = port;
    this.#clock = clock;
    this.#keeper = {
      renamed: (session, before) => {
        this.#sessions.delete(before);
        this.#sessions.set(session.id, session);
      },
      answered: (session, answer) => this.#noteState(answer.originHost, answer.originStateId, session),
      closed: (session) => this.#sessions.delete(session.id),
      defect: onDefect,
    };
  }

  /** Takes the requests of the PCRFs; `handle` as DiameterClient has it. */
  serve(handle: (command: CommandDefinition, handler: RequestHandler) => void): void {
    handle(rxCommands.reAuth, (request) => {
      this.counters.reAuths++;
      const session = this.#sessionOf(request);
      return session === undefined ? this.#unknown() : session.takeReAuth(readReAuth(request));
    });
    handle(rxCommands.abortSession, (request) => {
      this.counters.aborts++;
      const session = this.#sessionOf(request);
      return session === undefined ? this.#unknown() : session.takeAbort(readAbortSession(request));
    });
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Makes a session; nothing is sent before its first AAR. `replaces` as in RxSessionOptions. */
  open(events: RxEvents, policy: RxOutcomePolicy, replaces?: RxSession): RxSession {
    const { size } = this.#sessions;
    const session = new RxSession({
      port: this.#port,
      clock: this.#clock,
      policy,
      events,
      keeper: this.#keeper,
      replaces,
    });
    this.#sessions.set(session.id, session);
    if (this.#sessions.size === size) throw new Error(`Session-Id ${session.id} was given out twice`);
    return session;
  }

  find(sessionId: string): RxSession | undefined {
    return this.#sessions.get(sessionId);
  }

  /** A PCRF has restarted: its sessions end here too, but for `alive`, of which it just spoke. Source: requirement D-09. */
  restarted(originHost: string, alive?: RxSession): void {
    for (const session of [...this.#sessions.values()]) {
      if (session === alive || !sameIdentity(session.pcrfHost ?? '', originHost)) continue;
      this.counters.lost++;
      session.drop();
    }
  }

  /** Ends all sessions, as before a stop; the promise never rejects. */
  async endAll(cause?: number): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.end(cause)));
  }

  /** The session of a request, unless it comes from a realm that does not hold it. */
  #sessionOf({ avps }: DiameterMessage): RxSession | undefined {
    const session = this.#sessions.get(avps.text(baseAvps.sessionId) ?? '');
    const originHost = avps.text(baseAvps.originHost) ?? '';
    if (session?.pcrfHost === undefined) return session;
    const originRealm = avps.text(baseAvps.originRealm) ?? '';
    if (!sameIdentity(session.pcrfHost, originHost) && !sameIdentity(session.pcrfRealm ?? '', originRealm)) {
      return undefined;
    }
    this.#noteState(originHost, avps.unsigned32(baseAvps.originStateId), session);
    return session;
  }

  #unknown(): AnswerContent {
    this.counters.unknown++;
    return rxAnswer(resultCodes.UNKNOWN_SESSION_ID);
  }

  /** A higher Origin-State-Id than before tells that the PCRF has restarted. */
  #noteState(originHost: string, stateId: number | undefined, alive: RxSession): void {
    if (stateId === undefined || originHost === '') return;
    const host = originHost.toLowerCase();
    const before = this.#stateIds.get(host);
    if (before !== undefined && stateId <= before) return;
    if (before === undefined && this.#stateIds.size >= MAX_PCRFS) return;
    this.#stateIds.set(host, stateId);
    if (before !== undefined) this.restarted(originHost, alive);
  }
}
