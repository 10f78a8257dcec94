/*
 * Not RegExp: a profile is input, and a backtracking engine may take forever on what it says. Here all ways through an
 * expression are followed at once, so a text of n characters takes at most n times the states, whatever the expression.
 */
import { ParseFailure } from '#sip/errors';

/** Longest expression that is read, unless other bounds are given. */
export const MAX_EXPRESSION = 256;
/** Most states of a compiled expression, unless other bounds are given: bounds `{m,n}`. */
const MAX_STATES = 512;
const MAX_DEPTH = 32;
/** RE_DUP_MAX of POSIX. */
const MAX_REPEAT = 255;

type Node =
  | { readonly kind: 'set'; readonly set: Uint8Array }
  | { readonly kind: 'begin' | 'end' }
  | { readonly kind: 'all'; readonly parts: readonly Node[] }
  | { readonly kind: 'group'; readonly part: Node; readonly number: number }
  | { readonly kind: 'any'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly part: Node; readonly min: number; readonly max: number };

/**
 * One state. `set`: takes a character and goes to `to`; the others take none, `split` goes both ways, `to` before `or`.
 * `save`: here a bracketed group begins (twice its number) or ends (one more).
 */
export type ExpressionState =
  | { readonly kind: 'set'; readonly set: Uint8Array; readonly to: number }
  | { readonly kind: 'begin' | 'end'; readonly to: number }
  | { readonly kind: 'split'; to: number; readonly or: number; readonly save?: number }
  | { readonly kind: 'match' };

/** A compiled expression. Read only: it may be shared. */
export interface ExtendedExpression {
  readonly states: readonly ExpressionState[];
  readonly start: number;
}

/** How an expression is compiled. */
export interface ExpressionOptions {
  /** Whether letters stand for both cases. */
  readonly ignoreCase?: boolean;
  /** Characters of the expression. */
  readonly maxLength?: number;
  readonly maxStates?: number;
  /** Whether states say where groups begin and end. */
  readonly groups?: boolean;
}

/**
 * Compiles a POSIX extended regular expression over latin1 characters. Backslash takes the meaning from a character that
 * is no letter and no digit; `\d`, `\w`, `\s` and their opposites are known beside, since profiles use them. What POSIX
 * leaves undefined (`a**`, `(?`, back-references) and collating elements are a ParseFailure.
 * Source: IEEE 1003.1 9.4, TS 23.003 13.5.
 */
export function compileExpression(text: string, options: ExpressionOptions = {}): ExtendedExpression | ParseFailure {
  const { ignoreCase = false, maxLength = MAX_EXPRESSION, maxStates = MAX_STATES, groups = false } = options;
  if (text.length > maxLength) return new ParseFailure(`expression of ${text.length} characters`);
  const parser = new Parser(text, ignoreCase, groups);
  const node = parser.alternatives(0);
  if (parser.failure !== null) return parser.failure;
  if (parser.at < text.length) return new ParseFailure('unbalanced )', parser.at);
  const states: ExpressionState[] = [{ kind: 'match' }];
  const start = addStates(states, node, 0, maxStates);
  if (states.length > maxStates) return new ParseFailure(`expression of more than ${maxStates} states`);
  return { states, start };
}

/** Whether the expression matches the whole of `text` from `from` to `to`. Takes at most length times states steps. */
export function matchesExpression(expression: ExtendedExpression, text: string, from = 0, to = text.length): boolean {
  const { states, start } = expression;
  const size = states.length;
  // `seen[state]` is the position (plus one) at which the state was last reached.
  const seen = new Int32Array(size);
  let current: number[] = [];
  let next: number[] = [];
  const pending: number[] = [];
  let matched = false;
  const follow = (first: number, at: number, into: number[]) => {
    pending.push(first);
    while (pending.length > 0) {
      const index = pending.pop()!;
      if (seen[index] === at - from + 1) continue;
      seen[index] = at - from + 1;
      const state = states[index]!;
      if (state.kind === 'set') into.push(index);
      else if (state.kind === 'match') matched = at === to;
      else if (state.kind === 'split') pending.push(state.or, state.to);
      else if (at === (state.kind === 'begin' ? from : to)) pending.push(state.to);
    }
  };
  follow(start, from, current);
  for (let at = from; at < to && current.length > 0; at++) {
    const code = text.charCodeAt(at);
    for (const index of current) {
      const state = states[index]!;
      if (state.kind === 'set' && state.set[code] === 1) follow(state.to, at + 1, next);
    }
    [current, next] = [next, current];
    next.length = 0;
  }
  return matched;
}

