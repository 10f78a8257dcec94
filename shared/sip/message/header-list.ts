import { ParseFailure } from '../errors.ts';
import { firstListValue, splitListValues } from '../header/list-values.ts';
import { Header, headerId, headerName, isListHeader } from './header-names.ts';
import type { Journal } from './journal.ts';

/** A header by number (`Header.Via`) or, for one the suite has no number for, by name in any case. */
export type HeaderKey = number | string;

/** One header field line, never changed once made; an edit puts another line in its place. */
export interface HeaderLine {
  /** Number of the header, 0 when the suite does not know it. */
  readonly id: number;
  /** Lower-case name of an unknown header, empty for a known one. */
  readonly extension: string;
  /** The text that holds the line: the received message, or the line alone when an edit wrote it. */
  readonly text: string;
  readonly start: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly end: number;
  /** Unfolded value, filled at first use. */
  cached: string | null;
}

const cr = 13;
const lf = 10;

/**
 * The header fields of one message, in order.
 *
 * Every edit is true at once: the next read, by whoever holds the message, sees it, and so does what is written to the
 * wire. Lines nobody touched go out byte for byte as they came in.
 */
export class HeaderList {
  #lines: HeaderLine[];
  /** Where edits are written down while somebody traces, else null. */
  journal: Journal | null = null;

  constructor(lines: HeaderLine[]) {
    this.#lines = lines;
  }

  get lines(): readonly HeaderLine[] {
    return this.#lines;
  }

