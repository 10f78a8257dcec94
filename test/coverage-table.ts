import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function expand(prefix: string, text: string): string[] {
  return text.split(' ').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number) as [number, number?];
    return Array.from({ length: last! - first + 1 }, (_, i) => `${prefix}-${String(first + i).padStart(2, '0')}`);
  });
}

/** The requirement rows that this version claims. */
export const claimed: readonly string[] = [
  ...expand('P', '1 3-6 10 14-24 50-58 70-79 83 90-96 100 102-104 140 142 145'),
  ...expand('I', '1-4 10-18 20-26'),
  ...expand('S', '1-15 20-28 30-42 80-81 84-86 110 113 120-123'),
  ...expand('C', '1-4 6-8 12 20-23'),
  ...expand('D', '1-8 10-11 13 15 17-18 21'),
];

export interface CoverageRow {
  readonly id: string;
  readonly files: readonly string[];
  readonly tests: readonly string[];
}

const idPattern = /\b([PISCDQ])-(\d{2,3})\b/g;

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort();
}

/** Ids a text names: `P-14`, also the ends of `C-01 to C-04` and everything between. */
function idsIn(text: string): Set<string> {
  const ids = new Set<string>();
  for (const match of text.matchAll(idPattern)) ids.add(match[0]);
  for (const [, prefix, from, to] of text.matchAll(/\b([PISCDQ])-(\d{2,3}) to \1-(\d{2,3})\b/g)) {
    for (let n = Number(from); n <= Number(to); n++) ids.add(`${prefix}-${String(n).padStart(2, '0')}`);
  }
  return ids;
}

/** Where each claimed row is implemented (files that name it) and proven (tests whose title names it). */
export function coverageRows(): CoverageRow[] {
  const files = new Map<string, string[]>();
  const tests = new Map<string, string[]>();
  const note = (map: Map<string, string[]>, id: string, value: string) => {
    const list = map.get(id) ?? [];
    if (!list.includes(value)) list.push(value);
    map.set(id, list);
  };
  for (const file of ['nodes', 'shared', 'lab'].flatMap(sources)) {
    for (const id of idsIn(readFileSync(join(root, file), 'utf8'))) note(files, id, file);
  }
  for (const file of sources('test')) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, , title] of text.matchAll(/\b(?:it|test|describe)(?:\.each\([^]*?\))?\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g)) {
      for (const id of idsIn(title!)) note(tests, id, `${file}: ${title}`);
    }
    // Titles of it.each rows stand as first strings of the rows.
    for (const [, , title] of text.matchAll(/^\s*\[\s*(['"])([PISCDQ]-\d{2,3}[^\n]*?)\1,/gm)) {
      for (const id of idsIn(title!)) note(tests, id, `${file}: ${title}`);
    }
  }
  return [...new Set(claimed)].map((id) => ({ id, files: files.get(id) ?? [], tests: tests.get(id) ?? [] }));
}

export function coverageText(rows: readonly CoverageRow[]): string {
  const lines = rows.map(({ id, files, tests }) => {
    const shown = tests.slice(0, 3).map((test) => test.replaceAll('|', '\\|'));
    if (tests.length > 3) shown.push(`and ${tests.length - 3} more`);
    return `| ${id} | ${files.map((file) => `\`${file}\``).join(', ')} | ${shown.join('<br>')} |`;
  });
  return [
    '# Coverage',
    '',
    'Requirement rows that this version claims: the files that name them, the tests whose titles name them. Written by',
    '`npm run coverage:rows`; `test/coverage.test.ts` fails when a row has no test or when this page is not true.',
    '',
    '| row | files | tests |',
    '|---|---|---|',
    ...lines,
    '',
  ].join('\n');
}

export const coveragePage = join(root, 'docs/coverage.md');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rows = coverageRows();
  writeFileSync(coveragePage, coverageText(rows));
  const missing = rows.filter(({ tests }) => tests.length === 0).map(({ id }) => id);
  console.log(`${rows.length} rows, without a test: ${missing.join(' ') || 'none'}`);
}
