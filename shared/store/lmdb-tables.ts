import type { Database, RootDatabase } from 'lmdb';
import type { ChangeNotes } from './change-notes.ts';
import { DueIndex } from './due-index.ts';
import { HEADER, readOctets } from './record-octets.ts';
import { bucketOf, COMMIT_SLOT, type StoredRecord, StoreError } from './store.ts';
import { enterWrite, leaveWrite } from './write-lock.ts';

/** A table's database and its part of the open batch: octets with header, or null for a removal. */
export interface Table {
  readonly name: string;
  readonly db: Database<Buffer, string>;
  readonly batch: Map<string, Buffer | null>;
}

/**
 * The tables of an LMDB store as one thread has them, and how writes to them become true: they gather in a batch, are
 * written in a transaction together with what is noted beside them, and then every thread is told to read anew.
 */
export class LmdbTables {
  readonly due: DueIndex;
  /** Null where the records are this machine's own. */
  readonly notes: ChangeNotes | null;
  readonly #generations: Int32Array;
  readonly #root: RootDatabase<Buffer, string>;
  readonly #tables = new Map<string, Table>();
  /** Commit count up to which our read snapshot is known to be fresh. */
  #seen = -1;
  #batched = 0;
  #inUpdate = false;
  #closed = false;

  /** `generations`: the counters of the process (`createGenerations`). */
  constructor(
    root: RootDatabase<Buffer, string>,
    names: readonly string[],
    generations: Int32Array,
    notes: ChangeNotes | null,
  ) {
    this.#root = root;
    this.#generations = generations;
    this.notes = notes;
    this.due = new DueIndex(root);
    for (const name of names) {
      const db = root.openDB<Buffer, string>(name, { encoding: 'binary' });
      this.#tables.set(name, { name, db, batch: new Map() });
    }
  }

  /** Throws ERR_STORE_TABLE for one that the store does not have, ERR_STORE_CLOSED after its end. */
  table(name: string): Table {
    const table = this.#tables.get(name);
    if (table === undefined) throw new StoreError('ERR_STORE_TABLE', `the store has no table ${name}`);
    this.#requireOpen();
    return table;
  }

  /** A table that this store may not have. */
  find(name: string): Table | undefined {
    return this.#tables.get(name);
  }

  /** Our read snapshot is renewed when any thread has committed since: the library itself would only do so at the next timer. */
  refresh(): void {
    if (this.#inUpdate) return;
    const commits = Atomics.load(this.#generations, COMMIT_SLOT);
    if (commits === this.#seen) return;
    this.#seen = commits;
    this.#root.resetReadTxn();
  }

  /** Writes or removes one record within the batch. */
  batchUp(table: Table, key: string, octets: Buffer | null): void {
    this.requireOutside();
    table.batch.set(key, octets);
    this.#batched++;
    // This thread's cached copy is out of date from now on, the others' from the commit on.
    this.bump(table.name, key);
  }

  /** Makes the open batch true in a transaction of its own. */
  commit(): void {
    this.#requireOpen();
    if (this.#batched === 0) return;
    this.requireOutside();
    this.transaction(() => this.writeBatch());
    this.batchDone();
  }

  /** Writes the open batch, which stays open until `batchDone`. Within a transaction. */
  writeBatch(): void {
    if (this.#batched === 0) return;
    for (const table of this.#tables.values()) {
      for (const [key, octets] of table.batch) this.write(table, key, octets);
    }
  }

  /** The transaction with the batch is through. */
  batchDone(): void {
    if (this.#batched === 0) return;
    this.#batched = 0;
    this.committed();
    for (const table of this.#tables.values()) {
      if (table.batch.size === 0) continue;
      for (const key of table.batch.keys()) this.bump(table.name, key);
      table.batch.clear();
    }
  }

  /** Writes or removes one record, and notes that for the replica. Within a transaction. */
  write(table: Table, key: string, octets: Buffer | null): void {
    const notes = this.notes;
    if (notes === null) {
      this.writeRecord(table, key, octets);
      return;
    }
    const before = notes.mergeOf(table.name) === null ? null : readOctets(table.db, key);
    if (this.writeRecord(table, key, octets)) notes.mark(table.name, key, before);
  }

  /** Writes or removes one record and its entry in the index of due times. Gives whether there was anything to do. */
  writeRecord(table: Table, key: string, octets: Buffer | null): boolean {
    const old = table.db.getBinaryFast(key);
    const oldDue = old === undefined ? 0 : old.readUIntBE(0, HEADER);
    const due = octets === null ? 0 : octets.readUIntBE(0, HEADER);
    if (oldDue !== due) this.due.move(table.name, key, oldDue, due);
    if (octets !== null) table.db.putSync(key, octets);
    else if (old !== undefined) table.db.removeSync(key);
    return octets !== null || old !== undefined;
  }

  /** Throws ERR_STORE_WRITE when it fails, and then nothing of it is true. */
  transaction(work: () => void): void {
    const entered = enterWrite(this.#generations);
    try {
      this.#root.transactionSync(work);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new StoreError('ERR_STORE_WRITE', `the store could not be written: ${why}`, { cause });
    } finally {
      if (entered) leaveWrite(this.#generations);
    }
  }

  /** Asks what an update makes of a record. Within its transaction, which others then read from, and must not write to. */
  ask(
    change: (current: StoredRecord | null) => StoredRecord | null | undefined,
    current: StoredRecord | null,
  ): StoredRecord | null | undefined {
    this.#inUpdate = true;
    try {
      return change(current);
    } finally {
      this.#inUpdate = false;
    }
  }

  /**
   * Has every thread renew its read snapshot before it reads again. Must come before the counters of the keys: a reader
   * that had the new counter and the old snapshot would keep what is out of date.
   */
  committed(): void {
    Atomics.add(this.#generations, COMMIT_SLOT, 1);
    this.notes?.tell();
  }

  /** Has every thread look up a record again that it keeps decoded (`CachedReader`). */
  bump(table: string, key: string): void {
    Atomics.add(this.#generations, bucketOf(table, key), 1);
  }

  /** Throws ERR_STORE_NESTED within the change of an update. */
  requireOutside(): void {
    if (this.#inUpdate) throw new StoreError('ERR_STORE_NESTED', 'the change of an update must not write to the store');
  }

  /** Commits the batch and lets go of the files. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.commit();
    this.#closed = true;
    await this.#root.close();
  }

  #requireOpen(): void {
    if (this.#closed) throw new StoreError('ERR_STORE_CLOSED', 'the store is closed');
  }
}
