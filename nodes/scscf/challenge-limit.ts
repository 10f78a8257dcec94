const WINDOW_MS = 10_000;
const MAX_IN_WINDOW = 10;
const MAX_NAMES = 50_000;

/**
 * How often one private identity may be challenged without answering rightly: each challenge costs the HSS a vector, and
 * anybody may ask for one.
 * Requirement X-I9.
 */
export class ChallengeLimit {
  readonly #counts = new Map<string, number>();
  #windowStartMs = Number.NEGATIVE_INFINITY;

  /** Seconds to wait when the limit is reached. */
  static readonly retrySeconds = WINDOW_MS / 1000;

  /** Counts one challenge; false when it is one too many. `nowMs`: monotonic. */
  allows(impi: string, nowMs: number): boolean {
    if (nowMs - this.#windowStartMs >= WINDOW_MS || this.#counts.size >= MAX_NAMES) {
      this.#counts.clear();
      this.#windowStartMs = nowMs;
    }
    const count = (this.#counts.get(impi) ?? 0) + 1;
    this.#counts.set(impi, count);
    return count <= MAX_IN_WINDOW;
  }

  /** The identity answered rightly: what it had is not held against it. */
  answered(impi: string): void {
    this.#counts.delete(impi);
  }
}
