import { ParseFailure } from '#sip/errors';
import type { SipUri } from '#sip/uri/sip-uri';
import type { TelUri } from '#sip/uri/tel-uri';
import { parseUri } from '#sip/uri/uri';
import { formatNameAddr, type NameAddr, parseNameAddr } from './name-addr.ts';

/** An identity of P-Asserted-Identity or P-Preferred-Identity and its URI in its parts. */
export interface NamedIdentity<Kind extends SipUri | TelUri> {
  readonly address: NameAddr;
  readonly uri: Kind;
}

/** One sip (or sips) and one tel identity at most, null where there is none. */
export interface IdentityPair {
  readonly sip: NamedIdentity<SipUri> | null;
  readonly tel: NamedIdentity<TelUri> | null;
}

/**
 * The identities of P-Asserted-Identity or P-Preferred-Identity: the first of each kind. Values that cannot be read, of
 * another scheme, or beyond the first of their kind are left out.
 *
 * `values`: single values, lists split. Source: RFC 3325 9.1, 9.2; requirements P-71, S-81, S-110.
 */
export function parseIdentityPair(values: readonly string[]): IdentityPair {
  let sip: IdentityPair['sip'] = null;
  let tel: IdentityPair['tel'] = null;
  for (const value of values) {
    const address = parseNameAddr(value);
    const uri = address instanceof ParseFailure ? address : parseUri(address.uri);
    if (address instanceof ParseFailure || uri instanceof ParseFailure) continue;
    if (uri.kind === 'sip') sip ??= { address, uri };
    else if (uri.kind === 'tel') tel ??= { address, uri };
  }
  return { sip, tel };
}

/** Writes a P-Asserted-Identity or P-Preferred-Identity, '' when there is no identity. */
export function formatIdentityPair({ sip, tel }: IdentityPair): string {
  const addresses = [sip, tel].flatMap((identity) => (identity === null ? [] : [identity.address]));
  return addresses.map((address) => formatNameAddr({ ...address, bracketed: true })).join(', ');
}
