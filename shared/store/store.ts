/** A record with the time it falls due, epoch milliseconds; 0: never. */
export interface StoredRecord {
  readonly value: Uint8Array;
  readonly expiresAtMs: number;
}

/** A record found by a listing. */
export interface StoreEntry {
  readonly key: string;
  readonly value: Buffer;
}

/** A record that fell due. */
export interface ExpiredRecord extends StoreEntry {
  readonly table: string;
}

/**
 * What keeps registrations, tokens and dialogs. One instance per thread; all threads of a process see the same records.
 *
 * Reads are synchronous. Writes gather in a batch that this thread's reads already see and that `commit` makes true for
 * everyone in one transaction. Keys are latin1 strings of 1 to 512 characters; a peer's longer key reads as "not there"
 * and throws ERR_STORE_KEY on writing. Tables are named when the store is opened; another name throws ERR_STORE_TABLE.
 *
 * No clock inside: a record past its time is still read until someone takes or removes it, so whoever minds checks the time.
 */
export interface Store {
  /** One counter per bucket of keys (`bucketOf`), bumped when a key is written; the first slots are ours. Shared by the threads. */
  readonly generations: Int32Array;

  /** The octets of a record, a copy the caller may keep; null when there is none. */
  get(table: string, key: string): Buffer | null;

  /** Writes within the batch. The value is copied. */
  put(table: string, key: string, value: Uint8Array, expiresAtMs?: number): void;

  /** Removes within the batch; a record that is not there is no mistake. */
  remove(table: string, key: string): void;

  /**
   * Applies the batch in one transaction. When that fails (disk full) it throws ERR_STORE_WRITE, the batch stays open and
   * readable, and the next commit tries again. ERR_STORE_STUCK: another thread does not end its transaction.
   */
  commit(): void;

  /**
   * Read, change, write, atomic over all threads; the open batch is committed with it. `change` gets the record or null
   * and gives the next one, null to remove it, undefined to leave it; it must be quick and must not write to the store.
   * Gives what is stored afterwards. Throws what `change` throws (the record is untouched then) and ERR_STORE_WRITE.
   */
  update(
    table: string,
    key: string,
    change: (current: StoredRecord | null) => StoredRecord | null | undefined,
  ): StoredRecord | null;

  /**
   * Records due at `nowMs`, earliest first, at most `limit`, of keys that are `mine`. Each is put off by `leaseMs`
   * (60,000 unless told), so nobody else gets it meanwhile and a crash does not lose it: remove it or put it anew when done.
   * Commits the open batch first.
   */
  takeExpired(
    nowMs: number,
    limit: number,
    mine: (key: string, table: string) => boolean,
    leaseMs?: number,
  ): ExpiredRecord[];

  /** Records whose key starts with `prefix`, in order of keys, at most `limit`, behind the key `from`. Commits the batch first. */
  range(table: string, prefix: string, limit: number, from?: string): StoreEntry[];

  /** Number of records in a table. Commits the batch first. */
  count(table: string): number;

  /**
   * Where records are shared with other machines: settles when what this thread has committed is known there, false when
   * that takes too long. Left out where there are no others.
   */
  durable?(): Promise<boolean>;

  /** The nodes that share the records. Left out where there are no others. */
  readonly nodes?: StoreNodes;

  /** Commits the batch and lets go of the files. Every later call throws ERR_STORE_CLOSED. */
  close(): Promise<void>;
}

/** Which node of those that share their records this is. */
export interface StoreNodes {
  readonly own: number;
  /**
   * Whether this node sees to what another one has begun: that one is gone, and this is the first of those that are left.
   * True for the node itself; false for others while nobody knows who is left.
   */
  standsInFor(node: number): boolean;
}

/** A failure of the store, with a stable code. */
export class StoreError extends Error {
  readonly code:
    | 'ERR_STORE_LMDB'
    | 'ERR_STORE_OPEN'
    | 'ERR_STORE_KEY'
    | 'ERR_STORE_TABLE'
    | 'ERR_STORE_WRITE'
    | 'ERR_STORE_NESTED'
    | 'ERR_STORE_STUCK'
    | 'ERR_STORE_CLOSED';

  constructor(code: StoreError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Slots of the generation counters. */
export const GENERATION_SLOTS = 65_536;

/** Slot of the counter of commits; buckets of keys are 64 and up. */
export const COMMIT_SLOT = 0;

/** Slot that names the thread with a write transaction open (`write-lock.ts`). */
export const WRITER_SLOT = 1;

/** Slots of replication, see `replication.ts`. */
export const REPLICATION_SLOTS = 2;

const FIRST_BUCKET = 64;

/** Records put off by `takeExpired` come back after this time unless told otherwise. */
export const DEFAULT_LEASE_MS = 60_000;

const MAX_KEY = 512;
const MAX_TIME_MS = 2 ** 48 - 1;

/** Counters for a whole process; the daemon makes them once and hands them to every thread. */
export function createGenerations(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(GENERATION_SLOTS * Int32Array.BYTES_PER_ELEMENT));
}

/** Bucket of a key, 64 to 65,535. Two keys in one bucket only mean a needless re-read. */
export function bucketOf(table: string, key: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < table.length; i++) h = Math.imul(h ^ table.charCodeAt(i), 0x01000193);
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  return (((h ^ (h >>> 15)) >>> 0) % (GENERATION_SLOTS - FIRST_BUCKET)) + FIRST_BUCKET;
}

/** Whether a string can be a key. */
export function isKey(key: string): boolean {
  return key.length > 0 && key.length <= MAX_KEY;
}

/** Throws ERR_STORE_KEY for what cannot be a key. */
export function requireKey(key: string): void {
  if (!isKey(key)) throw new StoreError('ERR_STORE_KEY', `a key has 1 to ${MAX_KEY} characters, not ${key.length}`);
  for (let i = 0; i < key.length; i++) {
    if (key.charCodeAt(i) > 0xff) throw new StoreError('ERR_STORE_KEY', `a key is latin1, character ${i} is not`);
  }
}

/** A due time as it is stored: a whole number of milliseconds, 0 for never. */
export function dueTime(expiresAtMs: number | undefined): number {
  if (expiresAtMs === undefined || !(expiresAtMs > 0)) return 0;
  return Math.min(Math.ceil(expiresAtMs), MAX_TIME_MS);
}
