import { Worker } from 'node:worker_threads';
import type { SpareData } from './worker-thread.ts';

/** How long after a thread has begun the next one is prepared: it must not take the processor from the one that begins. */
const prepareAfterMs = 1_000;

/**
 * Keeps one thread in which a worker's modules are loaded, but nothing runs: a worker that dies, or has to be added, begins
 * there. To load the modules takes most of the time that a worker needs to start.
 */
export class SpareThread {
  readonly #module: string;
  #ready: Worker | null = null;
  #timer: NodeJS.Timeout | undefined;

  /** `module`: URL of what the workers run. */
  constructor(module: string) {
    this.#module = module;
  }

  /** Loads a thread ahead of its use, unless there is one. */
  prepare(): void {
    if (this.#ready !== null) return;
    const thread = this.#load();
    this.#ready = thread;
    // A spare keeps no process alive, and one that could not load is nobody's loss: the next begins from nothing.
    thread.unref();
    thread.on('error', () => {});
    thread.once('exit', () => {
      if (this.#ready === thread) this.#ready = null;
    });
  }

  /** Gives a thread that waits for its `begin`, the one kept where there is one; prepares the next one soon. */
  take(): Worker {
    const thread = this.#ready ?? this.#load();
    if (thread === this.#ready) {
      this.#ready = null;
      thread.ref();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.prepare(), prepareAfterMs).unref();
    }
    return thread;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    const thread = this.#ready;
    this.#ready = null;
    await thread?.terminate();
  }

  #load(): Worker {
    const workerData: SpareData = { module: this.#module };
    return new Worker(new URL('./worker-thread.ts', import.meta.url), { workerData, name: 'worker' });
  }
}
