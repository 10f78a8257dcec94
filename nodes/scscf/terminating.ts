import { sessionCases } from '#ims/filter-criterion';
import { impuOf, lookupIdentityOf } from '#ims/identity';
import { hideCaller, isOwnHost } from '#ims/network-border';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { BranchPlan, ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Reason } from '#sip/reasons';
import { uriTextEquals } from '#sip/uri/uri-equality';
import { contactsForOffer } from './contact-media.ts';
import { contactGroups } from './contact-selection.ts';
import { contactsOfGruu, type Gruu, readGruu } from './gruu.ts';
import { allowMedia, mediaOf } from './media-profile.ts';
import { findServed, profileKeyOf, servedUserOf } from './originating.ts';
import { type Binding, identityOf, type Registration } from './registration.ts';
import { restoreRegistration, restores } from './restoration.ts';
import type { AssignmentRefusal } from './server-assignment.ts';
import { recordPassage, runServices } from './service-chain.ts';
import { type ServedUser, ServiceChain } from './service-chain-state.ts';
import type { ScscfState } from './state.ts';
import { unregisteredUser } from './unregistered-user.ts';
import { findWildcarded } from './wildcard-index.ts';

/**
 * An initial request to one of our users: runs the services of the called user, then finds its contacts and sends the
 * request to them. A promise only where the HSS or the DNS has to be asked.
 * Source: TS 24.229 5.4.3.3; requirements S-29, S-41, S-83, S-84, S-86, S-94, S-120 to S-123.
 */
export function handleTerminating(state: ScscfState, transaction: ProxyTransaction): void | Promise<void> {
  const { request } = transaction;
  const { homeDomain } = state.context.config;
  const gruu = readGruu(request, homeDomain, state.gruuSecret);
  if (gruu instanceof ParseFailure) {
    transaction.refuse(reasons.unknownGruu, gruu.reason);
    return;
  }
  const called = calledIdentity(state, request, gruu);
  if (called === null) return serveUnregistered(state, transaction);
  const { registration, impu } = called;
  if (identityOf(registration, impu)?.barred === true) {
    transaction.refuse(reasons.calleeBarred, impu);
    return;
  }

  if (gruu !== null && contactsOfGruu(gruu, registration.bindings) === null) {
    transaction.refuse(reasons.unknownGruu, impu);
    return;
  }
  const profileKey = profileKeyOf(request, registration, impu);
  if (!allowMedia(state, transaction, registration, profileKey)) return;
  const named = identityOf(registration, impu)?.wildcard === false ? impu : addressed(request, impu);
  const user = servedUserOf(state, registration, named, profileKey);
  return runServices(state, transaction, new ServiceChain(user, sessionCases.terminatingRegistered, deliver));
}

/**
 * Sends a request to the contacts of the called user, once no service is left to run.
 * Source: TS 24.229 5.4.3.3; requirements S-41, S-84, S-96, S-120 to S-126.
 */
export function deliver(state: ScscfState, transaction: ProxyTransaction, chain: ServiceChain): void {
  const { request } = transaction;
  const { impu, registration } = chain.served;
  if (registration === null) {
    transaction.refuse(reasons.calleeNotRegistered, impu);
    return;
  }
  const groups = groupsFor(state, request, registration);
  if (groups === null) {
    transaction.refuse(reasons.unknownGruu, impu);
    return;
  }
  if (groups.length === 0) {
    transaction.refuse(whyNoContact(state, request, registration), impu);
    return;
  }
  retarget(state, transaction, chain);
  // What becomes of a contact, and what it answers, is for the called user. Requirements S-124, S-125.
  transaction.context = chain;
  transaction.fork(groups.map((group) => group.map((binding) => branchTo(request, binding))));
}

/** The contacts that a request may go to, as `contactGroups` orders them; null: a GRUU that is void. */
export function groupsFor(state: ScscfState, request: SipRequest, registration: Registration): Binding[][] | null {
  const { config, clock } = state.context;
  let bindings = contactsFor(state, request, registration);
  if (bindings === null) return null;
  if (mediaOf(config).addressFamily === 'contact') bindings = contactsForOffer(request, bindings);
  return contactGroups(bindings, clock.wallMs(), request);
}

/** There are contacts, but for the family of the addresses in the offer; or there are none. Requirement S-126. */
function whyNoContact(state: ScscfState, request: SipRequest, registration: Registration): Reason {
  const { config, clock } = state.context;
  if (mediaOf(config).addressFamily !== 'contact') return reasons.noContact;
  const bindings = contactsFor(state, request, registration) ?? [];
  const found = contactGroups(bindings, clock.wallMs(), request).length > 0;
  return found ? reasons.addressFamilyMismatch : reasons.noContact;
}

