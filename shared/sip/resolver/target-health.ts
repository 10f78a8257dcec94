import type { Target } from '../transport/flow.ts';

/** What is held against a target. */
interface Mark {
  /** Until then it is passed over, from then on one request tries it. */
  untilMs: number;
  /** Whether it said itself how long. */
  readonly busy: boolean;
}

export interface TargetHealthOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** How long a target that failed is passed over. */
  readonly setAsideMs: number;
}

/** Source: requirement C-17. */
export const defaultSetAsideMs = 30_000;
/** The longest Retry-After that is believed. */
const maxRetryAfterMs = 300_000;
/** Marks that nobody came back for are dropped after this time. */
const forgetMs = 300_000;
const maxMarks = 1024;

/**
 * Which targets have failed of late, in one worker. A target that failed is passed over for a while; then one request
 * tries it, and its outcome decides. Without a mark this costs one look at an empty map.
 *
 * Source: RFC 3261 21.5.4, RFC 3263 4.3; requirements C-17, C-30.
 */
export class TargetHealth {
  readonly #options: TargetHealthOptions;
  readonly #marks = new Map<string, Mark>();
  #sweepMs = 0;

  constructor(options: TargetHealthOptions) {
    this.#options = options;
  }

  /** Targets that are marked. */
  get size(): number {
    return this.#marks.size;
  }

  /**
   * Those of the targets that a request shall try, their order kept. Where all are set aside, none is passed over but who
   * asked for it by Retry-After; where all did, it is the one whose time ends first. A lone target always stays.
   */
  select(targets: readonly Target[]): readonly Target[] {
    if (this.#marks.size === 0 || targets.length < 2) return targets;
    const now = this.#options.now();
    this.#sweep(now);
    const fit = targets.filter((target) => !this.#isSetAside(target, now));
    if (fit.length === 0) return this.#leastBad(targets);
    // Its time is over and it comes first: this request tries it, the others wait for what comes of it.
    const mark = this.#marks.get(keyOf(fit[0]!));
    if (mark !== undefined) mark.untilMs = now + this.#options.setAsideMs;
    return fit;
  }

  /** The first target that `select` would give, for a request whose outcome nobody hears of. */
  first(targets: readonly Target[]): Target | null {
    if (this.#marks.size > 0 && targets.length > 1) {
      const now = this.#options.now();
      const fit = targets.find((target) => !this.#isSetAside(target, now));
      if (fit !== undefined) return fit;
    }
    return targets[0] ?? null;
  }

  /** The target answered: nothing is held against it. */
  answered(target: Target): void {
    if (this.#marks.size > 0) this.#marks.delete(keyOf(target));
  }

  /** The target was silent or could not be reached, or answered 503; `retryAfter`: seconds that it asks for, -1 none. */
  failed(target: Target, retryAfter = -1): void {
    const busy = retryAfter >= 0;
    const ms = busy ? Math.min(retryAfter * 1000, maxRetryAfterMs) : this.#options.setAsideMs;
    const key = keyOf(target);
    this.#marks.delete(key);
    if (ms === 0) return;
    const now = this.#options.now();
    if (this.#marks.size >= maxMarks) this.#makeRoom(now);
    this.#marks.set(key, { untilMs: now + ms, busy });
  }

  #isSetAside(target: Target, now: number): boolean {
    const mark = this.#marks.get(keyOf(target));
    return mark !== undefined && now < mark.untilMs;
  }

  #leastBad(targets: readonly Target[]): readonly Target[] {
    const silent = targets.filter((target) => !this.#marks.get(keyOf(target))!.busy);
    if (silent.length > 0) return silent;
    const untilMs = (target: Target) => this.#marks.get(keyOf(target))!.untilMs;
    return [targets.reduce((best, target) => (untilMs(target) < untilMs(best) ? target : best))];
  }

  /** Once a minute at most: a mark that stays makes every request look. */
  #sweep(now: number): void {
    if (now < this.#sweepMs) return;
    this.#sweepMs = now + 60_000;
    for (const [key, { untilMs }] of this.#marks) if (now - untilMs >= forgetMs) this.#marks.delete(key);
  }

  #makeRoom(now: number): void {
    for (const [key, { untilMs }] of this.#marks) if (now >= untilMs) this.#marks.delete(key);
    // Order of insertion: the mark made first goes first.
    if (this.#marks.size >= maxMarks) this.#marks.delete(this.#marks.keys().next().value!);
  }
}

function keyOf({ transport, address, port }: Target): string {
  return `${transport} ${port} ${address}`;
}
