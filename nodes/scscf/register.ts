import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import { formatChargingFunctionAddresses, formatChargingVector, parseChargingVector } from '#ims/charging';
import { reasons } from '#ims/reasons';
import { retryAfterSeconds } from '#ims/result-reasons';
import { ParseFailure } from '#sip/errors';
import { contactWithExpires } from '#sip/header/contact';
import { hasTag } from '#sip/header/option-tags';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Reason } from '#sip/reasons';
import { StoreError } from '#store/store';
import { authenticate, authenticationInfo } from './authenticate.ts';
import { contactWithGruus, gruuIdentity, makeGruus } from './gruu.ts';
import { keepsServer } from './kept-assignment.ts';
import { type RegisterRequest, readRegister } from './register-request.ts';
import { applyContacts, endingEvent } from './registrar.ts';
import { associatedUris, hasBindingOf, identityOf, type Registration } from './registration.ts';
import { type Assignment, assign, assignedImpus, release } from './server-assignment.ts';
import type { ScscfState } from './state.ts';

/**
 * A REGISTER: authenticates it, tells the HSS of a first registration, stores the contacts and answers. What the 200
 * says is stored before it leaves.
 *
 * Source: TS 24.229 5.4.1.2, 5.4.1.4, RFC 3261 10.3; requirements S-01, S-20, S-30 to S-40.
 */
export async function handleRegister(state: ScscfState, transaction: ProxyTransaction): Promise<void> {
  if (!transaction.serveAsUas()) return;
  const { config } = state.context;
  const register = readRegister(transaction.request, config);
  if ('reason' in register) {
    refuse(transaction, register.reason, register.detail, config.registrar.minExpires);
    return;
  }
  if (config.registrar.requirePath && register.binds && register.path === '') {
    refuse(transaction, reasons.missingPath, register.impu);
    return;
  }
  const proof = await authenticate(state, transaction, register);
  if (proof === null) return;

  const known = state.registrations.find(register.impu);
  const early = applyContacts(known?.bindings ?? [], register, config.registrar.maxContacts, 0);
  if ('id' in early) {
    refuse(transaction, early, register.impu);
    return;
  }
  let assignment: Assignment | null = null;
  // What a registration leaves behind is gone when it is.
  const ending = register.binds || known === null ? null : state.registrations.profile(known.key);
  const first = known === null || !hasBindingOf(known, register.impi);
  if (register.binds && (first || config.registrar.sarOnReRegistration)) {
    const type = first ? serverAssignmentTypes.REGISTRATION : serverAssignmentTypes.RE_REGISTRATION;
    const assigned = await assign(state, register, type, known);
    if ('reason' in assigned) {
      refuse(transaction, assigned.reason, assigned.detail);
      return;
    }
    assignment = assigned;
  }
  let change: Change;
  try {
    change = store(state, register, assignment, proof === 'verified');
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    state.context.log.error({ error, impi: register.impi }, 'a registration cannot be stored');
    if (assignment !== null && first) undo(state, register, assignment);
    refuse(transaction, reasons.storeFailed, error.code);
    return;
  }
  // Another worker was quicker: what looked good before the HSS was asked does not any more.
  const refusal = change.refusal ?? (register.binds && change.after === null ? reasons.storeFailed : null);
  if (refusal !== null) {
    if (assignment !== null && first) undo(state, register, assignment);
    refuse(transaction, refusal, register.impu);
    return;
  }
  // The HSS hears of it before the UE, which may register anew at once. Whether it agrees does not matter (S-38).
  if (change.left !== null) await deregister(state, register, change, ending);
  // The other machines know of it before the UE does: the next request may come to any of them.
  if (state.context.store.durable !== undefined && !(await state.context.store.durable())) {
    state.context.log.warn(
      { reason: 'redis-slow', impi: register.impi },
      'a registration is answered before Redis has it',
    );
  }
  if (register.binds) state.context.count(first ? 'registration' : 're-registration');
  const response = answer(state, transaction, register, change.after);
  const { request } = transaction;
  const { before, after } = change;
  if (response !== null) {
    state.thirdParties.registered({ request, response, impu: register.impu, before, after, endedProfile: ending });
  }
  state.regEvents.changed(before, after, (binding) => endingEvent(binding, register));
}

/** What became of a registration. */
interface Change {
  readonly refusal: Reason | null;
  readonly before: Registration | null;
  readonly after: Registration | null;
  /** The registration as it was, when the last contact of the private identity went; else null. */
  readonly left: Registration | null;
}

function store(state: ScscfState, register: RegisterRequest, assignment: Assignment | null, proven: boolean): Change {
  const { registrations, context } = state;
  const { impi, impu } = register;
  const key = keyOf(state, impu, assignment);
  if (key === null) return { refusal: null, before: null, after: null, left: null };
  const nowMs = context.clock.wallMs();
  const { maxContacts } = context.config.registrar;
  let refusal: Reason | null = null;
  let left: Registration | null = null;
  let was: Registration | null = null;
  const after = registrations.change(
    key,
    (current) => {
      refusal = null;
      left = null;
      was = current;
      if (current === null && assignment === null) return undefined;
      const before = current?.bindings ?? [];
      const bindings = applyContacts(before, register, maxContacts, nowMs, proven);
      if ('id' in bindings) {
        refusal = bindings;
        return undefined;
      }
      if (bindings === before && assignment === null) return undefined;
      if (current !== null && hasBindingOf(current, impi) && !bindings.some((binding) => binding.impi === impi)) {
        left = current;
      }
      if (bindings.length === 0) return null;
      const { identities, charging } = assignment ?? current!;
      return { key, identities, charging, bindings };
    },
    assignment?.profile,
  );
  return { refusal, before: was, after, left };
}

