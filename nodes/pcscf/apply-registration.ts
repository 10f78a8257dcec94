import { parseChargingVector } from '#ims/charging';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { parseNameAddr } from '#sip/header/name-addr';
import type { HeaderList } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Flow } from '#sip/transport/flow';
import { uriTextEquals } from '#sip/uri/uri-equality';
import { type Binding, type BoundContact, type Identity, identityOf } from './binding.ts';
import { isEmergencyBinding, lastingContacts } from './emergency-registration.ts';
import { grantedContacts, isSameContact } from './granted-contacts.ts';
import type { AssociationSet } from './ipsec/association-set.ts';
import type { PcscfState } from './pcscf-state.ts';
import { holdsIdentity, type RegisterAttempt } from './register-attempt.ts';
import { graceMs } from './registrations.ts';

/** Identities of one registration that are kept. */
const maxIdentities = 64;

/**
 * Makes the bindings of the subscriber, and the security associations under them, what the 2xx to a REGISTER says. Gives
 * whether the store took it.
 * Source: TS 24.229 5.2.2; requirements P-50, P-52 to P-56.
 */
export function applyRegistration(
  state: PcscfState,
  transaction: ProxyTransaction,
  attempt: RegisterAttempt,
  response: SipResponse,
): boolean {
  const { registrations, context } = state;
  const flow = transaction.request.flow!;
  const nowMs = context.clock.wallMs();
  const granted = grantedContacts(response.headers, nowMs);
  const others = registrations
    .ofSubscriber(attempt.impi)
    .filter((other) => other.token !== attempt.token && isEmergencyBinding(other) === attempt.emergency);
  const old = registrations.byToken(attempt.token);
  const confirmed = granted.filter(
    (contact) =>
      attempt.contacts.some((asked) => isSameContact(asked, contact, granted)) ||
      old?.contacts.some((bound) => isSameContact(bound, contact, granted)),
  );
  const contacts = attempt.emergency && old !== null ? lastingContacts(old, confirmed, nowMs) : confirmed;
  const set = setOf(attempt);
  for (const other of others) {
    if (!isGone(other, attempt, granted) && !(contacts.length > 0 && isReplaced(other, attempt, flow, set))) continue;
    registrations.remove(other);
    context.count('binding-replaced');
  }
  if (contacts.length === 0) {
    if (old !== null) registrations.remove(old);
    if (set !== null) endIfUnused(state, set.id, set.impi, set.ue.address);
    context.count('deregistered');
  } else {
    const binding = bindingOf(attempt, transaction.request, response.headers, contacts, nowMs);
    if (set === null) dropHolders(state, attempt, flow);
    else takeIntoUse(state, set, binding);
    registrations.save(binding);
    if (!attempt.emergency) state.regEvents.bound(binding);
    if (old !== null && old.association !== '' && !isReplacedBy(set, old.association)) {
      endIfUnused(state, old.association, old.impi, old.flow.address);
    }
    context.count(old === null ? 'registered' : 'reregistered');
  }
  try {
    registrations.commit();
    return true;
  } catch (error) {
    context.log.error(
      { reason: reasons.storeFailed.id, impi: attempt.impi, err: error },
      'a registration is not stored',
    );
    return false;
  }
}

function setOf({ protection }: RegisterAttempt): AssociationSet | null {
  return protection.kind === 'inside' ? protection.set : null;
}

/** Who held this address and port before, or another connection from there, is gone. Requirement P-56. */
function dropHolders({ registrations }: PcscfState, { impi }: RegisterAttempt, flow: Flow): void {
  for (const holder of registrations.holdersOf(flow)) {
    if (holder.impi !== impi || holder.flow.connection !== flow.connection) registrations.remove(holder);
  }
}

/**
 * The set that the REGISTER came by carries the registration from now on; what else the UE has registered by the set
 * before it moves along. Another UE that had its address and port is gone. Requirements P-52 to P-54, P-56.
 */
