import { type CalledNumber, calledNumberOf, globalised, phoneUriOf, telUriOf } from '#ims/called-number';
import { isOwnHost, leaveFor, looseRoute } from '#ims/network-border';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { formatSipUri } from '#sip/uri/sip-uri';
import { parseUri, type Uri } from '#sip/uri/uri';
import { serviceOf } from '#sip/uri/urn';
import type { ScscfState } from './state.ts';

/**
 * Sends a request of the originating side on, once no service is left to run: a telephone number by dial plan, ENUM and
 * BGCF, an emergency call to the E-CSCF, any other by the domain of its Request-URI. Route entries that are left are the
 * way that somebody trusted chose. A promise only where the DNS has to be asked.
 *
 * Source: TS 24.229 5.4.3.2; requirements S-112 to S-114, S-121.
 */
export function routeOnwards(state: ScscfState, transaction: ProxyTransaction): void | Promise<void> {
  const { request } = transaction;
  if (request.headers.has(Header.Route)) {
    transaction.forward();
    return;
  }
  const { uri } = request;
  const called = uri instanceof ParseFailure ? null : calledNumberOf(uri, state.context.config.homeDomain);
  if (called === null) routeByUri(state, transaction, uri);
  else return called.isGlobal ? routeNumber(state, transaction, called) : routeLocalNumber(state, transaction, called);
}

/** Source: TS 24.229 5.4.3.2; requirements S-113, S-114. */
function routeByUri(state: ScscfState, transaction: ProxyTransaction, uri: Uri | ParseFailure): void {
  const { request } = transaction;
  const { homeDomain, routes } = state.context.config;
  const service = uri instanceof ParseFailure ? null : serviceOf(uri);
  if (service === 'sos' || service?.startsWith('sos.') === true) {
    if (routes.ecscf === undefined) {
      transaction.refuse(reasons.emergencyNotServed, request.requestUri);
      return;
    }
    request.by('routeEmergency (TS 24.229 5.4.3.2)').headers.prepend(Header.Route, looseRoute(routes.ecscf));
  } else if (uri instanceof ParseFailure || uri.kind !== 'sip') {
    transaction.refuse(reasons.notRoutable, request.requestUri);
    return;
  } else if (!isOwnHost(uri.host, homeDomain)) leaveFor(request, uri.host, routes);
  // A port beside the home domain is nobody's: its users are found by the I-CSCF.
  else if (uri.host === homeDomain && uri.port !== 0) {
    request.by('routeHome (TS 24.229 5.4.3.2)').setRequestUri(formatSipUri({ ...uri, port: 0 }));
  }
  transaction.forward();
}

/** A number that is dialled as in its own network. Source: TS 24.229 5.4.3.2; requirement S-113. */
function routeLocalNumber(
  state: ScscfState,
  transaction: ProxyTransaction,
  called: CalledNumber,
): void | Promise<void> {
  const { request } = transaction;
  const { homeDomain, numbers } = state.context.config;
  const known = globalised(called, numbers.dialPlan);
  if (known !== null) {
    request.by('applyDialPlan (TS 24.229 5.4.3.2)').setRequestUri(telUriOf(known));
    return routeNumber(state, transaction, known);
  }
  // A user may be called by a few digits: a SIP URI of them, and any where nothing else is said, is the HSS's to judge.
  const isSip = !request.requestUri.toLowerCase().startsWith('tel:');
  if (called.context === '' && (isSip || numbers.dialPlan.length === 0)) routeHome(transaction, called, homeDomain);
  else transaction.refuse(reasons.numberUnknown, `no rule of numbers.dialPlan for ${request.requestUri}`);
}

/** Source: TS 24.229 5.4.3.2, RFC 4694 6; requirement S-113: a number that was looked up before is not again. */
function routeNumber(state: ScscfState, transaction: ProxyTransaction, called: CalledNumber): void | Promise<void> {
  if (state.enumDirectory === null || called.isDipped) {
    routeUnknownNumber(state, transaction, called);
    return;
  }
  const found = state.enumDirectory.find(called.number);
  if (!(found instanceof Promise)) {
    routeFound(state, transaction, called, found);
    return;
  }
  transaction.trying();
  return found.then((uri) => routeFound(state, transaction, called, uri));
}

function routeFound(state: ScscfState, transaction: ProxyTransaction, called: CalledNumber, uri: string | null): void {
  if (uri === null) {
    routeUnknownNumber(state, transaction, called);
    return;
  }
  transaction.request.by('translateNumber (RFC 6116)').setRequestUri(uri);
  routeByUri(state, transaction, parseUri(uri));
}

/** A number that ENUM has nothing of, or may not be asked for. */
function routeUnknownNumber(state: ScscfState, transaction: ProxyTransaction, called: CalledNumber): void {
  const { homeDomain, numbers } = state.context.config;
  if (numbers.bgcf !== undefined) {
    const { headers } = transaction.request.by('breakOut (TS 24.229 5.4.3.2)');
    headers.prepend(Header.Route, looseRoute(numbers.bgcf));
    transaction.forward();
  } else if (state.enumDirectory === null) routeHome(transaction, called, homeDomain);
  else transaction.refuse(reasons.numberUnknown, `nothing in ENUM for ${called.number}, and no numbers.bgcf`);
}

/** To the I-CSCF: the HSS knows the numbers of the home network. */
function routeHome(transaction: ProxyTransaction, called: CalledNumber, homeDomain: string): void {
  const { request } = transaction;
  if (request.uri instanceof ParseFailure || request.uri.kind !== 'sip') {
    request.by('routeHome (TS 24.229 5.4.3.2)').setRequestUri(phoneUriOf(called, homeDomain));
  }
  transaction.forward();
}
