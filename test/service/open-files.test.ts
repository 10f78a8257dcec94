import { describe, expect, it } from 'vitest';
import { connectionLimit, openFileLimit } from '#service/open-files';

const table = (soft: string) => `Limit                     Soft Limit           Hard Limit           Units
Max processes             96365                96365                processes
Max open files            ${soft}                20000                files
`;

describe('X-F3 the files a process may open', () => {
  it.each([
    ['1024', 1024],
    ['unlimited', Number.POSITIVE_INFINITY],
  ])('%s', (soft, expected) => expect(openFileLimit(() => table(soft))).toBe(expected));

  it('is not known where the system does not tell', () => {
    const absent = () => {
      throw new Error('ENOENT');
    };
    expect(openFileLimit(absent)).toBe(Number.POSITIVE_INFINITY);
  });

  it('is known here', () => expect(openFileLimit()).toBeGreaterThan(16));
});

describe('X-F3 the connections there may be', () => {
  const users = { workers: 2, peers: 1, listeners: 4 };
  it.each([
    ['as configured where the process may open enough', 1000, 100_000, 1000],
    ['fewer, so that the rest of the process finds its files', 10_000, 1024, 1024 - 64 - 32 - 4 - 4],
    ['a few in any case', 10_000, 20, 16],
  ])('are %s', (_name, wanted, files, expected) => {
    expect(connectionLimit(wanted, files, users)).toBe(expected);
  });
});
