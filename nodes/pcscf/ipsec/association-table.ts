import type { Clock } from '#service/clock';
import type { Flow } from '#sip/transport/flow';
import { CachedReader } from '#store/cached-reader';
import { openRecord, RecordReader, RecordWriter } from '#store/records';
import type { Store } from '#store/store';
import { decodeAssociationSet, encodeAssociationSet } from './association-record.ts';
import { type AssociationSet, installedOf } from './association-set.ts';
import type { ProtectedPorts } from './protected-ports.ts';

/** Tables: sets by id; ids by what sets are looked up by. */
export const associationTables: readonly string[] = ['associations', 'selectors'];

/** Decoded sets, and selectors, that each worker keeps. */
const cacheSize = 32_768;
/** Sets behind one selector that are looked at. */
const maxPerSelector = 16;
const idsRecord = 0x49;
const none: readonly AssociationSet[] = Object.freeze([]);

/**
 * The sets of associations of all UEs, in the store, so that every worker finds them: by the address and ports that a
 * message came by, by the UE, by SPI. Writes are true after the store's commit.
 * Source: TS 33.203 7.2; requirements P-34, P-40, P-59.
 */
export class AssociationTable {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #ports: ProtectedPorts;
  readonly #sets: CachedReader<AssociationSet>;
  readonly #ids: CachedReader<readonly string[]>;

  constructor(store: Store, clock: Clock, ports: ProtectedPorts) {
    this.#store = store;
    this.#clock = clock;
    this.#ports = ports;
    this.#sets = new CachedReader(store, 'associations', decodeAssociationSet, cacheSize);
    this.#ids = new CachedReader(store, 'selectors', decodeIds, cacheSize);
  }

  /** A set whose time is not over, null when there is none. */
  byId(id: string): AssociationSet | null {
    const set = id === '' ? null : this.#sets.get(id);
    return set !== null && set.expiresAtMs > this.#clock.wallMs() ? set : null;
  }

  /** A set whether its time is over or not. */
  stored(id: string): AssociationSet | null {
    return this.#sets.get(id);
  }

  /** The sets by which a message of this flow may have come, the newest first: one, but for UEs that use ports again. */
  ofFlow(flow: Flow): readonly AssociationSet[] {
    const listener = this.#ports.listenerOf(flow);
    if (listener === null) return none;
    return this.bySelector(listener.address, listener.port, flow.address, flow.port);
  }

  bySelector(own: string, ownPort: number, ue: string, uePort: number): readonly AssociationSet[] {
    return this.#found(portsKey(own, ownPort, ue, uePort));
  }

  /** The sets of a private identity at an address, the newest first. */
  ofUe(impi: string, address: string): readonly AssociationSet[] {
    return this.#found(ueKey(impi, address));
  }

  /** The set of the association that is told apart by destination and SPI, null when nobody has it. */
  bySpi(destination: string, spi: number): AssociationSet | null {
    return this.#found(spiKey(destination, spi))[0] ?? null;
  }

  /** Whether an association has a destination and SPI, one included whose time is over but which is not removed yet. */
  hasSpi(destination: string, spi: number): boolean {
    return this.#ids.get(spiKey(destination, spi)) !== null;
  }

  /** Writes a new set, with all it is looked up by. */
  add(set: AssociationSet): void {
    this.save(set);
    for (const key of keysOfSet(set)) {
      this.#write(key, [set.id, ...(this.#ids.get(key) ?? [])].slice(0, maxPerSelector));
    }
  }

  /** Writes a set that is there already; addresses, ports and SPIs stay. */
  save(set: AssociationSet): void {
    this.#store.put('associations', set.id, encodeAssociationSet(set), set.expiresAtMs);
  }

  remove(set: AssociationSet): void {
    this.#store.remove('associations', set.id);
    for (const key of keysOfSet(set)) {
      const left = (this.#ids.get(key) ?? []).filter((id) => id !== set.id);
      if (left.length === 0) this.#store.remove('selectors', key);
      else this.#write(key, left);
    }
  }

  commit(): void {
    this.#store.commit();
  }

  /** Whether nobody has said yet that in this life of the daemon (its start, epoch milliseconds) the sets are looked through. */
  claimRestore(bootMs: number): boolean {
    let first = false;
    this.#store.update('selectors', 'restored', (current) => {
      const last = current === null ? 0 : Number(Buffer.from(current.value).toString('latin1'));
      first = last !== bootMs;
      return first ? { value: Buffer.from(String(bootMs), 'latin1'), expiresAtMs: 0 } : undefined;
    });
    return first;
  }

  /** All sets, a page at a time. */
  *all(): Generator<AssociationSet> {
    const page = 256;
    let from: string | undefined;
    for (;;) {
      const entries = this.#store.range('associations', '', page, from);
      for (const { value } of entries) {
        const set = decodeAssociationSet(value);
        if (set !== null) yield set;
      }
      if (entries.length < page) return;
      from = entries[page - 1]!.key;
    }
  }

  #found(key: string): readonly AssociationSet[] {
    const ids = this.#ids.get(key);
    if (ids === null) return none;
    const found: AssociationSet[] = [];
    for (const id of ids) {
      const set = this.byId(id);
      if (set !== null) found.push(set);
    }
    return found;
  }

  #write(key: string, ids: readonly string[]): void {
    this.#store.put('selectors', key, new RecordWriter(idsRecord, 1).strings(ids).finish());
  }
}

function portsKey(own: string, ownPort: number, ue: string, uePort: number): string {
  return `${ownPort} ${uePort} ${ue} ${own}`;
}

function ueKey(impi: string, address: string): string {
  return `ue ${address} ${impi}`;
}

function spiKey(destination: string, spi: number): string {
  return `spi ${spi} ${destination}`;
}

function keysOfSet(set: AssociationSet): string[] {
  const { ue, own } = set;
  return [
    portsKey(own.address, own.serverPort, ue.address, ue.clientPort),
    portsKey(own.address, own.clientPort, ue.address, ue.serverPort),
    ueKey(set.impi, ue.address),
    ...installedOf(set).map(({ destination, spi }) => spiKey(destination.address, spi)),
  ];
}

function decodeIds(octets: Buffer): readonly string[] | null {
  const reader = openRecord(octets, idsRecord, 1);
  if (!(reader instanceof RecordReader)) return null;
  const ids = reader.strings();
  return reader.damaged ? null : ids;
}
