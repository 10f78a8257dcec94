import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function expand(prefix: string, text: string): string[] {
  return numbers(text).map((n) => `${prefix}-${String(n).padStart(2, '0')}`);
}

/** `1-3 5` as numbers. */
function numbers(text: string): number[] {
  return text.split(' ').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number) as [number, number?];
    return Array.from({ length: last! - first + 1 }, (_, i) => first + i);
  });
}

/** The requirement rows of this version's scope. */
export const claimed: readonly string[] = [
  ...expand('P', '1 3-6 10-24 30-44 50-65 70-84 90-96 100 102-104 110-112 120-136 140-146'),
  ...expand('I', '1-4 10-18 20-29'),
  ...expand('S', '1-15 20-43 50-54 60-67 70-73 80-86 90-99 110-116 120-128 130-133'),
  ...expand('C', '1-18 20-37'),
  ...expand('D', '1-22 45 60-64 70'),
  ...expand('Q', '1-14'),
  ...numbers('1-9').map((n) => `X-D${n}`),
  ...numbers('1-22').map((n) => `X-I${n}`),
  ...numbers('1-17').map((n) => `X-S${n}`),
  ...numbers('1-6').map((n) => `X-F${n}`),
  ...numbers('1-18').map((n) => `X-R${n}`),
];

/** Rows that belong to what is claimed but are not built yet: why. They need no test. */
export const later: Readonly<Record<string, string>> = {
  'S-132': 'n/a: Rf and Ro are out of scope; a request and its answer carry the charging headers',
};

/** Rows of which only a part is built: what is missing. What there is has a test. */
export const inPart: Readonly<Record<string, string>> = {
  'C-30': 'overload control by parameters (RFC 7339), which is optional',
  'C-34': 'a mirror by HEP or pcap, which is optional; traces show every message',
  'X-R4': 'a UE that the S-CSCF challenges each time needs the HSS for its refresh; one behind IPsec does not',
  'X-R13': 'two hours are a run of `npm run soak` by hand; the suite has a quarter of a minute',
  'S-83': 'the HSS keeps contacts, not subscriptions to registrations: a UE subscribes anew when it hears 481',
};

export interface CoverageRow {
  readonly id: string;
  readonly files: readonly string[];
  readonly tests: readonly string[];
}

const idPattern = /\b(?:[PISCDQ]-\d{2,3}|X-[SFDIR]\d{1,2})\b/g;

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
    for (const [, , title] of text.matchAll(
      /\b(?:it|test|describe)(?:\.each\([\s\S]*?\))?\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g,
    )) {
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
  const built = rows.filter(({ id }) => later[id] === undefined);
  const lines = built.map(({ id, files, tests }) => {
    const shown = tests.slice(0, 3).map(cell);
    if (tests.length > 3) shown.push(`and ${tests.length - 3} more`);
    return `| ${id} | ${files.map((file) => `\`${file}\``).join(', ')} | ${shown.join('<br>')} |`;
  });
  return [
    '# Coverage',
    '',
    'Requirement rows in the scope of this version: the files that name them, the tests whose titles name them. P: P-CSCF,',
    'I: I-CSCF, S: S-CSCF, C: SIP core, D: Diameter, X-I: hostile users, X-S: hostile messages, X-F: floods, X-R: faults. Comments in the code name the same rows, beside the clause of the',
    'standard. Written by `npm run coverage:rows`; `test/coverage.test.ts` fails when a row has no test or when this page is',
    'not true.',
    '',
    '| row | files | tests |',
    '|---|---|---|',
    ...lines,
    '',
    '## Built in part',
    '',
    '| row | what is missing |',
    '|---|---|',
    ...Object.entries(inPart).map(([id, missing]) => `| ${id} | ${cell(missing)} |`),
    '',
    '## Later',
    '',
    '| row | why |',
    '|---|---|',
    ...Object.entries(later).map(([id, why]) => `| ${id} | ${cell(why)} |`),
    '',
  ].join('\n');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

export const coveragePage = join(root, 'docs/coverage.md');

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rows = coverageRows();
  writeFileSync(coveragePage, coverageText(rows));
  const missing = rows.filter(({ id, tests }) => tests.length === 0 && later[id] === undefined).map(({ id }) => id);
  console.log(`${rows.length} rows, without a test: ${missing.join(' ') || 'none'}`);
}
