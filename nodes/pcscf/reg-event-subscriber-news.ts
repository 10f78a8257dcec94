import { reasons } from '#ims/reasons';
import type { RegInfo, RegInfoContact, RegInfoRegistration } from '#ims/reginfo';
import { uriTextEquals } from '#sip/uri/uri-equality';
import { type Binding, type BoundContact, type Identity, identityOf } from './binding.ts';
import { isEmergencyBinding } from './emergency-registration.ts';
import type { PcscfState } from './pcscf-state.ts';
import { releaseSessionsOf, serviceUnavailable } from './session-release.ts';

/** Identities of one registration that are kept. */
const maxIdentities = 64;

/** A binding as a document leaves it; null: nothing of it is registered any more. */
export type BindingNews = Pick<Binding, 'identities' | 'contacts' | 'expiresAtMs'> | null;

/**
 * What a document of the S-CSCF makes of a binding: identities that have ended or come go or come, the time it lives is the
 * contact's. What the document does not name stays as it was. `nowMs`: epoch milliseconds.
 *
 * Source: TS 24.229 5.2.3, RFC 3680 5; requirements P-63, P-64.
 */
export function newsOfBinding(binding: Binding, { registrations }: RegInfo, nowMs: number): BindingNews {
  let identities: readonly Identity[] = binding.identities;
  let contacts = binding.contacts;
  for (const registration of registrations) {
    const { key } = identityOf(registration.aor);
    const ours = registration.contacts.filter(({ uri }) => contacts.some((bound) => uriTextEquals(bound.uri, uri)));
    if (hasEnded(registration, ours)) identities = identities.filter((known) => known.key !== key);
    else if (ours.length > 0) {
      identities = withIdentity(identities, key, registration);
      for (const told of ours) contacts = contacts.map((bound) => withExpiry(bound, told, nowMs));
    }
  }
  if (identities.length === 0) return null;
  return { identities, contacts, expiresAtMs: Math.max(...contacts.map(({ expiresAtMs }) => expiresAtMs)) };
}

/**
 * Makes the bindings of a subscriber with this default identity what a document says of them. One that has ended goes, and its
 * sessions with it, as `regEvent.sessions` says. Gives how many are left.
 *
 * Source: TS 24.229 5.2.3, 5.2.8.1; requirements P-63, P-64, P-110.
 */
export function applyRegInfo(
  state: PcscfState,
  bindings: readonly Binding[],
  document: RegInfo,
  nowMs: number,
): number {
  let left = 0;
  for (const binding of bindings) {
    const news = newsOfBinding(binding, document, nowMs);
    if (news === null) {
      endBinding(state, binding);
      continue;
    }
    left++;
    const { identities, contacts } = news;
    if (identities !== binding.identities || contacts.some((contact, i) => contact !== binding.contacts[i])) {
      state.registrations.save({ ...binding, ...news });
    }
  }
  return left;
}

/** The bindings that a subscription is about. */
export function watchedBindings(
  { registrations }: PcscfState,
  impi: string,
  isWatched: (binding: Binding) => boolean,
): readonly Binding[] {
  return registrations.ofSubscriber(impi).filter((binding) => !isEmergencyBinding(binding) && isWatched(binding));
}

function endBinding(state: PcscfState, binding: Binding): void {
  const { context, registrations } = state;
  const { impi, aor, token } = binding;
  const isLast = registrations.ofSubscriber(impi).every((other) => other.token === token);
  if (isLast && context.config.regEvent.sessions === 'release') {
    releaseSessionsOf(state, token, { ...serviceUnavailable, reason: reasons.registrationEnded });
  }
  registrations.remove(binding);
  context.count('network-deregistration');
  context.log.info({ impi, impu: aor }, 'the home network has ended a registration');
}

function hasEnded({ state }: RegInfoRegistration, ours: readonly RegInfoContact[]): boolean {
  if (state === 'terminated') return true;
  return ours.length > 0 && ours.every((contact) => contact.state === 'terminated');
}

/** A wildcarded identity is none that somebody can speak for as it stands. */
function withIdentity(
  identities: readonly Identity[],
  key: string,
  { aor, wildcard }: RegInfoRegistration,
): readonly Identity[] {
  if (wildcard !== '' || identities.length >= maxIdentities) return identities;
  return identities.some((known) => known.key === key) ? identities : [...identities, identityOf(aor)];
}

/** Within a second it is the same time: documents have whole seconds. */
function withExpiry(bound: BoundContact, { state, event, uri, expires }: RegInfoContact, nowMs: number): BoundContact {
  if (state === 'terminated' || expires < 0 || !uriTextEquals(bound.uri, uri)) return bound;
  const told = Math.round(nowMs + expires * 1000);
  const expiresAtMs = event === 'shortened' ? Math.min(told, bound.expiresAtMs) : told;
  return Math.abs(expiresAtMs - bound.expiresAtMs) <= 1000 ? bound : { ...bound, expiresAtMs };
}