/** Puts the states of a node in front of state `to`, gives the first. Stops growing past the limit. */
function addStates(states: ExpressionState[], node: Node, to: number, max: number): number {
  if (states.length > max) return 0;
  switch (node.kind) {
    case 'set':
      return states.push({ kind: 'set', set: node.set, to }) - 1;
    case 'begin':
    case 'end':
      return states.push({ kind: node.kind, to }) - 1;
    case 'all':
      return node.parts.reduceRight((after, part) => addStates(states, part, after, max), to);
    case 'any': {
      let first = addStates(states, node.parts.at(-1)!, to, max);
      for (let i = node.parts.length - 2; i >= 0; i--) {
        const start = addStates(states, node.parts[i]!, to, max);
        first = states.push({ kind: 'split', to: start, or: first }) - 1;
      }
      return first;
    }
    case 'group': {
      const slot = 2 * node.number;
      const end = states.push({ kind: 'split', to, or: to, save: slot + 1 }) - 1;
      const begin = addStates(states, node.part, end, max);
      return states.push({ kind: 'split', to: begin, or: begin, save: slot }) - 1;
    }
    case 'repeat': {
      let first = to;
      if (node.max === Number.POSITIVE_INFINITY) {
        const loop = { kind: 'split' as const, to: 0, or: to };
        first = states.push(loop) - 1;
        loop.to = addStates(states, node.part, first, max);
      } else {
        for (let i = node.min; i < node.max && states.length <= max; i++) {
          first = states.push({ kind: 'split', to: addStates(states, node.part, first, max), or: to }) - 1;
        }
      }
      for (let i = 0; i < node.min && states.length <= max; i++) {
        const before = states.length;
        first = addStates(states, node.part, first, max);
        // Nothing is nothing, however often: else `()` in nested repetitions would take for ever.
        if (states.length === before) break;
      }
      return first;
    }
  }
}

/** Recursive descent over one expression; the first failure ends it. */
class Parser {
  readonly #text: string;
  readonly #ignoreCase: boolean;
  readonly #hasGroups: boolean;
  #groups = 0;
  at = 0;
  failure: ParseFailure | null = null;

  constructor(text: string, ignoreCase: boolean, hasGroups: boolean) {
    this.#text = text;
    this.#ignoreCase = ignoreCase;
    this.#hasGroups = hasGroups;
  }

  alternatives(depth: number): Node {
    if (depth > MAX_DEPTH) return this.#fail('brackets nested too deeply');
    const parts = [this.#branch(depth)];
    while (this.failure === null && this.#text[this.at] === '|') {
      this.at++;
      parts.push(this.#branch(depth));
    }
    return parts.length === 1 ? parts[0]! : { kind: 'any', parts };
  }

  #branch(depth: number): Node {
    const parts: Node[] = [];
    for (;;) {
      const c = this.#text[this.at];
      if (this.failure !== null || c === undefined || c === '|' || c === ')') return { kind: 'all', parts };
      const part = this.#atom(c, depth);
      parts.push(this.#quantified(part));
    }
  }

  #atom(c: string, depth: number): Node {
    this.at++;
    switch (c) {
      case '(': {
        const number = ++this.#groups;
        const part = this.alternatives(depth + 1);
        if (this.failure === null && this.#text[this.at++] !== ')') return this.#fail('a ( without )');
        return this.#hasGroups ? { kind: 'group', part, number } : part;
      }
      case '[':
        return this.#bracket();
      case '.':
        return { kind: 'set', set: new Uint8Array(256).fill(1) };
      case '^':
        return { kind: 'begin' };
      case '$':
        return { kind: 'end' };
      case '\\':
        return this.#escaped();
      case '*':
      case '+':
      case '?':
      case '{':
        return this.#fail(`${c} with nothing before it`, this.at - 1);
      default:
        return this.#set(only(c.charCodeAt(0)));
    }
  }

  #set(set: Uint8Array): Node {
    if (this.#ignoreCase) addOtherCase(set);
    return { kind: 'set', set };
  }

  #escaped(): Node {
    const c = this.#text[this.at++];
    if (c === undefined) return this.#fail('a backslash at the end');
    const known = escapes.get(c.toLowerCase());
    if (known !== undefined) return { kind: 'set', set: setOf(known, 'DWS'.includes(c)) };
    if (isAlphanumeric(c.charCodeAt(0))) return this.#fail(`\\${c} is not known`, this.at - 2);
    return this.#set(only(c.charCodeAt(0)));
  }

  #quantified(part: Node): Node {
    const c = this.#text[this.at];
    let min = 0;
    let max = Number.POSITIVE_INFINITY;
    if (c === '{') {
      const end = this.#text.indexOf('}', this.at);
      const [low, high, ...rest] = this.#text.slice(this.at + 1, Math.max(end, this.at + 1)).split(',');
      min = count(low!);
      max = high === undefined ? min : high === '' ? max : count(high);
      if (end < 0 || rest.length > 0 || !(min <= max) || min > MAX_REPEAT) return this.#fail('a {} that is no count');
      if (max > MAX_REPEAT && high !== '') return this.#fail(`more than ${MAX_REPEAT} times`);
      this.at = end;
    } else if (c === '+') min = 1;
    else if (c === '?') max = 1;
    else if (c !== '*') return part;
    this.at++;
    const after = this.#text[this.at];
    if (after === '*' || after === '+' || after === '?' || after === '{') return this.#fail('two repetitions in a row');
    return { kind: 'repeat', part, min, max };
  }

