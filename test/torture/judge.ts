import { expect, type TestContext } from 'vitest';
import { readMessages, rfc4475Files, rfc4475Folder } from './rfc4475-files.ts';
import { rfc4475Invalid } from './rfc4475-invalid.ts';
import { rfc4475Semantics } from './rfc4475-semantics.ts';
import { rfc4475Valid } from './rfc4475-valid.ts';
import { rfc5118 } from './rfc5118.ts';
import type { TortureCase } from './torture-case.ts';
import type { VerdictCell } from './verdict-reporter.ts';

/** All messages of our own. */
export const ownCases: readonly TortureCase[] = [...rfc4475Valid, ...rfc4475Invalid, ...rfc4475Semantics, ...rfc5118];
export const ownTable = 'Messages of our own';
export const exactTable = 'RFC 4475, byte for byte';

/** Where the messages of the RFC are; null: they are not here. */
export const exactFolder = rfc4475Folder();

/** The messages of the RFC with our verdicts on them. */
export const exactCases: readonly TortureCase[] = [...(exactFolder === null ? [] : readMessages(exactFolder))].flatMap(
  ([name, message]) => {
    const verdicts = rfc4475Files[name];
    return verdicts === undefined ? [] : [{ name, section: 'RFC 4475', about: '', message, ...verdicts }];
  },
);

/** Writes down what came for the table at the end of the run, then compares. */
export function judge(
  { task }: TestContext,
  table: string,
  { name, section }: Pick<TortureCase, 'name' | 'section'>,
  cells: readonly VerdictCell[],
): void {
  task.meta.verdict = { table, name, section, cells };
  const columns = (which: 'expected' | 'got') => Object.fromEntries(cells.map((cell) => [cell.where, cell[which]]));
  expect(columns('got')).toEqual(columns('expected'));
}
