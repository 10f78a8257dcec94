import { describe, expect, it } from 'vitest';
import { type RegistrationSlice, readSlices } from '#service/registration-slices';

/** Records 1 to `count`, in the order of their numbers; `asked`: how many were wanted each time. */
function records(count: number, slow = false): { slice: RegistrationSlice; asked: number[] } {
  const asked: number[] = [];
  const slice: RegistrationSlice = (from, limit) => {
    asked.push(limit);
    const startMs = performance.now();
    while (slow && performance.now() - startMs < 2);
    const next = Math.min(Number(from) + limit, count);
    return { rows: [], next: next === count ? null : String(next) };
  };
  return { slice, asked };
}

describe('a listing of registrations', () => {
  it('reads a slice where slices take long, and says where to go on', () => {
    const { slice, asked } = records(100, true);
    expect(readSlices('0', 50, slice)).toEqual({ rows: [], next: '16' });
    expect(asked).toEqual([16]);
  });

  it('reads no more than it was asked for', () => {
    const { slice, asked } = records(100);
    expect(readSlices('0', 10, slice).next).toBe('10');
    expect(asked).toEqual([10]);
  });

  it('ends where the records do', () => {
    const { slice } = records(12);
    expect(readSlices('0', 50, slice).next).toBeNull();
  });
});
