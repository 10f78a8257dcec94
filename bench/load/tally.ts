/** What a procedure is counted as. */
export const kinds = ['register', 'renewal', 'deregister', 'call', 'release', 'message'] as const;
export type Kind = (typeof kinds)[number];

/** One second of a tally. */
export interface Second {
  /** Procedures begun in it: how long those took that ended well, milliseconds. */
  readonly latencies: number[];
  begun: number;
  failed: number;
  /** Procedures that ended well in it, whenever they began. */
  completed: number;
}

/** Figures of one kind of procedure. */
export class KindTally {
  begun = 0;
  retransmitted = 0;
  readonly latencies: number[] = [];
  /** By cause: a status code, or words. */
  readonly failures = new Map<string, number>();

  get completed(): number {
    return this.latencies.length;
  }

  get failed(): number {
    let sum = 0;
    for (const count of this.failures.values()) sum += count;
    return sum;
  }
}

/**
 * Counts what came of the procedures that began in one phase of a run. `release` (the BYE of a call) is timed, but is no
 * procedure of its own.
 */
export class Tally {
  readonly #startMs: number;
  readonly #kinds = new Map<Kind, KindTally>(kinds.map((kind) => [kind, new KindTally()]));
  readonly seconds: Second[] = [];
  /** Things that no procedure has to answer for: messages nobody waited for, an ACK that did not come. */
  readonly oddities = new Map<string, number>();
  #open = 0;

  /** `startMs`: when the phase begins, on the clock of the times given later. */
  constructor(startMs: number) {
    this.#startMs = startMs;
  }

  of(kind: Kind): KindTally {
    return this.#kinds.get(kind)!;
  }

  /** Procedures begun and not yet ended. */
  get open(): number {
    return this.#open;
  }

  begun(kind: Kind, atMs: number): void {
    this.of(kind).begun++;
    this.#second(atMs).begun++;
    this.#open++;
  }

  /** `ms`: the time that is looked at, such as that until a call rings. */
  completed(kind: Kind, begunMs: number, ms: number, atMs: number): void {
    this.of(kind).latencies.push(ms);
    this.#second(begunMs).latencies.push(ms);
    this.#second(atMs).completed++;
    this.#open--;
  }

  failed(kind: Kind, begunMs: number, cause: string): void {
    add(this.of(kind).failures, cause);
    this.#second(begunMs).failed++;
    this.#open--;
  }

  /** Time of a part that is no procedure of its own. */
  timed(kind: Kind, ms: number): void {
    this.of(kind).latencies.push(ms);
  }

  odd(words: string): void {
    add(this.oddities, words);
  }

  /** Completed, failed and retransmitted of all procedures. */
  sums(): { completed: number; failed: number; retransmitted: number } {
    const sums = { completed: 0, failed: 0, retransmitted: 0 };
    for (const [kind, each] of this.#kinds) {
      sums.retransmitted += each.retransmitted;
      if (kind === 'release') continue;
      sums.completed += each.completed;
      sums.failed += each.failed;
    }
    return sums;
  }

  /** Procedures that ended well within the first `seconds` of the phase. */
  completedWithin(seconds: number): number {
    return this.seconds.slice(0, seconds).reduce((sum, second) => sum + second.completed, 0);
  }

  #second(atMs: number): Second {
    const index = Math.max(0, Math.floor((atMs - this.#startMs) / 1000));
    while (this.seconds.length <= index) this.seconds.push({ latencies: [], begun: 0, failed: 0, completed: 0 });
    return this.seconds[index]!;
  }
}

/** The value below which a share of all lies; 0 of none. Sorts a copy. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return 0;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
