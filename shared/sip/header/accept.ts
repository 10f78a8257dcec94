import { ParseFailure } from '#sip/errors';
import { parseQ } from './contact.ts';
import { type ContentType, formatContentType, parseContentType } from './content-type.ts';
import { splitListValues } from './list-values.ts';

/** Reads the media ranges of an Accept; a blank field holds none. Source: RFC 3261 20.1. */
export function parseAccept(value: string): ContentType[] | ParseFailure {
  const parts = splitListValues(value);
  if (parts instanceof ParseFailure) return parts;
  const ranges: ContentType[] = [];
  for (const part of parts) {
    if (part === '') continue;
    const range = parseContentType(part);
    if (range instanceof ParseFailure) return range;
    ranges.push(range);
  }
  return ranges;
}

/** Writes an Accept. */
export function formatAccept(ranges: readonly ContentType[]): string {
  return ranges.map(formatContentType).join(', ');
}

/**
 * Whether media ranges take a type (`application/reginfo+xml`): the range that names it most exactly decides, and with
 * q=0 it says no.
 *
 * Source: RFC 3261 20.1, RFC 2616 14.1; requirement S-60.
 */
export function accepts(ranges: readonly ContentType[], mediaType: string): boolean {
  const group = `${mediaType.slice(0, mediaType.indexOf('/'))}/*`;
  for (const wanted of [mediaType, group, '*/*']) {
    const range = ranges.find((other) => other.mediaType === wanted);
    if (range !== undefined) return parseQ(range.parameters.get('q') ?? '1') !== 0;
  }
  return false;
}
