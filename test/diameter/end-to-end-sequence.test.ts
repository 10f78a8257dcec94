import { describe, expect, it } from 'vitest';
import { EndToEndSequence } from '#diameter/end-to-end-sequence';

const fourMinutesMs = 240_000;
const round = 2 ** 26;

/**
 * Sends bursts of so many requests every 20 ms for 260 s, over the point where the time's low bits come round, and
 * gives how far the identifiers went in any four minutes, and the least step from one to the next.
 */
function run(perBurst: number, restartEveryMs: number): { furthest: number; leastStep: number } {
  let wallMs = 2 ** 40 + 2 ** 18 - 1000;
  const start = () => new EndToEndSequence(5, () => wallMs);
  let sequence = start();
  let last = sequence.next() & (round - 1);
  let gone = 0;
  let leastStep = round;
  let furthest = 0;
  /** How far they had gone, by burst. */
  const before: number[] = [];
  for (let ms = 20; ms <= 260_000; ms += 20) {
    wallMs += 20;
    if (ms % restartEveryMs === 0) sequence = start();
    for (let i = 0; i < perBurst; i++) {
      const next = sequence.next() & (round - 1);
      const step = (next - last) & (round - 1);
      if (step < leastStep) leastStep = step;
      gone += step;
      last = next;
    }
    before.push(gone);
    furthest = Math.max(furthest, gone - (before.at(-1 - fourMinutesMs / 20) ?? 0));
  }
  return { furthest, leastStep };
}

describe('End-to-End Identifiers of a worker', () => {
  it.each([
    ['200,000 requests/s', 4_000, Number.POSITIVE_INFINITY],
    ['200,000 requests/s and a restart each 10 s', 4_000, 10_000],
    ['50 requests/s and a restart each second', 1, 1_000],
  ])('D-12 none comes again within 4 minutes at %s', (_what, perBurst, restartEveryMs) => {
    const { furthest, leastStep } = run(perBurst, restartEveryMs);
    // They only go forward, and less than once round.
    expect(leastStep).toBeGreaterThan(0);
    expect(furthest).toBeLessThan(round);
  });

  it('D-12 a clock that is set back makes none come again', () => {
    let wallMs = 10_000_000;
    const sequence = new EndToEndSequence(0, () => wallMs);
    const seen = new Set<number>();
    for (let i = 0; i < 1_000; i++) {
      seen.add(sequence.next());
      wallMs -= 60;
    }
    expect(seen.size).toBe(1_000);
  });

  it('D-12 workers share no identifier, and all 32 bits are in use', () => {
    const of = (worker: number) => new EndToEndSequence(worker, () => 2 ** 40 - 1).next();
    expect([0, 1, 63].map((worker) => of(worker) >>> 26)).toEqual([0, 1, 63]);
    expect(of(63)).toBeGreaterThan(2 ** 31);
  });
});