  /** A bracket expression; `[` has been taken. */
  #bracket(): Node {
    const text = this.#text;
    const begin = this.at - 1;
    const negated = text[this.at] === '^';
    if (negated) this.at++;
    const set = new Uint8Array(256);
    for (let first = true; ; first = false) {
      const c = text[this.at];
      if (c === undefined) return this.#fail('a [ without ]', begin);
      if (c === ']' && !first) break;
      const kind = c === '[' ? text[this.at + 1] : undefined;
      if (kind === '.' || kind === '=') return this.#fail('a collating element', this.at);
      if (kind === ':') {
        const end = text.indexOf(':]', this.at + 2);
        const known = end < 0 ? undefined : classes.get(text.slice(this.at + 2, end));
        if (known === undefined) return this.#fail('a character class that is not known', this.at);
        for (let code = 0; code < 256; code++) if (known(code)) set[code] = 1;
        this.at = end + 2;
        continue;
      }
      const low = c.charCodeAt(0);
      let high = low;
      this.at++;
      if (text[this.at] === '-' && text[this.at + 1] !== ']' && text[this.at + 1] !== undefined) {
        if (text[this.at + 1] === '[') return this.#fail('a range that ends with a class', this.at);
        high = text.charCodeAt(this.at + 1);
        this.at += 2;
      }
      if (high < low || high > 255) return this.#fail('a range that runs backwards', this.at);
      set.fill(1, low, high + 1);
    }
    this.at++;
    if (this.#ignoreCase) addOtherCase(set);
    return { kind: 'set', set: negated ? set.map((bit) => 1 - bit) : set };
  }

  #fail(reason: string, offset = this.at): Node {
    this.failure ??= new ParseFailure(reason, offset);
    this.at = this.#text.length;
    return { kind: 'all', parts: [] };
  }
}

function count(text: string): number {
  if (text.length === 0 || text.length > 3) return Number.NaN;
  let number = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

function only(code: number): Uint8Array {
  const set = new Uint8Array(256);
  if (code < 256) set[code] = 1;
  return set;
}

function addOtherCase(set: Uint8Array): void {
  for (let upper = 0x41; upper <= 0x5a; upper++) {
    const either = set[upper]! | set[upper | 0x20]!;
    set[upper] = either;
    set[upper | 0x20] = either;
  }
}

function setOf(has: (code: number) => boolean, negated: boolean): Uint8Array {
  return new Uint8Array(256).map((_, code) => (has(code) === negated ? 0 : 1));
}

const isUpper = (code: number) => code >= 0x41 && code <= 0x5a;
const isLower = (code: number) => code >= 0x61 && code <= 0x7a;
const isNumeral = (code: number) => code >= 0x30 && code <= 0x39;
const isAlphanumeric = (code: number) => isUpper(code) || isLower(code) || isNumeral(code);
const isGraphic = (code: number) => code > 0x20 && code < 0x7f;

/** Character classes of the POSIX locale. */
const classes: ReadonlyMap<string, (code: number) => boolean> = new Map([
  ['alnum', isAlphanumeric],
  ['alpha', (code: number) => isUpper(code) || isLower(code)],
  ['blank', (code: number) => code === 0x20 || code === 0x09],
  ['cntrl', (code: number) => code < 0x20 || code === 0x7f],
  ['digit', isNumeral],
  ['graph', isGraphic],
  ['lower', isLower],
  ['print', (code: number) => code === 0x20 || isGraphic(code)],
  ['punct', (code: number) => isGraphic(code) && !isAlphanumeric(code)],
  ['space', (code: number) => code === 0x20 || (code >= 0x09 && code <= 0x0d)],
  ['upper', isUpper],
  ['xdigit', (code: number) => isNumeral(code) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66)],
]);

/** Classes with a letter behind a backslash. */
const escapes: ReadonlyMap<string, (code: number) => boolean> = new Map([
  ['d', isNumeral],
  ['s', classes.get('space')!],
  ['w', (code: number) => isAlphanumeric(code) || code === 0x5f],
]);
