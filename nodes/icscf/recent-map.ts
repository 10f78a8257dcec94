import { flatText } from '#sip/parser/latin1';

interface Entry<V> {
  readonly value: V;
  readonly untilMs: number;
}

export interface RecentMapOptions<V> {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** How long an entry lives, milliseconds. */
  readonly lifeMs: number;
  /** How many there are at most; beyond it the oldest gives way. */
  readonly most: number;
  /** An entry is gone, by its age or otherwise. */
  readonly left?: (value: V) => void;
}

/** What was learned of late, by a text: each entry lives for the same time, and there is a bound to them. */
export class RecentMap<V> {
  /** The oldest stands first. */
  readonly #entries = new Map<string, Entry<V>>();
  readonly #options: RecentMapOptions<V>;

  constructor(options: RecentMapOptions<V>) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.untilMs > this.#options.now() ? entry.value : undefined;
  }

  set(key: string, value: V): void {
    const { now, lifeMs, most } = this.#options;
    const nowMs = now();
    for (const [oldest, { untilMs }] of this.#entries) {
      if (untilMs > nowMs && this.#entries.size < most) break;
      this.delete(oldest);
    }
    this.delete(key);
    // It may outlive the message that its parts come from, which it must not keep.
    this.#entries.set(flatText(key), { value, untilMs: nowMs + lifeMs });
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#options.left?.(entry.value);
  }

  *values(): Iterable<V> {
    for (const { value } of this.#entries.values()) yield value;
  }
}
