import { ParseFailure } from '#sip/errors';
import { quotedEnd, skipBlanks } from '#sip/uri/characters';
import { parseHeaderParameters } from '#sip/uri/parameters';
import { firstListValue } from './list-values.ts';
import { tokenEnd, tokenOrQuoted, unquote } from './token.ts';

/** Name of the first visited network in a P-Visited-Network-ID, unquoted. Source: RFC 7315 5.3. */
export function parseVisitedNetwork(value: string): string | ParseFailure {
  const first = firstListValue(value).value;
  const from = skipBlanks(first, 0, first.length);
  const end = first.charCodeAt(from) === 34 ? quotedEnd(first, from, first.length) : tokenEnd(first, from);
  if (end <= from) return new ParseFailure('malformed visited network', from);
  const parameters = parseHeaderParameters(first, end);
  if (parameters instanceof ParseFailure) return parameters;
  const name = unquote(first.slice(from, end));
  return name === '' ? new ParseFailure('empty visited network', from) : name;
}

/** Writes a P-Visited-Network-ID value, quoted where it is no token. */
export function formatVisitedNetwork(name: string): string {
  return tokenOrQuoted(name);
}
