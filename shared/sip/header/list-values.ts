import { ParseFailure } from '#sip/errors';
import { quotedEnd, skipBlanks, trimEnd } from '#sip/uri/characters';

/** More values than this in one field are refused (X-S16). */
export const maxListValues = 100;

/** The first value of a list and what follows its comma, '' when nothing does. */
export interface FirstListValue {
  readonly value: string;
  readonly rest: string;
}

/**
 * Splits a field at its commas, those in quoted strings and between `<` and `>` left alone; blanks around values go.
 *
 * Values between two commas may be empty; a blank field has none. A quote or bracket that never closes, or more than
 * 100 values, is a ParseFailure. Source: RFC 3261 7.3.1.
 */
export function splitListValues(value: string): string[] | ParseFailure {
  const end = value.length;
  const values: string[] = [];
  let from = skipBlanks(value, 0, end);
  if (from === end) return values;
  for (;;) {
    const comma = nextComma(value, from);
    if (comma < 0) return new ParseFailure('unclosed quote or bracket', -1 - comma);
    if (values.length === maxListValues) return new ParseFailure('too many values', from);
    values.push(value.slice(from, trimEnd(value, from, comma)));
    if (comma === end) return values;
    from = skipBlanks(value, comma + 1, end);
  }
}

/** The first value of a field, without splitting the rest; a quote that never closes makes all of it the first value. */
export function firstListValue(value: string): FirstListValue {
  const end = value.length;
  const from = skipBlanks(value, 0, end);
  const found = nextComma(value, from);
  const comma = found < 0 ? end : found;
  const first = value.slice(from, trimEnd(value, from, comma));
  return { value: first, rest: comma === end ? '' : value.slice(skipBlanks(value, comma + 1, end)) };
}

/** Position of the next top-level comma or the end; -1 minus the position of a quote or bracket that never closes. */
function nextComma(text: string, from: number): number {
  const end = text.length;
  let i = from;
  while (i < end) {
    const code = text.charCodeAt(i);
    if (code === 44) return i;
    if (code === 34) {
      const close = quotedEnd(text, i, end);
      if (close < 0) return -1 - i;
      i = close;
    } else if (code === 60) {
      const close = text.indexOf('>', i);
      if (close < 0) return -1 - i;
      i = close + 1;
    } else {
      i++;
    }
  }
  return end;
}