/** The contacts that a Request-URI means: those of its GRUU, the very one it is, else all; null: a GRUU that is void. */
function contactsFor(state: ScscfState, request: SipRequest, { bindings }: Registration): readonly Binding[] | null {
  const gruu = readGruu(request, state.context.config.homeDomain, state.gruuSecret);
  if (gruu instanceof ParseFailure) return null;
  if (gruu !== null) return contactsOfGruu(gruu, bindings);
  const { requestUri } = request;
  const meant = bindings.filter(({ uri }) => uriTextEquals(uri, requestUri));
  return meant.length > 0 ? meant : bindings;
}

/**
 * Whether a request that an application server has sent back is still for the called user: by the same identity, an
 * alias of it, a GRUU or a contact. Source: TS 24.229 5.4.3.3; requirement S-96.
 */
export function isForServedUser(state: ScscfState, request: SipRequest, served: ServedUser): boolean {
  const { impu, profileKey, registration } = served;
  const gruu = readGruu(request, state.context.config.homeDomain, state.gruuSecret);
  const now = gruu !== null && !(gruu instanceof ParseFailure) ? gruu.impu : lookupIdentityOf(request.requestUri);
  if (now === impu || impuOf(request.requestUri) === impu) return true;
  if (registration === null) return false;
  const { requestUri } = request;
  if (registration.bindings.some(({ uri }) => uriTextEquals(uri, requestUri))) return true;
  const identity = identityOf(registration, profileKey);
  const other = now instanceof ParseFailure ? null : identityOf(registration, now);
  return identity !== null && other !== null && other.alias === identity.alias;
}

/** A user who is not registered may have services all the same. Source: TS 24.229 5.4.3.3; requirement S-84. */
async function serveUnregistered(state: ScscfState, transaction: ProxyTransaction): Promise<void> {
  const { request } = transaction;
  const { uri } = request;
  const impu = lookupIdentityOf(request.requestUri);
  const isHome =
    uri instanceof ParseFailure || uri.kind !== 'sip' || isOwnHost(uri.host, state.context.config.homeDomain);
  if (!isHome || impu instanceof ParseFailure) {
    transaction.refuse(isHome ? reasons.calleeNotRegistered : reasons.foreignDomain, request.requestUri);
    return;
  }
  const profileKey = profileKeyOf(request, null, impu);
  const user = await unregisteredUser(state, impu, profileKey);
  if ('reason' in user) {
    if (await isRestored(state, user, impu, profileKey)) return handleTerminating(state, transaction);
    transaction.refuse(user.reason, user.detail);
    return;
  }
  return runServices(state, transaction, new ServiceChain(user, sessionCases.terminatingUnregistered, deliver));
}

/** An HSS that has the user as registered refuses to take him for one who is not: this node has lost him. S-83. */
async function isRestored(
  state: ScscfState,
  { reason }: AssignmentRefusal,
  impu: string,
  profileKey: string,
): Promise<boolean> {
  if (reason !== reasons.calleeNotRegistered || !restores(state.context.config)) return false;
  const restored = await restoreRegistration(state, impu, profileKey);
  return restored !== null && 'bindings' in restored && identityOf(restored, profileKey) !== null;
}

/** The identity that a request for one behind a wildcard is addressed to. */
function addressed(request: SipRequest, impu: string): string {
  const identity = lookupIdentityOf(request.requestUri);
  return identity instanceof ParseFailure ? impu : identity;
}

/** Finds the called user by the Request-URI: a telephone number by its tel identity, or else as it is written. */
function calledIdentity(state: ScscfState, request: SipRequest, gruu: Gruu | null) {
  if (gruu?.kind === 'temporary') {
    const registration = state.registrations.find(gruu.impu);
    return registration === null ? null : { registration, impu: gruu.impu };
  }
  const impu = lookupIdentityOf(request.requestUri);
  if (impu instanceof ParseFailure) return null;
  const registration = findServed(state.registrations, request, impu);
  if (registration !== null) return { registration, impu };
  const written = impuOf(request.requestUri);
  if (written instanceof ParseFailure || written === impu) return findWildcarded(state, impu);
  const other = state.registrations.find(written);
  if (other !== null) return { registration: other, impu: written };
  return findWildcarded(state, impu) ?? findWildcarded(state, written);
}

/** Edits that all branches share. Source: TS 24.229 5.4.3.3, RFC 7315 4.2; requirement S-120. */
function retarget(state: ScscfState, transaction: ProxyTransaction, chain: ServiceChain): void {
  const { request } = transaction;
  const { headers } = request.by('retarget (TS 24.229 5.4.3.3)');
  headers.set(Header['P-Called-Party-ID'], `<${request.requestUri}>`);
  headers.remove(Header['P-Served-User']);
  headers.remove(Header['P-Profile-Key']);
  headers.remove(Header.Route);
  recordPassage(state, transaction, chain);
}

/** The request as it goes to one contact. Requirements S-120, S-121. */
export function branchTo(request: SipRequest, binding: Binding): BranchPlan {
  const copy = request.clone();
  if (binding.path !== '') copy.headers.set(Header.Route, binding.path);
  // No P-CSCF in between: the next hop is the phone itself. Requirement S-121.
  else hideCaller(copy);
  copy.setRequestUri(binding.uri);
  return { request: copy };
}
