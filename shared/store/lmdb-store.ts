import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { ChangeNotes, type ReplicaOptions } from './change-notes.ts';
import { LmdbTables } from './lmdb-tables.ts';
import { encode, HEADER, readRecord } from './record-octets.ts';
import type { VersionedRecord } from './replication.ts';
import { type ChangedRecord, type RecordExchange, SharedRecords } from './shared-records.ts';
import {
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

/** A store with what a replica needs of it. Opened without `replica` it has nothing to share. */
export type ReplicableStore = Store & RecordExchange;

type LmdbModule = Pick<typeof import('lmdb'), 'open'>;

const DEFAULT_MAP_SIZE = 8 * 1024 ** 3;

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
    mkdirSync(options.path, { recursive: true, mode: 0o700 });
    const store = new LmdbStore(openEnvironment(lmdb, options), options);
    for (const file of ['data.mdb', 'lock.mdb']) chmodSync(join(options.path, file), 0o600);
    return store;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new StoreError('ERR_STORE_OPEN', `the store in ${options.path} does not open: ${why}`, { cause });
  }
}

function openEnvironment(lmdb: LmdbModule, options: LmdbStoreOptions): RootDatabase<Buffer, string> {
  return lmdb.open<Buffer, string>({
    path: options.path,
    noSubdir: false,
    encoding: 'binary',
    mapSize: options.mapSize ?? DEFAULT_MAP_SIZE,
    maxDbs: options.tables.length + 4,
    maxReaders: 512,
    noSync: options.sync !== true,
    overlappingSync: false,
  });
}

class LmdbStore implements ReplicableStore {
  readonly generations: Int32Array;
  readonly nodes?: StoreNodes;
  readonly #tables: LmdbTables;
  /** Null where the records are this machine's own. */
  readonly #shared: SharedRecords | null;

  constructor(root: RootDatabase<Buffer, string>, options: LmdbStoreOptions) {
    const { tables, generations = createGenerations(), replica } = options;
    this.generations = generations;
    const notes = replica === undefined ? null : new ChangeNotes(root, replica, generations);
    this.#tables = new LmdbTables(root, tables, generations, notes);
    this.#shared = notes === null ? null : new SharedRecords(this.#tables, notes, generations);
    if (this.#shared !== null) this.nodes = this.#shared.nodes;
  }

  get(table: string, key: string): Buffer | null {
    const tables = this.#tables;
    const { db, batch } = tables.table(table);
    if (batch.size > 0) {
      const batched = batch.get(key);
      if (batched !== undefined) return batched === null ? null : Buffer.from(batched.subarray(HEADER));
    }
    if (!isKey(key)) return null;
    tables.refresh();
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
    this.#tables.batchUp(this.#tables.table(table), key, encode(value, dueTime(expiresAtMs)));
  }

  remove(table: string, key: string): void {
    if (isKey(key)) this.#tables.batchUp(this.#tables.table(table), key, null);
  }

  commit(): void {
    this.#tables.commit();
  }

  update(
    table: string,
    key: string,
    change: (current: StoredRecord | null) => StoredRecord | null | undefined,
  ): StoredRecord | null {
    requireKey(key);
    const tables = this.#tables;
    const target = tables.table(table);
    tables.requireOutside();
    let result: StoredRecord | null = null;
    let thrown: { readonly error: unknown } | null = null;
    let written = false;
    tables.transaction(() => {
      tables.writeBatch();
      const current = readRecord(target.db, key);
      let next: StoredRecord | null | undefined;
      try {
        next = tables.ask(change, current);
      } catch (error) {
        // The batch has nothing to do with it and is committed all the same.
        thrown = { error };
        return;
      }
      result = next === undefined ? current : next;
      if (next === undefined) return;
      written = true;
      tables.write(target, key, next === null ? null : encode(next.value, dueTime(next.expiresAtMs)));
    });
    tables.batchDone();
    if (written) {
      tables.committed();
      tables.bump(table, key);
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
    const tables = this.#tables;
    const { due, notes } = tables;
    tables.commit();
    tables.refresh();
    const isOurs = (key: string, table: string) =>
      tables.find(table) !== undefined && mine(key, table) && notes?.seesTo(table, key) !== false;
    const entries = due.until(nowMs, limit, isOurs);
    if (entries.length === 0) return [];
    const taken: ExpiredRecord[] = [];
    const leaseUntil = dueTime(nowMs + leaseMs);
    tables.transaction(() => {
      taken.length = 0;
      for (const { table: name, key, dueMs } of entries) {
        const table = tables.table(name);
        const record = readRecord(table.db, key);
        if (record === null || record.expiresAtMs !== dueMs) {
          // Someone was quicker; what the entry stood for is not due any more.
          due.move(name, key, dueMs, 0);
          continue;
        }
        tables.write(table, key, encode(record.value, leaseUntil));
        taken.push({ table: name, key, value: record.value as Buffer });
      }
    });
    tables.committed();
    return taken;
  }

  range(table: string, prefix: string, limit: number, from = ''): StoreEntry[] {
    this.#tables.commit();
    this.#tables.refresh();
    const { db } = this.#tables.table(table);
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
    this.#tables.commit();
    this.#tables.refresh();
    return (this.#tables.table(table).db.getStats() as { entryCount: number }).entryCount;
  }

  durable(): Promise<boolean> {
    return this.#shared?.durable() ?? Promise.resolve(true);
  }

  close(): Promise<void> {
    return this.#tables.close();
  }

  unconfirmed(limit: number): ChangedRecord[] {
    return this.#shared?.unconfirmed(limit) ?? [];
  }

  unconfirmedCount(): number {
    return this.#shared?.unconfirmedCount() ?? 0;
  }

  confirm(records: readonly VersionedRecord[]): void {
    this.#shared?.confirm(records);
  }

  adopt(): number {
    return this.#shared?.adopt() ?? 0;
  }

  takeOver(records: readonly VersionedRecord[]): VersionedRecord[] {
    return this.#shared?.takeOver(records) ?? [];
  }

  reconcile(records: readonly VersionedRecord[]): void {
    this.#shared?.reconcile(records);
  }

  note(name: string): string | null {
    return this.#shared?.note(name) ?? null;
  }

  setNote(name: string, value: string): void {
    this.#shared?.setNote(name, value);
  }
}
