/*
 * A profile asks the same expressions of every request, so each becomes an automaton while it is used: the sets of states
 * that can be reached are numbered, and what follows on which character is looked up. A search then costs a few
 * nanoseconds for a character. Where the numbers run out, the states themselves are followed: slower, still linear.
 */
import { ParseFailure } from '#sip/errors';
import {
  compileExpression,
  type ExpressionOptions,
  type ExpressionState,
  type ExtendedExpression,
} from './extended-expression.ts';

/** Steps that searches may still take; a search that finds none left finds nothing. One step is about one character. */
export interface Effort {
  steps: number;
}

/** Memory that several searches share: cells of their tables (four octets each) that may still be taken. */
export interface TableRoom {
  cells: number;
}

/** Bounds of one automaton: numbered sets of states. */
const maxSets = 512;
const firstCapacity = 8;
/** Longest text and pattern that a plain text is looked for with the engine's own search. */
const maxPlainText = 4096;
const maxPlainPattern = 64;
/** What a table has beside rows: not looked at yet, no room for a row, it has matched, nothing can follow. */
const none = -1;
const full = -2;
const matched = -3;
const dead = -4;

/** What a search for a plain text comes to. */
type LiteralPlace = 'anywhere' | 'start' | 'end' | 'whole';

interface Literal {
  readonly text: string;
  readonly place: LiteralPlace;
}

/**
 * Looks for an expression anywhere in a text, as regexec does. Takes at most text length times states steps, whatever the
 * expression; usually one step for a character.
 */
export class ExpressionSearch {
  /** As written. */
  readonly expression: string;
  /** Whether `^` or `$` stands in it: it may then match a part of a list and not the list. */
  readonly anchored: boolean;
  /** States that it was compiled to. */
  readonly size: number;
  readonly #literal: Literal | null;
  readonly #automaton: Automaton;

  constructor(expression: string, compiled: ExtendedExpression, room: TableRoom) {
    this.expression = expression;
    this.anchored = compiled.states.some(({ kind }) => kind === 'begin' || kind === 'end');
    this.size = compiled.states.length;
    this.#literal = literalOf(compiled);
    this.#automaton = new Automaton(compiled, room);
  }

  /** Whether the expression matches somewhere in the text; false once the effort is spent. */
  isIn(text: string, effort: Effort): boolean {
    if (effort.steps < 0) return false;
    const literal = this.#literal;
    // The engine's own search is quick, but for a hostile pair it is not linear.
    const tooLong = text.length > maxPlainText && literal?.place === 'anywhere';
    if (literal === null || tooLong) return this.#automaton.isIn(text, effort);
    effort.steps -= 1 + (text.length >> 2);
    switch (literal.place) {
      case 'anywhere':
        return text.includes(literal.text);
      case 'start':
        return text.startsWith(literal.text);
      case 'end':
        return text.endsWith(literal.text);
      case 'whole':
        return text === literal.text;
    }
  }
}

/**
 * Compiles an expression to be looked for. `room`: shared by all that are kept together.
 * Source: IEEE 1003.1 9.4; requirements S-92, X-D9.
 */
export function compileSearch(
  expression: string,
  room: TableRoom,
  options: ExpressionOptions = {},
): ExpressionSearch | ParseFailure {
  const compiled = compileExpression(expression, options);
  return compiled instanceof ParseFailure ? compiled : new ExpressionSearch(expression, compiled, room);
}

/** The text that an expression without alternatives stands for; null for any other expression. */
function literalOf({ states, start }: ExtendedExpression): Literal | null {
  let at = start;
  let anchored = states[at]!.kind === 'begin';
  if (anchored) at = targetOf(states[at]!);
  // What stands behind "anything" stands anywhere.
  for (let next = behindAnything(states, at); next >= 0; next = behindAnything(states, at)) {
    at = next;
    anchored = false;
  }
  let text = '';
  for (let state = states[at]!; state.kind === 'set'; state = states[at]!) {
    const code = onlyCode(state.set);
    if (code < 0) return null;
    text += String.fromCharCode(code);
    at = state.to;
  }
  let open = true;
  const next = behindAnything(states, at);
  if (next >= 0) at = next;
  if (states[at]!.kind === 'end') {
    open = next >= 0;
    at = targetOf(states[at]!);
  }
  if (states[at]!.kind !== 'match') return null;
  if (anchored) return { text, place: open ? 'start' : 'whole' };
  if (open && text.length > maxPlainPattern) return null;
  return { text, place: open ? 'anywhere' : 'end' };
}

