/** A daemon's workers share its connections: the top 6 bits of a Hop-by-Hop Identifier say whose request it is. */
export const MAX_WORKERS = 64;

const COUNTER_BITS = 26;
const COUNTER_MASK = 2 ** COUNTER_BITS - 1;

/** Takes a worker number (0..63) and a counter of any size, gives the identifier. */
export function composeHopByHop(worker: number, counter: number): number {
  return worker * 2 ** COUNTER_BITS + counterOf(counter);
}

/** The worker whose request carries this identifier. */
export function workerOf(hopByHop: number): number {
  return hopByHop >>> COUNTER_BITS;
}

export function counterOf(hopByHop: number): number {
  return hopByHop & COUNTER_MASK;
}
