import { ParseFailure } from '#sip/errors';
import {
  matchesAt,
  quotedEnd,
  skipBlanks,
  skipClass,
  skipEscaped,
  tokenClass,
  trimEnd,
  uriParameterClass,
  valueClass,
} from './characters.ts';

/** More parameters than this in one list are refused (X-S16). */
export const maxParameters = 100;

/** Where one parameter stands in a text; without a value `valueStart` equals `valueEnd`. */
export interface ParameterSpan {
  /** Position of its `;`. */
  start: number;
  nameStart: number;
  nameEnd: number;
  valueStart: number;
  valueEnd: number;
  /** Position after it: of the next `;`, or the end. */
  end: number;
}

/** A span to be filled; each module keeps one, so that scanning allocates nothing. */
export function newParameterSpan(): ParameterSpan {
  return { start: 0, nameStart: 0, nameEnd: 0, valueStart: 0, valueEnd: 0, end: 0 };
}

const span = newParameterSpan();

/**
 * An ordered list of `;name` and `;name=value`, kept as the text that was received.
 *
 * Nothing is scanned before somebody asks; names are compared in any case, values are given as they stand (quoted ones
 * with their quotes). Of a name that occurs twice the first counts.
 */
export class Parameters {
  readonly raw: string;

  /** @param raw empty, or the text from the first `;` on; the parsers check it before they build one. */
  constructor(raw: string) {
    this.raw = raw;
  }

  /** Value of a parameter as received; '' when it has none, null when it is absent. */
  get(name: string): string | null {
    return findParameter(this.raw, 0, name, span) ? this.raw.slice(span.valueStart, span.valueEnd) : null;
  }

  has(name: string): boolean {
    return findParameter(this.raw, 0, name, span);
  }

  /** All parameters in order, names and values as received. */
  entries(): Array<{ name: string; value: string }> {
    const raw = this.raw;
    const found: Array<{ name: string; value: string }> = [];
    for (let at = 0; nextParameter(raw, at, span); at = span.end) {
      found.push({ name: raw.slice(span.nameStart, span.nameEnd), value: raw.slice(span.valueStart, span.valueEnd) });
    }
    return found;
  }
}

/** The list without any parameter. */
export const noParameters: Parameters = new Parameters('');

/**
 * Sets a parameter in a raw list: in the place of its first occurrence (further ones go), else at the end.
 *
 * `value` is written as given (quote it first where it must be quoted); null writes the bare name.
 */
export function withParameter(raw: string, name: string, value: string | null): string {
  const text = value === null ? '' : `=${value}`;
  if (!findParameter(raw, 0, name, span)) return `${raw};${name}${text}`;
  const head = raw.slice(0, span.nameEnd);
  const end = span.end;
  return head + text + (end < raw.length ? withoutParameter(raw.slice(end), name) : '');
}

/** Removes every occurrence of a parameter from a raw list, the rest stays byte for byte. */
export function withoutParameter(raw: string, name: string): string {
  if (!findParameter(raw, 0, name, span)) return raw;
  let kept = '';
  let from = 0;
  do {
    kept += raw.slice(from, span.start);
    from = span.end;
  } while (findParameter(raw, from, name, span));
  return kept + raw.slice(from);
}

/**
 * Finds the first parameter of that name (any case) at or after `from`, outside quoted strings.
 *
 * Fills `into` and gives true, or gives false. Takes any text: it checks no grammar.
 */
export function findParameter(text: string, from: number, name: string, into: ParameterSpan): boolean {
  if (name.length === 0) return false;
  const end = text.length;
  let i = from;
  while (i < end) {
    const code = text.charCodeAt(i);
    if (code === 59) {
      const nameStart = skipBlanks(text, i + 1, end);
      if (matchesAt(text, nameStart, name)) {
        const nameEnd = nameStart + name.length;
        const after = nameEnd === end ? 59 : text.charCodeAt(nameEnd);
        if (after === 59 || after === 61 || after === 32 || after === 9) {
          readSpan(text, i, nameStart, nameEnd, into);
          return true;
        }
      }
      i = nameStart;
    } else if (code === 34) {
      const close = quotedEnd(text, i, end);
      if (close < 0) return false;
      i = close;
    } else {
      i++;
    }
  }
  return false;
}

/** Fills `into` with the parameter that begins at or after `from`; false when there is none. Checks no grammar. */
export function nextParameter(text: string, from: number, into: ParameterSpan): boolean {
  const start = text.indexOf(';', from);
  if (start < 0) return false;
  const nameStart = skipBlanks(text, start + 1, text.length);
  let nameEnd = nameStart;
  while (nameEnd < text.length) {
    const code = text.charCodeAt(nameEnd);
    if (code === 59 || code === 61 || code === 32 || code === 9) break;
    nameEnd++;
  }
  readSpan(text, start, nameStart, nameEnd, into);
  return true;
}

