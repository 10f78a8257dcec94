/** Calls something so many times a second, whatever becomes of it (open loop). */
export class Pacer {
  readonly #rate: number;
  readonly #poisson: boolean;
  readonly #begin: () => void;
  readonly #batch: (work: () => void) => void;
  readonly #random: () => number;
  #timer: NodeJS.Timeout | undefined;
  #nextMs = 0;
  /** The longest that something began after its time, milliseconds: how far the driver itself fell behind. */
  worstLagMs = 0;

  /** `poisson`: random intervals, as independent users make them; else equal ones. `batch` surrounds what is due together. `random`: 0 to below 1. */
  constructor(
    rate: number,
    poisson: boolean,
    begin: () => void,
    batch: (work: () => void) => void,
    random: () => number = Math.random,
  ) {
    this.#rate = rate;
    this.#poisson = poisson;
    this.#begin = begin;
    this.#batch = batch;
    this.#random = random;
  }

  start(): void {
    if (this.#rate <= 0) return;
    this.#nextMs = performance.now() + this.#interval();
    this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #wait(): void {
    // Not more often than every other millisecond: what is due meanwhile begins together.
    this.#timer = setTimeout(() => this.#due(), Math.max(2, this.#nextMs - performance.now()));
  }

  #due(): void {
    const nowMs = performance.now();
    this.worstLagMs = Math.max(this.worstLagMs, nowMs - this.#nextMs);
    this.#batch(() => {
      for (; this.#nextMs <= nowMs; this.#nextMs += this.#interval()) this.#begin();
    });
    this.#wait();
  }

  #interval(): number {
    const mean = 1000 / this.#rate;
    return this.#poisson ? -Math.log(1 - this.#random()) * mean : mean;
  }
}
