import {
  bucketOf,
  COMMIT_SLOT,
  createGenerations,
  DEFAULT_LEASE_MS,
  dueTime,
  type ExpiredRecord,
  requireKey,
  type Store,
  type StoredRecord,
  type StoreEntry,
  StoreError,
} from './store.ts';

interface MemoryRecord {
  readonly table: string;
  readonly key: string;
  readonly value: Buffer;
  readonly expiresAtMs: number;
}

/**
 * A store within one thread that forgets everything when the process ends: for labs, tests, and where lmdb does not load.
 * Only for `workers: 1`, since no other thread sees it. Writes are true at once, `commit` has nothing to do.
 */
export function openMemoryStore(tables: readonly string[]): Store {
  return new MemoryStore(tables);
}

class MemoryStore implements Store {
  readonly generations = createGenerations();
  readonly #tables = new Map<string, Map<string, MemoryRecord>>();
  /** Binary heap by due time. Records replaced since stay in it until they come up or are cleared out. */
  #heap: MemoryRecord[] = [];
  #inUpdate = false;
  #closed = false;

  constructor(tables: readonly string[]) {
    for (const name of tables) this.#tables.set(name, new Map());
  }

  get(table: string, key: string): Buffer | null {
    const record = this.#table(table).get(key);
    return record === undefined ? null : Buffer.from(record.value);
  }

  put(table: string, key: string, value: Uint8Array, expiresAtMs?: number): void {
    requireKey(key);
    this.#requireOutside();
    this.#write(table, key, { value, expiresAtMs: dueTime(expiresAtMs) });
  }

  remove(table: string, key: string): void {
    this.#requireOutside();
    this.#write(table, key, null);
  }

  commit(): void {
    this.#requireOpen();
  }

  update(
    table: string,
    key: string,
    change: (current: StoredRecord | null) => StoredRecord | null | undefined,
  ): StoredRecord | null {
    requireKey(key);
    this.#requireOutside();
    const record = this.#table(table).get(key);
    const current = record === undefined ? null : { value: Buffer.from(record.value), expiresAtMs: record.expiresAtMs };
    let next: StoredRecord | null | undefined;
    this.#inUpdate = true;
    try {
      next = change(current);
    } finally {
      this.#inUpdate = false;
    }
    if (next === undefined) return current;
    this.#write(table, key, next === null ? null : { value: next.value, expiresAtMs: dueTime(next.expiresAtMs) });
    return next;
  }

  takeExpired(
    nowMs: number,
    limit: number,
    mine: (key: string, table: string) => boolean,
    leaseMs = DEFAULT_LEASE_MS,
  ): ExpiredRecord[] {
    this.#requireOpen();
    const taken: ExpiredRecord[] = [];
    const others: MemoryRecord[] = [];
    while (taken.length < limit) {
      const record = this.#heap[0];
      if (record === undefined || record.expiresAtMs > nowMs) break;
      this.#pop();
      if (this.#tables.get(record.table)?.get(record.key) !== record) continue;
      if (!mine(record.key, record.table)) {
        others.push(record);
        continue;
      }
      const leased = { ...record, expiresAtMs: dueTime(nowMs + leaseMs) };
      this.#tables.get(record.table)?.set(record.key, leased);
      this.#push(leased);
      taken.push({ table: record.table, key: record.key, value: Buffer.from(record.value) });
    }
    for (const record of others) this.#push(record);
    return taken;
  }

  range(table: string, prefix: string, limit: number, from = ''): StoreEntry[] {
    const found: StoreEntry[] = [];
    for (const { key, value } of this.#table(table).values()) {
      if (key > from && key.startsWith(prefix)) found.push({ key, value });
    }
    found.sort((a, b) => (a.key < b.key ? -1 : 1));
    return found.slice(0, Math.max(0, limit)).map(({ key, value }) => ({ key, value: Buffer.from(value) }));
  }

  count(table: string): number {
    return this.#table(table).size;
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#tables.clear();
    this.#heap = [];
    return Promise.resolve();
  }

  #write(table: string, key: string, next: StoredRecord | null): void {
    const records = this.#table(table);
    if (next === null) records.delete(key);
    else {
      const record = { table, key, value: Buffer.from(next.value), expiresAtMs: next.expiresAtMs };
      records.set(key, record);
      if (record.expiresAtMs !== 0) this.#push(record);
    }
    Atomics.add(this.generations, bucketOf(table, key), 1);
    Atomics.add(this.generations, COMMIT_SLOT, 1);
  }

  #push(record: MemoryRecord): void {
    const heap = this.#heap;
    let at = heap.push(record) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.expiresAtMs <= record.expiresAtMs) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = record;
    if (heap.length > 1024) this.#clearOut();
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.expiresAtMs < heap[child]!.expiresAtMs) child++;
      if (heap[child]!.expiresAtMs >= last.expiresAtMs) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }

  /** Drops replaced records when they outnumber the living ones; a sorted array is a heap. */
  #clearOut(): void {
    let living = 0;
    for (const records of this.#tables.values()) living += records.size;
    if (this.#heap.length <= 2 * living + 1024) return;
    this.#heap = this.#heap
      .filter((record) => this.#tables.get(record.table)?.get(record.key) === record)
      .sort((a, b) => a.expiresAtMs - b.expiresAtMs);
  }

  #table(name: string): Map<string, MemoryRecord> {
    this.#requireOpen();
    const table = this.#tables.get(name);
    if (table === undefined) throw new StoreError('ERR_STORE_TABLE', `the store has no table ${name}`);
    return table;
  }

  #requireOutside(): void {
    if (this.#inUpdate) throw new StoreError('ERR_STORE_NESTED', 'the change of an update must not write to the store');
  }

  #requireOpen(): void {
    if (this.#closed) throw new StoreError('ERR_STORE_CLOSED', 'the store is closed');
  }
}
