import type { Via } from '#sip/header/via';
import type { Flow, Target } from '#sip/transport/flow';
import { HeadScan } from './head-scan.ts';
import {
  isAckOfRefusal,
  overloadRefusal,
  refusalMark,
  type Standing,
  shedOrder,
  shedOrderCount,
  shedOrderOf,
  standingOrder,
} from './overload.ts';
import type { RefusedRequests } from './refused-requests.ts';
import { type SourceLimitOptions, SourceLimits } from './source-limits.ts';
import { StrangerRate } from './stranger-rate.ts';
import { hashOf, WaitingMessage, WorkQueue, type WorkQueueOptions } from './work-queue.ts';

/** How a worker protects itself. Plain data. */
export interface IntakeOptions extends WorkQueueOptions, SourceLimitOptions {}

export const defaultIntake: IntakeOptions = Object.freeze({
  delayMs: 400,
  patienceMs: 250,
  messages: 10_000,
  octets: 8 * 1024 * 1024,
  junkPerSource: 10,
  penaltyMs: 3_000,
  registersPerSource: 0,
  requestsPerSource: 0,
});

/** What the intake asks and tells of its worker; a worker may leave out any of it. */
export interface IntakeUser {
  sip(text: string, flow: Flow): void;
  /** Who sends by a flow; without it everybody counts as a node of the core. */
  standingOf?(flow: Flow): Standing;
  /** Whether the server transaction of a request is there: then it is a retransmission. */
  holds?(via: Via, method: string): boolean;
  /** Where the answer to a message goes that came to a protected port; the flow itself for all others. */
  answerFlow?(flow: Flow): Flow;
  /**
   * Whether a request that begins something is a call for help though it names no emergency service: asked of those who
   * are registered, and while there is more to do than can be done. Requirement P-143.
   */
  isUrgent?(text: string): boolean;
  /** A source is under penalty from now on. */
  penalised?(flow: Flow): void;
}

/** The intake as its worker sees it. */
export interface IntakeView {
  /** What became of a request: how it was answered. */
  finished(flow: Flow, method: string, status: number): void;
  /** A message could not be used. */
  malformed(flow: Flow): void;
  counts(): IntakeCounts;
}

/** What the intake does with the rest of the thread. */
export interface IntakePort {
  /** Sends an answer that no transaction keeps. */
  send(text: string, target: Target): void;
  /** A message that was counted for this bucket is done with. */
  release(bucket: number): void;
  readonly nowMs: () => number;
}

/** What has been shed, and how it stands. */
export interface IntakeCounts {
  /** Refused with 503, by order. */
  readonly refused: readonly number[];
  readonly dropped: Readonly<Record<DropReason, number>>;
  readonly waiting: number;
  /** What an initial request would have to wait. */
  readonly delayMs: number;
  readonly penalties: number;
}

/**
 * Why a message was dropped without an answer: its source is under penalty; the same waits already; it is the ACK of an
 * answer nobody keeps; it cannot be answered, or too many strangers are.
 */
export const dropReasons = ['penalty', 'repeated', 'ack', 'silent'] as const;
export type DropReason = (typeof dropReasons)[number];

/** Work of one turn of the event loop: then sockets, timers and Diameter have theirs. */
const sliceMs = 4;
/** Batches with less than this between them belong to one turn: a loop that waits for something waits longer. */
const pauseMs = 0.2;
/** Messages that are handled before the clock is looked at. */
const uncheckedMessages = 16;
/** Turns with fewer messages than this teach nothing of how long a message takes. */
const taughtFrom = 8;
/** Refusals to strangers that are sent per second: who floods does not read them. */
const strangerRefusals = 100;
const sweepMs = 1_000;
const digit5 = 53;

/**
 * Stands before a worker and decides what it handles, and when. While a turn has time left and nothing waits, a message
 * is handled at once and costs a comparison; else it is looked at: it waits its turn in the order of `shedOrder`, or is
 * refused with 503 when the wait would be too long.
 *
 * Source: requirements C-30, C-35, P-143, S-133; security rows X-F1, X-F2, X-I9.
 */
