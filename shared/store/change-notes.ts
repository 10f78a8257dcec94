import type { Database, RootDatabase } from 'lmdb';
import {
  isResponsible,
  markChanged,
  nextVersion,
  type RecordMerge,
  VERSION_OCTETS,
  type VersionedRecord,
  writerOf,
} from './replication.ts';

/** What a store needs to know to be shared with other machines. */
export interface ReplicaOptions {
  /** Number of this node, see `nodeNumber`. */
  readonly node: number;
  /** Tables that are shared; the others are this machine's own. */
  readonly tables: readonly string[];
  /** Wall clock, milliseconds. */
  readonly wallMs: () => number;
  /** How long `durable` waits, milliseconds; 0: not at all. */
  readonly durableMs: number;
  /** By table, how two changes that did not know of each other become one; of other tables the newer one stays. */
  readonly merges?: ReadonlyMap<string, RecordMerge>;
  /** Tables whose records are due at every node: who takes them judges whether they are its own. */
  readonly dueEverywhere?: readonly string[];
}

/** A record by its name, with the version that is meant. */
export type RecordVersion = Pick<VersionedRecord, 'table' | 'key' | 'version'>;

/** A change that the other machines do not know, and what it was made upon. */
export interface NotedChange {
  readonly version: Buffer;
  /** Version of the record that the change was made upon, zeros for none. */
  readonly base: Buffer;
  /** That record as it is stored, null for none. */
  readonly octets: Buffer | null;
}

const BASED_OCTETS = 2 * VERSION_OCTETS;
const noVersion = Buffer.alloc(VERSION_OCTETS);

/** Notes of the replica stand among the versions under a name that no table has. */
const NOTES = '#note';

/**
 * What an LMDB store notes beside the records that other machines share: the version of each, removed ones included, and
 * which have changed here and are not confirmed. Written within the transactions of the store.
 */
export class ChangeNotes {
  readonly options: ReplicaOptions;
  readonly #slots: Int32Array;
  readonly #versions: Database<Buffer, Buffer>;
  readonly #changed: Database<Buffer, Buffer>;
  #marked = false;

  /** `slots`: the counters that the threads of the process share. */
  constructor(root: RootDatabase<Buffer, string>, options: ReplicaOptions, slots: Int32Array) {
    const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
    this.options = options;
    this.#slots = slots;
    this.#versions = root.openDB<Buffer, Buffer>('#versions', binary);
    this.#changed = root.openDB<Buffer, Buffer>('#changed', binary);
  }

  /** How conflicts of a table are settled, null: the newer one stays. */
  mergeOf(table: string): RecordMerge | null {
    return this.options.merges?.get(table) ?? null;
  }

