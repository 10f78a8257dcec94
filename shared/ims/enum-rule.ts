/*
 * Not RegExp: whoever has the number writes the expression. All ways through it are followed at once, in their order, so a
 * number of n digits takes at most n times the states.
 */
import { ParseFailure } from '#sip/errors';
import { compileExpression, type ExpressionState, type ExtendedExpression } from './extended-expression.ts';

/** The rule of a NAPTR record, ready to be applied. */
export interface EnumRule {
  readonly expression: ExtendedExpression;
  /** What is put in the place of the match: texts, and numbers of groups (0: the match). */
  readonly replacement: readonly (string | number)[];
}

/** Characters of the two parts together: a character-string of the DNS has no more. */
const maxLength = 255;
const maxGroups = 10;

/**
 * Reads the regexp field of a NAPTR record: `!expression!replacement!`, with any delimiter but a digit, `\` or `i`, and
 * an `i` behind it or nothing. A `+` right behind `^`, which many zones write for the `+` of the number, is taken so.
 *
 * Source: RFC 3402 3.2, RFC 6116 3.4.
 */
export function parseEnumRule(field: string): EnumRule | ParseFailure {
  if (field.length > maxLength) return new ParseFailure('a rule too long');
  const delimiter = field[0];
  if (delimiter === undefined || delimiter === '\\' || delimiter === 'i' || isDigit(field.charCodeAt(0))) {
    return new ParseFailure('a rule without delimiter');
  }
  const middle = delimiterAt(field, delimiter, 1);
  const end = middle < 0 ? -1 : delimiterAt(field, delimiter, middle + 1);
  if (end < 0) return new ParseFailure('a rule of less than two parts', field.length);
  const flags = field.slice(end + 1);
  if (flags !== '' && flags !== 'i') return new ParseFailure('flags that are not known', end + 1);
  const pattern = field.slice(1, middle).replaceAll(`\\${delimiter}`, delimiter);
  const written = pattern.startsWith('^+') ? `^\\${pattern.slice(1)}` : pattern;
  const expression = compileExpression(written, { groups: true, ignoreCase: flags === 'i' });
  if (expression instanceof ParseFailure) return expression;
  return { expression, replacement: readReplacement(field.slice(middle + 1, end)) };
}

/**
 * What a rule makes of a number: the first match replaced, what stands around it kept. Null where nothing matches.
 *
 * Source: RFC 3402 3.2.
 */
export function applyEnumRule({ expression, replacement }: EnumRule, number: string): string | null {
  const groups = findGroups(expression, number);
  if (groups === null) return null;
  let result = number.slice(0, groups[0]);
  for (const part of replacement) {
    result += typeof part === 'string' ? part : number.slice(groups[2 * part], groups[2 * part + 1]);
  }
  return result + number.slice(groups[1]);
}

/** Begin and end of a match and of its groups; 0 and 0 of a group that took no part. */
type Groups = readonly number[];

interface Thread {
  readonly state: number;
  readonly groups: Groups;
}

/** The leftmost match, of those that begin there the one the expression prefers; null when there is none. */
function findGroups({ states, start }: ExtendedExpression, text: string): Groups | null {
  let found: Groups | null = null;
  let threads: Thread[] = [];
  for (let at = 0; at <= text.length; at++) {
    const seen = new Uint8Array(states.length);
    const next: Thread[] = [];
    // A match that begins here comes after all that began before.
    if (found === null) threads.push({ state: start, groups: beginning(at) });
    for (const thread of threads) {
      const end = follow(states, thread, at, text.length, seen, next);
      if (end === null) continue;
      found = end;
      break;
    }
    const code = text.charCodeAt(at);
    threads = [];
    for (const { state, groups } of next) {
      const taken = states[state]!;
      if (taken.kind === 'set' && taken.set[code] === 1) threads.push({ state: taken.to, groups });
    }
  }
  return found;
}

function beginning(at: number): number[] {
  const groups = new Array<number>(2 * maxGroups).fill(0);
  groups[0] = at;
  return groups;
}

/** Goes all ways from a thread that take no character, adds where they wait for one; gives the groups of a match. */
function follow(
  states: readonly ExpressionState[],
  from: Thread,
  at: number,
  length: number,
  seen: Uint8Array,
  into: Thread[],
): Groups | null {
  const pending: Thread[] = [from];
  while (pending.length > 0) {
    const thread = pending.pop()!;
    if (seen[thread.state] === 1) continue;
    seen[thread.state] = 1;
    const state = states[thread.state]!;
    switch (state.kind) {
      case 'set':
        into.push(thread);
        break;
      case 'match':
        return thread.groups.with(1, at);
      case 'split': {
        const { groups } = thread;
        const isKept = state.save !== undefined && state.save < groups.length;
        if (state.save === undefined) pending.push({ state: state.or, groups });
        pending.push({ state: state.to, groups: isKept ? groups.with(state.save!, at) : groups });
        break;
      }
      case 'begin':
      case 'end':
        if (at === (state.kind === 'begin' ? 0 : length)) pending.push({ state: state.to, groups: thread.groups });
        break;
    }
  }
  return null;
}

function delimiterAt(field: string, delimiter: string, from: number): number {
  for (let i = from; i < field.length; i++) {
    if (field[i] === '\\') i++;
    else if (field[i] === delimiter) return i;
  }
  return -1;
}

function readReplacement(text: string): (string | number)[] {
  const parts: (string | number)[] = [];
  let plain = '';
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '\\' || i + 1 === text.length) {
      plain += text[i];
      continue;
    }
    i++;
    if (!isDigit(text.charCodeAt(i))) {
      plain += text[i];
      continue;
    }
    if (plain !== '') parts.push(plain);
    plain = '';
    parts.push(text.charCodeAt(i) - 0x30);
  }
  if (plain !== '') parts.push(plain);
  return parts;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
