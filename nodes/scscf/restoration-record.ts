import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import type { RestorationInfo } from '#diameter/cx/restoration-info';
import { outcomeDetail, sarRefusal } from '#ims/result-reasons';
import { contactWithExpires } from '#sip/header/contact';
import { isEmergency } from './registrar.ts';
import type { Binding, Registration } from './registration.ts';
import type { ScscfState } from './state.ts';

/**
 * Leaves at the HSS what a restoration of a registration needs, for each private identity whose contacts have changed.
 * Nothing waits for the answer. Contacts of emergency registrations are not restored.
 *
 * Source: TS 23.380 4.2, TS 29.228 6.1.2; requirements S-21, S-83.
 */
export function leaveForRestoration(state: ScscfState, before: Registration | null, after: Registration | null): void {
  if (after === null || before?.bindings === after.bindings) return;
  const nowMs = state.context.clock.wallMs();
  for (const impi of new Set(after.bindings.map((binding) => binding.impi))) {
    if (kept(after, impi) !== (before === null ? '' : kept(before, impi))) void leave(state, after, impi, nowMs);
  }
}

/** What of the contacts of a private identity is kept at the HSS, as one text to compare. */
function kept({ bindings }: Registration, impi: string): string {
  const own = bindings.filter((binding) => binding.impi === impi && !isEmergency(binding));
  return own.map(({ contact, path, callId }) => `${contact}\n${path}\n${callId}`).join('\n');
}

async function leave(state: ScscfState, registration: Registration, impi: string, nowMs: number): Promise<void> {
  const { config, log } = state.context;
  const own = registration.bindings.filter((binding) => binding.impi === impi && !isEmergency(binding));
  const contacts = own.map((binding) => restorationInfoOf(binding, nowMs));
  const named = registration.identities.find(({ barred, wildcard }) => !barred && !wildcard);
  if (contacts.length === 0 || named === undefined) return;
  try {
    const answer = await state.cx.serverAssignment({
      impi,
      impus: [named.impu],
      serverName: config.uri,
      type: serverAssignmentTypes.RE_REGISTRATION,
      userDataAlreadyAvailable: true,
      restorationInfos: [{ impi, contacts }],
    });
    if (sarRefusal(answer) === null) return;
    log.warn({ impi, outcome: outcomeDetail('SAR', answer) }, 'the HSS does not keep what a restoration needs');
  } catch (error) {
    // Nobody waits for this promise, so nothing would catch a rejection.
    log.error({ error, impi }, 'the HSS could not be told what a restoration needs');
  }
}

function restorationInfoOf({ contact, path, callId, cseq, expiresAtMs }: Binding, nowMs: number): RestorationInfo {
  const seconds = Math.max(1, Math.round((expiresAtMs - nowMs) / 1000));
  return { path, contact: contactWithExpires(contact, seconds), initialCseq: cseq, callId };
}
