import { formatChargingFunctionAddresses, formatChargingVector, newIcid, parseChargingVector } from '#ims/charging';
import { type SessionCase, sessionCases } from '#ims/filter-criterion';
import { looseRoute } from '#ims/network-border';
import { ParseFailure } from '#sip/errors';
import { formatServedUser } from '#sip/header/served-user';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { ChargingAddresses } from './registration.ts';

/** What a request to an application server says of the service it is for. */
export interface ServiceRequest {
  /** SIP URI of the application server. */
  readonly serverName: string;
  /** Route value that leads back here with the original dialog identifier. */
  readonly wayBack: string;
  /** The served user. */
  readonly impu: string;
  readonly sessionCase: SessionCase;
  readonly registered: boolean;
  readonly charging: ChargingAddresses;
  readonly homeDomain: string;
}

/**
 * Makes of a request the copy that goes to an application server: its Request-URI stays, its Route leads there and back.
 *
 * Source: TS 24.229 5.4.3.2, 5.4.3.3, RFC 5502, RFC 8498, RFC 7315 4.5, 4.6; requirement S-94.
 */
export function applicationServerRequest(request: SipRequest, service: ServiceRequest): SipRequest {
  const copy = request.clone().by('invokeService (TS 24.229 5.4.3.4)');
  const { headers } = copy;
  headers.prepend(Header.Route, service.wayBack);
  headers.prepend(Header.Route, looseRoute(service.serverName));
  headers.set(Header['P-Served-User'], servedUserValue(service));
  setSender(copy, service.homeDomain);
  const { ccf, ecf } = service.charging;
  if (!headers.has(Header['P-Charging-Function-Addresses']) && (ccf !== '' || ecf !== '')) {
    const addresses = { ccf: ccf === '' ? [] : [ccf], ecf: ecf === '' ? [] : [ecf], others: [] };
    headers.append(Header['P-Charging-Function-Addresses'], formatChargingFunctionAddresses(addresses));
  }
  return copy;
}

/** Whether a session case is one of the originating side, so that the way back has `orig`. */
export function isOriginatingCase(sessionCase: SessionCase): boolean {
  return sessionCase !== sessionCases.terminatingRegistered && sessionCase !== sessionCases.terminatingUnregistered;
}

function servedUserValue({ impu, sessionCase, registered }: ServiceRequest): string {
  if (sessionCase === sessionCases.originatingCdiv) {
    return formatServedUser({ uri: impu, sescase: '', regstate: '', origCdiv: true });
  }
  const sescase = isOriginatingCase(sessionCase) ? 'orig' : 'term';
  return formatServedUser({ uri: impu, sescase, regstate: registered ? 'reg' : 'unreg' });
}

/** The orig-ioi of type 3 names this network, whoever sent the request; a term-ioi is for the answer. Source: RFC 7315 5.6. */
function setSender(request: SipRequest, homeDomain: string): void {
  const value = request.headers.get(Header['P-Charging-Vector']);
  const vector = value === null ? null : parseChargingVector(value);
  const known =
    vector === null || vector instanceof ParseFailure ? { icid: newIcid(), icidGeneratedAt: '', others: [] } : vector;
  const text = formatChargingVector({ ...known, origIoi: homeDomain, termIoi: '' });
  if (text !== value) request.headers.set(Header['P-Charging-Vector'], text);
}
