import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { ChangeNotes, type ReplicaOptions } from './change-notes.ts';
import { encode, encodeRecord, HEADER, indexKey, readOctets, readRecord, storedRecord } from './record-octets.ts';
import { changesConfirmed, type RecordMerge, type VersionedRecord, writerOf } from './replication.ts';
import {
  bucketOf,
  COMMIT_SLOT,
  createGenerations,
  DEFAULT_LEASE_MS,
  dueTime,
  type ExpiredRecord,
  isKey,
  requireKey,
  type Store,
  type StoredRecord,
  type StoreEntry,
  StoreError,
  type StoreNodes,
} from './store.ts';
import { enterWrite, leaveWrite } from './write-lock.ts';

/** How an LMDB store is opened; every thread of a process opens it with the same path, tables and counters. */
export interface LmdbStoreOptions {
  /** Directory; made with mode 0700 if it is not there. */
  readonly path: string;
  readonly tables: readonly string[];
  /** The process' counters (`createGenerations`). Without them this is the only thread. */
  readonly generations?: Int32Array;
  /** Flush each commit to the disk. Without it (the default) what is committed survives the death of the process, not of the machine. */
  readonly sync?: boolean;
  /** Notes versions and what has changed, for a replica on other machines (`RedisReplica`). Needs `generations`. */
  readonly replica?: ReplicaOptions;
  /** Address space to start with, octets, 8 GiB unless told: no file size, and the library maps more when the file outgrows it. */
  readonly mapSize?: number;
}

/** A record changed here. `base`: the version that the change was made upon, zeros for none; null: the newer one stays. */
export type ChangedRecord = VersionedRecord & { readonly base: Buffer | null };

/** A store whose records are shared with other machines. */
export interface ReplicableStore extends Store {
  /** Records changed here and not confirmed, at most `limit`. */
  unconfirmed(limit: number): ChangedRecord[];
  /** How many there are. */
  unconfirmedCount(): number;
  /** The other machines know these records. */
  confirm(records: readonly VersionedRecord[]): void;
  /** Marks records that were written before they were shared as changed; gives how many. */
  adopt(): number;
  /**
   * Takes over records of other machines; those that are newer here are left. Gives those that are newer there, but would
   * undo a change here that is not confirmed and has to be merged.
   */
  takeOver(records: readonly VersionedRecord[]): VersionedRecord[];
  /** Records that another machine has changed before ours arrived: the changes become one, or the newer one stays. */
  reconcile(records: readonly VersionedRecord[]): void;
  /** A note of the replica that survives a restart. */
  note(name: string): string | null;
  setNote(name: string, value: string): void;
}

type LmdbModule = Pick<typeof import('lmdb'), 'open'>;

const DEFAULT_MAP_SIZE = 8 * 1024 ** 3;
/** The index of due times: due time, table, 0, key; no value. */
const DUE_INDEX = '#due';
const NOTHING = Buffer.alloc(0);

/** A table's database and its part of the open batch: octets with header, or null for a removal. */
interface Table {
  readonly name: string;
  readonly db: Database<Buffer, string>;
  readonly batch: Map<string, Buffer | null>;
}

/**
 * Opens or makes the environment. Throws ERR_STORE_LMDB when the lmdb package does not load here, ERR_STORE_OPEN when the
 * directory cannot be used. `load` is there for hosts that bring the package another way.
 *
 * Tables are sub-databases: measured against one database with key prefixes, gets and puts cost the same, and the count
 * of a table is a field instead of a walk.
 */
