import { describe, expect, it } from 'vitest';
import { RefusedRequests } from '#workers/refused-requests';

describe('requests that were refused a moment ago', () => {
  it('X-R14 are known for the time given, and forgotten after twice that', () => {
    const refused = new RefusedRequests(5_000);
    refused.note(7, 1_000);
    expect(refused.has(7, 1_000)).toBe(true);
    expect(refused.has(8, 1_000)).toBe(false);
    refused.note(8, 5_900);
    expect([refused.has(7, 6_100), refused.has(8, 10_900)]).toEqual([true, true]);
    expect(refused.has(8, 16_200)).toBe(false);
    refused.note(9, 20_000);
    expect(refused.has(9, 30_000)).toBe(false);
  });

  it('X-F1 a flood of them makes it forget sooner, and not grow', () => {
    const refused = new RefusedRequests(5_000);
    for (let request = 0; request < 100_000; request++) refused.note(request, 0);
    let known = 0;
    for (let request = 0; request < 100_000; request++) if (refused.has(request, 0)) known++;
    expect(refused.has(99_999, 0)).toBe(true);
    expect(known).toBeGreaterThanOrEqual(4_096);
    expect(known).toBeLessThanOrEqual(8_192);
  });
});
