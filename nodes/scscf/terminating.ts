import { sessionCases } from '#ims/filter-criterion';
import { impuOf, lookupIdentityOf } from '#ims/identity';
import { hideCaller, isOwnHost } from '#ims/network-border';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { BranchPlan, ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { uriTextEquals } from '#sip/uri/uri-equality';
import { contactsOfGruu, type Gruu, readGruu } from './gruu.ts';
import { findServed, profileKeyOf, servedUserOf } from './originating.ts';
import { isEmergency } from './registrar.ts';
import { type Binding, identityOf, type Registration } from './registration.ts';
import { recordPassage, runServices } from './service-chain.ts';
import { type ServedUser, ServiceChain } from './service-chain-state.ts';
import type { ScscfState } from './state.ts';
import { unregisteredUser } from './unregistered-user.ts';
import { findWildcarded } from './wildcard-index.ts';

/**
 * An initial request to one of our users: runs the services of the called user, then finds its contacts and sends the
 * request to them. A promise only where the HSS or the DNS has to be asked.
 * Source: TS 24.229 5.4.3.3; requirements S-41, S-84, S-86, S-94, S-120 to S-123.
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
  const named = identityOf(registration, impu)?.wildcard === false ? impu : addressed(request, impu);
  const user = servedUserOf(state, registration, named, profileKey);
  return runServices(state, transaction, new ServiceChain(user, sessionCases.terminatingRegistered, deliver));
}

/**
 * Sends a request to the contacts of the called user, once no service is left to run.
 * Source: TS 24.229 5.4.3.3; requirements S-41, S-84, S-96, S-120 to S-123.
 */
export function deliver(state: ScscfState, transaction: ProxyTransaction, chain: ServiceChain): void {
  const { request } = transaction;
  const { impu, registration } = chain.served;
  if (registration === null) {
    transaction.refuse(reasons.calleeNotRegistered, impu);
    return;
  }
  const bindings = contactsFor(state, request, registration);
  if (bindings === null) {
    transaction.refuse(reasons.unknownGruu, impu);
    return;
  }
  const groups = contactGroups(bindings, state.context.clock.wallMs());
  if (groups.length === 0) {
    transaction.refuse(reasons.noContact, impu);
    return;
  }
  retarget(state, request, chain);
  transaction.fork(groups.map((group) => group.map((binding) => branchTo(request, binding))));
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
  const user = await unregisteredUser(state, impu, profileKeyOf(request, null, impu));
  if ('reason' in user) {
    transaction.refuse(user.reason, user.detail);
    return;
  }
  return runServices(state, transaction, new ServiceChain(user, sessionCases.terminatingUnregistered, deliver));
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
function retarget(state: ScscfState, request: SipRequest, chain: ServiceChain): void {
  const { headers } = request.by('retarget (TS 24.229 5.4.3.3)');
  headers.set(Header['P-Called-Party-ID'], `<${request.requestUri}>`);
  headers.remove(Header['P-Served-User']);
  headers.remove(Header['P-Profile-Key']);
  headers.remove(Header.Route);
  recordPassage(state, request, chain);
}

function branchTo(request: SipRequest, binding: Binding): BranchPlan {
  const copy = request.clone();
  if (binding.path !== '') copy.headers.set(Header.Route, binding.path);
  // No P-CSCF in between: the next hop is the phone itself. Requirement S-121.
  else hideCaller(copy);
  copy.setRequestUri(binding.uri);
  return { request: copy };
}

/**
 * The contacts to try, group after group: those of the highest q first, at once within a group. Further flows of one
 * terminal wait until the first has failed; emergency contacts are not called. Requirement S-122; RFC 5626 6.
 */
export function contactGroups(bindings: readonly Binding[], nowMs: number): Binding[][] {
  const usable = bindings.filter((binding) => binding.expiresAtMs > nowMs && !isEmergency(binding));
  if (usable.length === 1) return [usable];
  // Among equals the one registered last comes first.
  usable.sort((a, b) => b.q - a.q || b.expiresAtMs - a.expiresAtMs);
  const groups: Binding[][] = [];
  for (let from = 0; from < usable.length; ) {
    let to = from + 1;
    while (to < usable.length && usable[to]!.q === usable[from]!.q) to++;
    let waiting = usable.slice(from, to);
    while (waiting.length > 0) {
      const group: Binding[] = [];
      const next: Binding[] = [];
      for (const binding of waiting) (isAlternative(binding, group) ? next : group).push(binding);
      groups.push(group);
      waiting = next;
    }
    from = to;
  }
  return groups;
}

function isAlternative(binding: Binding, group: readonly Binding[]): boolean {
  return binding.regId > 0 && group.some((other) => other.regId > 0 && other.instance === binding.instance);
}
