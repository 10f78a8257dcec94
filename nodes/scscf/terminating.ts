import { impuOf, lookupIdentityOf } from '#ims/identity';
import { hideCaller } from '#ims/network-border';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { BranchPlan, ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { opensDialog } from '#sip/proxy/record-route';
import { parseUri } from '#sip/uri/uri';
import { contactsOfGruu, type Gruu, readGruu } from './gruu.ts';
import { findServed } from './originating.ts';
import { isEmergency } from './registrar.ts';
import { type Binding, identityOf } from './registration.ts';
import type { ScscfState } from './state.ts';
import { findWildcarded } from './wildcard-index.ts';

/**
 * An initial request to one of our users: finds its contacts and sends the request to them.
 * Source: TS 24.229 5.4.3.3; requirements S-41, S-84, S-86, S-120 to S-123.
 */
export function handleTerminating(state: ScscfState, transaction: ProxyTransaction): void {
  const { request } = transaction;
  const { homeDomain } = state.context.config;
  const gruu = readGruu(request, homeDomain, state.gruuSecret);
  if (gruu instanceof ParseFailure) {
    transaction.refuse(reasons.unknownGruu, gruu.reason);
    return;
  }
  const called = calledIdentity(state, request, gruu);
  if (called === null) {
    const uri = parseUri(request.requestUri);
    const foreign = !(uri instanceof ParseFailure) && uri.kind === 'sip' && uri.host !== homeDomain;
    // The HSS need not be asked: without services for unregistered users whatever it says ends here, and a user that it
    // does not know never gets past the I-CSCF. Taking over the assignment (SAR 3) would only have to be undone.
    transaction.refuse(foreign ? reasons.foreignDomain : reasons.calleeNotRegistered, request.requestUri);
    return;
  }
  const { registration, impu } = called;
  if (identityOf(registration, impu)?.barred === true) {
    transaction.refuse(reasons.calleeBarred, impu);
    return;
  }

  const bindings = gruu === null ? registration.bindings : contactsOfGruu(gruu, registration.bindings);
  if (bindings === null) {
    transaction.refuse(reasons.unknownGruu, impu);
    return;
  }
  const groups = contactGroups(bindings, state.context.clock.wallMs());
  if (groups.length === 0) {
    transaction.refuse(reasons.noContact, impu);
    return;
  }
  retarget(state, request);
  transaction.fork(groups.map((group) => group.map((binding) => branchTo(request, binding))));
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
function retarget(state: ScscfState, request: SipRequest): void {
  const { headers } = request.by('retarget (TS 24.229 5.4.3.3)');
  headers.set(Header['P-Called-Party-ID'], `<${request.requestUri}>`);
  headers.remove(Header['P-Served-User']);
  headers.remove(Header['P-Profile-Key']);
  headers.remove(Header.Route);
  if (opensDialog(request.method)) headers.prepend(Header['Record-Route'], state.routes.terminating);
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
