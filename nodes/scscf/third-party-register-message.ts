import {
  type ChargingVector,
  formatChargingFunctionAddresses,
  formatChargingVector,
  newIcid,
  parseChargingVector,
} from '#ims/charging';
import { isOwnHost } from '#ims/network-border';
import type { TypedBody } from '#ims/service-info';
import type { CidrTable } from '#service/cidr';
import type { ScscfConfig } from '#service/config/scscf-config';
import { ParseFailure } from '#sip/errors';
import { createRequest } from '#sip/message/create';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { isIpAddress } from '#sip/uri/host-port';
import { parseUri } from '#sip/uri/uri';
import type { ChargingAddresses } from './registration.ts';

/** What one third-party REGISTER says. */
export interface ThirdPartyNotice {
  /** Server and identity. */
  readonly server: string;
  readonly identity: string;
  readonly callId: string;
  readonly cseq: number;
  readonly tag: string;
  /** 0: not registered any more. */
  readonly seconds: number;
  readonly content: TypedBody;
  readonly charging: ChargingAddresses;
  /** The REGISTER of the UE; null where the network acts by itself. */
  readonly cause: SipRequest | null;
  /** Whether the server may hear what the access network says. */
  readonly isTrusted: boolean;
}

/**
 * Makes a third-party REGISTER. Source: TS 24.229 5.4.1.7; requirements S-51, S-52.
 */
export function thirdPartyRegister(
  notice: ThirdPartyNotice,
  config: Pick<ScscfConfig, 'uri' | 'homeDomain'>,
): SipRequest {
  const { cause, content, charging } = notice;
  const headers: [HeaderKey, string][] = [
    [Header['Max-Forwards'], '70'],
    [Header.From, `<${config.uri}>;tag=${notice.tag}`],
    [Header.To, `<${notice.identity}>`],
    [Header['Call-ID'], notice.callId],
    [Header.CSeq, `${notice.cseq} REGISTER`],
    [Header.Contact, `<${config.uri}>`],
    [Header.Expires, String(notice.seconds)],
  ];
  if (notice.isTrusted) {
    for (const key of [Header['P-Access-Network-Info'], Header['P-Visited-Network-ID']]) {
      for (const value of cause?.headers.values(key) ?? []) headers.push([key, value]);
    }
  }
  headers.push([Header['P-Charging-Vector'], formatChargingVector(vectorOf(cause, config.homeDomain))]);
  const { ccf, ecf } = charging;
  const addresses = { ccf: ccf === '' ? [] : [ccf], ecf: ecf === '' ? [] : [ecf], others: [] };
  const text = formatChargingFunctionAddresses(addresses);
  if (notice.isTrusted && text !== '') headers.push([Header['P-Charging-Function-Addresses'], text]);
  if (content.contentType !== '') headers.push([Header['Content-Type'], content.contentType]);
  return createRequest('REGISTER', notice.server, headers, content.body);
}

/**
 * Whether an application server is of this network: its host is of the home domain, one of `routes.trustedDomains`, or an
 * address out of `trusted`. Source: TS 24.229 5.4.1.7, 4.4.
 */
export function isTrustedServer(
  server: string,
  { homeDomain, routes }: Pick<ScscfConfig, 'homeDomain' | 'routes'>,
  trusted: CidrTable<true>,
): boolean {
  const uri = parseUri(server);
  if (uri instanceof ParseFailure || uri.kind !== 'sip') return false;
  if (isIpAddress(uri.host) !== 0) return trusted.find(uri.host) === true;
  return isOwnHost(uri.host, homeDomain) || routes.trustedDomains.includes(uri.host);
}

/** The identifier is that of the REGISTER of the UE; the network is ours. Source: TS 24.229 5.4.1.7, RFC 7315 4.6. */
function vectorOf(cause: SipRequest | null, homeDomain: string): ChargingVector {
  const value = cause?.headers.get(Header['P-Charging-Vector']) ?? null;
  const vector = value === null ? null : parseChargingVector(value);
  const isKnown = vector !== null && !(vector instanceof ParseFailure);
  const { icid, icidGeneratedAt } = isKnown ? vector : { icid: newIcid(), icidGeneratedAt: '' };
  return { icid, icidGeneratedAt, origIoi: homeDomain, termIoi: '', others: [] };
}