export class Intake implements IntakeView {
  readonly queue: WorkQueue;
  readonly sources: SourceLimits;
  readonly #strangers = new StrangerRate();
  readonly #user: IntakeUser;
  readonly #port: IntakePort;
  readonly #mark: string;
  readonly #seed: number;
  readonly #scan = new HeadScan();
  readonly #refused: number[] = new Array(shedOrderCount).fill(0);
  readonly #dropped: Record<DropReason, number> = { penalty: 0, repeated: 0, ack: 0, silent: 0 };
  /** Whether messages are looked at though nothing waits. */
  #alert = false;
  #sliceStartMs = 0;
  #endedMs = Number.NEGATIVE_INFINITY;
  #handled = 0;
  readonly #refusedLately: RefusedRequests;
  #sweptMs = 0;
  #refusalsLeft = strangerRefusals;

  /** `seed`: random, the same in all workers of a process; so are those that were `refused` lately. */
  constructor(user: IntakeUser, port: IntakePort, options: IntakeOptions, seed: number, refused: RefusedRequests) {
    this.#user = user;
    this.#port = port;
    this.#mark = refusalMark(seed);
    this.#seed = seed;
    this.#refusedLately = refused;
    this.queue = new WorkQueue(options);
    this.sources = new SourceLimits(options, (flow) => user.penalised?.(flow));
    this.#alert = this.sources.watching;
  }

