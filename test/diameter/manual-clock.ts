import type { Clock } from '#diameter/clock';

/** A clock that moves only when told; due timers fire in order of time. */
export class ManualClock implements Clock {
  #nowMs = 1000;
  #next = 1;
  readonly #timers = new Map<number, { atMs: number; fire: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fire: () => void): unknown {
    this.#timers.set(this.#next, { atMs: this.#nowMs + delayMs, fire });
    return this.#next++;
  }

  clearTimer(timer: unknown): void {
    this.#timers.delete(timer as number);
  }

  get timers(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.atMs <= endMs).sort((a, b) => a[1].atMs - b[1].atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.#nowMs = Math.max(this.#nowMs, due[1].atMs);
      due[1].fire();
    }
    this.#nowMs = endMs;
  }
}
