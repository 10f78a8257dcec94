import type { ChangeNotes } from './change-notes.ts';
import type { LmdbTables } from './lmdb-tables.ts';
import { encode, encodeRecord, readRecord, storedRecord } from './record-octets.ts';
import { changesConfirmed, type RecordMerge, type VersionedRecord, writerOf } from './replication.ts';
import { dueTime, type StoreNodes } from './store.ts';

/** A record changed here. `base`: the version that the change was made upon, zeros for none; null: the newer one stays. */
export type ChangedRecord = VersionedRecord & { readonly base: Buffer | null };

/** What a store offers to whoever shares its records with other machines (`RedisReplica`). */
export interface RecordExchange {
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

/** The records of an LMDB store that other machines share: what changes here for them, and what they have changed. */
export class SharedRecords implements RecordExchange {
  readonly nodes: StoreNodes;
  readonly #tables: LmdbTables;
  readonly #notes: ChangeNotes;
  readonly #slots: Int32Array;

  /** `notes`: those that the tables are written with. `slots`: the counters that the threads of the process share. */
  constructor(tables: LmdbTables, notes: ChangeNotes, slots: Int32Array) {
    this.#tables = tables;
    this.#notes = notes;
    this.#slots = slots;
    this.nodes = { own: notes.options.node, standsInFor: (node) => notes.standsInFor(node) };
  }

  /** What `Store` says of it. */
  durable(): Promise<boolean> {
    const { durableMs } = this.#notes.options;
    return durableMs === 0 ? Promise.resolve(true) : changesConfirmed(this.#slots, durableMs);
  }

  unconfirmed(limit: number): ChangedRecord[] {
    this.#tables.commit();
    this.#tables.refresh();
    return this.#notes.changes(limit).map((change) => {
      const table = this.#tables.find(change.table);
      const record = table === undefined ? null : readRecord(table.db, change.key);
      if (record === null) return { ...change, value: null, expiresAtMs: 0 };
      return { ...change, value: record.value as Buffer, expiresAtMs: record.expiresAtMs };
    });
  }

  unconfirmedCount(): number {
    return this.#notes.count;
  }

  confirm(records: readonly VersionedRecord[]): void {
    if (records.length === 0) return;
    this.#tables.commit();
    this.#tables.transaction(() => {
      for (const record of records) this.#notes.settle(record, encodeRecord(record));
    });
  }

  adopt(): number {
    this.#tables.commit();
    this.#tables.refresh();
    let adopted = 0;
    for (const name of this.#notes.options.tables) {
      const { db } = this.#tables.table(name);
      const strangers = [...db.getKeys()].filter((key) => !this.#notes.knows(name, key));
      if (strangers.length === 0) continue;
      this.#tables.transaction(() => {
        for (const key of strangers) this.#notes.mark(name, key, null);
      });
      adopted += strangers.length;
    }
    if (adopted > 0) this.#tables.committed();
    return adopted;
  }

  takeOver(records: readonly VersionedRecord[]): VersionedRecord[] {
    this.#tables.commit();
    const taken: VersionedRecord[] = [];
    const left: VersionedRecord[] = [];
    this.#tables.transaction(() => {
      taken.length = 0;
      left.length = 0;
      for (const record of records) {
        const table = this.#tables.find(record.table);
        if (table === undefined || !this.#notes.isOlder(record)) continue;
        if (this.#notes.mustMerge(record)) {
          left.push(record);
          continue;
        }
        this.#tables.writeRecord(table, record.key, encodeRecord(record));
        this.#notes.take(record);
        taken.push(record);
      }
    });
    if (taken.length > 0) this.#tell(taken);
    return left;
  }

  reconcile(records: readonly VersionedRecord[]): void {
    this.takeOver(records);
    const written: Pick<VersionedRecord, 'table' | 'key'>[] = [];
    this.#tables.transaction(() => {
      written.length = 0;
      for (const theirs of records) {
        const merge = this.#notes.mergeOf(theirs.table);
        if (merge !== null) this.#merge(theirs, merge, written);
      }
    });
    this.#tell(written);
  }

  note(name: string): string | null {
    this.#tables.refresh();
    return this.#notes.note(name);
  }

  setNote(name: string, value: string): void {
    this.#tables.transaction(() => this.#notes.setNote(name, value));
    this.#tables.committed();
  }

  /** Makes one of our change and theirs, which is what the others know. Within a transaction. */
  #merge(theirs: VersionedRecord, merge: RecordMerge, written: Pick<VersionedRecord, 'table' | 'key'>[]): void {
    const [tables, notes] = [this.#tables, this.#notes];
    const { key } = theirs;
    const table = tables.find(theirs.table);
    const noted = notes.change(theirs.table, key);
    if (table === undefined || noted === null) return;
    const octets = encodeRecord(theirs);
    const isOursNewer = noted.version.compare(theirs.version) > 0;
    if (isOursNewer && writerOf(theirs.version) === notes.options.node) {
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
      nowMs: notes.options.wallMs(),
      read: (name, other) => readRecord(tables.table(name).db, other),
    });
    const merged = record === null ? null : encode(record.value, dueTime(record.expiresAtMs));
    tables.writeRecord(table, key, merged);
    written.push({ table: table.name, key });
    const isTheirs = merged === null || octets === null ? merged === octets : merged.equals(octets);
    if (isTheirs) notes.take(theirs);
    else notes.merged(theirs, octets);
    for (const { table: name, key: other, record: next } of along) {
      tables.write(tables.table(name), other, next === null ? null : encode(next.value, dueTime(next.expiresAtMs)));
      written.push({ table: name, key: other });
    }
  }

  /** A transaction with these records is through. */
  #tell(written: readonly Pick<VersionedRecord, 'table' | 'key'>[]): void {
    this.#tables.committed();
    for (const { table, key } of written) this.#tables.bump(table, key);
  }
}