  counts(): IntakeCounts {
    const { queue } = this;
    this.sources.sweep(this.#port.nowMs());
    return {
      refused: this.#refused,
      dropped: this.#dropped,
      waiting: queue.size,
      delayMs: queue.delayMs(shedOrder.initial, this.#port.nowMs()),
      penalties: this.sources.penalties,
    };
  }

  /** Messages refused or dropped so far. */
  get shed(): number {
    const { penalty, silent } = this.#dropped;
    return this.#refused.reduce((sum, count) => sum + count, penalty + silent);
  }

  /**
   * A batch begins: what comes until `end` may be handled at once while its turn has time left. Batches that follow one
   * another are one turn of the loop, unless it is known to be a `fresh` one.
   */
  begin(nowMs: number, fresh: boolean): void {
    if (!this.#alert) this.#alert = this.#refusedLately.isActive(nowMs);
    if (!fresh && nowMs - this.#endedMs < pauseMs) return;
    if (this.#handled >= taughtFrom) this.queue.learn(this.#endedMs - this.#sliceStartMs, this.#handled);
    this.#sliceStartMs = nowMs;
    this.#handled = 0;
    this.#strangers.tick(nowMs);
  }

  /** The batch is over. */
  end(): void {
    this.#endedMs = this.#port.nowMs();
  }

  /** A message. `bucket`: the one that counts it as under way, -1 for none. */
  sip(text: string, flow: Flow, bucket: number): void {
    if (!this.#alert && this.queue.size === 0 && this.hasTime()) {
      if (text.charCodeAt(8) === digit5 && text.startsWith('SIP/2.0 503')) this.#noteBusyHop(flow);
      this.#handle(text, flow, bucket);
    } else this.#weigh(text, flow, bucket);
  }

  /** Handles what waits, as long as this turn has time. */
  drain(): void {
    const { queue } = this;
    if (queue.size === 0) return;
    const nowMs = this.#port.nowMs();
    for (let stale = queue.takeStale(nowMs); stale !== null; stale = queue.takeStale(nowMs)) this.#turnAway(stale);
    while (queue.size > 0 && this.hasTime()) this.#handleNext();
  }

  /** Handles all that waits: the worker stops. */
  drainAll(): void {
    while (this.queue.size > 0) this.#handleNext();
  }

  /** Challenges and refusals tell what a source is. */
  finished(flow: Flow, method: string, status: number): void {
    if (status < 300) {
      if (method === 'REGISTER') this.sources.noteSuccess(flow);
      return;
    }
    if (!isSendersFault(status) || this.#standingOf(flow) !== 'stranger') return;
    this.#strangers.note();
    const nowMs = this.#port.nowMs();
    if (status === 401 || status === 407) this.sources.noteChallenge(flow, nowMs);
    else this.sources.noteJunk(flow, nowMs);
    this.#look();
  }

  malformed(flow: Flow): void {
    if (this.#standingOf(flow) !== 'stranger') return;
    this.#strangers.note();
    this.sources.noteJunk(flow, this.#port.nowMs());
    this.#look();
  }

  #handleNext(): void {
    const { text, flow, bucket } = this.queue.take()!;
    this.#handle(text, flow, bucket);
  }

  #handle(text: string, flow: Flow, bucket: number): void {
    this.#handled++;
    this.#user.sip(text, flow);
    if (bucket >= 0) this.#port.release(bucket);
  }

  /** Whether this turn has time left. */
  hasTime(): boolean {
    return this.#handled < uncheckedMessages || this.#port.nowMs() - this.#sliceStartMs < sliceMs;
  }

  /** A message that is not handled at once just so. */
  #weigh(text: string, flow: Flow, bucket: number): void {
    const nowMs = this.#port.nowMs();
    if (nowMs - this.#sweptMs >= sweepMs) this.#sweep(nowMs);
    if (isAckOfRefusal(text, this.#mark) && this.#refusedLately.isActive(nowMs)) {
      this.#drop('ack', bucket);
      return;
    }
    if (text.charCodeAt(8) === digit5 && text.startsWith('SIP/2.0 503')) this.#noteBusyHop(flow);
    const base = shedOrderOf(text, this.#scan);
    const isPlainly = base === shedOrder.never;
    const standing = isPlainly && this.sources.penalties === 0 ? 'core' : this.#standingOf(flow);
    const isUrgent = base === shedOrder.initial && standing === 'known' && this.#user.isUrgent?.(text) === true;
    const isNever = isPlainly || isUrgent;
    if (standing === 'stranger' && this.sources.isPenalised(flow, isNever, nowMs)) {
      this.#drop('penalty', bucket);
      return;
    }
    const order = isNever ? shedOrder.never : this.#orderOf(base, standing, flow, nowMs);
    if (!isNever && this.#wasRefused(flow, nowMs)) {
      this.#refuse(text, flow, bucket, order, standing);
      return;
    }
    const refused = !isNever && this.#isRefused(order, standing, flow, nowMs);
    if (!refused && this.queue.size === 0 && this.hasTime()) {
      this.#handle(text, flow, bucket);
      return;
    }
    // The start line may have told enough so far.
    if (isNever) this.#scan.scan(text);
    const { callId } = this.#scan;
    const call = callId.start < 0 ? -1 : hashOf(text, callId.valueStart, callId.valueEnd, this.#seed);
    const last = this.queue.waitingOf(call);
    if (last !== null) this.#follow(last, text, flow, bucket, call, nowMs);
    else if (isNever && this.queue.length(order) === 0 && this.hasTime()) this.#handle(text, flow, bucket);
    else if (!refused) this.#push(new WaitingMessage(text, flow, bucket, call, order, nowMs, isUrgent));
    else if (this.#isHeld(text)) this.#push(new WaitingMessage(text, flow, bucket, call, shedOrder.never, nowMs));
    else this.#refuse(text, flow, bucket, order, standing);
  }

  #orderOf(base: number, standing: Standing, flow: Flow, nowMs: number): number {
    const asks = standing === 'stranger' && base === shedOrder.register;
    return standingOrder(base, standing, asks && this.sources.isChallenged(flow, nowMs), this.#scan);
  }

  #isRefused(order: number, standing: Standing, flow: Flow, nowMs: number): boolean {
    const isShed = this.queue.size > 0 && this.queue.isShed(order, nowMs);
    if (standing !== 'stranger') return isShed;
    if (isShed) {
      // Many phones that register at once hurt nobody here: they are served last.
      if (order !== shedOrder.newcomer) this.#strangers.cut(nowMs);
      return true;
    }
    if (order !== shedOrder.register && !this.#strangers.admits(nowMs)) return true;
    return this.sources.isOverRate(flow, order === shedOrder.newcomer || order === shedOrder.register, nowMs);
  }

  /** Something of the same Call-ID waits: nothing overtakes it. */
  #follow(last: WaitingMessage, text: string, flow: Flow, bucket: number, call: number, nowMs: number): void {
    if (this.queue.hasCopy(last, text)) this.#drop('repeated', bucket);
    else this.#push(new WaitingMessage(text, flow, bucket, call, last.order, nowMs));
  }

  #push(message: WaitingMessage): void {
    const evicted = this.queue.push(message);
    if (evicted !== null) this.#turnAway(evicted);
  }

  /** One that waited in vain. */
  #turnAway({ text, flow, bucket, order }: WaitingMessage): void {
    this.#scan.scan(text);
    if (this.#isHeld(text)) this.#drop('repeated', bucket);
    else this.#refuse(text, flow, bucket, order, this.#standingOf(flow));
  }

  /** Whether the transaction of the request that was scanned is under way: it was let in before. */
  #isHeld(text: string): boolean {
    const { holds } = this.#user;
    if (holds === undefined) return false;
    const via = this.#scan.topVia();
    return via !== null && this.#user.holds!(via, text.slice(0, text.indexOf(' ')));
  }

  #refuse(text: string, flow: Flow, bucket: number, order: number, standing: Standing): void {
    const answers = standing !== 'stranger' || this.#refusalsLeft-- > 0;
    const refusal = answers ? overloadRefusal(text, flow, this.#mark, standing !== 'core', this.#scan) : null;
    if (refusal === null) {
      this.#drop('silent', bucket);
      return;
    }
    this.#refused[order]!++;
    if (order >= shedOrder.initial) this.#strangers.cut(this.#port.nowMs());
    if (bucket >= 0) this.#port.release(bucket);
    // Its ACK and its copies are on their way.
    this.#refusedLately.note(this.#scan, this.#port.nowMs());
    this.#alert = true;
    const way = this.#user.answerFlow?.(flow) ?? flow;
    this.#port.send(refusal.text, way === flow ? refusal.target : way);
  }

  /** Whether the request that was scanned is a copy of one that was refused. */
  #wasRefused(flow: Flow, nowMs: number): boolean {
    return (
      flow.transport === 'udp' && this.#refusedLately.isActive(nowMs) && this.#refusedLately.has(this.#scan, nowMs)
    );
  }

  #drop(reason: DropReason, bucket: number): void {
    this.#dropped[reason]++;
    if (bucket >= 0) this.#port.release(bucket);
  }

  #noteBusyHop(flow: Flow): void {
    if (this.#standingOf(flow) !== 'core') return;
    this.#strangers.cut(this.#port.nowMs());
    this.#look();
  }

  #standingOf(flow: Flow): Standing {
    return this.#user.standingOf === undefined ? 'core' : this.#user.standingOf(flow);
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    this.#refusalsLeft = strangerRefusals;
    this.sources.sweep(nowMs);
    this.#look();
  }

  #look(): void {
    this.#alert = this.sources.watching || this.#strangers.limited || this.#refusedLately.isActive(this.#port.nowMs());
  }
}

/** Whether an answer says that the request was wrong or its sender is not served; not that a user is absent, or we busy. */
function isSendersFault(status: number): boolean {
  if (status >= 500) return status === 604;
  switch (status) {
    case 408:
    case 423:
    case 430:
    case 480:
    case 486:
    case 487:
    case 488:
    case 491:
      return false;
    default:
      return status >= 400;
  }
}
