import type { Target } from '../transport/flow.ts';
import type { ListenerTable } from '../transport/listener-table.ts';
import type { DnsCache } from './dns-cache.ts';
import type { DnsRecords, DnsType } from './dns-client.ts';
import { type Destination, type DnsView, locate } from './locate.ts';

export interface DnsLocatorOptions {
  readonly cache: DnsCache;
  readonly listeners: ListenerTable;
  /** How long one destination may take, milliseconds. */
  readonly budgetMs: number;
  /** Calls `ring` after a time; gives what calls it off. */
  readonly alarm: (ms: number, ring: () => void) => () => void;
  /** 0 up to 1, for the weights of SRV records. */
  readonly random: () => number;
}

/** Questions that follow from the answers of others: NAPTR, SRV, addresses, with room for what ran out meanwhile. */
const maxRounds = 6;

/**
 * Finds the targets of names in the DNS: at once where everything is known, else within the budget. When that is spent,
 * what is known has to do.
 *
 * Source: RFC 3263; requirements C-16, C-17, X-F5.
 */
export class DnsLocator {
  readonly #options: DnsLocatorOptions;

  constructor(options: DnsLocatorOptions) {
    this.#options = options;
  }

  /** The targets of a destination, best first, empty when there are none. The promise never rejects. */
  find(destination: Destination): readonly Target[] | Promise<readonly Target[]> {
    const { cache, listeners, random } = this.#options;
    const view = new CacheView(cache, null);
    const targets = locate(destination, view, listeners, random);
    return view.questions.length === 0 ? targets : this.#ask(destination, view.questions);
  }

  async #ask(destination: Destination, first: readonly Question[]): Promise<readonly Target[]> {
    const { cache, listeners, random, alarm, budgetMs } = this.#options;
    const seen: Seen = new Map();
    let questions = first;
    let late = false;
    let stop = () => {};
    const bell = new Promise<void>((resolve) => {
      stop = alarm(budgetMs, () => {
        late = true;
        resolve();
      });
    });
    for (let round = 0; round < maxRounds; round++) {
      await Promise.race([Promise.all(questions.map(({ type, name }) => cache.ask(type, name))), bell]);
      if (late) break;
      const view = new CacheView(cache, seen);
      const targets = locate(destination, view, listeners, random);
      if (view.questions.length === 0) {
        stop();
        return targets;
      }
      questions = view.questions;
    }
    stop();
    const view = new CacheView(cache, seen, true);
    const targets = locate(destination, view, listeners, random);
    // Nobody waits for these, but the next request may find them answered.
    for (const { type, name } of view.questions) void cache.ask(type, name);
    return targets;
  }
}

interface Question {
  readonly type: DnsType;
  readonly name: string;
}

/** Records that one search has used: a short life does not end while it goes on. */
type Seen = Map<string, DnsRecords[DnsType]>;

/** The cache as one walk sees it. `last`: old records will do, and what is not known counts as nothing. */
class CacheView implements DnsView {
  readonly questions: Question[] = [];
  readonly #cache: DnsCache;
  readonly #seen: Seen | null;
  readonly #last: boolean;

  constructor(cache: DnsCache, seen: Seen | null, last = false) {
    this.#cache = cache;
    this.#seen = seen;
    this.#last = last;
  }

  records<T extends DnsType>(type: T, name: string): DnsRecords[T] | null {
    const known = this.#cache.known(type, name, this.#last) ?? this.#seenBefore(type, name);
    if (known === null) {
      this.questions.push({ type, name });
      return this.#last ? ([] as unknown as DnsRecords[T]) : null;
    }
    this.#seen?.set(`${type} ${name}`, known);
    return known;
  }

  #seenBefore<T extends DnsType>(type: T, name: string): DnsRecords[T] | null {
    return (this.#seen?.get(`${type} ${name}`) as DnsRecords[T] | undefined) ?? null;
  }
}
