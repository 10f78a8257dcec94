import { describe, expect, it } from 'vitest';
import { compileSearch } from '#ims/expression-search';
import type { ExpressionOptions } from '#ims/extended-expression';
import { ParseFailure } from '#sip/errors';

const plenty = { cells: 1_000_000 };

function isIn(expression: string, text: string, room = plenty, options: ExpressionOptions = {}): boolean {
  const search = compileSearch(expression, { ...room }, options);
  if (search instanceof ParseFailure) throw new Error(`${expression}: ${search.reason}`);
  return search.isIn(text, { steps: 1_000_000 });
}

/** Numbers that look random and are the same in each run. */
function sequence(seed: number) {
  let state = seed;
  return <T>(from: readonly T[]): T => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return from[(state >>> 8) % from.length]!;
  };
}

describe('compileSearch', () => {
  it.each([
    ['a plain text', 'ab', ['ab', 'xabx'], ['', 'a', 'AB']],
    ['the begin', '^ab', ['ab', 'abx'], ['xab', '']],
    ['the end', 'ab$', ['ab', 'xab'], ['abx', '']],
    ['the whole', '^ab$', ['ab'], ['xab', 'abx', '']],
    ['a text around which anything stands', '^.*ab.*$', ['ab', 'xabx', 'x\nab'], ['a']],
    ['an end after anything', '.*ab$', ['ab', 'xab'], ['abx']],
    ['a begin before anything', '^ab.*$', ['ab', 'abx'], ['xab']],
    ['a text with anything in it', '^a.*b$', ['ab', 'axb'], ['abx', 'xab']],
    ['nothing', '', ['', 'a'], []],
    ['an empty text', '^$', [''], ['a']],
    ['a begin behind an end', '$^', [''], ['a']],
    ['anchors within', '(^a|b$)', ['ax', 'xb'], ['xa', 'bx']],
    ['anchors that cannot hold', 'a^b', [], ['ab', 'a^b']],
    ['octets above 127', '\xe9+', ['caf\xe9\xe9'], ['cafe']],
  ] as const)('S-92 looks for %s', (_name, expression, yes, no) => {
    for (const text of yes) expect(isIn(expression, text), text).toBe(true);
    for (const text of no) expect(isIn(expression, text), text).toBe(false);
  });

  it('S-92 takes letters in both cases where it is told to', () => {
    const either = { ignoreCase: true };
    expect(isIn('^p-[a-f]+$', 'P-AbcF', plenty, either)).toBe(true);
    expect(isIn('^p-[^a-f]+$', 'P-AbcF', plenty, either)).toBe(false);
    expect(isIn('\\W', 'p', plenty, either)).toBe(false);
    expect(isIn('abc', 'xABCx', plenty, either)).toBe(true);
    expect(isIn('[@-Z]', 'b', plenty, either)).toBe(true);
    expect(isIn('[@-Z]', '`', plenty, either)).toBe(false);
  });

  it.each([
    ['with tables', plenty],
    ['without room for tables', { cells: 0 }],
  ] as const)('S-92 agrees with RegExp wherever both mean the same, %s', (_name, room) => {
    const pick = sequence(11);
    const atoms = ['a', 'b', '.', '[ab]', '[^a]', '(a|b)', '(ab)', '(a|)', '(b(a|b))', '^', '$', '(^a|b)', '(a$|b)'];
    const marks = ['', '', '*', '+', '?', '{2}', '{1,2}', '{2,}', '{3}'];
    for (let round = 0; round < 2000; round++) {
      const part = () =>
        Array.from({ length: pick([1, 2, 3, 4]) }, () => {
          const atom = pick(atoms);
          return atom === '^' || atom === '$' ? atom : atom + pick(marks);
        }).join('');
      const expression = pick([true, false]) ? part() : `${part()}|${part()}`;
      const native = new RegExp(expression, 's');
      const search = compileSearch(expression, { ...room });
      if (search instanceof ParseFailure) throw new Error(expression);
      for (let i = 0; i < 10; i++) {
        const text = Array.from({ length: pick([0, 1, 2, 3, 5, 7, 30]) }, () => pick(['a', 'b', 'c'])).join('');
        expect(search.isIn(text, { steps: 100_000 }), `${expression} in ${text}`).toBe(native.test(text));
      }
    }
  });

  it('S-92 X-D9 takes what room there is for tables and then goes on without', () => {
    const room = { cells: 2_000 };
    const search = compileSearch('(a|b)*a(a|b){12}c', room);
    if (search instanceof ParseFailure) throw new Error(search.reason);
    const pick = sequence(3);
    const native = /a[ab]{12}c/;
    for (let round = 0; round < 200; round++) {
      const text = Array.from({ length: 100 }, () => pick(['a', 'b', 'a', 'b', 'a', 'b', 'c'])).join('');
      expect(search.isIn(text, { steps: 10_000_000 })).toBe(native.test(text));
    }
    expect(room.cells).toBeGreaterThanOrEqual(0);
    expect(room.cells).toBeLessThan(2_000);
  });

  it('S-92 X-D9 counts its steps and finds nothing when none are left', () => {
    const search = compileSearch('(a|b)+c', { ...plenty });
    if (search instanceof ParseFailure) throw new Error(search.reason);
    const effort = { steps: 5_000 };
    expect(search.isIn(`${'ab'.repeat(1000)}c`, effort)).toBe(true);
    expect(effort.steps).toBeLessThan(3_000);
    effort.steps = -1;
    expect(search.isIn('abc', effort)).toBe(false);
  });

  it('S-92 says whether it is bound to an end, and refuses what is no expression', () => {
    const anchored = (text: string) => {
      const search = compileSearch(text, plenty);
      return search instanceof ParseFailure ? search.reason : search.anchored;
    };
    expect(['a', '^a', 'a$', '(x|^a)', 'a[$^]', '\\^'].map(anchored)).toEqual([false, true, true, true, false, false]);
    expect(anchored('(')).toBe('a ( without )');
  });
});
