const servingWord = 0;
const firstPlace = 1;
const vacant = 0;
const present = 1;

/** What procedures may know of the workers of their daemon, at this moment. */
export interface CrewView {
  /** Numbers that workers can have: 0 up to this - 1. */
  readonly places: number;
  /** How many take new work: those with the numbers 0 up to this - 1. */
  readonly serving: number;
  /** Whether a worker with this number is there: one that takes new work, or still has calls of its own. */
  has(worker: number): boolean;
}

/** Shared memory of a crew with this many places. */
export function createCrew(places: number): SharedArrayBuffer {
  return new SharedArrayBuffer((firstPlace + places) * 4);
}

/**
 * Which workers there are, alike in all threads: the pool writes, everybody reads. Those that take new work always have
 * the lowest numbers, so that work can be shared out by `hash % serving`. One that is being replaced counts as there.
 */
export class Crew implements CrewView {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  get places(): number {
    return this.#words.length - firstPlace;
  }

  get serving(): number {
    return Atomics.load(this.#words, servingWord);
  }

  has(worker: number): boolean {
    return worker >= 0 && worker < this.places && Atomics.load(this.#words, firstPlace + worker) === present;
  }

  /** Numbers of those that are there, ascending. */
  get numbers(): number[] {
    return Array.from({ length: this.places }, (_, worker) => worker).filter((worker) => this.has(worker));
  }

  /** The first `count` take new work from now on; those beyond are there until they leave. */
  serve(count: number): void {
    Atomics.store(this.#words, servingWord, count);
  }

  /** A worker with this number is there from now on. */
  join(worker: number): void {
    Atomics.store(this.#words, firstPlace + worker, present);
  }

  /** A worker is gone: its number is free. */
  leave(worker: number): void {
    Atomics.store(this.#words, firstPlace + worker, vacant);
  }
}
