import { type AnswerContent, applicationAvps } from './answer.ts';
import { type Clock, systemClock } from './clock.ts';
import { type Avp, avp, encodedAvps } from './codec/avp-types.ts';
import { decodeMessage } from './codec/decode.ts';
import { encodeAvps, encodeMessage } from './codec/encode.ts';
import {
  type DiameterMessage,
  FLAG_PROXIABLE,
  FLAG_REQUEST,
  HEADER_LENGTH,
  isRequest,
  readCommand,
  readHopByHop,
} from './codec/message.ts';
import { baseAvps } from './dictionary/base.ts';
import type { ApplicationDefinition, CommandDefinition, Dictionary } from './dictionary/dictionary.ts';
import { EndToEndSequence } from './end-to-end-sequence.ts';
import { DecodeFailure, DiameterError } from './errors.ts';
import { composeHopByHop, counterOf, MAX_WORKERS, workerOf } from './hop-by-hop.ts';
import { type DiameterIdentity, isDiameterIdentity } from './identity.ts';
import { RequestServer } from './request-server.ts';
import { RequestTally } from './request-tally.ts';
import { readResult } from './result.ts';

/** Where a request is to go; the transport side picks the peer. */
export interface DiameterRoute {
  readonly application: number;
  readonly realm: string;
  /** Empty string: none, the realm table decides. */
  readonly host: string;
}

/** What the client asks of the transport side. */
export interface DiameterPort {
  send(message: Buffer, route: DiameterRoute): void;
  answer(message: Buffer): void;
}

/** Why a request got no answer to read; `words` says it for the log. */
export interface RequestFailure {
  readonly failure: 'timeout' | 'no-peer' | 'peer-lost' | 'malformed';
  readonly words: string;
}

/** Whether nobody has answered: the request may be right, and what is known already goes on to serve. */
export function isSilence(outcome: { readonly failure?: RequestFailure['failure'] | undefined }): boolean {
  return outcome.failure !== undefined && outcome.failure !== 'malformed';
}

export interface DiameterRequest {
  readonly command: CommandDefinition;
  readonly destinationRealm: string;
  readonly destinationHost?: string | undefined;
  /** What follows the common AVPs; where `isWhole`, all that follows Session-Id. */
  readonly avps: readonly Avp[];
  /** The command has an order of its own (Rx): `avps` names application, origin and destination itself. */
  readonly isWhole?: boolean | undefined;
  /** Of a session that lasts (Rx); else each request has its own. */
  readonly sessionId?: string | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * Answers a request from a peer; what it throws or rejects with becomes 5012, as does what it says after the client's
 * time for an answer.
 */
export type RequestHandler = (request: DiameterMessage) => AnswerContent | Promise<AnswerContent>;

export interface DiameterClientOptions {
  /** 0..63, unique among those that share the connections. */
  readonly worker: number;
  readonly identity: DiameterIdentity;
  readonly dictionary: Dictionary;
  readonly clock?: Clock;
  /** Unix seconds of the start, the high part of Session-Ids; now when left out. */
  readonly bootSeconds?: number;
  /** What an answer may take, of a peer or of a handler. Default 5000. */
  readonly timeoutMs?: number;
  /** Unknown AVPs with M that requests may carry, as `vendor:code`. */
  readonly ignoreUnknownMandatory?: readonly string[];
  /** Requests of ours that may await an answer; one more fails at once as `no-peer`. Default 16384. */
  readonly maxPending?: number;
  /** Requests of peers that handlers may be busy with; one more is answered 3004. Default 4096. */
  readonly maxServing?: number;
  /** Told what a handler or a reader of answers threw: a defect. */
  readonly failed?: (error: unknown) => void;
}

/** What was dropped or went wrong since the start. */
export interface DiameterClientCounters {
  requests: number;
  answers: number;
  timeouts: number;
  failedSends: number;
  /** Requests that were not sent, for too many awaited an answer. */
  refusedSends: number;
  /** Answers to nothing: unknown, late, twice, or of another command. */
  unmatchedAnswers: number;
  malformedAnswers: number;
  answersWithUnknownMandatory: number;
  requestsTaken: number;
  requestsRefused: number;
  handlerErrors: number;
}

interface Pending {
  readonly command: CommandDefinition;
  readonly startMs: number;
  readonly deadlineMs: number;
  readonly settle: (outcome: DiameterMessage | RequestFailure) => void;
}

const DEFAULT_TIMEOUT_MS = 5000;
/** As many as one connection keeps; three seconds of 5,000 requests each. */
const DEFAULT_MAX_PENDING = 16 * 1024;
const DEFAULT_MAX_SERVING = 4096;
/** Deadlines closer together than this are served by one timer. */
const TIMER_GRAIN_MS = 10;

/**
 * The worker's end of Diameter: makes requests and finds their answers, and lets handlers answer requests of peers.
 * It knows no socket. Source: RFC 6733 3, 6.1, 6.2.
 */
export class DiameterClient {
  readonly counters: DiameterClientCounters = {
    requests: 0,
    answers: 0,
    timeouts: 0,
    failedSends: 0,
    refusedSends: 0,
    unmatchedAnswers: 0,
    malformedAnswers: 0,
    answersWithUnknownMandatory: 0,
    requestsTaken: 0,
    requestsRefused: 0,
    handlerErrors: 0,
  };
  /** Requests of ours by command and result. */
  readonly tally = new RequestTally();
  readonly #port: DiameterPort;
  readonly #clock: Clock;
  readonly #worker: number;
  readonly #identity: DiameterIdentity;
  readonly #dictionary: Dictionary;
  #timeoutMs: number;
  readonly #maxPending: number;
  readonly #failed: (error: unknown) => void;
  readonly #sessionPrefix: string;
  readonly #sessionSuffix: string;
  /** By application id: the AVPs between Session-Id and Destination-*, encoded once. */
  readonly #prefixes = new Map<number, Avp>();
  readonly #server: RequestServer;
  readonly #endToEnd: EndToEndSequence;
  /** By the counter part of the hop-by-hop identifier. */
  readonly #pending = new Map<number, Pending>();
  #counter = Math.floor(Math.random() * 2 ** 26);
  #session = 0;
  #timer: unknown;
  #timerAtMs = Number.POSITIVE_INFINITY;

