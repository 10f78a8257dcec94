import { ParseFailure } from '#sip/errors';
import { lowerSlice, matchesAt, schemeClass, skipClass, skipEscaped, uriTextClass } from './characters.ts';
import { afterScheme, formatSipUri, maxUriLength, parseSipUri, type SipUri } from './sip-uri.ts';
import { formatTelUri, parseTelUri, type TelUri } from './tel-uri.ts';

/** A URI of another scheme (`urn:` and those that are answered with 416). */
export interface OtherUri {
  readonly kind: 'other';
  /** Lower case, without the colon. */
  readonly scheme: string;
  /** All after the colon, as received. */
  readonly opaque: string;
}

export type Uri = SipUri | TelUri | OtherUri;

/**
 * Reads any URI, nothing around it: sip, sips and tel by their grammar, others as scheme and text.
 *
 * Source: RFC 3261 19.1, RFC 3966 3, RFC 3986 3.
 */
export function parseUri(text: string): Uri | ParseFailure {
  if (afterScheme(text) > 0) return parseSipUri(text);
  if (matchesAt(text, 0, 'tel:')) return parseTelUri(text);
  return parseOtherUri(text);
}

function parseOtherUri(text: string): OtherUri | ParseFailure {
  if (text.length > maxUriLength) return new ParseFailure('URI too long', maxUriLength);
  const colon = text.indexOf(':');
  const first = text.charCodeAt(0) | 32;
  if (colon <= 0 || first < 97 || first > 122) return new ParseFailure('URI without scheme');
  const schemeEnd = skipClass(text, 0, colon, schemeClass);
  if (schemeEnd < colon) return new ParseFailure('malformed URI scheme', schemeEnd);
  const end = skipOpaque(text, colon + 1);
  if (end < text.length || end === colon + 1) return new ParseFailure('unexpected character in URI', end);
  return { kind: 'other', scheme: lowerSlice(text, 0, colon), opaque: text.slice(colon + 1) };
}

/** First position that is neither a visible character nor, for `%`, the start of a whole escape. */
function skipOpaque(text: string, from: number): number {
  let i = from;
  for (;;) {
    const percent = text.indexOf('%', i);
    const end = percent < 0 ? text.length : percent;
    i = skipClass(text, i, end, uriTextClass);
    if (i < end || percent < 0) return i;
    if (skipEscaped(text, percent, Math.min(percent + 3, text.length), 0) !== percent + 3) return percent;
    i = percent + 3;
  }
}

/** Writes a URI. */
export function formatUri(uri: Uri): string {
  switch (uri.kind) {
    case 'sip':
      return formatSipUri(uri);
    case 'tel':
      return formatTelUri(uri);
    case 'other':
      return `${uri.scheme}:${uri.opaque}`;
  }
}
