import { randomFillSync } from 'node:crypto';

/** Octets that are fetched at once: asking the generator costs as much for a few as for all of these. */
const pool = Buffer.alloc(4096);
let at = pool.length;

/** So many octets of the cryptographic generator, at most 256; each is given out once. For what a message needs; not for keys that last. */
export function randomOctets(count: number): Buffer {
  if (at + count > pool.length) {
    randomFillSync(pool);
    at = 0;
  }
  const octets = Buffer.from(pool.subarray(at, at + count));
  // What was given out is not kept.
  pool.fill(0, at, at + count);
  at += count;
  return octets;
}
