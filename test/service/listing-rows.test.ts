import { describe, expect, it } from 'vitest';
import { firstRows, rowFilter } from '#service/listing-rows';

describe('rows of a listing', () => {
  it('are those that have the word, in any case, up to the limit; no more is looked at', () => {
    const looked: number[] = [];
    const rowOf = (user: number) => {
      looked.push(user);
      return { impu: `sip:User${user}@ims.test` };
    };
    const users = Array.from({ length: 50 }, (_, i) => i);
    expect(firstRows(users, rowOf, rowFilter('USER1'), 3).map(({ impu }) => impu)).toEqual([
      'sip:User1@ims.test',
      'sip:User10@ims.test',
      'sip:User11@ims.test',
    ]);
    expect(Math.max(...looked)).toBe(11);
    expect(firstRows(users, rowOf, rowFilter(''), 100)).toHaveLength(50);
    expect(firstRows([], rowOf, rowFilter('x'), 1)).toEqual([]);
  });
});
