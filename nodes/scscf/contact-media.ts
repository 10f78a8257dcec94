import { ParseFailure } from '#sip/errors';
import type { SipRequest } from '#sip/message/request';
import { isAttribute } from '#sip/sdp/sdp-lines';
import { isIpAddress } from '#sip/uri/host-port';
import { parseUri } from '#sip/uri/uri';
import type { Binding } from './registration.ts';

/**
 * The contacts that may send to the addresses an INVITE offers media at: those whose own address is of the same family. A
 * contact with a name for its host may have both; an offer without addresses, or with candidates of ICE, suits all.
 *
 * Source: TS 24.229 5.4.3.3, RFC 6157 3; requirement S-126.
 */
export function contactsForOffer(request: SipRequest, bindings: readonly Binding[]): readonly Binding[] {
  if (request.method !== 'INVITE') return bindings;
  const families = offeredFamilies(request);
  if (families.size !== 1) return bindings;
  return bindings.filter(({ uri }) => {
    const family = familyOf(uri);
    return family === 0 || families.has(family);
  });
}

/** Address families of the streams that are offered; none where that cannot be told. */
function offeredFamilies({ sdp }: SipRequest): ReadonlySet<number> {
  const families = new Set<number>();
  if (sdp === null || sdp instanceof ParseFailure) return families;
  for (const { offered, connections, lines } of sdp.media) {
    if (!offered) continue;
    if (lines.all.some((line) => isAttribute(line, 'candidate') || isAttribute(line, 'altc'))) return new Set();
    for (const { addressType } of connections) {
      const type = addressType.toUpperCase();
      if (type === 'IP4' || type === 'IP6') families.add(type === 'IP6' ? 6 : 4);
    }
  }
  return families;
}

function familyOf(contact: string): 0 | 4 | 6 {
  const uri = parseUri(contact);
  return uri instanceof ParseFailure || uri.kind !== 'sip' ? 0 : isIpAddress(uri.host);
}
