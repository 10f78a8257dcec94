import { ParseFailure } from '#sip/errors';
import { noParameters, type Parameters } from '#sip/uri/parameters';
import { splitListValues } from './list-values.ts';
import { formatNameAddr, parseNameAddr } from './name-addr.ts';

/** One value of Error-Info (more about a failure) or Geolocation (where the location is; `cid:` names a body part). */
export interface UriReference {
  readonly uri: string;
  readonly parameters: Parameters;
}

/**
 * Reads all values of an Error-Info or Geolocation field; a URI without brackets is a ParseFailure.
 *
 * Source: RFC 3261 20.18, RFC 6442 4.1; requirements C-27, C-33, S-116.
 */
export function parseUriReferences(value: string): UriReference[] | ParseFailure {
  const parts = splitListValues(value);
  if (parts instanceof ParseFailure) return parts;
  const references: UriReference[] = [];
  for (const part of parts) {
    const address = parseNameAddr(part);
    if (address instanceof ParseFailure) return address;
    if (!address.bracketed || address.displayName !== '') return new ParseFailure('URI without brackets');
    references.push({ uri: address.uri, parameters: address.parameters });
  }
  return references;
}

/** Writes one value. */
export function formatUriReference(uri: string, parameters: Parameters = noParameters): string {
  return formatNameAddr({ displayName: '', uri, parameters, bracketed: true });
}
