import { expect, it } from 'vitest';
import type { TestModule } from 'vitest/node';
import { joinNotes, type VerdictNote, VerdictReporter, verdictTable } from './verdict-reporter.ts';

function note(name: string, cells: readonly (readonly [where: string, expected: string, got: string])[]): VerdictNote {
  const all = cells.map(([where, expected, got]) => ({ where, expected, got }));
  return { table: 'Own', name, section: 'RFC 4475 3.1', cells: all };
}

const good = note('a good one', [['parser', 'accepted', 'accepted']]);
const more = note('a good one', [
  ['pcscf', '403', '403'],
  ['pcscf by TCP', '403', '403'],
]);
const bad = note('a bad one', [['parser', '400', 'accepted']]);

it('prints one line for each message, and what came where it was not expected', () => {
  const lines = verdictTable(joinNotes([good, bad, more]))
    .split('\n')
    .map((line) => line.trim().split(/\s{2,}/));
  expect(lines).toContainEqual(['message', 'section', 'parser', 'proxy', 'pcscf', 'icscf', 'scscf', 'got']);
  expect(lines).toContainEqual([
    'a good one',
    'RFC 4475 3.1',
    'accepted',
    '-',
    '403',
    '-',
    '-',
    'the same, by TCP too',
  ]);
  expect(lines).toContainEqual(['a bad one', 'RFC 4475 3.1', '400', '-', '-', '-', '-', 'WRONG: parser accepted']);
});

it('prints when the run was asked for it, or when something is wrong', () => {
  const printed = (notes: readonly VerdictNote[], asked: boolean) => {
    let text = '';
    const tests = notes.map((verdict) => ({ meta: () => ({ verdict }) }));
    const module = { children: { allTests: () => tests.values() } } as unknown as TestModule;
    new VerdictReporter((words) => (text += words), asked).onTestRunEnd([module]);
    return text;
  };
  expect(printed([good], false)).toBe('');
  expect(printed([good], true)).toContain('a good one');
  expect(printed([good, bad], false)).toContain('WRONG');
  expect(printed([], true)).toBe('');
});
