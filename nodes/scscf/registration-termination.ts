import type { AnswerContent } from '#diameter/answer';
import type { DiameterMessage } from '#diameter/codec/message';
import { cxResultCodes } from '#diameter/cx/cx-results';
import {
  deregistrationReasons,
  type EmergencyIdentity,
  readRegistrationTermination,
  registrationTerminationAnswer,
} from '#diameter/cx/hss-requests';
import { resultCodes } from '#diameter/errors';
import { baseResult, experimentalResult } from '#diameter/result';
import { impuOf } from '#ims/identity';
import { ParseFailure } from '#sip/errors';
import { isOurHss } from './hss-trust.ts';
import { isEmergency } from './registrar.ts';
import { type Binding, hasBindingOf, type Registration } from './registration.ts';
import { releaseSessionsOf } from './session-release.ts';
import type { ScscfState } from './state.ts';
import { findWildcarded } from './wildcard-index.ts';

/** What an ended registration was and is, for those who are to hear of it. */
export interface EndedRegistration {
  /** Null when it was gone already. */
  readonly before: Registration | null;
  /** Null when nothing is left of it. */
  readonly after: Registration | null;
  /** The contacts that went. */
  readonly removed: readonly Binding[];
}

/**
 * Answers an RTR: the contacts of the private identity and its associated ones go, of all their registrations or of those
 * that the named public identities belong to. Contacts of emergency registrations stay and are named in the RTA. The HSS
 * is not told (it knows), and what a challenge left behind is no good any more. Sessions by those contacts end, as the
 * policy says.
 *
 * Source: TS 29.228 6.1.3, TS 24.229 5.4.1.5; requirements S-70 to S-72, X-D8.
 */
export function terminateRegistrations(state: ScscfState, message: DiameterMessage): AnswerContent {
  const request = readRegistrationTermination(message);
  const { context } = state;
  const { impi, originHost, originRealm, reasonCode, reasonInfo } = request;
  const about = { impi, from: originHost, deregistrationReason: reasonCode, words: reasonInfo };
  if (!isOurHss(context.config.diameter, originHost, originRealm)) {
    context.log.warn(
      { ...about, reason: 'hss-untrusted', realm: originRealm },
      'an RTR of somebody who is no HSS of ours',
    );
    return registrationTerminationAnswer({ result: baseResult(resultCodes.AUTHORIZATION_REJECTED) });
  }
  const impis = [...new Set([impi, ...request.associatedIdentities])];
  const meant = registrationsMeant(state, impis, request.impus);
  if ('failure' in meant) {
    context.log.warn({ ...about, reason: 'rtr-refused', result: meant.failure }, 'an RTR that fits no registration');
    return registrationTerminationAnswer({ result: experimentalResult(meant.failure) });
  }
  const ended = meant.registrations.map((registration) => endContacts(state, registration.key, impis));
  for (const each of impis) state.challenges.remove(each);
  const event = reasonCode === deregistrationReasons.PERMANENT_TERMINATION ? 'rejected' : 'deactivated';
  // The RTA goes first.
  for (const { before, after, removed } of ended) {
    state.regEvents.changed(before, after, () => event, 'later');
    releaseSessionsOf(state, before, after, removed);
  }
  const gone = new Set(ended.flatMap(({ removed }) => removed.map((binding) => binding.impi)));
  for (const _each of gone) context.count('network-deregistration');
  context.log.info({ ...about, ended: [...gone] }, 'the HSS ends registrations');
  return registrationTerminationAnswer({
    result: baseResult(resultCodes.SUCCESS),
    associatedIdentities: [...gone].filter((each) => each !== impi),
    emergencies: ended.flatMap((each) => emergenciesOf(each, impis)),
  });
}

/**
 * Removes the contacts of private identities from one registration, but for those of emergency registrations; what is
 * removed is committed. Source: TS 24.229 5.4.1.5; requirement S-70.
 */
export function endContacts(state: ScscfState, key: string, impis: readonly string[]): EndedRegistration {
  const goes = (binding: Binding) => impis.includes(binding.impi) && !isEmergency(binding);
  let before: Registration | null = null;
  let removed: readonly Binding[] = [];
  const after = state.registrations.change(key, (current) => {
    before = current;
    removed = current?.bindings.filter(goes) ?? [];
    if (current === null || removed.length === 0) return undefined;
    const bindings = current.bindings.filter((binding) => !goes(binding));
    return bindings.length === 0 ? null : { ...current, bindings };
  });
  return { before, after, removed };
}

/** Which registrations an RTR is about, or the code by which it is refused. */
function registrationsMeant(
  state: ScscfState,
  impis: readonly string[],
  impus: readonly string[],
): { readonly registrations: readonly Registration[] } | { readonly failure: number } {
  const own = impis.flatMap((impi) => state.registrations.ofPrivateIdentity(impi));
  const named = impus.map((impu) => findNamed(state, impu)).filter((registration) => registration !== null);
  const foreign = named.some((registration) => !impis.some((impi) => hasBindingOf(registration, impi)));
  if (foreign) return { failure: cxResultCodes.ERROR_IDENTITIES_DONT_MATCH };
  if (own.length === 0 && !isOfDomain(impis[0]!, state.context.config.homeDomain)) {
    return { failure: cxResultCodes.ERROR_USER_UNKNOWN };
  }
  const meant = impus.length === 0 ? own : named;
  return { registrations: [...new Map(meant.map((registration) => [registration.key, registration])).values()] };
}

function findNamed(state: ScscfState, text: string): Registration | null {
  const impu = impuOf(text);
  if (impu instanceof ParseFailure) return state.registrations.find(text);
  return state.registrations.find(impu) ?? findWildcarded(state, impu)?.registration ?? null;
}

/** A private identity of ours may be known to the HSS and have nothing registered here; that is no error. */
function isOfDomain(impi: string, homeDomain: string): boolean {
  return impi.toLowerCase().endsWith(`@${homeDomain}`);
}

function emergenciesOf({ after }: EndedRegistration, impis: readonly string[]): EmergencyIdentity[] {
  const named = after?.identities.find(({ barred, wildcard }) => !barred && !wildcard) ?? after?.identities[0];
  if (!after || named === undefined) return [];
  const left = impis.filter((impi) => after.bindings.some((binding) => binding.impi === impi && isEmergency(binding)));
  return left.map((impi) => ({ impi, impu: named.impu }));
}
