import { ParseFailure } from '#sip/errors';
import { isBlank, skipBlanks, trimEnd } from '#sip/uri/characters';
import { digitsEnd } from '#sip/uri/host-port';
import { decimalAt } from './number-value.ts';
import { tokenEnd } from './token.ts';

export interface CSeq {
  /** Below 2^31. */
  readonly number: number;
  /** As received: methods are case-sensitive. */
  readonly method: string;
}

/** Largest sequence number. Source: RFC 3261 8.1.1.5. */
export const maxCSeq = 0x7fff_ffff;

/** Reads a CSeq: 1*DIGIT, blanks, a method. Source: RFC 3261 20.16. */
export function parseCSeq(value: string): CSeq | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  const to = trimEnd(value, from, value.length);
  const end = digitsEnd(value, from, to);
  const number = decimalAt(value, from, end, maxCSeq);
  if (number instanceof ParseFailure) return number;
  if (!isBlank(value.charCodeAt(end))) return new ParseFailure('no method', end);
  const start = skipBlanks(value, end, to);
  if (start === to || tokenEnd(value, start) !== to) return new ParseFailure('malformed method', start);
  return { number, method: value.slice(start, to) };
}

/** Writes a CSeq. */
export function formatCSeq(number: number, method: string): string {
  return `${number} ${method}`;
}
