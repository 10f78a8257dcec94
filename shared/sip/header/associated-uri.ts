import { ParseFailure } from '#sip/errors';
import { maxListValues, splitListValues } from './list-values.ts';
import { formatNameAddr, type NameAddr, parseNameAddr } from './name-addr.ts';

/**
 * The identities of P-Associated-URI in order, the first of which is the default one; an empty header holds none.
 *
 * More than 100, or one that is no address, is a ParseFailure. Source: RFC 7315 5.1; requirements P-50, C-32.
 */
export function parseAssociatedUris(values: readonly string[]): NameAddr[] | ParseFailure {
  const addresses: NameAddr[] = [];
  for (const value of values) {
    const parts = splitListValues(value);
    if (parts instanceof ParseFailure) return parts;
    if (addresses.length + parts.length > maxListValues) return new ParseFailure('too many identities');
    for (const part of parts) {
      const address = parseNameAddr(part);
      if (address instanceof ParseFailure) return address;
      addresses.push(address);
    }
  }
  return addresses;
}

/** Writes a P-Associated-URI. */
export function formatAssociatedUris(addresses: readonly NameAddr[]): string {
  return addresses.map((address) => formatNameAddr({ ...address, bracketed: true })).join(', ');
}
