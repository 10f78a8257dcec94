/** How many are remembered at least, while they are young enough. */
const perGeneration = 4_096;

/**
 * Which requests were refused a moment ago: a copy of one that comes when there is time again, from a socket's buffer or
 * the network, is refused like the first. Taken up, it would get a second final answer.
 *
 * Requests are known by a number, a hash of their topmost Via. Two generations of at most 4,096: a flood that refuses
 * more makes it forget sooner, never grow.
 * Source: RFC 3261 17.2, security row X-R14.
 */
export class RefusedRequests {
  readonly #keptMs: number;
  #young = new Set<number>();
  #old = new Set<number>();
  #beganMs = Number.NEGATIVE_INFINITY;

  /** `keptMs`: for how long at least a refusal is remembered, unless too many follow it. */
  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  note(request: number, nowMs: number): void {
    this.#age(nowMs);
    if (this.#young.size >= perGeneration) this.#turn(nowMs);
    this.#young.add(request);
  }

  has(request: number, nowMs: number): boolean {
    this.#age(nowMs);
    return this.#young.has(request) || this.#old.has(request);
  }

  #age(nowMs: number): void {
    const ageMs = nowMs - this.#beganMs;
    if (ageMs < this.#keptMs) return;
    this.#turn(nowMs);
    if (ageMs >= 2 * this.#keptMs) this.#old.clear();
  }

  #turn(nowMs: number): void {
    const emptied = this.#old;
    emptied.clear();
    this.#old = this.#young;
    this.#young = emptied;
    this.#beganMs = nowMs;
  }
}