function takeIntoUse({ registrations, ipsec }: PcscfState, set: AssociationSet, binding: Binding): void {
  const associations = ipsec!.associations;
  for (const rival of associations.rivalsOf(set)) {
    for (const stale of registrations.ofProtectedUe({ impi: rival.impi, address: rival.ue.address })) {
      if (stale.association === rival.id) registrations.remove(stale);
    }
  }
  for (const sibling of registrations.ofProtectedUe({ impi: set.impi, address: set.ue.address })) {
    if (sibling.token === binding.token || sibling.association !== set.replaces || set.replaces === '') continue;
    registrations.save({ ...sibling, association: set.id, flow: binding.flow });
  }
  associations.establish(set.id, binding.expiresAtMs + graceMs, binding.flow);
}

/** Ends a set that no binding of its UE goes by any more. Requirement P-55. */
function endIfUnused({ registrations, ipsec }: PcscfState, id: string, impi: string, address: string): void {
  const left = registrations.ofProtectedUe({ impi, address });
  if (!left.some(({ association }) => association === id)) ipsec?.associations.end(id);
}

/** Whether the home network does not list any contact of another binding of the same identity any more. Requirement P-55. */
function isGone(other: Binding, attempt: RegisterAttempt, granted: readonly BoundContact[]): boolean {
  if (!holdsIdentity(other, attempt.aor)) return false;
  return !other.contacts.some((bound) => granted.some(({ uri }) => uriTextEquals(bound.uri, uri)));
}

/**
 * Whether the UE has moved: the same subscriber registers by way of another flow, and it is not a second flow that
 * reg-id tells apart. Requirement P-56.
 */
function isReplaced(other: Binding, attempt: RegisterAttempt, flow: Flow, set: AssociationSet | null): boolean {
  if (other.association === set?.id || isReplacedBy(set, other.association)) return false;
  const { address, port, transport, connection } = other.flow;
  const sameFlow =
    address === flow.address && port === flow.port && transport === flow.transport && connection === flow.connection;
  // By security associations, flows say nothing: phones take the same ports again when they start anew.
  if (sameFlow && set === null && other.association === '') return false;
  const numbered = attempt.contacts.filter(({ regId }) => regId > 0);
  if (numbered.length === 0 || !other.outbound) return true;
  return numbered.some(({ instance, regId }) =>
    other.contacts.some((bound) => bound.instance === instance && bound.regId === regId),
  );
}

/** Whether a set takes the place of another, by which the UE was registered until now. */
function isReplacedBy(set: AssociationSet | null, association: string): boolean {
  return set !== null && set.replaces !== '' && set.replaces === association;
}

function bindingOf(
  attempt: RegisterAttempt,
  request: SipRequest,
  headers: HeaderList,
  contacts: readonly BoundContact[],
  nowMs: number,
): Binding {
  const charging = parseChargingVector(headers.get(Header['P-Charging-Vector']) ?? '');
  return {
    token: attempt.token,
    impi: attempt.impi,
    aor: attempt.aor,
    identities: identitiesOf(attempt, headers),
    contacts,
    serviceRoute: headers.values(Header['Service-Route']),
    flow: request.flow!,
    association: setOf(attempt)?.id ?? '',
    outbound: attempt.outbound,
    home: attempt.home,
    callId: request.headers.get(Header['Call-ID'])!,
    icid: attempt.icid,
    termIoi: charging instanceof ParseFailure ? '' : charging.termIoi,
    chargingFunctions: headers.get(Header['P-Charging-Function-Addresses']) ?? '',
    boundAtMs: Math.round(nowMs),
    expiresAtMs: Math.max(...contacts.map(({ expiresAtMs }) => expiresAtMs)),
  };
}

/** The identities of P-Associated-URI in order; without one, what was registered. */
function identitiesOf(attempt: RegisterAttempt, headers: HeaderList): readonly Identity[] {
  const identities: Identity[] = [];
  for (const value of headers.values(Header['P-Associated-URI'])) {
    const address = parseNameAddr(value);
    if (!(address instanceof ParseFailure) && identities.length < maxIdentities)
      identities.push(identityOf(address.uri));
  }
  return identities.length > 0 ? identities : [identityOf(attempt.toUri)];
}
