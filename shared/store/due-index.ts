import type { Database, RootDatabase } from 'lmdb';
import { HEADER } from './record-octets.ts';
import { dueTime } from './store.ts';

/** A record that the index has as due. */
export interface DueEntry {
  readonly table: string;
  readonly key: string;
  readonly dueMs: number;
}

const NOTHING = Buffer.alloc(0);

/**
 * Which records of an LMDB store fall due when: a database of due time, table, 0, key without values, so that its order is
 * that of time. Written within the transactions of the store.
 */
export class DueIndex {
  readonly #entries: Database<Buffer, Buffer>;

  constructor(root: RootDatabase<Buffer, string>) {
    this.#entries = root.openDB<Buffer, Buffer>('#due', { encoding: 'binary', keyEncoding: 'binary' });
  }

  /** A record was due at one time and is now due at another one; 0: never. */
  move(table: string, key: string, fromMs: number, toMs: number): void {
    if (fromMs !== 0) this.#entries.removeSync(indexKey(fromMs, table, key));
    if (toMs !== 0) this.#entries.putSync(indexKey(toMs, table, key), NOTHING);
  }

  /**
   * What is due at `nowMs`, earliest first, at most `limit`, of records that are `wanted`. Walks a read snapshot, so that
   * looking for nothing takes no lock: an entry may be gone by the time somebody writes.
   */
  until(nowMs: number, limit: number, wanted: (key: string, table: string) => boolean): DueEntry[] {
    const end = Buffer.alloc(HEADER);
    end.writeUIntBE(dueTime(nowMs + 1), 0, HEADER);
    const due: DueEntry[] = [];
    for (const index of this.#entries.getKeys({ end })) {
      if (due.length >= limit) break;
      const at = index.indexOf(0, HEADER);
      const table = index.toString('latin1', HEADER, at);
      const key = index.toString('latin1', at + 1);
      if (wanted(key, table)) due.push({ table, key, dueMs: index.readUIntBE(0, HEADER) });
    }
    return due;
  }
}

/** The entry of a record: due time, table, 0, key. */
function indexKey(dueMs: number, table: string, key: string): Buffer {
  const index = Buffer.allocUnsafe(HEADER + table.length + 1 + key.length);
  index.writeUIntBE(dueMs, 0, HEADER);
  index.write(table, HEADER, 'latin1');
  index[HEADER + table.length] = 0;
  index.write(key, HEADER + table.length + 1, 'latin1');
  return index;
}