  /** A list with the same lines that is edited on its own. */
  clone(): HeaderList {
    const copy = new HeaderList(this.#lines.slice());
    copy.journal = this.journal === null ? null : this.journal.fork();
    return copy;
  }

  has(key: HeaderKey): boolean {
    return this.#firstIndex(key) >= 0;
  }

  /** How many lines carry this header. */
  countLines(key: HeaderKey): number {
    const { id, extension } = resolve(key);
    let n = 0;
    for (const line of this.#lines) if (line.id === id && line.extension === extension) n++;
    return n;
  }

  /** Value of the first line of this header (a list header's line may hold several values), null when absent. */
  get(key: HeaderKey): string | null {
    const index = this.#firstIndex(key);
    return index < 0 ? null : lineValue(this.#lines[index]!);
  }

  /** The topmost single value: for a list header the first comma part of the first line. */
  first(key: HeaderKey): string | null {
    const index = this.#firstIndex(key);
    if (index < 0) return null;
    const line = this.#lines[index]!;
    const value = lineValue(line);
    if (!isListHeader(line.id) || value.indexOf(',') < 0) return value;
    const split = firstListValue(value);
    return split instanceof ParseFailure ? value : split.value;
  }

  /** All single values of this header in order; a line that can't be split counts as one value. */
  values(key: HeaderKey): string[] {
    const { id, extension } = resolve(key);
    const values: string[] = [];
    for (const line of this.#lines) {
      if (line.id !== id || line.extension !== extension) continue;
      const value = lineValue(line);
      if (!isListHeader(id) || value.indexOf(',') < 0) {
        if (value !== '') values.push(value);
        continue;
      }
      const split = splitListValues(value);
      if (split instanceof ParseFailure) values.push(value);
      else for (const part of split) if (part !== '') values.push(part);
    }
    return values;
  }

  /** Gives this header one line with this value: in the place of its first line, else at the end. */
  set(key: HeaderKey, value: string): void {
    const line = makeLine(key, value);
    const index = this.#firstIndex(key);
    if (index < 0) {
      this.#lines.push(line);
      this.journal?.add(line, null);
      return;
    }
    const before = this.#lines[index]!;
    this.#lines[index] = line;
    for (let i = this.#lines.length - 1; i > index; i--) {
      const other = this.#lines[i]!;
      if (other.id === line.id && other.extension === line.extension) this.#lines.splice(i, 1);
    }
    this.journal?.add(line, before);
  }

  /** Adds a line before the first line of this header; without one: Via at the very top, others after the Vias. */
  prepend(key: HeaderKey, value: string): void {
    const line = makeLine(key, value);
    let index = this.#firstIndex(key);
    if (index < 0) {
      index = 0;
      if (line.id !== Header.Via) while (index < this.#lines.length && this.#lines[index]!.id === Header.Via) index++;
    }
    this.#lines.splice(index, 0, line);
    this.journal?.add(line, null);
  }

  /** Adds a line after the last line of this header, else at the end. */
  append(key: HeaderKey, value: string): void {
    const line = makeLine(key, value);
    let index = this.#lines.length - 1;
    while (index >= 0 && !(this.#lines[index]!.id === line.id && this.#lines[index]!.extension === line.extension))
      index--;
    this.#lines.splice(index < 0 ? this.#lines.length : index + 1, 0, line);
    this.journal?.add(line, null);
  }

  /** Removes every line of this header; gives whether there was one. */
  remove(key: HeaderKey): boolean {
    const { id, extension } = resolve(key);
    let found = false;
    for (let i = this.#lines.length - 1; i >= 0; i--) {
      const line = this.#lines[i]!;
      if (line.id !== id || line.extension !== extension) continue;
      this.#lines.splice(i, 1);
      this.journal?.add(null, line);
      found = true;
    }
    return found;
  }

  /** Puts another value in the place of the topmost single value. */
  replaceFirst(key: HeaderKey, value: string): void {
    const index = this.#firstIndex(key);
    if (index < 0) {
      this.prepend(key, value);
      return;
    }
    const before = this.#lines[index]!;
    const rest = restAfterFirst(before);
    const line = makeLine(key, rest === '' ? value : `${value}, ${rest}`);
    this.#lines[index] = line;
    this.journal?.add(line, before);
  }

  /** Removes and gives the topmost single value (pops a Via, a Route), null when there is none. */
  removeFirst(key: HeaderKey): string | null {
    const index = this.#firstIndex(key);
    if (index < 0) return null;
    const before = this.#lines[index]!;
    const value = this.first(key);
    const rest = restAfterFirst(before);
    if (rest === '') {
      this.#lines.splice(index, 1);
      this.journal?.add(null, before);
    } else {
      const line = makeLine(key, rest);
      this.#lines[index] = line;
      this.journal?.add(line, before);
    }
    return value;
  }

  /** Keeps only the values that `keep` accepts; lines that lose all values go, lines that lose none stay untouched. */
  filterValues(key: HeaderKey, keep: (value: string) => boolean): void {
    const { id, extension } = resolve(key);
    for (let i = this.#lines.length - 1; i >= 0; i--) {
      const before = this.#lines[i]!;
      if (before.id !== id || before.extension !== extension) continue;
      const value = lineValue(before);
      const split = isListHeader(id) ? splitListValues(value) : [value];
      const parts = split instanceof ParseFailure ? [value] : split;
      const kept = parts.filter(keep);
      if (kept.length === parts.length) continue;
      if (kept.length === 0) {
        this.#lines.splice(i, 1);
        this.journal?.add(null, before);
      } else {
        const line = makeLine(key, kept.join(', '));
        this.#lines[i] = line;
        this.journal?.add(line, before);
      }
    }
  }

  /** Puts lines of another message here, as they are, after the last line (responses copy Via and the like). */
  copyFrom(other: HeaderList, id: number): void {
    for (const line of other.#lines) if (line.id === id) this.#lines.push(line);
  }

  /** Puts one line as it is at the end. */
  push(line: HeaderLine): void {
    this.#lines.push(line);
  }

  #firstIndex(key: HeaderKey): number {
    const lines = this.#lines;
    if (typeof key === 'number') {
      for (let i = 0; i < lines.length; i++) if (lines[i]!.id === key) return i;
      return -1;
    }
    const { id, extension } = resolve(key);
    for (let i = 0; i < lines.length; i++) if (lines[i]!.id === id && lines[i]!.extension === extension) return i;
    return -1;
  }
}

function resolve(key: HeaderKey): { id: number; extension: string } {
  if (typeof key === 'number') return { id: key, extension: '' };
  const id = headerId(key);
  return { id, extension: id === 0 ? key.toLowerCase() : '' };
}

/**
 * A line as an edit writes it.
 *
 * @throws Error when the value holds CR, LF or NUL: a defect of the caller, caught before it reaches the wire (X-S7).
 */
export function makeLine(key: HeaderKey, value: string): HeaderLine {
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    // A NUL of a quoted pair is legal (RFC 3261 25.1) and may be copied from what was received.
    const stray = c === lf || c === cr || (c === 0 && value.charCodeAt(i - 1) !== 92);
    if (stray) throw new Error(`header ${keyName(key)}: value holds a control character`);
  }
  const name = keyName(key);
  const text = `${name}: ${value}\r\n`;
  const { id, extension } = resolve(key);
  return {
    id,
    extension,
    text,
    start: 0,
    valueStart: name.length + 2,
    valueEnd: text.length - 2,
    end: text.length,
    cached: value,
  };
}

function keyName(key: HeaderKey): string {
  return typeof key === 'number' ? headerName(key) : key;
}

/** Unfolded value of a line, without surrounding white space. */
export function lineValue(line: HeaderLine): string {
  if (line.cached !== null) return line.cached;
  const raw = line.text.slice(line.valueStart, line.valueEnd);
  line.cached = raw.indexOf('\n') < 0 ? raw : unfold(raw);
  return line.cached;
}

/** Folding white space counts as one blank. Source: RFC 3261 7.3.1, 25.1 (LWS). */
function unfold(raw: string): string {
  return raw
    .split('\n')
    .map(trimmed)
    .filter((part) => part !== '')
    .join(' ');
}

/** Without SP, HT and CR at its ends; `trim` would take octets of UTF-8 for blanks as well (X-S15). */
function trimmed(text: string): string {
  let from = 0;
  let to = text.length;
  while (from < to && isWhite(text.charCodeAt(from))) from++;
  while (to > from && isWhite(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function isWhite(code: number): boolean {
  return code === 32 || code === 9 || code === cr;
}

function restAfterFirst(line: HeaderLine): string {
  const value = lineValue(line);
  if (!isListHeader(line.id) || value.indexOf(',') < 0) return '';
  const split = firstListValue(value);
  return split instanceof ParseFailure ? '' : split.rest;
}