function readSpan(text: string, start: number, nameStart: number, nameEnd: number, into: ParameterSpan): void {
  const to = text.length;
  into.start = start;
  into.nameStart = nameStart;
  into.nameEnd = nameEnd;
  const equals = skipBlanks(text, nameEnd, to);
  if (text.charCodeAt(equals) !== 61) {
    into.valueStart = into.valueEnd = nameEnd;
    into.end = nextSemicolon(text, equals);
    return;
  }
  const valueStart = skipBlanks(text, equals + 1, to);
  into.end = nextSemicolon(text, valueStart);
  into.valueStart = valueStart;
  into.valueEnd = trimEnd(text, valueStart, into.end);
}

function nextSemicolon(text: string, from: number): number {
  let i = from;
  while (i < text.length) {
    const code = text.charCodeAt(i);
    if (code === 59) return i;
    if (code === 34) {
      const close = quotedEnd(text, i, text.length);
      if (close < 0) return text.length;
      i = close;
    } else {
      i++;
    }
  }
  return i;
}

/**
 * Checks the parameters of a URI that begin with the `;` at `from`.
 *
 * Gives the position after the last one, or -1 minus the position of the fault. Source: RFC 3261 25.1, RFC 3966 3.
 */
export function scanUriParameters(text: string, from: number, to: number): number {
  let i = from;
  for (let count = 0; i < to && text.charCodeAt(i) === 59; count++) {
    if (count === maxParameters) return -1 - i;
    const nameStart = i + 1;
    i = skipEscaped(text, nameStart, to, uriParameterClass);
    if (i === nameStart) return -1 - i;
    if (text.charCodeAt(i) !== 61 || i >= to) continue;
    const valueStart = i + 1;
    i = skipEscaped(text, valueStart, to, uriParameterClass);
    if (i === valueStart) return -1 - i;
  }
  return i;
}

/**
 * Checks one parameter of a header value, the `;` of which stands at `from`, and fills `into`.
 *
 * Gives the position after it and its blanks (a `;`, the end, or a fault that the caller finds), or -1 minus the
 * position of the fault. Source: RFC 3261 25.1 (generic-param).
 */
export function scanHeaderParameter(text: string, from: number, to: number, into: ParameterSpan): number {
  const nameStart = skipBlanks(text, from + 1, to);
  const nameEnd = skipClass(text, nameStart, to, tokenClass);
  if (nameEnd === nameStart) return -1 - nameStart;
  into.start = from;
  into.nameStart = nameStart;
  into.nameEnd = nameEnd;
  let i = skipBlanks(text, nameEnd, to);
  if (i < to && text.charCodeAt(i) === 61) {
    const valueStart = skipBlanks(text, i + 1, to);
    let valueEnd: number;
    if (text.charCodeAt(valueStart) === 34) {
      valueEnd = quotedEnd(text, valueStart, to);
      if (valueEnd < 0) return -1 - valueStart;
    } else {
      valueEnd = skipClass(text, valueStart, to, valueClass);
      if (valueEnd === valueStart) return -1 - valueStart;
    }
    into.valueStart = valueStart;
    into.valueEnd = valueEnd;
    i = skipBlanks(text, valueEnd, to);
  } else {
    into.valueStart = into.valueEnd = nameEnd;
  }
  into.end = i;
  return i;
}

/**
 * The parameters of a header value from `from` (blanks, then `;` or the end) to its end, checked.
 *
 * Gives a ParseFailure for anything else that stands there, an unclosed quote, an empty parameter, or more than 100.
 */
export function parseHeaderParameters(text: string, from: number): Parameters | ParseFailure {
  const to = trimEnd(text, from, text.length);
  const start = skipBlanks(text, from, to);
  if (start === to) return noParameters;
  let i = start;
  for (let count = 0; i < to; count++) {
    if (text.charCodeAt(i) !== 59) return new ParseFailure('unexpected character before a parameter', i);
    if (count === maxParameters) return new ParseFailure('too many parameters', i);
    i = scanHeaderParameter(text, i, to, span);
    if (i < 0) return new ParseFailure('malformed parameter', -1 - i);
  }
  return new Parameters(text.slice(start, to));
}

/** Whether the name of a scanned parameter is this one, in any case. */
export function isNamed(text: string, at: ParameterSpan, name: string): boolean {
  return at.nameEnd - at.nameStart === name.length && matchesAt(text, at.nameStart, name);
}
