import { ParseFailure } from '#sip/errors';
import { parsePrivacy } from '#sip/header/privacy';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { parseUri } from '#sip/uri/uri';
import { formatChargingVector, parseChargingVector } from './charging.ts';

/** Parameters of a charging vector that networks tell each other, beside icid and the two IOIs. */
const betweenNetworks: ReadonlySet<string> = new Set([
  'transit-ioi',
  'related-icid',
  'related-icid-generated-at',
  'loopback-indication',
]);

/**
 * Takes out of a request that leaves the network what is its own: the addresses of its charging functions and, in the
 * charging vector, what the access network says (any parameter that is not for other networks); a vector that cannot be
 * read goes as a whole.
 *
 * Source: TS 24.229 5.4.3.2, RFC 7315 5.6; requirement S-112.
 */
export function leaveNetwork(request: SipRequest): void {
  const { headers } = request.by('leaveNetwork (TS 24.229 5.4.3.2)');
  headers.remove(Header['P-Charging-Function-Addresses']);
  const value = headers.get(Header['P-Charging-Vector']);
  if (value === null) return;
  const vector = parseChargingVector(value);
  if (vector instanceof ParseFailure) {
    headers.remove(Header['P-Charging-Vector']);
    return;
  }
  const others = vector.others.filter(({ name }) => betweenNetworks.has(name.toLowerCase()));
  if (others.length === vector.others.length) return;
  headers.set(Header['P-Charging-Vector'], formatChargingVector({ ...vector, others }));
}

/**
 * Takes the asserted identity out of a request whose caller asks for privacy of it and whose next hop is not trusted.
 *
 * Source: RFC 3325 6, 9.3, TS 24.229 4.4.2; requirement S-121.
 */
export function hideCaller(request: SipRequest): void {
  const { headers } = request;
  if (!headers.has(Header.Privacy) || !parsePrivacy(headers.values(Header.Privacy)).includes('id')) return;
  request.by('hideCaller (RFC 3325 6)').headers.remove(Header['P-Asserted-Identity']);
}

/** Ways out of the network. */
export interface BorderRoutes {
  /** SIP URI of the IBCF; none when left out. */
  readonly ibcf?: string;
  /** Foreign hosts, lower case, that are trusted with the identity of callers who ask for privacy. */
  readonly trustedDomains: readonly string[];
}

/** Whether a host is of this network: the home domain or a name under it. */
export function isOwnHost(host: string, homeDomain: string): boolean {
  return host === homeDomain || host.endsWith(`.${homeDomain}`);
}

/**
 * Prepares a request for a foreign host: without what is this network's own; by the IBCF, which does the rest where there
 * is one; without the identity that its caller asks to hide where the host is not trusted.
 *
 * Source: TS 24.229 5.4.3.2; requirements S-112, S-113, S-121.
 */
export function leaveFor(request: SipRequest, host: string, { ibcf, trustedDomains }: BorderRoutes): void {
  leaveNetwork(request);
  if (ibcf !== undefined) request.headers.prepend(Header.Route, looseRoute(ibcf));
  else if (!trustedDomains.includes(host)) hideCaller(request);
}

/** A Route value that leads to a node. */
export function looseRoute(uriText: string): string {
  const uri = parseUri(uriText);
  const isLoose = !(uri instanceof ParseFailure) && uri.kind === 'sip' && uri.parameters.has('lr');
  return isLoose ? `<${uriText}>` : `<${uriText};lr>`;
}
