import { trimBlanks } from '../header/token.ts';
import { type HeaderLine, makeLine } from '../message/header-list.ts';
import { Header, headerId } from '../message/header-names.ts';
import { limits } from './limits.ts';
import { isBlank } from './scanner.ts';

/** What an answer is made of. Source: RFC 3261 8.2.6. */
const copied: readonly number[] = [Header.Via, Header.From, Header.To, Header['Call-ID'], Header.CSeq];

/** Lines that are looked at: four times what a message may have. */
const maxLines = 4 * limits.headerFields;

/**
 * What can be read of a header section that is wrong somewhere, as far as an answer needs it: Via, and the first From, To,
 * Call-ID and CSeq, each on a line of its own; CR and NUL that do not belong there have become blanks.
 *
 * `start`: position after the start line. Source: RFC 3261 8.2.6, RFC 4475 3.1.2; requirement C-23.
 */
export function mendHeaders(text: string, start: number): HeaderLine[] {
  const lines: HeaderLine[] = [];
  const found = new Set<number>();
  let at = start;
  for (let count = 0; at < text.length && count < maxLines; count++) {
    const end = fieldEnd(text, at);
    const separator = text.indexOf(':', at);
    if (separator < 0 || isEmptyLine(text, at, end)) break;
    if (separator < end) {
      const id = headerId(nameAt(text, at, separator));
      const value = copied.includes(id) ? oneLine(text, separator + 1, end) : '';
      const wanted = id === Header.Via ? lines.length < limits.vias : !found.has(id);
      if (value !== '' && value.length <= limits.headerLine && wanted) {
        found.add(id);
        lines.push(makeLine(id, value));
      }
    }
    at = end;
  }
  return lines;
}

/** Start of the line after the field at `at` and its continuation lines. */
function fieldEnd(text: string, at: number): number {
  let feed = text.indexOf('\n', at);
  while (feed >= 0 && isBlank(text.charCodeAt(feed + 1))) feed = text.indexOf('\n', feed + 1);
  return feed < 0 ? text.length : feed + 1;
}

function isEmptyLine(text: string, at: number, end: number): boolean {
  return end === at + 1 || (end === at + 2 && text[at] === '\r');
}

/** The name before a colon; '' when something else than blanks stands between them. */
function nameAt(text: string, at: number, separator: number): string {
  let end = separator;
  while (end > at && isBlank(text.charCodeAt(end - 1))) end--;
  return end - at <= maxName ? text.slice(at, end) : '';
}

/** Longer than any name that is looked for. */
const maxName = 8;

/** The value at [from, to) without line ends: what cannot stand in a line becomes one blank. */
function oneLine(text: string, from: number, to: number): string {
  const pieces: string[] = [];
  let start = from;
  for (let i = from; i <= to; i++) {
    if (i < to && !isStray(text.charCodeAt(i))) continue;
    const piece = trimBlanks(text.slice(start, i));
    if (piece !== '') pieces.push(piece);
    start = i + 1;
  }
  return pieces.join(' ');
}

function isStray(code: number): boolean {
  return code === 0 || code === 10 || code === 13;
}