  /** Throws DiameterError ERR_DIAMETER_IDENTITY or ERR_DIAMETER_WORKER for options that cannot be. */
  constructor(port: DiameterPort, options: DiameterClientOptions) {
    const { identity, worker } = options;
    if (!isDiameterIdentity(identity.originHost) || !isDiameterIdentity(identity.originRealm)) {
      const words = `not a DiameterIdentity: ${identity.originHost}, ${identity.originRealm}`;
      throw new DiameterError('ERR_DIAMETER_IDENTITY', words);
    }
    if (!Number.isInteger(worker) || worker < 0 || worker >= MAX_WORKERS) {
      throw new DiameterError('ERR_DIAMETER_WORKER', `worker number ${worker} is not in 0..${MAX_WORKERS - 1}`);
    }
    this.#port = port;
    this.#clock = options.clock ?? systemClock;
    this.#worker = worker;
    this.#endToEnd = new EndToEndSequence(worker, Date.now);
    this.#identity = identity;
    this.#dictionary = options.dictionary;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#maxPending = options.maxPending ?? DEFAULT_MAX_PENDING;
    this.#failed = options.failed ?? (() => undefined);
    this.#server = new RequestServer({
      identity,
      dictionary: options.dictionary,
      ignored: new Set(options.ignoreUnknownMandatory),
      maxServing: options.maxServing ?? DEFAULT_MAX_SERVING,
      clock: this.#clock,
      timeoutMs: this.#timeoutMs,
      counters: this.counters,
      failed: this.#failed,
      answer: (message) => port.answer(message),
    });
    this.#sessionPrefix = `${identity.originHost};${(options.bootSeconds ?? Math.floor(Date.now() / 1000)) >>> 0};`;
    this.#sessionSuffix = worker === 0 ? '' : `;${worker}`;
  }

  get identity(): DiameterIdentity {
    return this.#identity;
  }

  /** What an answer of a peer may take, from the next request on. */
  set timeoutMs(ms: number) {
    this.#timeoutMs = ms;
  }

  get pendingRequests(): number {
    return this.#pending.size;
  }

  /** `<Origin-Host>;<boot>;<counter>[;<worker>]`, never the same twice. Source: RFC 6733 8.8. */
  newSessionId(): string {
    this.#session = (this.#session + 1) >>> 0;
    return `${this.#sessionPrefix}${this.#session}${this.#sessionSuffix}`;
  }

  /**
   * Sends one request and gives what `read` makes of its answer, or a RequestFailure; never rejects. The time that it
   * may take is for all peers together that it is sent to. `read` runs when the answer comes: should it throw, the
   * answer counts as malformed. Source: RFC 6733 6.1, TS 29.229 6.1; requirement D-13.
   */
  request<T>(request: DiameterRequest, read: (answer: DiameterMessage) => T): Promise<T | RequestFailure> {
    const { command, destinationHost, destinationRealm } = request;
    const { application } = command;
    if (this.#pending.size >= this.#maxPending) return Promise.resolve(this.#refuseToSend(command));
    const counter = this.#nextCounter();
    const avps: Avp[] = [{ definition: baseAvps.sessionId, value: request.sessionId ?? this.newSessionId() }];
    if (request.isWhole !== true) {
      avps.push(this.#prefixes.get(application.id) ?? this.#makePrefix(application));
      if (destinationHost !== undefined) avps.push({ definition: baseAvps.destinationHost, value: destinationHost });
      avps.push({ definition: baseAvps.destinationRealm, value: destinationRealm });
    }
    for (let i = 0; i < request.avps.length; i++) avps.push(request.avps[i]!);
    const message = encodeMessage(
      {
        flags: FLAG_REQUEST | FLAG_PROXIABLE,
        command: command.code,
        application: application.id,
        hopByHop: composeHopByHop(this.#worker, counter),
        endToEnd: this.#endToEnd.next(),
      },
      avps,
    );
    const startMs = this.#clock.now();
    const deadlineMs = startMs + (request.timeoutMs ?? this.#timeoutMs);
    return new Promise((resolve) => {
      this.counters.requests++;
      this.#pending.set(counter, {
        command,
        startMs,
        deadlineMs,
        settle: (outcome) => resolve('failure' in outcome ? outcome : this.#read(outcome, read)),
      });
      if (deadlineMs < this.#timerAtMs) this.#armTimer(deadlineMs);
      this.#port.send(message, { application: application.id, realm: destinationRealm, host: destinationHost ?? '' });
    });
  }

  /** Lets `handler` answer the requests of one command. */
  handle(command: CommandDefinition, handler: RequestHandler): void {
    this.#server.serve(command, handler);
  }

  /** Takes one message from the transport side: an answer to this worker, or a request of a peer. */
  onMessage(octets: Buffer): void {
    if (octets.length < HEADER_LENGTH) return;
    if (isRequest(octets)) this.#server.take(octets);
    else this.#takeAnswer(octets);
  }

  /** The request was not sent (`no-peer`) or its connection broke (`peer-lost`). */
  onFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void {
    const pending = workerOf(hopByHop) === this.#worker ? this.#take(hopByHop) : undefined;
    if (pending === undefined) return;
    this.counters.failedSends++;
    this.tally.failed(pending.command, reason);
    const words = reason === 'no-peer' ? 'no peer is connected for it' : 'the peer was lost before it answered';
    pending.settle({ failure: reason, words });
  }

  /** Fails what is pending (as `peer-lost`) and stops the timers; what handlers still say is sent. */
  stop(): void {
    this.#server.stop();
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    for (const counter of [...this.#pending.keys()]) {
      this.#take(counter)?.settle({ failure: 'peer-lost', words: 'the client was stopped' });
    }
  }

  #refuseToSend(command: CommandDefinition): RequestFailure {
    this.counters.refusedSends++;
    this.tally.failed(command, 'no-peer');
    return { failure: 'no-peer', words: `busy: ${this.#pending.size} requests await an answer` };
  }

  #takeAnswer(octets: Buffer): void {
    const hopByHop = readHopByHop(octets);
    const expected = this.#pending.get(counterOf(hopByHop));
    if (
      expected === undefined ||
      workerOf(hopByHop) !== this.#worker ||
      expected.command.code !== readCommand(octets)
    ) {
      this.counters.unmatchedAnswers++;
      return;
    }
    this.#pending.delete(counterOf(hopByHop));
    const answer = decodeMessage(octets, this.#dictionary);
    if (answer instanceof DecodeFailure) {
      this.counters.malformedAnswers++;
      this.tally.failed(expected.command, 'malformed');
      expected.settle({ failure: 'malformed', words: `${answer.reason} at octet ${answer.offset}` });
      return;
    }
    this.counters.answers++;
    this.tally.answered(expected.command, readResult(answer), this.#clock.now() - expected.startMs);
    if (answer.hasUnknownMandatory) this.counters.answersWithUnknownMandatory++;
    expected.settle(answer);
  }

  #read<T>(answer: DiameterMessage, read: (answer: DiameterMessage) => T): T | RequestFailure {
    try {
      return read(answer);
    } catch (error) {
      this.counters.malformedAnswers++;
      this.#failed(error);
      return { failure: 'malformed', words: 'the answer cannot be read' };
    }
  }

  #take(hopByHop: number): Pending | undefined {
    const counter = counterOf(hopByHop);
    const pending = this.#pending.get(counter);
    if (pending !== undefined) this.#pending.delete(counter);
    return pending;
  }

  #makePrefix(application: ApplicationDefinition): Avp {
    const { originHost, originRealm } = this.#identity;
    const prefix = encodedAvps(
      encodeAvps([
        ...applicationAvps(application),
        avp(baseAvps.originHost, originHost),
        avp(baseAvps.originRealm, originRealm),
      ]),
    );
    this.#prefixes.set(application.id, prefix);
    return prefix;
  }

  #nextCounter(): number {
    do this.#counter = counterOf(this.#counter + 1);
    while (this.#pending.has(this.#counter));
    return this.#counter;
  }

  #armTimer(deadlineMs: number): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timerAtMs = deadlineMs;
    this.#timer = this.#clock.setTimer(Math.max(TIMER_GRAIN_MS, deadlineMs - this.#clock.now()), () => this.#expire());
  }

  /** Runs at the earliest deadline that was pending when it was armed: about once per timeout, not per request. */
  #expire(): void {
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.now();
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const [counter, pending] of this.#pending) {
      if (pending.deadlineMs > nowMs) {
        if (pending.deadlineMs < earliestMs) earliestMs = pending.deadlineMs;
        continue;
      }
      this.#pending.delete(counter);
      this.counters.timeouts++;
      this.tally.failed(pending.command, 'timeout');
      pending.settle({ failure: 'timeout', words: 'no answer came in time' });
    }
    if (earliestMs < this.#timerAtMs) this.#armTimer(earliestMs);
  }
}
