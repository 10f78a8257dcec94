import { ParseFailure } from '#sip/errors';
import { isDigit } from '#sip/uri/characters';

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const maxLength = 64;

/**
 * Reads a Date, in milliseconds since 1970: `Sat, 13 Nov 2010 23:29:00 GMT`. The day of the week counts for nothing, names
 * may be in any case, numbers without leading zeros, seconds may be missing; the zone has to be GMT, UTC or +0000. A day
 * or time that does not exist is a ParseFailure.
 *
 * Source: RFC 3261 20.17, RFC 1123 5.2.14.
 */
export function parseDate(value: string): number | ParseFailure {
  const failure = new ParseFailure('malformed date');
  if (value.length > maxLength) return failure;
  const words = value
    .toLowerCase()
    .replaceAll(',', ' ')
    .split(' ')
    .filter((word) => word !== '');
  if (words.length === 6) words.shift();
  const [dayText, monthText, yearText, timeText, zone] = words;
  if (words.length !== 5 || (zone !== 'gmt' && zone !== 'utc' && zone !== '+0000')) return failure;
  const day = number(dayText!, 2);
  const month = months.indexOf(monthText!);
  const year = number(yearText!, 4);
  const [hour = -1, minute = -1, second = 0, more] = timeText!.split(':').map((part) => number(part, 2));
  if (month < 0 || day < 1 || year < 1900 || more !== undefined) return failure;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return failure;
  const midnight = Date.UTC(year, month, day);
  if (new Date(midnight).getUTCDate() !== day) return failure;
  return midnight + ((hour * 60 + minute) * 60 + second) * 1000;
}

/** Up to so many digits as a number, -1 for anything else. */
function number(text: string, digits: number): number {
  if (text.length === 0 || text.length > digits) return -1;
  for (let i = 0; i < text.length; i++) if (!isDigit(text.charCodeAt(i))) return -1;
  return Number(text);
}

/** Writes a Date from milliseconds since 1970. */
export function formatDate(ms: number): string {
  return new Date(ms).toUTCString();
}
