import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { coveragePage, coverageRows, coverageText } from './coverage-table.ts';

describe('docs/coverage.md', () => {
  const rows = coverageRows();

  it('names a test for every claimed row', () => {
    expect(rows.filter(({ tests }) => tests.length === 0).map(({ id }) => id)).toEqual([]);
  });

  it('is what the sources and tests say', () => {
    expect(readFileSync(coveragePage, 'utf8')).toBe(coverageText(rows));
  });
});