function targetOf(state: ExpressionState): number {
  return state.kind === 'match' ? none : state.to;
}

/** The state behind `.*` at `at`, -1 when there is something else. */
function behindAnything(states: readonly ExpressionState[], at: number): number {
  const loop = states[at]!;
  if (loop.kind !== 'split') return none;
  const body = states[loop.to]!;
  return body.kind === 'set' && body.to === at && !body.set.includes(0) ? loop.or : none;
}

/** The one character of a set, -1 when it has none or more. */
function onlyCode(set: Uint8Array): number {
  const code = set.indexOf(1);
  return code >= 0 && set.indexOf(1, code + 1) < 0 ? code : none;
}

/** States that can be reached by one text, and what that means. */
interface Reached {
  /** Those that take a character or wait for the end, in ascending order; none when it has matched. */
  readonly members: readonly number[];
  /** `matched`, `dead`, or 0 for neither. */
  readonly outcome: number;
  readonly matchesAtEnd: boolean;
}

/** `compileExpression` puts it first. */
const matchState = 0;
/** What it costs to look at one state, in characters that are looked up. */
const stateSteps = 4;

class Automaton {
  readonly #states: readonly ExpressionState[];
  readonly #start: number;
  readonly #room: TableRoom;
  /** Characters that all sets treat alike have one class; the last class is that of what is no octet. */
  #classes: Uint16Array | null = null;
  #classCount = 0;
  /** One character of each class. */
  #samples: readonly number[] = [];
  readonly #sets: Reached[] = [];
  readonly #rows = new Map<string, number>();
  /** That of the first set. */
  #outcome = 0;
  /** A row for each set, in it the beginning of the row that follows on each class. */
  #table = new Int32Array(0);
  #isFull = false;
  /** At which reach a state was last looked at. */
  #seen = new Uint32Array(0);
  #reaches = 0;
  readonly #pending: number[] = [];

  constructor({ states, start }: ExtendedExpression, room: TableRoom) {
    this.#states = states;
    this.#start = start;
    this.#room = room;
  }

  isIn(text: string, effort: Effort): boolean {
    const classes = this.#classes ?? this.#prepare(effort);
    const other = this.#classCount - 1;
    const { length } = text;
    let table = this.#table;
    // Where the row of the set begins.
    let row = 0;
    let at = 0;
    let next = this.#outcome;
    for (; at < length && next >= 0; at++) {
      const code = text.charCodeAt(at);
      const kind = code < 256 ? classes[code]! : other;
      next = table[row + kind]!;
      if (next === none) {
        next = this.#follow(row, kind, effort);
        table = this.#table;
      }
      if (next === full) return this.#walk(this.#setAt(row), text, at, effort);
      row = next;
    }
    effort.steps -= at + 1;
    if (next < 0) return next === matched;
    return this.#setAt(row).matchesAtEnd;
  }

  /** What only a search needs, made at the first one. */
  #prepare(effort: Effort): Uint16Array {
    const classes = classesOf(this.#states);
    const samples: number[] = [];
    for (let code = 0; code < 256; code++) samples[classes[code]!] ??= code;
    samples.push(256);
    this.#samples = samples;
    this.#classCount = samples.length;
    this.#classes = classes;
    this.#seen = new Uint32Array(this.#states.length);
    effort.steps -= 256 + stateSteps * this.#states.length;
    // Not numbered by its members: only here `^` holds, also behind a `$`.
    this.#sets.push(this.#reach([this.#start], true, effort));
    this.#outcome = this.#sets[0]!.outcome;
    this.#grow();
    return classes;
  }

