import { cr, isBlank, lf } from '#sip/parser/scanner';
import type { CallOwnership } from './frame-link.ts';

/** Call-IDs fall into this many buckets; a worker owns a bucket while something of it lives. */
export const bucketCount = 65_536;

/** One word per bucket: the owner above, the number of what lives (frames under way included) below. */
const countBits = 24;
const countMask = (1 << countBits) - 1;
const free = -1;

/** Shared memory of the bucket table. */
export function createBuckets(): SharedArrayBuffer {
  return new SharedArrayBuffer(bucketCount * 4);
}

/**
 * Who owns which Call-IDs. The transport side and all workers see one table; a bucket changes hands only while nothing
 * of it lives and no frame of it is under way.
 */
export class BucketTable {
  readonly #words: Int32Array;
  readonly #seed: number;

  /** `seed`: random, the same in all threads, so that no sender can aim at one bucket. */
  constructor(memory: SharedArrayBuffer, seed: number) {
    this.#words = new Int32Array(memory);
    this.#seed = seed;
  }

  bucketOf(callId: string): number {
    return this.#hash(callId, 0, callId.length);
  }

  /** The bucket of a message by its first Call-ID field, -1 when it has none. */
  bucketOfMessage(text: string): number {
    const start = callIdStart(text);
    if (start < 0) return -1;
    let end = start;
    while (end < text.length && text.charCodeAt(end) !== lf) end++;
    while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
    return end === start ? -1 : this.#hash(text, start, end);
  }

