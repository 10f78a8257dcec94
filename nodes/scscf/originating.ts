import { formatChargingVector, newIcid, parseChargingVector } from '#ims/charging';
import { impuOf } from '#ims/identity';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { parseNameAddr } from '#sip/header/name-addr';
import { parseServedUser } from '#sip/header/served-user';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { opensDialog } from '#sip/proxy/record-route';
import type { SipUri } from '#sip/uri/sip-uri';
import { routeOnwards } from './onward-routing.ts';
import { assertService } from './preferred-service.ts';
import { identityOf, type RegisteredIdentity, type Registration } from './registration.ts';
import type { RegistrationStore } from './registration-store.ts';
import type { ScscfState } from './state.ts';
import { findWildcarded } from './wildcard-index.ts';

/** Whether the Route entry that led here makes this the originating case. Source: TS 24.229 5.4.3.1; requirement S-80. */
export function isOriginating(ownRoute: SipUri | null): boolean {
  return ownRoute !== null && (ownRoute.user === 'orig' || ownRoute.parameters.has('orig'));
}

/**
 * An initial request of one of our users: checks who it is, then sends it towards the called one. A promise only where
 * that takes a look at the DNS.
 * Source: TS 24.229 5.4.3.2; requirements S-26, S-81, S-86, S-110 to S-113.
 */
export function handleOriginating(state: ScscfState, transaction: ProxyTransaction): void | Promise<void> {
  const { request, ownRoute } = transaction;
  const { config } = state.context;
  // What came by the Service-Route is the UE's own; only an application server speaks for others.
  const byUe = ownRoute?.user === 'orig';
  const asserted = assertedIdentities(request);
  const served = servedIdentity(request, asserted, byUe);
  if (served === null) {
    transaction.refuse(reasons.noAssertedIdentity);
    return;
  }
  const named = findServed(state.registrations, request, served);
  const found = named === null ? findWildcarded(state, served) : { registration: named, impu: served };
  if (found === null) {
    transaction.refuse(reasons.callerNotRegistered, served);
    return;
  }
  const { registration } = found;
  const identity = identityOf(registration, found.impu);
  if (identity?.barred === true) {
    transaction.refuse(reasons.callerBarred, served);
    return;
  }
  if (!assertService(transaction, config.allowedServices ?? null)) return;

  request.by('assertSecondIdentity (TS 24.229 5.4.3.2)');
  const second = secondIdentity(registration, identity, asserted, config.homeDomain);
  if (second !== null) request.headers.append(Header['P-Asserted-Identity'], `<${second}>`);
  request.by('leaveOriginatingSide (TS 24.229 5.4.3.2)');
  request.headers.remove(Header['P-Served-User']);
  addOriginatingNetwork(request, config.homeDomain);
  if (opensDialog(request.method)) request.headers.prepend(Header['Record-Route'], state.routes.originating);
  return routeOnwards(state, transaction);
}

/** Identities of P-Asserted-Identity, as keys, in order; what is no identity is left out. */
function assertedIdentities(request: SipRequest): string[] {
  const asserted: string[] = [];
  for (const value of request.headers.values(Header['P-Asserted-Identity'])) {
    const address = parseNameAddr(value);
    const impu = address instanceof ParseFailure ? address : impuOf(address.uri);
    if (!(impu instanceof ParseFailure)) asserted.push(impu);
  }
  return asserted;
}

/** Source: TS 24.229 5.4.3.2, RFC 5502; requirement S-81: the sip identity first, then tel. */
function servedIdentity(request: SipRequest, asserted: readonly string[], byUe: boolean): string | null {
  const value = byUe ? null : request.headers.get(Header['P-Served-User']);
  const named = value === null ? null : parseServedUser(value);
  if (named !== null && !(named instanceof ParseFailure)) {
    const impu = impuOf(named.uri);
    if (!(impu instanceof ParseFailure)) return impu;
  }
  return asserted.find((impu) => impu.startsWith('sip')) ?? asserted[0] ?? null;
}

/** The registration of an identity; of one that only matches a wildcard, by P-Profile-Key. Requirement S-26; RFC 5002. */
export function findServed(store: RegistrationStore, request: SipRequest, impu: string): Registration | null {
  const registration = store.find(impu);
  if (registration !== null || !request.headers.has(Header['P-Profile-Key'])) return registration;
  const profileKey = parseNameAddr(request.headers.get(Header['P-Profile-Key']) ?? '');
  return profileKey instanceof ParseFailure ? null : store.find(profileKey.uri);
}

/**
 * The identity of the other kind to assert beside the one there is: of a sip identity the first tel alias, of a tel
 * identity a sip alias or one made of its number. Null when two are asserted already. Requirement S-110.
 */
export function secondIdentity(
  registration: Registration,
  identity: RegisteredIdentity | null,
  asserted: readonly string[],
  homeDomain: string,
): string | null {
  const only = asserted[0];
  if (asserted.length !== 1 || only === undefined || identity === null || identity.impu !== only) return null;
  const wanted = only.startsWith('tel:') ? 'sip' : 'tel:';
  for (const other of registration.identities) {
    if (other.alias === identity.alias && !other.barred && !other.wildcard && other.impu.startsWith(wanted)) {
      return other.uri;
    }
  }
  return only.startsWith('tel:+') ? `sip:${only.slice(4)}@${homeDomain};user=phone` : null;
}

/** Source: TS 24.229 5.4.3.2, RFC 7315 4.6; requirement S-112. */
function addOriginatingNetwork(request: SipRequest, homeDomain: string): void {
  const { headers } = request;
  const value = headers.get(Header['P-Charging-Vector']);
  const vector = value === null ? null : parseChargingVector(value);
  const known =
    vector === null || vector instanceof ParseFailure
      ? { icid: newIcid(), icidGeneratedAt: '', termIoi: '', others: [] }
      : vector;
  headers.set(Header['P-Charging-Vector'], formatChargingVector({ ...known, origIoi: homeDomain }));
}
