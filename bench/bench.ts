/** One thing measured: so many iterations in one go. */
export interface Bench {
  readonly name: string;
  run(iterations: number): unknown;
  /** What it is compared with in the same run: another way of doing it, or another bench of its file by name. */
  readonly baseline?: string | { readonly name: string; run(iterations: number): unknown };
}

/** The best of several rounds, microseconds of this thread's time per iteration. */
export function measure(run: (iterations: number) => unknown, rounds = 7, roundMs = 60): number {
  let iterations = 100;
  for (;;) {
    const started = performance.now();
    run(iterations);
    const took = performance.now() - started;
    if (took > roundMs / 2) {
      iterations = Math.max(1, Math.round((iterations * roundMs) / took));
      break;
    }
    iterations *= 2;
  }
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    run(iterations);
    best = Math.min(best, ((performance.now() - started) * 1000) / iterations);
  }
  return best;
}
