import { threadId, type Worker } from 'node:worker_threads';
import { StoreError, WRITER_SLOT } from './store.ts';

/**
 * The right to have a write transaction open, handed round among the threads in a slot of the generation counters.
 *
 * LMDB has a lock of its own. But a thread that is ended (`terminate()`, heap limit) between the begin and the commit of a
 * transaction hangs in the library's clean-up, keeps that lock, and every later writer waits for ever without a word
 * (lmdb 3.5.6). With this lock in front, a thread can be ended at a moment when it has no transaction open
 * (`endThread`), and a writer that waits in vain gets ERR_STORE_STUCK instead of hanging.
 */

/** How long a writer waits for the others; a transaction takes microseconds. */
const STUCK_MS = 3_000;

/** What stands in the slot while this thread writes; 0 is nobody. */
const own = threadId + 1;

/** Waits for the right to write. True if it has to be given back, false if this thread had it already. */
export function enterWrite(generations: Int32Array): boolean {
  let deadline = 0;
  for (;;) {
    const writer = Atomics.compareExchange(generations, WRITER_SLOT, 0, own);
    if (writer === 0) return true;
    if (writer === own) return false;
    const now = performance.now();
    if (deadline === 0) deadline = now + STUCK_MS;
    else if (now >= deadline) throw stuck(writer);
    Atomics.wait(generations, WRITER_SLOT, writer, deadline - now);
  }
}

/** Gives the right back and wakes one who waits for it. */
export function leaveWrite(generations: Int32Array): void {
  Atomics.store(generations, WRITER_SLOT, 0);
  Atomics.notify(generations, WRITER_SLOT, 1);
}

/**
 * Ends a worker thread that has the store open, at a moment when it writes nothing. Other writers wait meanwhile.
 * Gives its exit code; throws ERR_STORE_STUCK when a thread does not come out of its transaction within seconds.
 */
export async function endThread(generations: Int32Array, worker: Worker): Promise<number> {
  const deadline = performance.now() + STUCK_MS;
  for (;;) {
    const writer = Atomics.compareExchange(generations, WRITER_SLOT, 0, own);
    if (writer === 0) break;
    const left = deadline - performance.now();
    if (left <= 0) throw stuck(writer);
    const waiting = Atomics.waitAsync(generations, WRITER_SLOT, writer, Math.min(left, 50));
    if (waiting.async) await waiting.value;
  }
  try {
    return await worker.terminate();
  } finally {
    leaveWrite(generations);
  }
}

/**
 * Takes the right to write back from a thread that has exited by itself (heap limit) while it had it. Call it on the
 * `exit` of every worker, with the worker's `threadId` as it was while it lived.
 */
export function forgetThread(generations: Int32Array, deadThreadId: number): void {
  if (Atomics.compareExchange(generations, WRITER_SLOT, deadThreadId + 1, 0) === deadThreadId + 1) {
    Atomics.notify(generations, WRITER_SLOT, 1);
  }
}

function stuck(writer: number): StoreError {
  return new StoreError(
    'ERR_STORE_STUCK',
    `thread ${writer - 1} has not finished its transaction for ${STUCK_MS} ms: it hangs or died in it; restart the process`,
  );
}
