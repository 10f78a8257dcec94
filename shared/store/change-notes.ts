import type { Database, RootDatabase } from 'lmdb';
import {
  isResponsible,
  markChanged,
  nextVersion,
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
}

/** A record by its name, with the version that is meant. */
export type RecordVersion = Pick<VersionedRecord, 'table' | 'key' | 'version'>;

/** Notes of the replica stand among the versions under a name that no table has. */
const NOTES = '#note';

/**
 * What an LMDB store notes beside the records that other machines share: the version of each, removed ones included, and
 * which have changed here and are not confirmed. Written within the transactions of the store.
 */
export class ChangeNotes {
  readonly #options: ReplicaOptions;
  readonly #slots: Int32Array;
  readonly #versions: Database<Buffer, Buffer>;
  readonly #changed: Database<Buffer, Buffer>;
  #marked = false;

  /** `slots`: the counters that the threads of the process share. */
  constructor(root: RootDatabase<Buffer, string>, options: ReplicaOptions, slots: Int32Array) {
    const binary = { encoding: 'binary', keyEncoding: 'binary' } as const;
    this.#options = options;
    this.#slots = slots;
    this.#versions = root.openDB<Buffer, Buffer>('#versions', binary);
    this.#changed = root.openDB<Buffer, Buffer>('#changed', binary);
  }

  /** A record was written or removed here; of a table that is this machine's own nothing is noted. */
  mark(table: string, key: string): void {
    const { node, tables, wallMs } = this.#options;
    if (!tables.includes(table)) return;
    const name = nameOf(table, key);
    const version = nextVersion(this.#version(name), wallMs(), node);
    this.#versions.putSync(name, version);
    this.#changed.putSync(name, version);
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
    const version = this.#version(nameOf(table, key));
    return version === null || isResponsible(this.#slots, writerOf(version), this.#options.node);
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
  changes(limit: number): RecordVersion[] {
    return [...this.#changed.getRange({ limit })].map(({ key, value }) => {
      const at = key.indexOf(0);
      return {
        table: key.toString('latin1', 0, at),
        key: key.toString('latin1', at + 1),
        version: Buffer.from(value.subarray(0, VERSION_OCTETS)),
      };
    });
  }

  get count(): number {
    return (this.#changed.getStats() as { entryCount: number }).entryCount;
  }

  /** The other machines know these versions; what has changed since stays noted. */
  settle(records: readonly RecordVersion[]): void {
    for (const { table, key, version } of records) {
      const name = nameOf(table, key);
      if (this.#changed.getBinaryFast(name)?.subarray(0, VERSION_OCTETS).equals(version) === true)
        this.#changed.removeSync(name);
    }
  }

  note(name: string): string | null {
    const octets = this.#versions.getBinaryFast(nameOf(NOTES, name));
    return octets?.toString('latin1', 0, octets.length) ?? null;
  }

  setNote(name: string, value: string): void {
    this.#versions.putSync(nameOf(NOTES, name), Buffer.from(value, 'latin1'));
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
