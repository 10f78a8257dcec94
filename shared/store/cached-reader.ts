import { bucketOf, GENERATION_SLOTS, isKey, type Store } from './store.ts';

interface Cached<T> {
  /** Our own copy of the key. */
  readonly key: string;
  readonly value: T;
  readonly bucket: number;
  readonly generation: number;
}

/** So many of the kept records are looked at when one more is. */
const sweepSteps = 2;
/** Absent keys that are remembered at most: a flood of strangers costs no more memory than this. */
const maxAbsent = 8_192;

/**
 * Decoded records of one table, kept per thread and dropped as soon as any thread writes them: the counter of the key's
 * bucket is read before the record is, and compared at every hit. Bounded; what was not asked for lately goes first, and
 * what was written or removed since goes before long, though nobody asks for it any more.
 * That a key is absent is remembered by the same rule once it was missed twice: who is asked for again and again and is
 * not there costs no lookup, and who comes once costs no more than that.
 *
 * The decoded values are shared by all who ask: treat them as read only. `decode` gives null for a record it cannot
 * read; that is not kept.
 */
export class CachedReader<T> {
  readonly #store: Pick<Store, 'generations' | 'get'>;
  readonly #table: string;
  readonly #decode: (value: Buffer, key: string) => T | null;
  readonly #half: number;
  readonly #maxAbsent: number;
  /** Two generations: a hit in the older one moves over, a full younger one becomes the older. Cheaper than a linked list. */
  #young = new Map<string, Cached<T>>();
  #old = new Map<string, Cached<T>>();
  /** Goes round the younger generation. */
  #sweeper = this.#young.values();
  /** Keys that were not there, with the counter of their bucket at that time. */
  readonly #absent = new Map<string, number>();
  /** A bit for each bucket that was missed, and how many were since all bits were cleared. */
  readonly #missed = new Uint32Array(GENERATION_SLOTS / 32);
  #misses = 0;

  constructor(
    store: Pick<Store, 'generations' | 'get'>,
    table: string,
    decode: (value: Buffer, key: string) => T | null,
    capacity: number,
  ) {
    this.#store = store;
    this.#table = table;
    this.#decode = decode;
    this.#half = Math.max(1, capacity >> 1);
    this.#maxAbsent = Math.min(Math.max(1, capacity), maxAbsent);
  }

  /** Records kept at this time. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Absent keys remembered at this time. */
  get absent(): number {
    return this.#absent.size;
  }

  get(key: string): T | null {
    const generations = this.#store.generations;
    let cached = this.#young.get(key);
    const young = cached !== undefined;
    cached ??= this.#old.get(key);
    const bucket = cached?.bucket ?? bucketOf(this.#table, key);
    const generation = Atomics.load(generations, bucket);
    if (cached !== undefined && cached.generation === generation) {
      if (!young) this.#keep(cached);
      return cached.value;
    }
    if (this.#absent.get(key) === generation) return null;
    const octets = this.#store.get(this.#table, key);
    const value = octets === null ? null : this.#decode(octets, key);
    if (value === null) {
      if (cached !== undefined) this.#drop(key);
      if (octets === null) this.#miss(key, bucket, generation);
      return null;
    }
    this.#keep({ key: cached?.key ?? ownCopy(key), value, bucket, generation });
    this.#sweep();
    return value;
  }

  #keep(cached: Cached<T>): void {
    this.#old.delete(cached.key);
    this.#young.set(cached.key, cached);
    if (this.#young.size < this.#half) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#sweeper = this.#young.values();
  }

  /** Two steps for each record that comes: what is out of date has gone before as many have come as there are. */
  #sweep(): void {
    for (let step = 0; step < sweepSteps; step++) {
      const { value: cached, done } = this.#sweeper.next();
      if (done) {
        this.#sweeper = this.#young.values();
        return;
      }
      if (Atomics.load(this.#store.generations, cached.bucket) !== cached.generation) this.#young.delete(cached.key);
    }
  }

  #drop(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  #miss(key: string, bucket: number, generation: number): void {
    if (this.#isFirstMiss(bucket)) return;
    // What is too long for a key costs no lookup in the store, but would cost memory here.
    if (!isKey(key)) return;
    if (this.#absent.size >= this.#maxAbsent) this.#absent.clear();
    this.#absent.set(ownCopy(key), generation);
  }

  #isFirstMiss(bucket: number): boolean {
    const place = bucket >>> 5;
    const bit = 1 << (bucket & 31);
    if ((this.#missed[place]! & bit) !== 0) return false;
    if (++this.#misses > maxAbsent) {
      this.#missed.fill(0);
      this.#misses = 1;
    }
    this.#missed[place]! |= bit;
    return true;
  }
}

/**
 * A key is often cut from a message, which it would keep alive. Cut from a text put together for it, it keeps only that;
 * a third of what a copy by way of a Buffer costs.
 */
function ownCopy(key: string): string {
  return ` ${key}`.slice(1);
}
