import { describe, expect, it } from 'vitest';
import type { SrvRecord } from '#sip/resolver/dns-client';
import { inSrvOrder } from '#sip/resolver/srv-order';

function record(name: string, priority: number, weight: number): SrvRecord {
  return { name, port: 5060, priority, weight };
}

/** Gives the numbers one after the other. */
function drawing(...numbers: number[]): () => number {
  return () => numbers.shift() ?? 0;
}

const names = (records: readonly SrvRecord[]) => records.map(({ name }) => name).join(' ');

describe('order of SRV records (RFC 2782)', () => {
  it('C-16 goes by priority, whatever the weights and the order of arrival', () => {
    const records = [record('third', 20, 60_000), record('first', 0, 0), record('second', 10, 1)];
    expect(names(inSrvOrder(records, () => 0.999))).toBe('first second third');
    expect(names(records)).toBe('third first second');
  });

  it.each([
    [[0, 0], 'a b c'],
    [[0.09, 0], 'a b c'],
    [[0.25, 0], 'b a c'],
    [[0.5, 0], 'c a b'],
    [[0.999, 0.999], 'c b a'],
  ])('C-16 draws among equals by weight: %j gives %s', (numbers, expected) => {
    const records = [record('a', 1, 10), record('b', 1, 30), record('c', 1, 60)];
    expect(names(inSrvOrder(records, drawing(...numbers)))).toBe(expected);
  });

  it('C-16 shares the load as the weights say', () => {
    const records = [record('a', 1, 10), record('b', 1, 30), record('c', 1, 60)];
    const first: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let i = 0; i < 1000; i++) {
      first[inSrvOrder(records, drawing((i + 0.5) / 1000))[0]!.name]! += 1;
    }
    expect(Math.abs(first.a! - 100)).toBeLessThan(12);
    expect(Math.abs(first.b! - 300)).toBeLessThan(12);
    expect(Math.abs(first.c! - 600)).toBeLessThan(12);
  });

  it('C-16 gives records without weight a small chance beside others, and equal ones among themselves', () => {
    const mixed = [record('heavy', 1, 100), record('light', 1, 0)];
    expect(names(inSrvOrder(mixed, drawing(0)))).toBe('light heavy');
    expect(names(inSrvOrder(mixed, drawing(0.02)))).toBe('heavy light');
    const light = [record('a', 1, 0), record('b', 1, 0)];
    expect(names(inSrvOrder(light, drawing(0.49)))).toBe('a b');
    expect(names(inSrvOrder(light, drawing(0.51)))).toBe('b a');
  });
});
