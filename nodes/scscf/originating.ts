import { formatChargingVector, newIcid, parseChargingVector } from '#ims/charging';
import { sessionCases } from '#ims/filter-criterion';
import { impuOf } from '#ims/identity';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { parseNameAddr } from '#sip/header/name-addr';
import { parseServedUser } from '#sip/header/served-user';
import type { HeaderList } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { SipUri } from '#sip/uri/sip-uri';
import { allowMedia } from './media-profile.ts';
import { routeOnwards } from './onward-routing.ts';
import { allowedServices, assertService } from './preferred-service.ts';
import { identityOf, type RegisteredIdentity, type Registration } from './registration.ts';
import type { RegistrationStore } from './registration-store.ts';
import { refuseLost, restoreRegistration, restores } from './restoration.ts';
import { recordPassage, runServices } from './service-chain.ts';
import { type ServedUser, ServiceChain } from './service-chain-state.ts';
import type { ScscfState } from './state.ts';
import { refusalOfCaller, unregisteredUser } from './unregistered-user.ts';
import { findWildcarded } from './wildcard-index.ts';

/** Whether the Route entry that led here makes this the originating case. Source: TS 24.229 5.4.3.1; requirement S-80. */
export function isOriginating(ownRoute: SipUri | null): boolean {
  return ownRoute !== null && (ownRoute.user === 'orig' || ownRoute.parameters.has('orig'));
}

/**
 * An initial request of one of our users: checks who it is, runs the services of the caller, then sends it towards the
 * called one. A promise only where that takes a look at the DNS, or the HSS has to be asked.
 * Source: TS 24.229 5.4.3.2; requirements S-26, S-29, S-81 to S-83, S-86, S-94, S-110 to S-113.
 */
export function handleOriginating(state: ScscfState, transaction: ProxyTransaction): void | Promise<void> {
  const { request, ownRoute } = transaction;
  // What came by the Service-Route is the UE's own; only an application server speaks for others.
  const byUe = ownRoute?.user === 'orig';
  const asserted = assertedIdentities(request.headers);
  const served = servedIdentity(request, asserted, byUe);
  if (served === null) {
    transaction.refuse(reasons.noAssertedIdentity);
    return;
  }
  const caller = findCaller(state, request, served);
  if (caller !== null) return serveCaller(state, transaction, caller, served, asserted);
  if (byUe) return restoreCaller(state, transaction, served, asserted);
  return serveUnregistered(state, transaction, served, asserted);
}

/** A registration, and the identity of it that stands for the caller: himself or a wildcard. */
interface FoundCaller {
  readonly registration: Registration;
  readonly impu: string;
}

function findCaller(state: ScscfState, request: SipRequest, served: string): FoundCaller | null {
  const named = findServed(state.registrations, request, served);
  return named === null ? findWildcarded(state, served) : { registration: named, impu: served };
}

function serveCaller(
  state: ScscfState,
  transaction: ProxyTransaction,
  { registration, impu }: FoundCaller,
  served: string,
  asserted: readonly string[],
): void | Promise<void> {
  const { request } = transaction;
  const identity = identityOf(registration, impu);
  if (identity?.barred === true) {
    transaction.refuse(reasons.callerBarred, served);
    return;
  }
  const profileKey = profileKeyOf(request, registration, impu);
  if (!assertService(transaction, allowedServices(state, request, registration.key, impu))) return;
  if (!allowMedia(state, transaction, registration, profileKey)) return;

  request.by('assertSecondIdentity (TS 24.229 5.4.3.2)');
  const second = secondIdentity(registration, identity, asserted, state.context.config.homeDomain);
  if (second !== null) request.headers.append(Header['P-Asserted-Identity'], `<${second}>`);
  const user = servedUserOf(state, registration, served, profileKey);
  return runServices(
    state,
    transaction,
    new ServiceChain(user, sessionCases.originatingRegistered, leaveOriginatingSide),
  );
}

/**
 * A UE that has our Service-Route but no registration here: this node has lost it. The HSS may have kept what was left
 * there, else the UE is told to register anew. Source: TS 24.229 5.4.3.2, TS 23.380 4.4; requirement S-83.
 */
async function restoreCaller(
  state: ScscfState,
  transaction: ProxyTransaction,
  served: string,
  asserted: readonly string[],
): Promise<void> {
  const { request } = transaction;
  if (restores(state.context.config)) {
    const restored = await restoreRegistration(state, served, profileKeyOf(request, null, served));
    if (restored !== null && 'reason' in restored) {
      transaction.refuse(restored.reason, restored.detail);
      return;
    }
    const caller = restored === null ? null : findCaller(state, request, served);
    if (caller !== null) return serveCaller(state, transaction, caller, served, asserted);
  }
  refuseLost(state, transaction, served);
}

/**
 * Sends a request of the originating side on, once no service is left to run.
 * Source: TS 24.229 5.4.3.2; requirements S-86, S-94, S-112.
 */
export function leaveOriginatingSide(
  state: ScscfState,
  transaction: ProxyTransaction,
  chain: ServiceChain,
): void | Promise<void> {
  const { request } = transaction;
  request.by('leaveOriginatingSide (TS 24.229 5.4.3.2)');
  request.headers.remove(Header['P-Served-User']);
  addOriginatingNetwork(request, state.context.config.homeDomain);
  recordPassage(state, transaction, chain);
  return routeOnwards(state, transaction);
}

/** A registered user as his services see him. `profileKey`: the identity of the profile that stands for `impu`. */
export function servedUserOf(
  state: ScscfState,
  registration: Registration,
  impu: string,
  profileKey: string,
): ServedUser {
  const criteria = state.services.criteriaOf(registration.key, profileKey);
  return { impu, profileKey, registration, charging: registration.charging, criteria };
}

/** The identity of a profile that stands for one: itself, a wildcard, or what the I-CSCF was told. RFC 5002. */
export function profileKeyOf(request: SipRequest, registration: Registration | null, impu: string): string {
  if (registration !== null && identityOf(registration, impu) !== null) return impu;
  const value = request.headers.get(Header['P-Profile-Key']);
  const profileKey = value === null ? null : parseNameAddr(value);
  return profileKey === null || profileKey instanceof ParseFailure ? impu : profileKey.uri;
}

/** An application server acts for a user who is not registered. Source: TS 24.229 5.4.3.2; requirement S-82. */
async function serveUnregistered(
  state: ScscfState,
  transaction: ProxyTransaction,
  impu: string,
  asserted: readonly string[],
): Promise<void> {
  const { request } = transaction;
  const { config } = state.context;
  const user = await unregisteredUser(state, impu, profileKeyOf(request, null, impu));
  if ('reason' in user) {
    const { reason, detail } = refusalOfCaller(user);
    transaction.refuse(reason, detail);
    return;
  }
  if (!assertService(transaction, config.allowedServices ?? null)) return;
  if (asserted.length === 0) {
    request.by('assertIdentity (TS 24.229 5.4.3.2)').headers.append(Header['P-Asserted-Identity'], `<${impu}>`);
  }
  return runServices(
    state,
    transaction,
    new ServiceChain(user, sessionCases.originatingUnregistered, leaveOriginatingSide),
  );
}

/** Identities of P-Asserted-Identity, as keys, in order; what is no identity is left out. */
export function assertedIdentities(headers: HeaderList): string[] {
  const asserted: string[] = [];
  for (const value of headers.values(Header['P-Asserted-Identity'])) {
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
