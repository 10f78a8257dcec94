import type { HeadScan } from './head-scan.ts';
import { hashOf } from './work-queue.ts';

/** So many are remembered at most: 512 KB. */
const slotCount = 65_536;
/** As long as their senders repeat them with the usual T1. Source: RFC 3261 17.1.1.2, 17.1.2.2 (Timers B and F). */
const keptMs = 32_000;

/** Shared memory of the requests that a process has refused. */
export function createRefused(): SharedArrayBuffer {
  return new SharedArrayBuffer((slotCount * 2 + 1) * 4);
}

/**
 * Which requests any thread of this process has refused lately without a transaction: a copy of one that comes when there
 * is time again, from a socket's buffer or the network, to whatever worker, is refused like the first. Taken up, it would
 * get a second final answer.
 *
 * Requests are known by a number, of which the last one has each place: a flood that refuses more than there are places
 * makes it forget some sooner, never grow. Two threads may write a place at once: then one of
 * the two requests is forgotten.
 * Source: RFC 3261 17.2.3, security row X-R14.
 */
export class RefusedRequests {
  /** By place: the request, and when it was refused; at the end when anything was, all in milliseconds of `#bootMs`. */
  readonly #words: Int32Array;
  readonly #seed: number;
  /** The clock of a thread begins with it; this leads to one that all of them share. */
  readonly #bootMs = Number(process.hrtime.bigint() / 1_000_000n) - performance.now();

  /** `memory`: of `createRefused`; `seed`: random, the same in all threads. Times are those of `performance.now()`. */
  constructor(memory: SharedArrayBuffer, seed: number) {
    this.#words = new Int32Array(memory);
    this.#seed = seed;
  }

  /** Whether any request was refused in the last 32 s: their ACKs and copies are on their way. */
  isActive(nowMs: number): boolean {
    const atMs = this.#words[slotCount * 2]!;
    return atMs !== 0 && this.#isYoung(atMs, nowMs);
  }

  /** The request that was scanned is refused. */
  note(scan: HeadScan, nowMs: number): void {
    const request = this.#requestOf(scan);
    const place = placeOf(request);
    const atMs = this.#sharedMs(nowMs);
    this.#words[place] = request;
    this.#words[place + 1] = atMs;
    this.#words[slotCount * 2] = atMs || 1;
  }

  /** Whether the request that was scanned is a copy of one that was refused. */
  has(scan: HeadScan, nowMs: number): boolean {
    const request = this.#requestOf(scan);
    const place = placeOf(request);
    return this.#words[place] === request && this.#isYoung(this.#words[place + 1]!, nowMs);
  }

  #isYoung(atMs: number, nowMs: number): boolean {
    // Those of other threads may be a moment ahead.
    return Math.abs((this.#sharedMs(nowMs) - atMs) | 0) < keptMs;
  }

  /** 32 bits, which come round after weeks: only differences tell. */
  #sharedMs(nowMs: number): number {
    return (nowMs + this.#bootMs) | 0;
  }

  /** No ACK or CANCEL is asked about: the topmost Via tells, and for senders without branches Call-ID and CSeq. */
  #requestOf(scan: HeadScan): number {
    let number = this.#seed;
    for (const field of [scan.via, scan.callId, scan.cseq]) {
      const value = scan.valueOf(field);
      number = hashOf(value, 0, value.length, number);
    }
    return number | 0;
  }
}

function placeOf(request: number): number {
  return (request & (slotCount - 1)) * 2;
}