  #setAt(row: number): Reached {
    return this.#sets[row / this.#classCount]!;
  }

  /** What follows on a character: a row, or one of the other things that a table has. */
  #follow(row: number, kind: number, effort: Effort): number {
    const reached = this.#step(this.#setAt(row), this.#samples[kind]!, effort);
    const next = reached.outcome < 0 ? reached.outcome : this.#rowOf(reached);
    this.#table[row + kind] = next;
    return next;
  }

  #rowOf(reached: Reached): number {
    // `matchesAtEnd` follows from the members, but for the first set, which is not among these.
    const name = String.fromCharCode(...reached.members);
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    if (this.#isFull) return full;
    const row = this.#sets.length * this.#classCount;
    this.#sets.push(reached);
    this.#rows.set(name, row);
    this.#grow();
    return row;
  }

  /** Makes room for the set after the last one, unless a bound is reached. */
  #grow(): void {
    const capacity = this.#table.length / this.#classCount;
    if (this.#sets.length < capacity) return;
    const wanted = Math.max(firstCapacity, capacity * 2);
    const more = (wanted - capacity) * this.#classCount;
    if (capacity > 0 && (wanted > maxSets || more > this.#room.cells)) {
      this.#isFull = true;
      return;
    }
    this.#room.cells -= more;
    const table = new Int32Array(wanted * this.#classCount).fill(none);
    table.set(this.#table);
    this.#table = table;
  }

  /** Goes on from a set without numbers. */
  #walk(from: Reached, text: string, start: number, effort: Effort): boolean {
    let reached = from;
    effort.steps -= start;
    for (let at = start; at < text.length; at++) {
      if (effort.steps < 0) return false;
      reached = this.#step(reached, text.charCodeAt(at), effort);
      if (reached.outcome < 0) return reached.outcome === matched;
    }
    return reached.matchesAtEnd;
  }

  /** The states behind a character, and those of a match that begins behind it. */
  #step({ members }: Reached, code: number, effort: Effort): Reached {
    const next: number[] = [this.#start];
    for (const index of members) {
      const state = this.#states[index]!;
      if (state.kind === 'set' && state.set[code] === 1) next.push(state.to);
    }
    effort.steps -= stateSteps * members.length;
    return this.#reach(next, false, effort);
  }

  #reach(from: readonly number[], atBegin: boolean, effort: Effort): Reached {
    const members = this.#closure(from, atBegin, false, effort);
    if (members.includes(matchState)) return { members: [], outcome: matched, matchesAtEnd: true };
    if (members.length === 0) return { members, outcome: dead, matchesAtEnd: false };
    const waits = members.some((index) => this.#states[index]!.kind === 'end');
    const ends = waits && this.#closure(members, atBegin, true, effort).includes(matchState);
    return { members: members.sort((a, b) => a - b), outcome: 0, matchesAtEnd: ends };
  }

  /** States that take a character, wait for the end or match, reached without a character. */
  #closure(from: readonly number[], atBegin: boolean, atEnd: boolean, effort: Effort): number[] {
    const seen = this.#seen;
    const pending = this.#pending;
    const members: number[] = [];
    this.#reaches++;
    let looks = 0;
    pending.push(...from);
    while (pending.length > 0) {
      const index = pending.pop()!;
      looks++;
      if (seen[index] === this.#reaches) continue;
      seen[index] = this.#reaches;
      const state = this.#states[index]!;
      if (state.kind === 'split') pending.push(state.or, state.to);
      else if (state.kind === 'begin') {
        if (atBegin) pending.push(state.to);
      } else if (state.kind === 'end' && atEnd) pending.push(state.to);
      else members.push(index);
    }
    effort.steps -= stateSteps * looks;
    return members;
  }
}

/** The class of each octet: two of one class are in the same sets. */
function classesOf(states: readonly ExpressionState[]): Uint16Array {
  const classes = new Uint16Array(256);
  let count = 1;
  for (const state of states) {
    if (state.kind !== 'set') continue;
    const renamed = new Int16Array(2 * count).fill(none);
    count = 0;
    for (let code = 0; code < 256; code++) {
      const key = 2 * classes[code]! + state.set[code]!;
      if (renamed[key] === none) renamed[key] = count++;
      classes[code] = renamed[key]!;
    }
  }
  return classes;
}
