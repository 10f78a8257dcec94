import type { DnsAnswer, DnsClient, DnsRecords, DnsType } from './dns-client.ts';

/** What is known for one question. */
interface Slot<T extends DnsType> {
  readonly records: DnsRecords[T];
  /** From then on it is asked again. */
  readonly untilMs: number;
  /** Until then it serves where asking fails. */
  readonly staleUntilMs: number;
}

type Slots = { -readonly [T in DnsType]: Slot<T> | null };

/** Bounds of a lifetime, the lifetime where the DNS tells none, and that of "there is none". Requirement C-17. */
const minMs = 1_000;
const maxMs = 3_600_000;
const untoldMs = 60_000;
const negativeMs = 30_000;
/** How long a question that failed is not asked again. */
const failedMs = 5_000;
/** How long records serve after their time while asking fails. Source: RFC 8767 5. */
const staleMs = 3_600_000;
/** Questions under way; further ones are not asked. */
const maxPending = 256;

/**
 * What the DNS has said, for at most `capacity` names; the one that was not needed for longest goes first. Whoever asks
 * the same at once shares one query.
 *
 * Source: RFC 2308, RFC 8767; requirements C-17, X-F5.
 */
export class DnsCache {
  readonly #client: DnsClient;
  readonly #now: () => number;
  readonly #capacity: number;
  /** In the order of their last use. */
  readonly #names = new Map<string, Slots>();
  readonly #pending = new Map<string, Promise<void>>();

  /** `now`: monotonic milliseconds. */
  constructor(client: DnsClient, now: () => number, capacity = 4096) {
    this.#client = client;
    this.#now = now;
    this.#capacity = capacity;
  }

  /** Names of which something is known. */
  get size(): number {
    return this.#names.size;
  }

  /** The records of a name (none: it has none), null when that has to be asked. `stale`: old ones will do. */
  known<T extends DnsType>(type: T, name: string, stale = false): DnsRecords[T] | null {
    const slots = this.#names.get(name);
    const slot = slots?.[type] as Slot<T> | null | undefined;
    if (slots === undefined || slot == null) return null;
    if (this.#now() >= (stale ? Math.max(slot.untilMs, slot.staleUntilMs) : slot.untilMs)) return null;
    this.#use(name, slots);
    return slot.records;
  }

  /** Asks. Once the promise is fulfilled `known` has the answer, unless too many questions are under way. */
  ask(type: DnsType, name: string): Promise<void> {
    const key = `${type} ${name}`;
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    if (this.#pending.size >= maxPending) return Promise.resolve();
    const asked = this.#client.ask(type, name).then((answer) => {
      this.#pending.delete(key);
      this.#take(type, name, answer);
    });
    this.#pending.set(key, asked);
    return asked;
  }

  #take<T extends DnsType>(type: T, name: string, answer: DnsAnswer<T>): void {
    const slots = this.#names.get(name) ?? { A: null, AAAA: null, SRV: null, NAPTR: null, ENUM: null };
    (slots as Record<DnsType, unknown>)[type] = this.#slotOf(answer, slots[type] as Slot<T> | null);
    this.#use(name, slots);
    if (this.#names.size > this.#capacity) this.#names.delete(this.#names.keys().next().value!);
  }

  #slotOf<T extends DnsType>({ records, ttlSeconds, failed }: DnsAnswer<T>, old: Slot<T> | null): Slot<T> {
    const now = this.#now();
    if (failed) {
      const isUseful = old !== null && now < old.staleUntilMs;
      return isUseful ? { ...old, untilMs: now + negativeMs } : { records, untilMs: now + failedMs, staleUntilMs: 0 };
    }
    if (records.length === 0) return { records, untilMs: now + negativeMs, staleUntilMs: 0 };
    const lifetimeMs = ttlSeconds < 0 ? untoldMs : Math.min(Math.max(ttlSeconds * 1000, minMs), maxMs);
    return { records, untilMs: now + lifetimeMs, staleUntilMs: now + lifetimeMs + staleMs };
  }

  #use(name: string, slots: Slots): void {
    this.#names.delete(name);
    this.#names.set(name, slots);
  }
}