export async function openLmdbStore(
  options: LmdbStoreOptions,
  load: () => Promise<LmdbModule> = () => import('lmdb'),
): Promise<ReplicableStore> {
  let lmdb: LmdbModule;
  try {
    lmdb = await load();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the lmdb package does not load on ${process.platform} ${process.arch} (${why}); set store: { type: memory } to run without it`;
    throw new StoreError('ERR_STORE_LMDB', message, { cause });
  }
  try {
    return new LmdbStore(lmdb, options);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StoreError('ERR_STORE_OPEN', `the store in ${options.path} does not open: ${why}`, { cause });
  }
}

class LmdbStore implements ReplicableStore {
  readonly generations: Int32Array;
  readonly nodes?: StoreNodes;
  readonly #root: RootDatabase<Buffer, string>;
  readonly #due: Database<Buffer, Buffer>;
  readonly #tables = new Map<string, Table>();
  readonly #replica: ReplicaOptions | null;
  /** Null where the records are this machine's own. */
  readonly #notes: ChangeNotes | null;
  /** Commit count up to which our read snapshot is known to be fresh. */
  #seen = -1;
  #batched = 0;
  #inUpdate = false;
  #closed = false;

  constructor(lmdb: LmdbModule, options: LmdbStoreOptions) {
    this.generations = options.generations ?? createGenerations();
    mkdirSync(options.path, { recursive: true, mode: 0o700 });
    this.#root = lmdb.open<Buffer, string>({
      path: options.path,
      noSubdir: false,
      encoding: 'binary',
      mapSize: options.mapSize ?? DEFAULT_MAP_SIZE,
      maxDbs: options.tables.length + 4,
      maxReaders: 512,
      noSync: options.sync !== true,
      overlappingSync: false,
    });
    this.#due = this.#root.openDB<Buffer, Buffer>(DUE_INDEX, { encoding: 'binary', keyEncoding: 'binary' });
    this.#replica = options.replica ?? null;
    this.#notes = this.#replica === null ? null : new ChangeNotes(this.#root, this.#replica, this.generations);
    const notes = this.#notes;
    if (this.#replica !== null && notes !== null) {
      this.nodes = { own: this.#replica.node, standsInFor: (node) => notes.standsInFor(node) };
    }
    for (const name of options.tables) {
      this.#tables.set(name, {
        name,
        db: this.#root.openDB<Buffer, string>(name, { encoding: 'binary' }),
        batch: new Map(),
      });
    }
    for (const file of ['data.mdb', 'lock.mdb']) chmodSync(join(options.path, file), 0o600);
  }

  get(table: string, key: string): Buffer | null {
    const { db, batch } = this.#table(table);
    if (batch.size > 0) {
      const batched = batch.get(key);
      if (batched !== undefined) return batched === null ? null : Buffer.from(batched.subarray(HEADER));
    }
    if (!isKey(key)) return null;
    this.#refresh();
    const octets = db.getBinaryFast(key);
    if (octets === undefined) return null;
    // The library's buffer is overwritten by the next get, and is longer inside than its `length` says.
    const end = octets.length;
    const value = Buffer.allocUnsafe(end - HEADER);
    octets.copy(value, 0, HEADER, end);
    return value;
  }

  put(table: string, key: string, value: Uint8Array, expiresAtMs?: number): void {
    requireKey(key);
    this.#batchUp(this.#table(table), key, encode(value, dueTime(expiresAtMs)));
  }

  remove(table: string, key: string): void {
    if (isKey(key)) this.#batchUp(this.#table(table), key, null);
  }

  commit(): void {
    this.#requireOpen();
    if (this.#batched === 0) return;
    this.#requireOutside();
    this.#transaction(() => this.#writeBatch());
    this.#batchDone();
  }

  update(
    table: string,
    key: string,
    change: (current: StoredRecord | null) => StoredRecord | null | undefined,
  ): StoredRecord | null {
    requireKey(key);
    const target = this.#table(table);
    this.#requireOutside();
    let result: StoredRecord | null = null;
    let thrown: { readonly error: unknown } | null = null;
    let written = false;
    this.#transaction(() => {
      this.#writeBatch();
      const current = readRecord(target.db, key);
      let next: StoredRecord | null | undefined;
      this.#inUpdate = true;
      try {
        next = change(current);
      } catch (error) {
        // The batch has nothing to do with it and is committed all the same.
        thrown = { error };
        return;
      } finally {
        this.#inUpdate = false;
      }
      result = next === undefined ? current : next;
      if (next === undefined) return;
      written = true;
      this.#write(target, key, next === null ? null : encode(next.value, dueTime(next.expiresAtMs)));
    });
    this.#batchDone();
    if (written) {
      this.#committed();
      this.#bump(table, key);
    }
    if (thrown !== null) throw (thrown as { error: unknown }).error;
    return result;
  }

  takeExpired(
    nowMs: number,
    limit: number,
    mine: (key: string, table: string) => boolean,
    leaseMs = DEFAULT_LEASE_MS,
  ): ExpiredRecord[] {
    this.commit();
    this.#refresh();
    const due: { readonly index: Buffer; readonly table: Table; readonly key: string; readonly dueMs: number }[] = [];
    const end = Buffer.alloc(HEADER);
    end.writeUIntBE(dueTime(nowMs + 1), 0, HEADER);
    // The index is walked in a read snapshot, so looking for nothing takes no lock; the transaction below looks again.
    for (const index of this.#due.getKeys({ end })) {
      if (due.length >= limit) break;
      const at = index.indexOf(0, HEADER);
      const table = this.#tables.get(index.toString('latin1', HEADER, at));
      const key = index.toString('latin1', at + 1);
      if (table === undefined || !mine(key, table.name) || this.#notes?.seesTo(table.name, key) === false) continue;
      due.push({ index: Buffer.from(index), table, key, dueMs: index.readUIntBE(0, HEADER) });
    }
    if (due.length === 0) return [];
    const taken: ExpiredRecord[] = [];
    const leaseUntil = dueTime(nowMs + leaseMs);
    this.#transaction(() => {
      taken.length = 0;
      for (const { index, table, key, dueMs } of due) {
        const record = readRecord(table.db, key);
        if (record === null || record.expiresAtMs !== dueMs) {
          // Someone was quicker; what the entry stood for is not due any more.
          this.#due.removeSync(index);
          continue;
        }
        this.#write(table, key, encode(record.value, leaseUntil));
        taken.push({ table: table.name, key, value: record.value as Buffer });
      }
    });
    this.#committed();
    return taken;
  }

  range(table: string, prefix: string, limit: number, from = ''): StoreEntry[] {
    this.commit();
    this.#refresh();
    const { db } = this.#table(table);
    const start = from > prefix ? from : prefix;
    if (start !== '' && !isKey(start)) return [];
    const keys: string[] = [];
    for (const key of db.getKeys(start === '' ? {} : { start })) {
      if (!key.startsWith(prefix) || keys.length >= limit) break;
      if (key !== from) keys.push(key);
    }
    const entries: StoreEntry[] = [];
    for (const key of keys) {
      const record = readRecord(db, key);
      if (record !== null) entries.push({ key, value: record.value as Buffer });
    }
    return entries;
  }

  count(table: string): number {
    this.commit();
    this.#refresh();
    return (this.#table(table).db.getStats() as { entryCount: number }).entryCount;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.commit();
    this.#closed = true;
    await this.#root.close();
  }

  #table(name: string): Table {
    const table = this.#tables.get(name);
    if (table === undefined) throw new StoreError('ERR_STORE_TABLE', `the store has no table ${name}`);
    this.#requireOpen();
    return table;
  }

  /** Our read snapshot is renewed when any thread has committed since: the library itself would only do so at the next timer. */
  #refresh(): void {
    if (this.#inUpdate) return;
    const commits = Atomics.load(this.generations, COMMIT_SLOT);
    if (commits === this.#seen) return;
    this.#seen = commits;
    this.#root.resetReadTxn();
  }

  #batchUp(table: Table, key: string, octets: Buffer | null): void {
    this.#requireOutside();
    table.batch.set(key, octets);
    this.#batched++;
    // This thread's cached copy is out of date from now on, the others' from the commit on.
    this.#bump(table.name, key);
  }

  #writeBatch(): void {
    if (this.#batched === 0) return;
    for (const table of this.#tables.values()) {
      for (const [key, octets] of table.batch) this.#write(table, key, octets);
    }
  }

  #batchDone(): void {
    if (this.#batched === 0) return;
    this.#batched = 0;
    this.#committed();
    for (const table of this.#tables.values()) {
      if (table.batch.size === 0) continue;
      for (const key of table.batch.keys()) this.#bump(table.name, key);
      table.batch.clear();
    }
  }

  /** Writes or removes one record, and notes that for the replica. Within a transaction. */
  #write(table: Table, key: string, octets: Buffer | null): void {
    const notes = this.#notes;
    if (notes === null) {
      this.#writeRecord(table, key, octets);
      return;
    }
    const before = notes.mergeOf(table.name) === null ? null : readOctets(table.db, key);
    if (this.#writeRecord(table, key, octets)) notes.mark(table.name, key, before);
  }

  /** Writes or removes one record and its entry in the index of due times. Gives whether there was anything to do. */
  #writeRecord(table: Table, key: string, octets: Buffer | null): boolean {
    const old = table.db.getBinaryFast(key);
    const oldDue = old === undefined ? 0 : old.readUIntBE(0, HEADER);
    const due = octets === null ? 0 : octets.readUIntBE(0, HEADER);
    if (oldDue !== due) {
      if (oldDue !== 0) this.#due.removeSync(indexKey(oldDue, table.name, key));
      if (due !== 0) this.#due.putSync(indexKey(due, table.name, key), NOTHING);
    }
    if (octets !== null) table.db.putSync(key, octets);
    else if (old !== undefined) table.db.removeSync(key);
    return octets !== null || old !== undefined;
  }

  durable(): Promise<boolean> {
    const waitMs = this.#replica?.durableMs ?? 0;
    return waitMs === 0 ? Promise.resolve(true) : changesConfirmed(this.generations, waitMs);
  }

  unconfirmed(limit: number): ChangedRecord[] {
    this.commit();
    this.#refresh();
    const changes = this.#notes?.changes(limit) ?? [];
    return changes.map((change) => {
      const table = this.#tables.get(change.table);
      const record = table === undefined ? null : readRecord(table.db, change.key);
      if (record === null) return { ...change, value: null, expiresAtMs: 0 };
      return { ...change, value: record.value as Buffer, expiresAtMs: record.expiresAtMs };
    });
  }

  unconfirmedCount(): number {
    return this.#notes?.count ?? 0;
  }

  confirm(records: readonly VersionedRecord[]): void {
    if (records.length === 0) return;
    this.commit();
    this.#transaction(() => {
      for (const record of records) this.#notes?.settle(record, encodeRecord(record));
    });
  }

  takeOver(records: readonly VersionedRecord[]): VersionedRecord[] {
    this.commit();
    const taken: VersionedRecord[] = [];
    const left: VersionedRecord[] = [];
    this.#transaction(() => {
      taken.length = 0;
      left.length = 0;
      for (const record of records) {
        const { key, value, expiresAtMs } = record;
        const table = this.#tables.get(record.table);
        if (table === undefined || this.#notes?.isOlder(record) !== true) continue;
        if (this.#notes.mustMerge(record)) {
          left.push(record);
          continue;
        }
        this.#writeRecord(table, key, value === null ? null : encode(value, dueTime(expiresAtMs)));
        this.#notes.take(record);
        taken.push(record);
      }
    });
    if (taken.length === 0) return left;
    this.#committed();
    for (const { table, key } of taken) this.#bump(table, key);
    return left;
  }

  reconcile(records: readonly VersionedRecord[]): void {
    this.takeOver(records);
    const written: Pick<VersionedRecord, 'table' | 'key'>[] = [];
    this.#transaction(() => {
      written.length = 0;
      for (const theirs of records) {
        const merge = this.#notes?.mergeOf(theirs.table) ?? null;
        if (merge !== null) this.#merge(theirs, merge, written);
      }
    });
    this.#committed();
    for (const { table, key } of written) this.#bump(table, key);
  }

  /** Makes one of our change and theirs, which is what the others know. Within a transaction. */
  #merge(theirs: VersionedRecord, merge: RecordMerge, written: Pick<VersionedRecord, 'table' | 'key'>[]): void {
    const notes = this.#notes!;
    const { key } = theirs;
    const table = this.#tables.get(theirs.table);
    const noted = notes.change(theirs.table, key);
    if (table === undefined || noted === null) return;
    const octets = encodeRecord(theirs);
    const isOursNewer = noted.version.compare(theirs.version) > 0;
    if (isOursNewer && writerOf(theirs.version) === this.#replica!.node) {
      // Redis has an earlier change of ours, the answer to which was lost.
      notes.rebase(theirs, octets);
      return;
    }
    const { record, along } = merge({
      key,
      base: noted.octets === null ? null : storedRecord(noted.octets),
      ours: readRecord(table.db, key),
      theirs: octets === null ? null : storedRecord(octets),
      isOursNewer,
      nowMs: this.#replica!.wallMs(),
      read: (name, other) => readRecord(this.#table(name).db, other),
    });
    const merged = record === null ? null : encode(record.value, dueTime(record.expiresAtMs));
    this.#writeRecord(table, key, merged);
    written.push({ table: table.name, key });
    const isTheirs = merged === null || octets === null ? merged === octets : merged.equals(octets);
    if (isTheirs) notes.take(theirs);
    else notes.merged(theirs, octets);
    for (const { table: name, key: other, record: next } of along) {
      this.#write(this.#table(name), other, next === null ? null : encode(next.value, dueTime(next.expiresAtMs)));
      written.push({ table: name, key: other });
    }
  }

  adopt(): number {
    this.commit();
    this.#refresh();
    let adopted = 0;
    for (const name of this.#replica?.tables ?? []) {
      const { db } = this.#table(name);
      const strangers = [...db.getKeys()].filter((key) => this.#notes?.knows(name, key) === false);
      if (strangers.length === 0) continue;
      this.#transaction(() => {
        for (const key of strangers) this.#notes?.mark(name, key, null);
      });
      adopted += strangers.length;
    }
    if (adopted > 0) this.#committed();
    return adopted;
  }

  note(name: string): string | null {
    this.#refresh();
    return this.#notes?.note(name) ?? null;
  }

  setNote(name: string, value: string): void {
    this.#transaction(() => this.#notes?.setNote(name, value));
    this.#committed();
  }

  #transaction(work: () => void): void {
    const entered = enterWrite(this.generations);
    try {
      this.#root.transactionSync(work);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new StoreError('ERR_STORE_WRITE', `the store could not be written: ${why}`, { cause });
    } finally {
      if (entered) leaveWrite(this.generations);
    }
  }

  /**
   * Has every thread renew its read snapshot before it reads again. Must come before the counters of the keys: a reader
   * that had the new counter and the old snapshot would keep what is out of date.
   */
  #committed(): void {
    Atomics.add(this.generations, COMMIT_SLOT, 1);
    this.#notes?.tell();
  }

  #bump(table: string, key: string): void {
    Atomics.add(this.generations, bucketOf(table, key), 1);
  }

  #requireOutside(): void {
    if (this.#inUpdate) throw new StoreError('ERR_STORE_NESTED', 'the change of an update must not write to the store');
  }

  #requireOpen(): void {
    if (this.#closed) throw new StoreError('ERR_STORE_CLOSED', 'the store is closed');
  }
}
