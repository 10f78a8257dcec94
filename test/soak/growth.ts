/** A value at a moment. */
export interface Sample {
  readonly atMs: number;
  readonly value: number;
}

const hourMs = 3_600_000;

/**
 * How much a series of samples grows by the hour: the median of the slopes of all pairs, which a step or a few outliers
 * do not move (Theil and Sen). 0 of fewer than two samples.
 */
export function growthPerHour(samples: readonly Sample[]): number {
  const slopes: number[] = [];
  for (let i = 0; i < samples.length; i++) {
    const from = samples[i]!;
    for (let j = i + 1; j < samples.length; j++) {
      const to = samples[j]!;
      if (to.atMs > from.atMs) slopes.push((to.value - from.value) / (to.atMs - from.atMs));
    }
  }
  return median(slopes) * hourMs;
}

/** The middle one of some values; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[sorted.length >> 1] ?? 0;
}

/** The samples of a file of lines `milliseconds value`, from a moment on. */
export function parseSamples(text: string, fromMs: number): Sample[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [atMs = 0, value = 0] = line.split(' ').map(Number);
      return { atMs, value };
    })
    .filter(({ atMs }) => atMs >= fromMs);
}
