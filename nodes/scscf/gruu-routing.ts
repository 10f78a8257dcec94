import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { Reason } from '#sip/reasons';
import type { Store } from '#store/store';
import { contactsOfGruu, GRUU_SECRET_LENGTH, readGruu } from './gruu.ts';
import { isEmergency } from './registrar.ts';
import type { Binding } from './registration.ts';
import type { ScscfState } from './state.ts';

/** What all workers share and keep over a restart to make and read temporary GRUUs. */
export const GRUU_SECRETS = 'gruu-secrets';
const KEY = 'temporary';

/**
 * The secret that temporary GRUUs are sealed with, one per store, made when there is none.
 *
 * @throws StoreError ERR_STORE_WRITE when a new one could not be written.
 */
export function gruuSecret(store: Store): KeyObject {
  const known = store.get(GRUU_SECRETS, KEY);
  if (known?.length === GRUU_SECRET_LENGTH) return createSecretKey(known);
  const fresh = randomBytes(GRUU_SECRET_LENGTH);
  const kept = store.update(GRUU_SECRETS, KEY, (current) =>
    current?.value.length === GRUU_SECRET_LENGTH ? undefined : { value: fresh, expiresAtMs: 0 },
  );
  return createSecretKey(Buffer.from(kept!.value));
}

/**
 * Puts the contact in the place of a GRUU that a request within a dialog is addressed to; the Route stays, and where none
 * is left the Path of the contact becomes it. Gives why the request can go nowhere, else null.
 * Source: RFC 5627 5.4, TS 24.229 5.4.3.3; requirement S-41.
 */
export function translateGruu(state: ScscfState, request: SipRequest): Reason | null {
  const { config, clock } = state.context;
  const gruu = readGruu(request, config.homeDomain, state.gruuSecret);
  if (gruu === null) return null;
  const routed = request.headers.has(Header.Route);
  // With a Route left another S-CSCF, which knows it, may come.
  if (gruu instanceof ParseFailure) return routed ? null : reasons.unknownGruu;
  const registration = state.registrations.find(gruu.impu);
  if (registration === null) return routed || !isHome(request, config.homeDomain) ? null : reasons.calleeNotRegistered;
  const contacts = contactsOfGruu(gruu, registration.bindings);
  if (contacts === null) return reasons.unknownGruu;
  const binding = bestContact(contacts, clock.wallMs());
  if (binding === null) return reasons.noContact;
  request.by('translateGruu (RFC 5627 5.4)');
  request.setRequestUri(binding.uri);
  if (!routed && binding.path !== '') request.headers.set(Header.Route, binding.path);
  return null;
}

function isHome({ uri }: SipRequest, homeDomain: string): boolean {
  return !(uri instanceof ParseFailure) && uri.kind === 'sip' && uri.host === homeDomain;
}

/** The highest q, among equals the one registered last. A dialog has one other end, so nothing forks. */
function bestContact(contacts: readonly Binding[], nowMs: number): Binding | null {
  let best: Binding | null = null;
  for (const binding of contacts) {
    if (binding.expiresAtMs <= nowMs || isEmergency(binding)) continue;
    if (best === null || binding.q > best.q || (binding.q === best.q && binding.expiresAtMs > best.expiresAtMs)) {
      best = binding;
    }
  }
  return best;
}