  /**
   * A record was written or removed here; of a table that is this machine's own nothing is noted. `before`: the record as
   * it was stored, null for none; only of tables that are merged.
   */
  mark(table: string, key: string, before: Buffer | null): void {
    const { node, tables, wallMs } = this.options;
    if (!tables.includes(table)) return;
    const name = nameOf(table, key);
    const known = this.#version(name);
    const version = nextVersion(known, wallMs(), node);
    this.#versions.putSync(name, version);
    this.#marked = true;
    if (this.mergeOf(table) === null) {
      this.#changed.putSync(name, version);
      return;
    }
    const noted = this.#noted(name);
    this.#note(name, {
      version,
      base: noted?.base ?? known ?? noVersion,
      octets: noted === null ? before : noted.octets,
    });
  }

  /** What of a record is noted as changed here, null when the others know it as it is. */
  change(table: string, key: string): NotedChange | null {
    return this.#noted(nameOf(table, key));
  }

  /** Two changes have become one, made upon `theirs`, that the others do not know yet; `octets`: theirs as it is stored. */
  merged({ table, key, version }: RecordVersion, octets: Buffer | null): void {
    const { node, wallMs } = this.options;
    const name = nameOf(table, key);
    const known = this.#version(name);
    const later = known !== null && known.compare(version) > 0 ? known : version;
    const next = nextVersion(later, wallMs(), node);
    this.#versions.putSync(name, next);
    this.#note(name, { version: next, base: version, octets });
    this.#marked = true;
  }

  /** The others know this state of a record, on which what has changed here since is built. */
  rebase({ table, key, version }: RecordVersion, octets: Buffer | null): void {
    const name = nameOf(table, key);
    const noted = this.#noted(name);
    if (noted === null) return;
    this.#note(name, { version: noted.version, base: version, octets });
    this.#marked = true;
  }

  /** Wakes whoever ships changes, once a transaction with some is committed. */
  tell(): void {
    if (!this.#marked) return;
    this.#marked = false;
    markChanged(this.#slots);
  }

  /** Whether a record has a version: one that was written before records were shared has none. */
  knows(table: string, key: string): boolean {
    return this.#version(nameOf(table, key)) !== null;
  }

  /** Whether a record that falls due is seen to here: those of this node and of nodes that are gone. */
  seesTo(table: string, key: string): boolean {
    if (this.options.dueEverywhere?.includes(table) === true) return true;
    const version = this.#version(nameOf(table, key));
    return version === null || isResponsible(this.#slots, writerOf(version), this.options.node);
  }

  standsInFor(node: number): boolean {
    return isResponsible(this.#slots, node, this.options.node);
  }

  /** Whether a change here would be lost if the record were taken over. */
  mustMerge({ table, key }: RecordVersion): boolean {
    return this.mergeOf(table) !== null && this.change(table, key) !== null;
  }

  isOlder({ table, key, version }: RecordVersion): boolean {
    const known = this.#version(nameOf(table, key));
    return known === null || known.compare(version) < 0;
  }

  /** A record is now what another machine says. */
  take({ table, key, version }: RecordVersion): void {
    const name = nameOf(table, key);
    this.#versions.putSync(name, version);
    this.#changed.removeSync(name);
  }

  /** What changed here and is not confirmed, at most `limit`. */
  changes(limit: number): (RecordVersion & { readonly base: Buffer | null })[] {
    return [...this.#changed.getRange({ limit })].map(({ key, value }) => {
      const at = key.indexOf(0);
      const table = key.toString('latin1', 0, at);
      const merged = this.mergeOf(table) !== null;
      const base = value.length < BASED_OCTETS ? noVersion : value.subarray(VERSION_OCTETS, BASED_OCTETS);
      return {
        table,
        key: key.toString('latin1', at + 1),
        version: Buffer.from(value.subarray(0, VERSION_OCTETS)),
        base: merged ? Buffer.from(base) : null,
      };
    });
  }

  get count(): number {
    return (this.#changed.getStats() as { entryCount: number }).entryCount;
  }

  /** The other machines know this version; what has changed since stays noted. `octets`: as it would be stored. */
  settle(record: RecordVersion, octets: Buffer | null): void {
    const name = nameOf(record.table, record.key);
    const noted = this.#noted(name);
    if (noted === null) return;
    if (noted.version.equals(record.version)) this.#changed.removeSync(name);
    else if (this.mergeOf(record.table) !== null) this.rebase(record, octets);
  }

  note(name: string): string | null {
    const octets = this.#versions.getBinaryFast(nameOf(NOTES, name));
    return octets?.toString('latin1', 0, octets.length) ?? null;
  }

  setNote(name: string, value: string): void {
    this.#versions.putSync(nameOf(NOTES, name), Buffer.from(value, 'latin1'));
  }

  #note(name: Buffer, { version, base, octets }: NotedChange): void {
    this.#changed.putSync(name, Buffer.concat([version, base, octets ?? Buffer.alloc(0)]));
  }

  /** Notes of tables that are not merged, and those of earlier releases, have a version only. */
  #noted(name: Buffer): NotedChange | null {
    const found = this.#changed.getBinaryFast(name);
    if (found === undefined) return null;
    const noted = Buffer.from(found.subarray(0, found.length));
    return {
      version: noted.subarray(0, VERSION_OCTETS),
      base: noted.length < BASED_OCTETS ? noVersion : noted.subarray(VERSION_OCTETS, BASED_OCTETS),
      octets: noted.length <= BASED_OCTETS ? null : noted.subarray(BASED_OCTETS),
    };
  }

  /** A copy: the library's buffer is overwritten by the next get. */
  #version(name: Buffer): Buffer | null {
    const octets = this.#versions.getBinaryFast(name);
    return octets === undefined ? null : Buffer.from(octets.subarray(0, VERSION_OCTETS));
  }
}

function nameOf(table: string, key: string): Buffer {
  return Buffer.from(`${table}\0${key}`, 'latin1');
}
