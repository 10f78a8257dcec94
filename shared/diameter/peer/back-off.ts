/** Times in milliseconds. */
export interface BackOffOptions {
  /** Tc. */
  readonly reconnectMs: number;
  readonly reconnectCapMs: number;
  /** 0 up to 1. */
  readonly random: () => number;
}

/** A connection that lasted so long was one: its peer did not only accept and close. */
const steadyMs = 5_000;

/**
 * How long to wait before the next try to reach a peer: Tc, doubled with each failure in a row up to the cap, give or
 * take a tenth. A connection that did not last for five seconds (for Tc, where that is longer) counts as a failure too, so
 * that a peer which accepts and closes is not called in vain all the time; one that served and restarts now and then is
 * back after Tc each time. Source: RFC 6733 2.1, 12; requirement D-07.
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
    if (this.#upMs !== undefined && nowMs - this.#upMs >= Math.max(reconnectMs, steadyMs)) this.#failures = 0;
    this.#upMs = undefined;
    const delayMs = Math.min(reconnectMs * 2 ** Math.min(this.#failures, 16), Math.max(reconnectCapMs, reconnectMs));
    this.#failures++;
    return delayMs * (0.9 + random() * 0.2);
  }
}
