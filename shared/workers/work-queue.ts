import type { Flow } from '#sip/transport/flow';
import { delayLimits, isEmergencyRequest, shedOrder, shedOrderCount } from './overload.ts';

export interface WorkQueueOptions {
  /** How long an initial request may have to wait, milliseconds; other orders in proportion. */
  readonly delayMs: number;
  /** How long it must have had to wait for longer than that before anything is refused: a burst is no overload. */
  readonly patienceMs: number;
  /** Messages and octets that may wait in all. */
  readonly messages: number;
  readonly octets: number;
}

/** A message that waits for its turn. */
export class WaitingMessage {
  readonly text: string;
  readonly flow: Flow;
  /** The bucket that counts it as under way, -1 for none. */
  readonly bucket: number;
  /** Hash of its Call-ID, -1 when it has none. */
  readonly call: number;
  readonly order: number;
  readonly atMs: number;
  /** A call for help that names no emergency service. */
  readonly isUrgent: boolean;
  /** Queue internals: the next one of its lane, and the one of its Call-ID before it. */
  next: WaitingMessage | null = null;
  earlier: WaitingMessage | null = null;
  waits = true;

  constructor(text: string, flow: Flow, bucket: number, call: number, order: number, atMs: number, isUrgent = false) {
    this.text = text;
    this.flow = flow;
    this.bucket = bucket;
    this.call = call;
    this.order = order;
    this.atMs = atMs;
    this.isUrgent = isUrgent;
  }
}

/** A message is too old to be begun after this many times what its order may wait: its sender has sent it again by now. */
const staleTimes = 2;
/** At this many times the limit there is no patience. */
const hastyTimes = 3;
/** Shedding ends when the delay has fallen to this share of the limit. */
const relief = 0.5;
/** Milliseconds one message takes, before anything is known. */
const firstServiceMs = 0.1;
/** Messages whose average counts as what one takes. */
const averagedMessages = 256;
/** Copies of one Call-ID that are compared with a new message. */
const comparedCopies = 8;