/** The record to write: the one there is, also under another identity of the set, else one named after the default. */
function keyOf(state: ScscfState, impu: string, assignment: Assignment | null): string | null {
  const known = state.registrations.find(impu);
  if (known !== null) return known.key;
  if (assignment === null) return null;
  for (const identity of assignment.identities) {
    const registration = identity.impu === impu ? null : state.registrations.find(identity.impu);
    if (registration !== null) return registration.key;
  }
  return (assignment.identities.find((identity) => !identity.barred) ?? assignment.identities[0]!).impu;
}

/** Takes back what the HSS was just told, since nothing came of it. */
function undo(state: ScscfState, register: RegisterRequest, assignment: Assignment): void {
  const names = assignment.identities.filter((identity) => !identity.wildcard).map((identity) => identity.impu);
  release(state, register.impi, names, serverAssignmentTypes.ADMINISTRATIVE_DEREGISTRATION);
}

/** `profile`: that of the registration before. Requirements S-21, S-38. */
async function deregister(
  state: ScscfState,
  register: RegisterRequest,
  { left, after }: Change,
  profile: Buffer | null,
): Promise<void> {
  if (left === null) return;
  state.context.count('deregistration');
  const keeps = after === null && keepsServer(state.context.config, profile);
  const { USER_DEREGISTRATION, USER_DEREGISTRATION_STORE_SERVER_NAME } = serverAssignmentTypes;
  const type = keeps ? USER_DEREGISTRATION_STORE_SERVER_NAME : USER_DEREGISTRATION;
  await release(state, register.impi, assignedImpus(left), type);
}

/** The 200; null when somebody else has answered. Source: TS 24.229 5.4.1.2.2F, RFC 3608 6.3, RFC 3327 5.3, RFC 5627 5.2; requirements S-36, S-37, S-41. */
function answer(
  state: ScscfState,
  transaction: ProxyTransaction,
  register: RegisterRequest,
  registration: Registration | null,
): SipResponse | null {
  const { request } = transaction;
  const { context, routes } = state;
  let sent: SipResponse | null = null;
  const nowMs = context.clock.wallMs();
  const challenge = state.challenges.get(register.impi, nowMs);
  transaction.reply(200, (response) => {
    sent = response;
    const { headers } = response.by('answer (TS 24.229 5.4.1.2.2F)');
    if (registration !== null && identityOf(registration, register.impu) !== null) {
      const withGruu = hasTag(request.headers.values(Header.Supported), 'gruu');
      const named = withGruu ? gruuIdentity(registration, register.impu) : null;
      for (const binding of registration.bindings) {
        const seconds = Math.ceil((binding.expiresAtMs - nowMs) / 1000);
        if (seconds <= 0) continue;
        const gruus = named === null ? null : makeGruus(binding, named, context.config.homeDomain, state.gruuSecret);
        headers.append(Header.Contact, contactWithGruus(contactWithExpires(binding.contact, seconds), gruus));
      }
      headers.copyFrom(request.headers, Header.Path);
      headers.append(Header['Service-Route'], routes.service);
      const associated = associatedUris(registration);
      if (associated !== '') headers.append(Header['P-Associated-URI'], associated);
      const { ccf, ecf } = registration.charging;
      const addresses = { ccf: ccf === '' ? [] : [ccf], ecf: ecf === '' ? [] : [ecf], others: [] };
      const charging = formatChargingFunctionAddresses(addresses);
      if (charging !== '') headers.append(Header['P-Charging-Function-Addresses'], charging);
    }
    addSupport(request, response, register);
    const vector = chargingVector(request, context.config.homeDomain);
    if (vector !== null) headers.append(Header['P-Charging-Vector'], vector);
    const info = authenticationInfo(register, challenge);
    if (info !== null) headers.append(Header['Authentication-Info'], info);
  });
  return sent;
}

function addSupport(request: SipRequest, response: SipResponse, register: RegisterRequest): void {
  const { headers } = response;
  headers.append(Header.Supported, 'path');
  if (!register.outbound || !hasTag(request.headers.values(Header.Supported), 'outbound')) return;
  headers.append(Header.Require, 'outbound');
}

/** The vector of the request with our network at its end. Source: TS 24.229 5.4.1.2.2F, RFC 7315 4.6. */
function chargingVector(request: SipRequest, homeDomain: string): string | null {
  const value = request.headers.get(Header['P-Charging-Vector']);
  if (value === null) return null;
  const vector = parseChargingVector(value);
  if (vector instanceof ParseFailure) return null;
  return formatChargingVector({ ...vector, origIoi: vector.origIoi || homeDomain, termIoi: homeDomain });
}

function refuse(transaction: ProxyTransaction, reason: Reason, detail: string, minExpires = 0): void {
  transaction.refuse(reason, detail, (response) => {
    if (reason === reasons.intervalTooBrief) response.headers.append(Header['Min-Expires'], String(minExpires));
    const seconds = retryAfterSeconds(reason);
    if (seconds > 0) response.headers.append(Header['Retry-After'], String(seconds));
  });
}
