import type { Clock } from '#service/clock';
import type { StoreTables } from '#service/shared-store';
import { Timer, type TimerOwner, type TimerWheel } from '#sip/transaction/timer-wheel';
import type { Flow } from '#sip/transport/flow';
import { CachedReader } from '#store/cached-reader';
import { openRecord, RecordReader, RecordWriter } from '#store/records';
import { bucketOf, type Store } from '#store/store';
import { type Binding, decodeBinding, encodeBinding } from './binding.ts';
import { associationTables } from './ipsec/association-table.ts';
import { regEventTable } from './reg-event-subscriber-record.ts';
import { rxSessionTable } from './rx-records.ts';
import { signallingTables } from './signalling-session.ts';

/** Tables of the P-CSCF's store: bindings by token, tokens by source, tokens by private identity. */
export const storeTables: StoreTables = {
  shared: ['bindings', 'sources', 'subscribers'],
  own: [regEventTable, ...associationTables, rxSessionTable, ...signallingTables],
};
export const pcscfTables: readonly string[] = [...storeTables.shared, ...storeTables.own];

/** A binding outlives its contacts by this, so that a refresh that is under way finds it. Source: TS 24.229 5.2.2.1; requirement P-57. */
export const graceMs = 30_000;
const sweepMs = 1_000;
const sweepLimit = 256;
/** Decoded bindings and sources each worker keeps. */
const cacheSize = 32_768;
/** Bindings of one private identity, or of one source, that are looked at. */
const maxPerSubscriber = 32;
const sourceRecord = 0x53;

export interface RegistrationsOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly worker: number;
  /** How many share the sweeping, at the moment. */
  readonly workers: number;
  /** A binding ran out and is gone. */
  readonly expired: (binding: Binding) => void;
  /** A binding is gone, for whatever reason. */
  readonly removed?: (binding: Binding) => void;
  /**
   * The UE whose security association a flow is: null when it is that of nobody who is registered, undefined when the flow
   * is not protected. Left out: none is.
   */
  readonly protectedUe?: (flow: Flow) => ProtectedUe | null | undefined;
  /** The time of a set of security associations is over. */
  readonly associationDue?: (id: string) => void;
  /** A subscription to a registration has to be looked at. */
  readonly subscriptionDue?: (key: string) => void;
  /** A binding holds its stream connection; or it is gone, and no other one holds that. */
  readonly holds?: (binding: Binding, held: boolean) => void;
}

/** Who sends by a security association: port and transport say nothing more of it. */
export interface ProtectedUe {
  readonly impi: string;
  readonly address: string;
}

/**
 * The bindings of all UEs, in the store: every worker finds them, and a restart keeps them. What is asked for often is
 * kept decoded; writes are true after `commit`.
 * Source: TS 24.229 5.2.2; requirements P-50, P-55 to P-57, P-59.
 */
export class Registrations implements TimerOwner {
  readonly #options: RegistrationsOptions;
  readonly #store: Store;
  readonly #bindings: CachedReader<Binding>;
  readonly #sources: CachedReader<readonly string[]>;
  readonly #sweep = new Timer(this, 'sweep');

  constructor(options: RegistrationsOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#bindings = new CachedReader(options.store, 'bindings', decodeBinding, cacheSize);
    this.#sources = new CachedReader(options.store, 'sources', decodeTokens, cacheSize);
    options.wheel.start(this.#sweep, sweepMs);
  }

  /** How many there are, in all workers. */
  get size(): number {
    return this.#store.count('bindings');
  }

  /** Bindings in the order of their tokens, behind `from`, at most `limit`; `last`: where to go on, null at the end. */
  page(from: string, limit: number): { readonly bindings: readonly Binding[]; readonly last: string | null } {
    const entries = this.#store.range('bindings', '', limit, from);
    return {
      bindings: entries.flatMap(({ value }) => decodeBinding(value) ?? []),
      last: entries.length < limit ? null : entries.at(-1)!.key,
    };
  }

  /** The binding of a token, null when there is none or it has run out. */
  byToken(token: string): Binding | null {
    const binding = token === '' ? null : this.#bindings.get(token);
    return binding !== null && this.#isLive(binding) ? binding : null;
  }

  /**
   * The bindings made by way of this flow: same address and port, and on a stream the same connection; by a security
   * association all those of its UE, whatever transport and port. Requirements P-40, P-44.
   */
  bySource(flow: Flow): readonly Binding[] {
    const ue = this.#options.protectedUe?.(flow);
    if (ue !== undefined) return ue === null ? none : this.ofProtectedUe(ue);
    const tokens = this.#sources.get(sourceKey(flow));
    if (tokens === null) return none;
    const found: Binding[] = [];
    for (const token of tokens) {
      const binding = this.byToken(token);
      if (binding !== null && binding.flow.connection === flow.connection) found.push(binding);
    }
    return found;
  }

  /** The bindings that a UE has made by way of security associations. */
  ofProtectedUe({ impi, address }: ProtectedUe): readonly Binding[] {
    return this.#live(this.#sources.get(protectedKey(impi, address)));
  }

  /** All bindings of a private identity. */
  ofSubscriber(impi: string): readonly Binding[] {
    const prefix = `${impi}\n`;
    const found: Binding[] = [];
    for (const { key } of this.#store.range('subscribers', prefix, maxPerSubscriber)) {
      const binding = this.byToken(key.slice(prefix.length));
      if (binding !== null) found.push(binding);
    }
    return found;
  }

  /** All bindings that hold this source, whoever's connection they are on. */
  holdersOf(flow: Flow): readonly Binding[] {
    return this.#live(this.#sources.get(sourceKey(flow)));
  }

  #live(tokens: readonly string[] | null): readonly Binding[] {
    const found: Binding[] = [];
    for (const token of tokens ?? none) {
      const binding = this.byToken(token);
      if (binding !== null) found.push(binding);
    }
    return found;
  }

