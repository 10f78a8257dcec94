import { reasons } from '#ims/reasons';
import { firstRows, rowFilter } from '#service/listing-rows';
import { readSlices } from '#service/registration-slices';
import type { DialogRow, RegistrationRow } from '#service/worker-question';
import { readQuestion } from '#service/worker-question';
import type { Binding } from './binding.ts';
import type { Dialog } from './dialogs.ts';
import type { PcscfState } from './pcscf-state.ts';
import { releaseSessionsOf, serviceUnavailable } from './session-release.ts';

/** Answers what the management interface asks of a worker of the P-CSCF; null for what is none of its questions. */
export function answerQuestion(state: PcscfState, request: unknown): unknown {
  const question = readQuestion(request);
  const { registrations, dialogs, context } = state;
  switch (question?.command) {
    case 'registrations.page': {
      const nowMs = context.clock.wallMs();
      const fits = rowFilter(question.filter);
      return readSlices(question.from, question.limit, (behind, most) => {
        const { bindings, last } = registrations.page(behind, most);
        return { rows: bindings.map((binding) => rowOf(binding, nowMs)).filter(fits), next: last };
      });
    }
    case 'registrations.show':
      return bindingsOf(state, question.id).map((binding) => showBinding(binding, context.clock.wallMs()));
    case 'registrations.deregister':
      return forget(state, question.id);
    case 'dialogs.list':
      return firstRows(dialogs.all(), rowOfDialog, rowFilter(question.filter), question.limit);
    case 'dialogs.show':
      return dialogs.ofCall(question.callId).map((dialog) => ({
        ...rowOfDialog(dialog),
        subscription: dialog.subscription,
        timed: dialog.timed,
        charging: dialog.charging,
        ue: dialog.ue,
        far: dialog.far,
      }));
    default:
      return null;
  }
}

function rowOf({ token, impi, identities, contacts, expiresAtMs }: Binding, nowMs: number): RegistrationRow {
  return {
    id: token,
    impi,
    impus: identities.map(({ uri }) => uri),
    contacts: contacts.map(({ uri }) => uri),
    expiresSeconds: Math.max(0, Math.round((expiresAtMs - nowMs) / 1000)),
  };
}

/** By token or private identity. */
function bindingsOf({ registrations }: PcscfState, id: string): readonly Binding[] {
  const byToken = registrations.byToken(id);
  return byToken === null ? registrations.ofSubscriber(id) : [byToken];
}

function showBinding(binding: Binding, nowMs: number): unknown {
  const { flow, serviceRoute, home, callId, icid, outbound, boundAtMs } = binding;
  return {
    ...rowOf(binding, nowMs),
    flow: { transport: flow.transport, address: flow.address, port: flow.port, listener: flow.listener },
    serviceRoute,
    home,
    callId,
    icid,
    outbound,
    since: new Date(boundAtMs).toISOString(),
  };
}

/** Forgets bindings for the operator: their sessions end, and the UE has to register anew. Gives how many there were. */
function forget(state: PcscfState, id: string): number {
  const bindings = bindingsOf(state, id);
  for (const binding of bindings) {
    releaseSessionsOf(state, binding.token, { ...serviceUnavailable, reason: reasons.registrationEnded });
    state.registrations.remove(binding);
  }
  if (bindings.length > 0) state.registrations.commit();
  return bindings.length;
}

function rowOfDialog({ callId, binding, direction, released, confirmed, ue, far }: Dialog): DialogRow {
  const [from, to] = direction === 'originating' ? [ue, far] : [far, ue];
  return {
    callId,
    user: binding.identities[0]!.uri,
    direction,
    state: released !== '' ? 'released' : confirmed ? 'confirmed' : 'early',
    from: from.address,
    to: to.address,
  };
}
