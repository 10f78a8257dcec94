import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { reasons } from '#ims/reasons';
import { cscfMetrics } from '#service/metrics/cscf-metrics';
import type { MetricFamily } from '#service/metrics/metrics';
import { processMetrics } from '#service/metrics/process-metrics';
import { coreReasons } from '#sip/reasons';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const page = (name: string) => readFileSync(join(root, name), 'utf8');

/** Cells of the tables of a page, row by row; code marks are taken off. */
function rows(text: string): string[][] {
  const lines = text.split('\n').filter((line) => line.startsWith('| '));
  return lines.map((line) =>
    line
      .slice(2, line.lastIndexOf('|'))
      .split(' | ')
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

const sources = ['nodes', 'shared', 'lab']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name)),
  )
  .map((file) => readFileSync(file, 'utf8'));

/** All first groups of a pattern in the sources. */
function found(pattern: RegExp): Set<string> {
  return new Set(sources.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1]!)));
}

describe('docs/errors.md', () => {
  const text = page('docs/errors.md');
  const all = { ...coreReasons, ...reasons };

  it('lists every reason with its status and words, and no other', () => {
    const listed = rows(text).filter(([, status]) => /^\d{3}$/.test(status!));
    const expected = Object.values(all).map(({ id, status, text: words }) => [id, String(status), words]);
    expect(listed.map((row) => row.slice(0, 3)).sort()).toEqual(expected.sort());
  });

  it('has each id once', () => {
    const ids = [...Object.values(coreReasons), ...Object.values(reasons)].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('names no reason that no code gives', () => {
    const used = found(/\b(?:coreReasons|reasons)\.(\w+)/g);
    expect(Object.keys(all).filter((name) => !used.has(name))).toEqual([]);
  });

  it('lists every code of an exception', () => {
    const codes = [...found(/'(ERR_[A-Z_]*[A-Z])'/g)];
    expect(codes.filter((code) => !text.includes(`\`${code}\``))).toEqual([]);
  });
});

const allMetrics: readonly MetricFamily[] = [...cscfMetrics, ...processMetrics];

describe('docs/metrics.md', () => {
  const text = page('docs/metrics.md');

  it('lists every family with its type, labels and meaning', () => {
    const families = new Map<string, { type: string; labels: Set<string>; help: string }>();
    for (const { name, type, labels = {}, dynamic, perWorker, help } of allMetrics) {
      const family = families.get(name) ?? { type, labels: new Set<string>(), help };
      for (const label of Object.keys(labels)) family.labels.add(label);
      if (dynamic !== undefined) family.labels.add(dynamic);
      if (perWorker) family.labels.add('worker');
      families.set(name, family);
    }
    const listed = rows(text).filter(([name]) => /^(cscf|process)_/.test(name!));
    expect(listed).toEqual(
      [...families].map(([name, { type, labels, help }]) => [name, type, [...labels].join(', '), help]),
    );
  });

  it('lists every event that is counted, and no other', () => {
    const counted = new Set<string>();
    for (const call of found(/\bcontext\.count\(([^;]*)\);/g)) {
      for (const [, event] of call.matchAll(/'([a-z-]+)'/g)) counted.add(event!);
    }
    const listed = rows(text.slice(text.indexOf('## Events'))).slice(1);
    expect(listed.map(([event]) => event).sort()).toEqual([...counted].sort());
  });
});

describe('README.md', () => {
  const text = page('README.md');

  it('names only files that are there', () => {
    const named = [...text.matchAll(/`((?:bin|config|docs|nodes|shared|lab|test|bench)\/[\w./-]*)`/g)].map(
      ([, path]) => path!,
    );
    const missing = named.filter((path) => {
      try {
        return readdirSync(join(root, dirname(path))).every(
          (name) => name !== path.split('/').findLast((part) => part),
        );
      } catch {
        return true;
      }
    });
    expect(missing).toEqual([]);
  });
});