  /** Writes a binding, new or changed. */
  save(binding: Binding): void {
    const { token, impi } = binding;
    const isNew = this.#bindings.get(token) === null;
    this.#store.put('bindings', token, encodeBinding(binding), binding.expiresAtMs + graceMs);
    if (isNew) this.#store.put('subscribers', `${impi}\n${token}`, empty);
    if (holdsConnection(binding)) this.#options.holds?.(binding, true);
    const key = keyOf(binding);
    const tokens = this.#sources.get(key) ?? [];
    if (tokens.includes(token)) return;
    this.#store.put('sources', key, encodeTokens([...tokens, token].slice(-maxPerSubscriber)));
  }

  remove(binding: Binding): void {
    this.#store.remove('bindings', binding.token);
    this.#unlink(binding);
  }

  /** Makes what was written true for all workers and safe from a crash. Throws ERR_STORE_WRITE. */
  commit(): void {
    this.#store.commit();
  }

  /** Ends the sweeping. */
  stop(): void {
    this.#options.wheel.stop(this.#sweep);
  }

  /** Removes what has run out. Requirement P-57. */
  onTimer(): void {
    const { clock, wheel, worker, workers } = this.#options;
    const nowMs = clock.wallMs();
    const mine = (key: string, table: string) => workers === 1 || bucketOf(table, key) % workers === worker;
    const due = this.#store.takeExpired(nowMs, sweepLimit, mine);
    for (const { table, key } of due) {
      if (table === 'associations') this.#options.associationDue?.(key);
      else if (table === regEventTable) this.#options.subscriptionDue?.(key);
      else this.#expire(table, key, nowMs);
    }
    wheel.start(this.#sweep, due.length === sweepLimit ? 0 : sweepMs);
  }

  #expire(table: string, key: string, nowMs: number): void {
    let expired: Binding | null = null;
    // Another worker may have refreshed it meanwhile.
    this.#store.update(table, key, (current) => {
      if (current === null) return undefined;
      expired = decodeBinding(Buffer.from(current.value));
      return expired !== null && expired.expiresAtMs + graceMs > nowMs ? undefined : null;
    });
    const binding = expired as Binding | null;
    if (binding === null || binding.expiresAtMs + graceMs > nowMs) return;
    this.#unlink(binding);
    this.#store.commit();
    this.#options.expired(binding);
  }

  #unlink(binding: Binding): void {
    const { token, impi, flow } = binding;
    this.#store.remove('subscribers', `${impi}\n${token}`);
    this.#options.removed?.(binding);
    const key = keyOf(binding);
    const left = (this.#sources.get(key) ?? []).filter((other) => other !== token);
    if (left.length === 0) this.#store.remove('sources', key);
    else this.#store.put('sources', key, encodeTokens(left));
    if (!holdsConnection(binding)) return;
    const isShared = left.some((other) => this.#bindings.get(other)?.flow.connection === flow.connection);
    if (!isShared) this.#options.holds?.(binding, false);
  }

  #isLive(binding: Binding): boolean {
    return binding.expiresAtMs + graceMs > this.#options.clock.wallMs();
  }
}

const none: readonly never[] = Object.freeze([]);
const empty = new Uint8Array(0);

function keyOf({ association, impi, flow }: Binding): string {
  return association === '' ? sourceKey(flow) : protectedKey(impi, flow.address);
}

function protectedKey(impi: string, address: string): string {
  return `ipsec ${address} ${impi}`;
}

/** A connection inside a security association is held for the set, see Associations. */
function holdsConnection({ association, flow }: Binding): boolean {
  return association === '' && flow.connection > 0;
}

function sourceKey({ transport, address, port }: Flow): string {
  return `${transport} ${port} ${address}`;
}

function encodeTokens(tokens: readonly string[]): Buffer {
  return new RecordWriter(sourceRecord, 1).strings(tokens).finish();
}

function decodeTokens(octets: Buffer): readonly string[] | null {
  const reader = openRecord(octets, sourceRecord, 1);
  if (!(reader instanceof RecordReader)) return null;
  const tokens = reader.strings();
  return reader.damaged ? null : tokens;
}
