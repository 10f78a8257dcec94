import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import type { RegEvents } from './reg-event.ts';
import { hasBindingOf, type Registration } from './registration.ts';
import { endContacts } from './registration-termination.ts';
import { assignedImpus, release } from './server-assignment.ts';
import { releaseSessionsOf } from './session-release.ts';
import type { ScscfState } from './state.ts';

/** What of the notifier the procedures use. */
export type RegistrationEvents = Pick<RegEvents, 'subscribe' | 'knows' | 'refresh' | 'changed' | 'attend' | 'seesTo'>;

/** A notifier that lets somebody else hear of each change too. */
export function alsoTelling(
  events: RegEvents,
  changed: (before: Registration | null, after: Registration | null) => void,
): RegistrationEvents {
  return {
    subscribe: (request, key, asked, localTag, accepted) => events.subscribe(request, key, asked, localTag, accepted),
    knows: (request) => events.knows(request),
    refresh: (request, offered, accepted) => events.refresh(request, offered, accepted),
    changed(before, after, eventOf, when) {
      events.changed(before, after, eventOf, when);
      changed(before, after);
    },
    attend: (key) => events.attend(key),
    seesTo: (key) => events.seesTo(key),
  };
}

/**
 * Ends a registration by the network, since an application server that it cannot do without was not told of it
 * (DefaultHandling SESSION_TERMINATED): contacts go, watchers and the other servers are told, and the HSS.
 *
 * Source: TS 24.229 5.4.1.7, 5.4.1.5; requirement S-53.
 */
export function endForServer(state: ScscfState, key: string, server: string): void {
  const registration = state.registrations.get(key);
  if (registration === null) return;
  const impis = [...new Set(registration.bindings.map(({ impi }) => impi))];
  const { before, after, removed } = endContacts(state, key, impis);
  if (before === null || removed.length === 0) return;
  const fields = { reason: 'third-party-failure', key, server, impis };
  state.context.log.warn(fields, 'a registration ends: its application server was not told, and it must be');
  state.regEvents.changed(before, after, () => 'deactivated');
  releaseSessionsOf(state, before, after, removed);
  for (const impi of impis) {
    if (after !== null && hasBindingOf(after, impi)) continue;
    state.context.count('network-deregistration');
    release(state, impi, assignedImpus(before), serverAssignmentTypes.ADMINISTRATIVE_DEREGISTRATION);
  }
}
