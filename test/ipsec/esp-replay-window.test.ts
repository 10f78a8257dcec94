import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReplayWindow } from '#ipsec/esp-replay-window';

/** Whether each number in turn is taken. */
function takes(window: ReplayWindow, sequences: readonly number[]): boolean[] {
  return sequences.map((sequence) => {
    const allowed = window.allows(sequence);
    if (allowed) window.take(sequence);
    return allowed;
  });
}

/** The same by a set, as RFC 4303 3.4.3 says it in words. */
function takesByTheBook(size: number, sequences: readonly number[]): boolean[] {
  const seen = new Set<number>();
  let highest = 0;
  return sequences.map((sequence) => {
    if (sequence === 0 || seen.has(sequence) || sequence <= highest - size) return false;
    seen.add(sequence);
    highest = Math.max(highest, sequence);
    return true;
  });
}

describe('P-35 X-I12 replay window', () => {
  it('P-35 X-I12 takes each number once, in any order inside the window', () => {
    const steps = fc.array(fc.integer({ min: -150, max: 150 }), { maxLength: 200 });
    fc.assert(
      fc.property(steps, fc.constantFrom(0, 1000, 0xffffff00), fc.constantFrom(64, 128, 1024), (jumps, start, size) => {
        let at: number = start;
        const sequences = jumps.map((jump) => (at = Math.min(0xffffffff, Math.max(0, at + jump))));
        expect(takes(new ReplayWindow(size), sequences)).toEqual(takesByTheBook(size, sequences));
      }),
      { numRuns: 500 },
    );
  });

  it('P-35 is as wide as it says: 64 by the least', () => {
    expect(takes(new ReplayWindow(1), [100, 37, 36])).toEqual([true, true, false]);
    expect(takes(new ReplayWindow(65), [200, 105, 104])).toEqual([true, true, false]);
  });

  it('X-I12 forgets nothing by a far jump ahead', () => {
    expect(takes(new ReplayWindow(64), [5, 1_000_000, 5, 1_000_000, 999_990, 4_294_967_295, 999_991])).toEqual([
      ...[true, true, false, false, true, true, false],
    ]);
  });

  it('X-I12 never takes number 0', () => {
    expect(takes(new ReplayWindow(64), [0, 1, 0])).toEqual([false, true, false]);
  });

  it('X-I12 looking at a number does not take it: a forged packet cannot use it up', () => {
    const window = new ReplayWindow(64);
    expect([window.allows(9), window.allows(9)]).toEqual([true, true]);
    window.take(9);
    expect(window.allows(9)).toBe(false);
  });
});
