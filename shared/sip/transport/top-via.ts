import { ParseFailure } from '#sip/errors';
import { firstListValue } from '#sip/header/list-values';
import { parseVia, type Via } from '#sip/header/via';
import { Header, headerId } from '#sip/message/header-names';

/** Lines that are looked at: Via stands on top. */
const maxLines = 32;

/**
 * The topmost Via of a message that is not parsed yet; null when there is none among its first lines, or a broken one.
 *
 * Source: RFC 3261 20.42.
 */
export function topViaOf(text: string): Via | null {
  let at = text.indexOf('\n') + 1;
  for (let lines = 0; at > 0 && lines < maxLines; lines++) {
    const end = text.indexOf('\n', at);
    const colon = text.indexOf(':', at);
    if (end < 0 || colon < 0) return null;
    if (colon < end && headerId(text.slice(at, colon).trimEnd()) === Header.Via) {
      const via = parseVia(firstListValue(text.slice(colon + 1, end).trim()).value);
      return via instanceof ParseFailure ? null : via;
    }
    at = end + 1;
  }
  return null;
}
