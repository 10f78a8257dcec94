import { bucketOf, type Store } from './store.ts';

interface Cached<T> {
  readonly value: T;
  readonly bucket: number;
  readonly generation: number;
}

/**
 * Decoded records of one table, kept per thread and dropped as soon as any thread writes them: the counter of the key's
 * bucket is read before the record is, and compared at every hit. Bounded; what was not asked for lately goes first.
 *
 * The decoded values are shared by all who ask: treat them as read only. `decode` gives null for a record it cannot read;
 * neither that nor a missing record is kept.
 */
export class CachedReader<T> {
  readonly #store: Store;
  readonly #table: string;
  readonly #decode: (value: Buffer, key: string) => T | null;
  readonly #half: number;
  /** Two generations: a hit in the older one moves over, a full younger one becomes the older. Cheaper than a linked list. */
  #young = new Map<string, Cached<T>>();
  #old = new Map<string, Cached<T>>();

  constructor(store: Store, table: string, decode: (value: Buffer, key: string) => T | null, capacity: number) {
    this.#store = store;
    this.#table = table;
    this.#decode = decode;
    this.#half = Math.max(1, capacity >> 1);
  }

  /** Most records kept at any time. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): T | null {
    const generations = this.#store.generations;
    let cached = this.#young.get(key);
    const young = cached !== undefined;
    cached ??= this.#old.get(key);
    const bucket = cached?.bucket ?? bucketOf(this.#table, key);
    const generation = Atomics.load(generations, bucket);
    if (cached !== undefined && cached.generation === generation) {
      if (!young) this.#keep(key, cached);
      return cached.value;
    }
    const octets = this.#store.get(this.#table, key);
    const value = octets === null ? null : this.#decode(octets, key);
    if (value === null) {
      if (cached !== undefined) this.#drop(key);
      return null;
    }
    this.#keep(key, { value, bucket, generation });
    return value;
  }

  #keep(key: string, cached: Cached<T>): void {
    this.#old.delete(key);
    this.#young.set(key, cached);
    if (this.#young.size < this.#half) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  #drop(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}
