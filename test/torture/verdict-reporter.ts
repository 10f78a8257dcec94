import type { Reporter, TestModule } from 'vitest/node';

/** What a test says of one message at one place; the reporter prints one line for all of them. */
export interface VerdictCell {
  /** `parser`, `proxy`, `pcscf` and so on. */
  readonly where: string;
  readonly expected: string;
  readonly got: string;
}

export interface VerdictNote {
  readonly table: string;
  readonly name: string;
  readonly section: string;
  readonly cells: readonly VerdictCell[];
}

declare module 'vitest' {
  interface TaskMeta {
    verdict?: VerdictNote;
  }
}

/** The columns, in order. */
const places = ['parser', 'proxy', 'pcscf', 'icscf', 'scscf'] as const;

interface Row {
  readonly table: string;
  readonly name: string;
  readonly section: string;
  readonly cells: Map<string, VerdictCell>;
}

/** Prints what became of the torture messages, after a run that was asked for them or that has something wrong. */
export class VerdictReporter implements Reporter {
  readonly #print: (text: string) => void;
  readonly #asked: boolean;

  constructor(
    print: (text: string) => void = (text) => process.stdout.write(text),
    asked = process.argv.slice(2).some((word) => word.includes('torture')),
  ) {
    this.#print = print;
    this.#asked = asked;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const notes: VerdictNote[] = [];
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { verdict } = test.meta();
        if (verdict !== undefined) notes.push(verdict);
      }
    }
    const rows = joinNotes(notes);
    const wrong = rows.some((row) => [...row.cells.values()].some(({ expected, got }) => expected !== got));
    if (rows.length > 0 && (this.#asked || wrong)) this.#print(verdictTable(rows));
  }
}

/** One row for each message, whichever tests tell of it. */
export function joinNotes(notes: readonly VerdictNote[]): readonly Row[] {
  const rows = new Map<string, Row>();
  for (const { table, name, section, cells } of notes) {
    const key = `${table} ${name}`;
    const row = rows.get(key) ?? { table, name, section, cells: new Map<string, VerdictCell>() };
    for (const cell of cells) row.cells.set(cell.where, cell);
    rows.set(key, row);
  }
  return [...rows.values()];
}

/** The table as text: what was expected at each place, and what came where that differs. */
export function verdictTable(rows: readonly Row[]): string {
  const lines: string[] = [];
  let table = '';
  for (const row of rows) {
    if (row.table !== table) {
      table = row.table;
      const titles = [...places.map((place) => place.padEnd(10)), 'got'];
      lines.push('', table, `  ${'message'.padEnd(44)}${'section'.padEnd(20)}${titles.join('')}`);
    }
    const cells = places.map((place) => row.cells.get(place));
    const expected = cells.map((cell) => (cell?.expected ?? '-').padEnd(10)).join('');
    const all = [...row.cells.values()];
    const wrong = all.filter((cell) => cell.expected !== cell.got).map((cell) => `${cell.where} ${cell.got}`);
    const byTcp = all.some(({ where }) => where.endsWith('by TCP')) ? ', by TCP too' : '';
    const got = wrong.length === 0 ? `the same${byTcp}` : `WRONG: ${wrong.join(', ')}`;
    lines.push(`  ${row.name.slice(0, 43).padEnd(44)}${row.section.padEnd(20)}${expected}${got}`);
  }
  return `${lines.join('\n')}\n\n`;
}
