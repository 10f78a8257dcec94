import { describe, expect, it } from 'vitest';
import { RecentMap } from '#nodes/icscf/recent-map';

describe('what an I-CSCF has learned of late', () => {
  it('I-17 I-27 X-R4 lives for its time, gives way to newer when there is too much, and tells of each that is gone', () => {
    let nowMs = 0;
    const gone: string[] = [];
    const recent = new RecentMap<string>({ now: () => nowMs, lifeMs: 100, most: 3, left: (value) => gone.push(value) });
    recent.set('a', 'A');
    nowMs = 50;
    recent.set('b', 'B');
    nowMs = 99;
    expect([recent.get('a'), recent.get('b'), recent.get('c')]).toEqual(['A', 'B', undefined]);
    nowMs = 100;
    expect(recent.get('a')).toBeUndefined();
    recent.set('b', 'B2');
    expect(gone).toEqual(['A', 'B']);
    recent.set('c', 'C');
    recent.set('d', 'D');
    recent.set('e', 'E');
    expect(gone).toEqual(['A', 'B', 'B2']);
    expect([...recent.values()]).toEqual(['C', 'D', 'E']);
    recent.delete('d');
    recent.delete('d');
    expect(gone.at(-1)).toBe('D');
    expect(recent.size).toBe(2);
  });
});
