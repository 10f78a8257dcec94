import { type CalledNumber, calledNumberOf, globalised, telUriOf } from '#ims/called-number';
import { lookupIdentityOf } from '#ims/identity';
import { isOwnHost, leaveFor, looseRoute } from '#ims/network-border';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { parseUri } from '#sip/uri/uri';
import { serviceOf } from '#sip/uri/urn';
import type { IcscfState } from './icscf.ts';

/**
 * Makes an international number of a local one in the Request-URI, by the dial plan. Gives false when the request was
 * refused: a local tel number that no rule is for. A SIP URI of a few digits may be somebody's name and stays.
 *
 * Source: TS 24.229 5.3.2.1; requirement I-21.
 */
export function globaliseCalled({ context }: IcscfState, transaction: ProxyTransaction): boolean {
  const { request } = transaction;
  const { homeDomain, numbers } = context.config;
  const { uri } = request;
  const called = uri instanceof ParseFailure ? null : calledNumberOf(uri, homeDomain);
  if (called === null || called.isGlobal) return true;
  const known = globalised(called, numbers.dialPlan);
  if (known !== null) {
    request.by('applyDialPlan (TS 24.229 5.3.2.1)').setRequestUri(telUriOf(known));
    return true;
  }
  if (uri instanceof ParseFailure || uri.kind !== 'tel') return true;
  transaction.refuse(reasons.numberUnknown, `no rule of numbers.dialPlan for ${request.requestUri}`);
  return false;
}

/** The E-CSCF as Route for an emergency call, null for any other request or where there is none. Requirement I-21. */
export function emergencyRoute({ context }: IcscfState, transaction: ProxyTransaction): string | null {
  const { ecscf } = context.config.routes;
  const { uri } = transaction.request;
  if (ecscf === undefined || uri instanceof ParseFailure) return null;
  const service = serviceOf(uri);
  return service === 'sos' || service?.startsWith('sos.') === true ? looseRoute(ecscf) : null;
}

/**
 * A called number that the HSS does not know (as `impu`): ENUM is asked. A SIP URI of the home network becomes the Request-URI and is
 * the caller's to go on with (`found`); with one of another domain the request is sent there. A number that ENUM does not
 * know either goes to the BGCF. `unknown`: neither knows it, or the Request-URI names no number.
 *
 * Source: TS 24.229 5.3.2.1; requirement I-22.
 */
export async function routeUnknownNumber(
  state: IcscfState,
  transaction: ProxyTransaction,
  impu: string,
): Promise<'found' | 'sent' | 'unknown'> {
  const { request } = transaction;
  const { homeDomain, numbers, routes } = state.context.config;
  const called = request.uri instanceof ParseFailure ? null : calledNumberOf(request.uri, homeDomain);
  if (called === null) return 'unknown';
  const text = await translated(state, called);
  const uri = text === null || lookupIdentityOf(text) === impu ? null : parseUri(text);
  if (text !== null && uri !== null && !(uri instanceof ParseFailure) && uri.kind === 'sip') {
    request.by('translateNumber (RFC 6116)').setRequestUri(text);
    if (uri.host === homeDomain) return 'found';
    if (!isOwnHost(uri.host, homeDomain)) leaveFor(request, uri.host, routes);
  } else if (numbers.bgcf !== undefined) {
    request.by('breakOut (TS 24.229 5.3.2.1)').headers.prepend(Header.Route, looseRoute(numbers.bgcf));
  } else return 'unknown';
  transaction.forward();
  return 'sent';
}

/** The SIP URI of a number; null for one that was looked up before it came here (RFC 4694), or is not known. */
async function translated({ enumDirectory }: IcscfState, { number, isGlobal, isDipped }: CalledNumber) {
  return enumDirectory === null || !isGlobal || isDipped ? null : enumDirectory.find(number);
}
