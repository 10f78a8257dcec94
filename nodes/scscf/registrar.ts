import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import type { Contact } from '#sip/header/contact';
import type { Reason } from '#sip/reasons';
import { parseUri } from '#sip/uri/uri';
import { uriTextEquals } from '#sip/uri/uri-equality';
import type { RegisterRequest, RequestedContact } from './register-request.ts';
import { type Binding, makeBinding, newHistory } from './registration.ts';

/**
 * The bindings after a REGISTER, all of it or nothing; a reason when it is refused. `bindings` are those of the
 * registration, of every private identity; `proven`: whether the user has authenticated for this one.
 *
 * Source: RFC 3261 10.3, RFC 5626 6, TS 24.229 5.4.1.2.2; requirements S-31 to S-35, S-38.
 */
export function applyContacts(
  bindings: readonly Binding[],
  register: RegisterRequest,
  maxContacts: number,
  nowMs: number,
  proven = true,
): readonly Binding[] | Reason {
  if (register.star) return removeAll(bindings, register);
  if (register.contacts.length === 0) return bindings;
  const leaving = new Set<Binding>();
  const added: Binding[] = [];
  for (const requested of register.contacts) {
    const binding = bindingFor(register, requested, nowMs);
    if (binding === null) return reasons.badContact;
    let earlier: Binding | null = null;
    for (const older of bindings) {
      if (older.impi !== register.impi || !givesWay(older, binding, requested.seconds > 0)) continue;
      if (isStale(older, register)) return reasons.cseqTooLow;
      if (isSameBinding(older, binding)) earlier = older;
      if (requested.seconds > 0 || !isEmergency(older)) leaving.add(older);
    }
    // The same contact twice in one REGISTER: the last one counts.
    const twin = added.findIndex((other) => isSameBinding(other, binding));
    if (twin >= 0) added.splice(twin, 1);
    if (requested.seconds > 0) added.push(earlier === null ? binding : refreshed(binding, earlier, proven));
  }
  const after = bindings.filter((binding) => !leaving.has(binding)).concat(added);
  return added.length > 0 && after.length > maxContacts ? reasons.tooManyContacts : after;
}

/** Whether one of the contacts of a REGISTER is bound to its private identity already. Requirement S-04. */
export function isBound(bindings: readonly Binding[], register: RegisterRequest): boolean {
  const own = bindings.filter((binding) => binding.impi === register.impi);
  if (register.contacts.length === 0) return own.length > 0;
  return register.contacts.every(({ contact }) => own.some((binding) => isSameContact(binding, contact)));
}

/** Whether a binding was made by an emergency registration. Source: TS 24.229 5.1.6.2 (the sos URI parameter). */
export function isEmergency(binding: Pick<Binding, 'uri'>): boolean {
  // Looked for before parsing: hardly any contact has it.
  if (binding.uri.indexOf('sos') < 0) return false;
  const uri = parseUri(binding.uri);
  return !(uri instanceof ParseFailure) && uri.kind === 'sip' && uri.parameters.has('sos');
}

/**
 * Why a REGISTER ended a contact: the UE took it away, or another one came in its place. Source: RFC 3680 3.2;
 * requirements S-32, S-64.
 */
export function endingEvent(binding: Binding, register: RegisterRequest): 'unregistered' | 'deactivated' {
  const isMeant = ({ contact, seconds }: RequestedContact) => seconds === 0 && isSameContact(binding, contact);
  return !register.binds || register.contacts.some(isMeant) ? 'unregistered' : 'deactivated';
}

function refreshed(binding: Binding, { callId, history, proof }: Binding, proven: boolean): Binding {
  const firstCseq = callId === binding.callId ? history.firstCseq : binding.cseq;
  const since = proven ? binding.proof : { atMs: proof.atMs, unproven: proof.unproven + 1 };
  return { ...binding, history: { ...history, event: 'refreshed', firstCseq }, proof: since };
}

function removeAll(bindings: readonly Binding[], register: RegisterRequest): readonly Binding[] | Reason {
  const kept: Binding[] = [];
  for (const binding of bindings) {
    if (binding.impi !== register.impi) kept.push(binding);
    else if (isStale(binding, register)) return reasons.cseqTooLow;
    else if (isEmergency(binding)) kept.push(binding);
  }
  return kept;
}

function bindingFor(register: RegisterRequest, { contact, seconds }: RequestedContact, nowMs: number): Binding | null {
  const source = {
    impi: register.impi,
    contact: contact.raw,
    path: register.path,
    callId: register.callId,
    cseq: register.cseq,
    expiresAtMs: nowMs + seconds * 1000,
  };
  const proof = { atMs: nowMs, unproven: 0 };
  return makeBinding({ ...source, history: newHistory(source, register.impu, nowMs), proof });
}

/**
 * Whether an older binding of the same private identity goes when `newer` comes. A terminal has one contact, so without
 * reg-id a new one replaces it; emergency contacts and others do not touch each other.
 */
export function givesWay(older: Binding, newer: Binding, binds: boolean): boolean {
  if (isEmergency(older) !== isEmergency(newer)) return false;
  return isSameBinding(older, newer) || (binds && (newer.regId === 0 || older.regId === 0));
}

/** Source: RFC 5626 6 (instance and reg-id), else RFC 3261 10.3 (the contact's URI). */
function isSameBinding(a: Binding, b: Binding): boolean {
  if (a.regId > 0 || b.regId > 0) return a.regId === b.regId && a.instance === b.instance;
  return uriTextEquals(a.uri, b.uri) && isEmergency(a) === isEmergency(b);
}

function isSameContact(binding: Binding, contact: Contact): boolean {
  if (binding.regId > 0 && contact.regId > 0 && contact.instance !== '') {
    return binding.regId === contact.regId && binding.instance === contact.instance;
  }
  return uriTextEquals(binding.uri, contact.uri) && isEmergency(binding) === isEmergency(contact);
}

/** Requirement S-33: within one Call-ID the CSeq must rise. */
function isStale(binding: Binding, register: RegisterRequest): boolean {
  return binding.callId === register.callId && register.cseq <= binding.cseq;
}