  /** The worker that owns a bucket, -1 while it is free. */
  ownerOfBucket(bucket: number): number {
    const word = Atomics.load(this.#words, bucket);
    return (word & countMask) === 0 ? free : word >>> countBits;
  }

  /** How much of a bucket lives. */
  liveIn(bucket: number): number {
    return Atomics.load(this.#words, bucket) & countMask;
  }

  /** Counts one more for its owner, or for `worker` if nobody owns it; gives the owner. */
  take(bucket: number, worker: number): number {
    for (;;) {
      const word = Atomics.load(this.#words, bucket);
      const owned = (word & countMask) > 0;
      const next = owned ? word + 1 : (worker << countBits) | 1;
      if (Atomics.compareExchange(this.#words, bucket, word, next) === word) return owned ? word >>> countBits : worker;
    }
  }

  /** Counts one more if the bucket is free or the worker's own; gives whether it is now the worker's. */
  claim(bucket: number, worker: number): boolean {
    for (;;) {
      const word = Atomics.load(this.#words, bucket);
      const owned = (word & countMask) > 0;
      if (owned && word >>> countBits !== worker) return false;
      const next = owned ? word + 1 : (worker << countBits) | 1;
      if (Atomics.compareExchange(this.#words, bucket, word, next) === word) return true;
    }
  }

  /** Counts one less, if the bucket is (still) the worker's. */
  release(bucket: number, worker: number): void {
    for (;;) {
      const word = Atomics.load(this.#words, bucket);
      if ((word & countMask) === 0 || word >>> countBits !== worker) return;
      if (Atomics.compareExchange(this.#words, bucket, word, word - 1) === word) return;
    }
  }

  /** Whether anything lives in a worker. */
  hasAny(worker: number): boolean {
    for (let bucket = 0; bucket < bucketCount; bucket++) if (this.ownerOfBucket(bucket) === worker) return true;
    return false;
  }

  /** Frees all buckets of a worker that has died. */
  freeAll(worker: number): void {
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      const word = Atomics.load(this.#words, bucket);
      if (word !== 0 && word >>> countBits === worker) Atomics.compareExchange(this.#words, bucket, word, 0);
    }
  }

  #hash(text: string, start: number, end: number): number {
    let value = this.#seed | 0;
    for (let i = start; i < end; i++) {
      value = Math.imul(value ^ text.charCodeAt(i), 0x5bd1e995);
      value ^= value >>> 15;
    }
    value = Math.imul(value, 0x2c1b3c6d);
    return (value ^ (value >>> 16)) & (bucketCount - 1);
  }
}

/** Where the value of the first Call-ID field begins, however the name is written, folded or not; -1: none. */
function callIdStart(text: string): number {
  let at = text.indexOf('\n') + 1;
  while (at > 0 && at < text.length) {
    const first = text.charCodeAt(at);
    if (first === lf || (first === cr && text.charCodeAt(at + 1) === lf)) return -1;
    const letter = first | 0x20;
    if (letter === 0x69 || letter === 0x63) {
      let i = letter === 0x69 ? at + 1 : afterLongName(text, at);
      if (i > 0) {
        while (isBlank(text.charCodeAt(i))) i++;
        if (text.charCodeAt(i) === 58) return valueStart(text, i + 1);
      }
    }
    at = text.indexOf('\n', at) + 1;
  }
  return -1;
}

const longName = 'call-id';

function afterLongName(text: string, at: number): number {
  for (let i = 1; i < longName.length; i++) {
    const code = text.charCodeAt(at + i);
    const expected = longName.charCodeAt(i);
    if (code !== expected && (code | 0x20) !== expected) return -1;
  }
  return at + longName.length;
}

function valueStart(text: string, from: number): number {
  let at = from;
  for (;;) {
    while (isBlank(text.charCodeAt(at))) at++;
    // A line end followed by a blank is folding: the value goes on in the next line.
    let next = at;
    if (text.charCodeAt(next) === cr) next++;
    if (text.charCodeAt(next) !== lf || !isBlank(text.charCodeAt(next + 1))) return at;
    at = next + 1;
  }
}

function isSpace(code: number): boolean {
  return isBlank(code) || code === cr;
}

/** One worker's view of the table. */
export class WorkerOwnership implements CallOwnership {
  #table: BucketTable;
  readonly #worker: number;

  constructor(table: BucketTable, worker: number) {
    this.#table = table;
    this.#worker = worker;
  }

  /** What its worker does from now on counts no more: another has its number. */
  retire(): void {
    this.#table = new BucketTable(createBuckets(), 0);
  }

  retain(callId: string): number {
    const bucket = this.#table.bucketOf(callId);
    this.#table.claim(bucket, this.#worker);
    return bucket;
  }

  release(bucket: number): void {
    this.#table.release(bucket, this.#worker);
  }

  /** The worker that owns a Call-ID, -1 when nobody does. */
  ownerOf(callId: string): number {
    return this.#table.ownerOfBucket(this.#table.bucketOf(callId));
  }

  /**
   * Whether what comes back for a Call-ID of our own making will reach this worker; if so it is retained. A worker that
   * begins a dialog makes Call-IDs until one is claimed.
   */
  claim(callId: string): boolean {
    return this.#table.claim(this.#table.bucketOf(callId), this.#worker);
  }
}

/** What the choice of a worker looks at. */
export interface WorkerLoad {
  /** Serves, and has taken frames lately. */
  readonly takesCalls: boolean;
  /** Alive at all. */
  readonly alive: boolean;
  /** Octets that wait. */
  readonly backlog: number;
  /** Has more to do than it can at the moment. */
  readonly isBehind: boolean;
}

/**
 * The least backlogged worker that takes calls; equals take turns, beginning after `last`. When none takes calls, the
 * least backlogged one that lives; -1 when none does.
 */
export function leastBacklogged(
  workers: readonly Pick<WorkerLoad, 'takesCalls' | 'alive' | 'backlog'>[],
  last: number,
): number {
  let best = -1;
  let bestBacklog = 0;
  let bestTakes = false;
  for (let n = 1; n <= workers.length; n++) {
    const i = (last + n) % workers.length;
    const { alive, takesCalls, backlog } = workers[i]!;
    if (!alive || (bestTakes && !takesCalls)) continue;
    if (best < 0 || (takesCalls && !bestTakes) || backlog < bestBacklog) {
      best = i;
      bestBacklog = backlog;
      bestTakes = takesCalls;
    }
  }
  return best;
}
