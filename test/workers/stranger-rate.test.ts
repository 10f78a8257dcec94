import { describe, expect, it } from 'vitest';
import { StrangerRate } from '#workers/stranger-rate';

/** Lets a second pass in steps of a millisecond in which `offered` strangers come; gives how many were admitted. */
function second(rate: StrangerRate, fromMs: number, offered: number): number {
  let admitted = 0;
  for (let ms = 0; ms < 1000; ms++) {
    rate.tick(fromMs + ms);
    const due = Math.floor(((ms + 1) * offered) / 1000) - Math.floor((ms * offered) / 1000);
    for (let i = 0; i < due; i++) {
      if (!rate.admits(fromMs + ms)) continue;
      rate.note();
      admitted++;
    }
  }
  return admitted;
}

describe('the rate of strangers', () => {
  it('X-F1 is without limit until somebody suffers, then half of what came, and grows slowly', () => {
    const rate = new StrangerRate();
    expect(second(rate, 0, 400)).toBe(400);
    expect(rate.limited).toBe(false);
    rate.cut(1000);
    const after = [1, 2, 3].map((s) => second(rate, s * 1000, 400));
    expect(after[0]).toBeGreaterThan(180);
    expect(after[0]).toBeLessThan(240);
    expect(after[1]).toBeGreaterThan(after[0]!);
    expect(after[2]).toBeGreaterThan(after[1]!);
    expect(after[2]).toBeLessThan(400);
  });

  it('X-F1 is cut again and again while others suffer, but leaves something to phones that register anew', () => {
    const rate = new StrangerRate();
    second(rate, 0, 400);
    let admitted = 0;
    for (let s = 1; s <= 5; s++) {
      for (let i = 0; i < 4; i++) rate.cut(s * 1000 + i * 250);
      admitted = second(rate, s * 1000 + 900, 400);
    }
    expect(admitted).toBeGreaterThanOrEqual(1);
    expect(admitted).toBeLessThan(5);
  });

  it('C-30 takes complaints that come close together for one', () => {
    const rate = new StrangerRate();
    second(rate, 0, 400);
    for (let i = 0; i < 100; i++) rate.cut(1000 + i);
    expect(second(rate, 1100, 400)).toBeGreaterThan(150);
  });

  it('X-F1 has nothing to cut where no strangers are, and forgets a limit that nobody runs into', () => {
    const rate = new StrangerRate();
    rate.tick(0);
    rate.cut(1000);
    expect(rate.limited).toBe(false);
    second(rate, 1000, 100);
    rate.cut(2000);
    expect(rate.limited).toBe(true);
    for (let s = 2; s < 15; s++) second(rate, s * 1000, 5);
    expect(rate.limited).toBe(false);
  });
});
