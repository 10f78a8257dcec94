import type { Intake } from './intake.ts';
import { shedOrder } from './overload.ts';

const octetsWord = 0;
const shedWord = 1;
const delayWord = 2;

/** Shared memory by which a worker thread tells how much waits in it. */
export function createLoad(): SharedArrayBuffer {
  return new SharedArrayBuffer(12);
}

/** What waits in a worker thread beyond its ring: the thread writes it after each turn, the transport side reads it. */
export class IntakeLoad {
  readonly #words: Int32Array;
  /** What the threads before this one have shed. */
  #before = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** Octets of messages that wait. */
  get octets(): number {
    return Atomics.load(this.#words, octetsWord);
  }

  /** How long a new request would wait, milliseconds. */
  get delayMs(): number {
    return Atomics.load(this.#words, delayWord);
  }

  /** Messages shed since the start, also by threads that have died. */
  get shed(): number {
    return Atomics.load(this.#words, shedWord);
  }

  /** A thread begins where the last one died: nothing waits. */
  restart(): void {
    this.#before = this.shed;
    Atomics.store(this.#words, octetsWord, 0);
    Atomics.store(this.#words, delayWord, 0);
  }

  note({ queue, shed }: Pick<Intake, 'queue' | 'shed'>, nowMs: number): void {
    Atomics.store(this.#words, octetsWord, queue.octets);
    Atomics.store(this.#words, delayWord, queue.size === 0 ? 0 : queue.delayMs(shedOrder.initial, nowMs));
    Atomics.store(this.#words, shedWord, this.#before + shed);
  }
}
