import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import { impuOf } from '#ims/identity';
import { reasons } from '#ims/reasons';
import { firstRows, rowFilter } from '#service/listing-rows';
import { readSlices } from '#service/registration-slices';
import type { DialogRow, RegistrationPage, RegistrationRow } from '#service/worker-question';
import { readQuestion } from '#service/worker-question';
import { ParseFailure } from '#sip/errors';
import { isEmergency } from './registrar.ts';
import type { Registration } from './registration.ts';
import { endContacts } from './registration-termination.ts';
import { release } from './server-assignment.ts';
import { releaseSessionsOf } from './session-release.ts';
import type { Session } from './sessions.ts';
import type { ScscfState } from './state.ts';

/** Answers what the management interface asks of a worker of the S-CSCF; null for what is none of its questions. */
export function answerQuestion(state: ScscfState, request: unknown): unknown {
  const question = readQuestion(request);
  switch (question?.command) {
    case 'registrations.page':
      return pageOf(state, question.from, question.limit, question.filter);
    case 'registrations.show':
      return showRegistration(state, question.id);
    case 'registrations.deregister':
      return deregister(state, question.id);
    case 'profile.show':
      return showProfile(state, question.id);
    case 'dialogs.list':
      return firstRows(state.sessions.all(), rowOfSession, rowFilter(question.filter), question.limit);
    case 'dialogs.show':
      return state.sessions.ofCall(question.callId).map(showSession);
    default:
      return null;
  }
}

function pageOf(state: ScscfState, from: string, limit: number, filter: string): RegistrationPage {
  const nowMs = state.context.clock.wallMs();
  const fits = rowFilter(filter);
  return readSlices(from, limit, (behind, most) => {
    const { registrations, last } = state.registrations.page(behind, most);
    return { rows: registrations.map((registration) => rowOf(registration, nowMs)).filter(fits), next: last };
  });
}

function rowOf({ key, identities, bindings }: Registration, nowMs: number): RegistrationRow {
  return {
    id: key,
    impi: [...new Set(bindings.map(({ impi }) => impi))].join(', '),
    impus: identities.filter(({ barred }) => !barred).map(({ uri }) => uri),
    contacts: bindings.map(({ uri }) => uri),
    expiresSeconds: secondsUntil(Math.max(0, ...bindings.map(({ expiresAtMs }) => expiresAtMs)), nowMs),
  };
}

function showRegistration(state: ScscfState, id: string): unknown {
  const registration = find(state, id);
  if (registration === null) return null;
  const { key, identities, charging, bindings } = registration;
  const nowMs = state.context.clock.wallMs();
  return {
    id: key,
    identities: identities.map(({ uri, barred, wildcard, alias, displayName }) => ({
      uri,
      barred,
      wildcard,
      alias,
      displayName,
    })),
    charging,
    contacts: bindings.map((binding) => ({
      impi: binding.impi,
      contact: binding.contact,
      path: binding.path,
      callId: binding.callId,
      cseq: binding.cseq,
      instance: binding.instance,
      regId: binding.regId,
      emergency: isEmergency(binding),
      event: binding.history.event,
      since: binding.history.sinceMs === 0 ? null : new Date(binding.history.sinceMs).toISOString(),
      expiresSeconds: secondsUntil(binding.expiresAtMs, nowMs),
    })),
  };
}

/**
 * Ends the registration of a user for the operator, as the network does: watchers hear it, sessions end by the policy, the
 * HSS is told (SAR ADMINISTRATIVE_DEREGISTRATION). Contacts of emergency registrations stay. Gives how many contacts went.
 *
 * Source: TS 24.229 5.4.1.5; requirement S-21.
 */
function deregister(state: ScscfState, id: string): number {
  const found = find(state, id);
  if (found === null) return 0;
  const impis = [...new Set(found.bindings.map(({ impi }) => impi))];
  const { before, after, removed } = endContacts(state, found.key, impis);
  state.regEvents.changed(before, after, () => 'rejected');
  releaseSessionsOf(state, before, after, removed);
  if (before !== null && after === null) {
    const impus = before.identities.slice(0, 1).map(({ impu }) => impu);
    for (const impi of impis) release(state, impi, impus, serverAssignmentTypes.ADMINISTRATIVE_DEREGISTRATION);
  }
  state.context.log.info(
    {
      reason: reasons.sessionEndedByOperator.id,
      impus: found.identities.map(({ uri }) => uri),
      contacts: removed.length,
    },
    'the operator ends a registration',
  );
  return removed.length;
}

function showProfile(state: ScscfState, id: string): string | null {
  const registration = find(state, id);
  return registration === null ? null : (state.registrations.profile(registration.key)?.toString('utf8') ?? null);
}

function find(state: ScscfState, id: string): Registration | null {
  const impu = impuOf(id);
  const byKey = state.registrations.get(id) ?? (impu instanceof ParseFailure ? null : state.registrations.find(impu));
  return byKey ?? state.registrations.ofPrivateIdentity(id)[0] ?? null;
}

function rowOfSession({
  callId,
  identity,
  originating,
  released,
  confirmed,
  caller,
  calledAddress,
}: Session): DialogRow {
  return {
    callId,
    user: identity,
    direction: originating ? 'originating' : 'terminating',
    state: released !== '' ? 'released' : confirmed ? 'confirmed' : 'early',
    from: caller.address,
    to: calledAddress,
  };
}

function showSession(session: Session): unknown {
  const side = ({ tag, cseq, contact, routes }: Session['caller']) => ({ tag, cseq, contact, routes });
  return {
    ...rowOfSession(session),
    timed: session.timed,
    caller: side(session.caller),
    callees: session.callees.map(side),
  };
}

function secondsUntil(atMs: number, nowMs: number): number {
  return Math.max(0, Math.round((atMs - nowMs) / 1000));
}