/**
 * What waits to be handled, in one lane per shed order: the highest order is served first, the oldest first within it,
 * and a message never overtakes an earlier one of its Call-ID. It tells how long a message of an order would wait, and
 * so whether it is better refused.
 * Source: requirements C-30, C-35, X-F1.
 */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #limits: readonly number[];
  readonly #heads: (WaitingMessage | null)[] = new Array(shedOrderCount).fill(null);
  readonly #tails: (WaitingMessage | null)[] = new Array(shedOrderCount).fill(null);
  readonly #lengths = new Int32Array(shedOrderCount);
  readonly #shedding: boolean[] = new Array(shedOrderCount).fill(false);
  /** Since when each order would have to wait for too long. */
  readonly #lateSinceMs = new Float64Array(shedOrderCount).fill(Number.POSITIVE_INFINITY);
  /** The last waiting message of each Call-ID. */
  readonly #calls = new Map<number, WaitingMessage>();
  #size = 0;
  #octets = 0;
  #serviceMs = firstServiceMs;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#limits = delayLimits(options.delayMs);
  }

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  get octets(): number {
    return this.#octets;
  }

  /** How many of an order wait. */
  length(order: number): number {
    return this.#lengths[order]!;
  }

  /** The last message of a Call-ID that waits, null when none does. */
  waitingOf(call: number): WaitingMessage | null {
    return call < 0 ? null : (this.#calls.get(call) ?? null);
  }

  /** Whether one of the waiting messages of a Call-ID is the same octet by octet: a retransmission adds nothing to it. */
  hasCopy(last: WaitingMessage, text: string): boolean {
    let message: WaitingMessage | null = last;
    for (let i = 0; message !== null && i < comparedCopies; i++, message = message.earlier) {
      if (message.waits && message.text === text) return true;
    }
    return false;
  }

  /** Puts a message at the end of its lane; gives the one that had to leave for it, null when there was room. */
  push(message: WaitingMessage): WaitingMessage | null {
    const { order, call } = message;
    const tail = this.#tails[order]!;
    if (tail === null) this.#heads[order] = message;
    else tail.next = message;
    this.#tails[order] = message;
    this.#lengths[order]!++;
    this.#size++;
    this.#octets += message.text.length;
    if (call >= 0) {
      const earlier = this.#calls.get(call) ?? null;
      message.earlier = earlier?.waits ? earlier : null;
      this.#calls.set(call, message);
    }
    const { messages, octets } = this.#options;
    return this.#size > messages || this.#octets > octets ? this.#takeLeastNeeded() : null;
  }

  /** Takes what is to be handled next, null when nothing waits. */
  take(): WaitingMessage | null {
    for (let order = shedOrderCount - 1; order >= 0; order--)
      if (this.#heads[order] !== null) return this.#takeFrom(order);
    return null;
  }

  /** Takes a message that has waited too long to be begun, null when there is none. */
  takeStale(nowMs: number): WaitingMessage | null {
    for (let order = 0; order < shedOrder.never; order++) {
      const head = this.#heads[order]!;
      if (head !== null && nowMs - head.atMs > staleTimes * this.#limits[order]!) return this.#takeFrom(order);
    }
    return null;
  }

  /** Milliseconds a message of an order that came now would wait, to the best of what is known. */
  delayMs(order: number, nowMs: number): number {
    let ahead = 0;
    let delay = 0;
    for (let other = order; other < shedOrderCount; other++) {
      const head = this.#heads[other]!;
      if (head === null) continue;
      ahead += this.#lengths[other]!;
      delay = Math.max(delay, nowMs - head.atMs);
    }
    return Math.max(delay, ahead * this.#serviceMs);
  }

  /**
   * Whether a message of an order that comes now is refused: once its limit has been exceeded for a while, until half of
   * it is reached.
   */
  isShed(order: number, nowMs: number): boolean {
    const limit = this.#limits[order]!;
    const delay = this.delayMs(order, nowMs);
    if (delay < limit) this.#lateSinceMs[order] = Number.POSITIVE_INFINITY;
    else this.#lateSinceMs[order] = Math.min(this.#lateSinceMs[order]!, nowMs);
    const isOver = delay >= hastyTimes * limit || nowMs - this.#lateSinceMs[order]! >= this.#options.patienceMs;
    this.#shedding[order] = this.#shedding[order] ? delay > limit * relief : isOver;
    return this.#shedding[order]!;
  }

  /** Notes that so many messages took so long: slowly, so that one pause of the process changes little. */
  learn(elapsedMs: number, messages: number): void {
    const sample = Math.min(elapsedMs / messages, this.#serviceMs * 4);
    this.#serviceMs += (sample - this.#serviceMs) * Math.min(0.25, messages / averagedMessages);
  }

  #takeFrom(order: number): WaitingMessage {
    const message = this.#heads[order]!;
    this.#heads[order] = message.next;
    if (message.next === null) this.#tails[order] = null;
    this.#forget(message);
    return message;
  }

  /** The oldest of the lowest order; among what is never shed an emergency stays as long as there is anything else. */
  #takeLeastNeeded(): WaitingMessage {
    for (let order = 0; order < shedOrder.never; order++) if (this.#heads[order] !== null) return this.#takeFrom(order);
    const first = this.#heads[shedOrder.never]!;
    if (!isForHelp(first)) return this.#takeFrom(shedOrder.never);
    for (let before = first; before.next !== null; before = before.next) {
      const message = before.next;
      if (isForHelp(message)) continue;
      before.next = message.next;
      if (message.next === null) this.#tails[shedOrder.never] = before;
      this.#forget(message);
      return message;
    }
    return this.#takeFrom(shedOrder.never);
  }

  #forget(message: WaitingMessage): void {
    message.next = null;
    message.earlier = null;
    message.waits = false;
    this.#lengths[message.order]!--;
    this.#size--;
    this.#octets -= message.text.length;
    if (message.call >= 0 && this.#calls.get(message.call) === message) this.#calls.delete(message.call);
    if (this.#size > 0) return;
    this.#shedding.fill(false);
    this.#lateSinceMs.fill(Number.POSITIVE_INFINITY);
  }
}

function isForHelp({ text, isUrgent }: WaitingMessage): boolean {
  return isUrgent || isEmergencyRequest(text);
}

/** Hash of a part of a message, not negative. `seed`: random, so that nobody can aim at one value. */
export function hashOf(text: string, start: number, end: number, seed: number): number {
  let value = seed;
  for (let i = start; i < end; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x5bd1e995);
    value ^= value >>> 15;
  }
  value = Math.imul(value, 0x2c1b3c6d);
  return (value ^ (value >>> 16)) >>> 0;
}
