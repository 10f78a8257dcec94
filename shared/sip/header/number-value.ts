import { ParseFailure } from '#sip/errors';
import { isDigit, skipBlanks, trimEnd } from '#sip/uri/characters';

/** Largest value of delta-seconds fields. Source: RFC 3261 20.19. */
export const maxDeltaSeconds = 0xffff_ffff;

/**
 * Reads 1*DIGIT with blanks around it, at most `max` (X-S2, X-S9).
 *
 * A sign, a fraction, an exponent, trailing text, nothing at all or a larger number is a ParseFailure.
 */
export function parseDecimal(value: string, max: number): number | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  return decimalAt(value, from, trimEnd(value, from, value.length), max);
}

/** Like parseDecimal, but a larger number, however long, counts as `max` (Expires). */
export function parseClipped(value: string, max: number): number | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  return clippedAt(value, from, trimEnd(value, from, value.length), max);
}

/** The digits at [from, to), at most `max`; nothing else may stand there. */
export function decimalAt(text: string, from: number, to: number, max: number): number | ParseFailure {
  let number = 0;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (!isDigit(code)) return new ParseFailure('not a decimal number', i);
    number = number * 10 + code - 48;
    if (number > max) return new ParseFailure('number too large', i);
  }
  return to > from ? number : new ParseFailure('not a decimal number', from);
}

/** Like decimalAt, with a larger number counting as `max`. */
export function clippedAt(text: string, from: number, to: number, max: number): number | ParseFailure {
  let number = 0;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (!isDigit(code)) return new ParseFailure('not a decimal number', i);
    if (number < max) number = Math.min(number * 10 + code - 48, max);
  }
  return to > from ? number : new ParseFailure('not a decimal number', from);
}
