import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { coveragePage, coverageRows, coverageText, inPart, later } from './coverage-table.ts';

describe('docs/coverage.md', () => {
  const rows = coverageRows();

  it('names a test for every row that is built, and none for one that is not', () => {
    const built = rows.filter(({ id }) => later[id] === undefined);
    expect(built.filter(({ tests }) => tests.length === 0).map(({ id }) => id)).toEqual([]);
    const unbuilt = rows.filter(({ id }) => later[id] !== undefined);
    expect(unbuilt.filter(({ tests }) => tests.length > 0).map(({ id }) => id)).toEqual([]);
  });

  it('calls no row unfinished that is not in scope, or both later and in part', () => {
    const ids = [...Object.keys(later), ...Object.keys(inPart)];
    expect(ids.filter((id) => !rows.some((row) => row.id === id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('is what the sources and tests say', () => {
    expect(readFileSync(coveragePage, 'utf8')).toBe(coverageText(rows));
  });
});
