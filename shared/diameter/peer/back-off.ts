/** Times in milliseconds. */
export interface BackOffOptions {
  /** Tc. */
  readonly reconnectMs: number;
  readonly reconnectCapMs: number;
  /** 0 up to 1. */
  readonly random: () => number;
}

/**
 * How long to wait before the next try to reach a peer: Tc, doubled with each failure in a row up to the cap, give or
 * take a tenth. A connection that did not last as long as the cap counts as a failure too, so that a peer which accepts
 * and closes is not called in vain every few seconds. Source: RFC 6733 2.1, 12; requirement D-07.
 */
export class BackOff {
  readonly #options: BackOffOptions;
  #failures = 0;
  #upMs: number | undefined;

  constructor(options: BackOffOptions) {
    this.#options = options;
  }

  up(nowMs: number): void {
    this.#upMs = nowMs;
  }

  /** After a loss or a vain try: milliseconds until the next. */
  next(nowMs: number): number {
    const { random, reconnectCapMs, reconnectMs } = this.#options;
    if (this.#upMs !== undefined && nowMs - this.#upMs >= reconnectCapMs) this.#failures = 0;
    this.#upMs = undefined;
    const delayMs = Math.min(reconnectMs * 2 ** Math.min(this.#failures, 16), Math.max(reconnectCapMs, reconnectMs));
    this.#failures++;
    return delayMs * (0.9 + random() * 0.2);
  }
}
