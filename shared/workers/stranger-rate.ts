/** No other cut follows a cut within this time: what was under way has to be answered first. */
const settleMs = 250;
/** The rate grows once in this time while nobody complains. */
const growMs = 1_000;
const growth = 1.25;
/** A rate that nobody has run into for this long is no limit any more. */
const forgetMs = 10_000;
/** Strangers are counted over this time. */
const windowMs = 500;
/** What is left to strangers however bad it is, per second: phones that register anew. */
const leastRate = 2;

/**
 * How many requests of sources without standing are handled per second: as many as come, until registered users or the
 * core suffer (one of their requests is refused here, the next hop answers 503); then half of them, and slowly more again.
 * Source: requirements C-30, X-F1.
 */
export class StrangerRate {
  /** Per second; infinite: no limit. */
  #rate = Number.POSITIVE_INFINITY;
  #tokens = 0;
  #filledMs = 0;
  #cutMs = Number.NEGATIVE_INFINITY;
  #grownMs = 0;
  #refusedMs = 0;
  /** Requests of strangers per second in the last window, and in this one so far. */
  #seenRate = 0;
  #seen = 0;
  #windowMs = 0;

  /** Whether there is a limit at the moment. */
  get limited(): boolean {
    return this.#rate !== Number.POSITIVE_INFINITY;
  }

  /** A stranger's request was handled. */
  note(): void {
    this.#seen++;
  }

  /** Time passes; called at each turn. */
  tick(nowMs: number): void {
    const elapsed = nowMs - this.#windowMs;
    if (elapsed < windowMs) return;
    this.#seenRate = (this.#seen * 1000) / elapsed;
    this.#seen = 0;
    this.#windowMs = nowMs;
    if (this.limited) this.#grow(nowMs);
  }

  /** Others suffer. Nothing to do where no strangers are about. */
  cut(nowMs: number): void {
    if (nowMs - this.#cutMs < settleMs) return;
    const seen = Math.max(this.#seenRate, (this.#seen * 1000) / Math.max(windowMs, nowMs - this.#windowMs));
    if (seen === 0 && !this.limited) return;
    this.#rate = Math.max(leastRate, Math.min(this.#rate, seen) / 2);
    this.#tokens = Math.min(this.#tokens, 1);
    this.#filledMs = nowMs;
    this.#cutMs = nowMs;
    this.#grownMs = nowMs;
    this.#refusedMs = nowMs;
  }

  /** Whether one more may be handled; counts it. */
  admits(nowMs: number): boolean {
    if (!this.limited) return true;
    const refill = ((nowMs - this.#filledMs) / 1000) * this.#rate;
    this.#tokens = Math.min(Math.max(1, this.#rate / 10), this.#tokens + refill);
    this.#filledMs = nowMs;
    if (this.#tokens < 1) {
      this.#refusedMs = nowMs;
      return false;
    }
    this.#tokens -= 1;
    return true;
  }

  #grow(nowMs: number): void {
    if (nowMs - this.#refusedMs >= forgetMs) this.#rate = Number.POSITIVE_INFINITY;
    else if (nowMs - this.#grownMs >= growMs) {
      this.#grownMs = nowMs;
      this.#rate *= growth;
    }
  }
}
