/**
 * How a producer wakes a consumer that sleeps: one bell per consumer, however many rings lead to it. Only a sleeping
 * consumer is rung, so a busy one costs its producers nothing.
 */
const wordsPerBell = 32;
const countWord = 0;
const sleepingWord = 16;

/** Shared memory for the bells of a number of consumers. */
export function createBells(consumers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(consumers * wordsPerBell * 4);
}

export class Doorbell {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer, consumer: number) {
    this.#words = new Int32Array(memory, consumer * wordsPerBell * 4, wordsPerBell);
  }

  /** Producer: call it after publishing. */
  ring(): void {
    if (Atomics.load(this.#words, sleepingWord) === 0) return;
    if (Atomics.exchange(this.#words, sleepingWord, 0) === 0) return;
    Atomics.add(this.#words, countWord, 1);
    Atomics.notify(this.#words, countWord);
  }

  /**
   * Consumer: waits to be rung; `isEmpty` is asked once more after it has said that it sleeps. Gives null when there
   * is work already.
   */
  sleep(isEmpty: () => boolean): Promise<unknown> | null {
    const count = Atomics.load(this.#words, countWord);
    Atomics.store(this.#words, sleepingWord, 1);
    if (!isEmpty()) {
      Atomics.store(this.#words, sleepingWord, 0);
      return null;
    }
    const waiting = Atomics.waitAsync(this.#words, countWord, count);
    return waiting.async ? waiting.value : null;
  }
}

/** A consumer's work: how it drains, whether anything is left, and what follows a drain. */
export interface Drain {
  /** Handles a bounded number of frames; gives how many. */
  drain(): number;
  isEmpty(): boolean;
}

/** Frames that come closer together than this are fetched by a timer instead of one wake each. */
const pollMs = 1;
const emptyPollsBeforeSleep = 2;
const busyWithinMs = 2;

/**
 * Runs a consumer on its event loop. While frames keep coming it looks every millisecond and lets nobody ring, which
 * saves a wake between threads per frame; else it sleeps until rung. Between drains the loop has its turn.
 */
export class DrainLoop {
  readonly #bell: Doorbell;
  readonly #work: Drain;
  readonly #coalesce: boolean;
  readonly #isEmpty: () => boolean;
  readonly #again: () => void;
  #lastWorkMs = -1000;
  #emptyPolls = 0;
  #polling = false;
  #stopped = false;

  constructor(bell: Doorbell, work: Drain, coalesce: boolean) {
    this.#bell = bell;
    this.#work = work;
    this.#coalesce = coalesce;
    this.#isEmpty = () => work.isEmpty();
    this.#again = () => this.#run();
  }

  start(): void {
    this.#run();
  }

  stop(): void {
    this.#stopped = true;
  }

  #run(): void {
    for (;;) {
      if (this.#stopped) return;
      const count = this.#work.drain();
      if (!this.#work.isEmpty()) {
        setImmediate(this.#again);
        return;
      }
      if (this.#coalesce && this.#keepsPolling(count)) {
        setTimeout(this.#again, pollMs);
        return;
      }
      const rung = this.#bell.sleep(this.#isEmpty);
      if (rung !== null) {
        rung.then(this.#again);
        return;
      }
    }
  }

  #keepsPolling(count: number): boolean {
    if (count > 0) {
      const now = performance.now();
      this.#polling ||= now - this.#lastWorkMs < busyWithinMs;
      this.#lastWorkMs = now;
      this.#emptyPolls = 0;
    } else if (++this.#emptyPolls >= emptyPollsBeforeSleep) this.#polling = false;
    return this.#polling;
  }
}
