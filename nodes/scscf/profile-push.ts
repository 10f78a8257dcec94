import type { AnswerContent } from '#diameter/answer';
import type { DiameterMessage } from '#diameter/codec/message';
import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import { type ChargingInformation, cxResultCodes } from '#diameter/cx/cx-results';
import { type PushProfile, pushProfileAnswer, readPushProfile } from '#diameter/cx/hss-requests';
import { resultCodes } from '#diameter/errors';
import { baseResult, experimentalResult } from '#diameter/result';
import { ProfileFailure, readUserProfile } from '#ims/user-profile';
import { StoreError } from '#store/store';
import { isOurHss } from './hss-trust.ts';
import { identityOf, type RegisteredIdentity, type Registration } from './registration.ts';
import { endContacts } from './registration-termination.ts';
import { assignedImpus, chargingAddresses, registeredIdentities, release } from './server-assignment.ts';
import { releaseSessionsOf, releaseSessionsOfLost } from './session-release.ts';
import type { ScscfState } from './state.ts';

/** Tries to rename a registration that other workers keep changing. */
const MAX_TRIES = 16;

/** What a PPR puts in the place of what there is; null or undefined: nothing. */
interface Pushed {
  readonly targets: readonly Registration[];
  readonly identities: readonly RegisteredIdentity[] | null;
  readonly profile: Buffer | null;
  readonly charging: ChargingInformation | undefined;
}

/** A PPR that is answered with an error of Cx; reason and words are for the log. */
interface PushRefusal {
  readonly code: number;
  readonly reason: 'ppr-refused' | 'profile-unusable';
  readonly words: string;
}

/**
 * Answers a PPR: profile, charging addresses or both take the place of what the registrations of the private identity
 * have, and that is committed when the PPA leaves. A profile is that of one implicit registration set: the one that has
 * one of its identities. When it bars all of them, the registration ends.
 *
 * Source: TS 29.228 6.2.2, TS 24.229 5.4.1.7; requirements S-73, X-D8.
 */
export function pushProfile(state: ScscfState, message: DiameterMessage): AnswerContent {
  const { log, config } = state.context;
  const push = readPushProfile(message);
  const { impi, originHost, originRealm, userData, charging } = push;
  const about = { impi, from: originHost };
  if (!isOurHss(config.diameter, originHost, originRealm)) {
    log.warn({ ...about, reason: 'hss-untrusted', realm: originRealm }, 'a PPR of somebody who is no HSS of ours');
    return pushProfileAnswer(baseResult(resultCodes.AUTHORIZATION_REJECTED));
  }
  const pushed = whatIsPushed(state, push);
  if ('code' in pushed) {
    log.warn({ ...about, reason: pushed.reason, result: pushed.code }, pushed.words);
    return pushProfileAnswer(experimentalResult(pushed.code));
  }
  // What a nonce of SIP Digest is answered with has changed at the HSS.
  if (push.authDataItem !== undefined) state.challenges.remove(impi);
  for (const target of pushed.targets) replace(state, target, pushed);
  state.context.count('profile-push');
  const what = { profile: userData !== undefined, charging: charging !== undefined };
  log.info({ ...about, ...what }, 'the HSS pushes a profile');
  return pushProfileAnswer(baseResult(resultCodes.SUCCESS));
}

function whatIsPushed(state: ScscfState, { impi, userData, charging }: PushProfile): Pushed | PushRefusal {
  const targets = state.registrations.ofPrivateIdentity(impi);
  if (targets.length === 0) {
    const words = 'a PPR for a user who is not registered here';
    return { code: cxResultCodes.ERROR_USER_UNKNOWN, reason: 'ppr-refused', words };
  }
  if (userData === undefined) return { targets, identities: null, profile: null, charging };
  const profile = readUserProfile(userData);
  if (profile instanceof ProfileFailure) {
    const words = `a pushed profile: ${profile.reason}`;
    return { code: cxResultCodes.ERROR_NOT_SUPPORTED_USER_DATA, reason: 'profile-unusable', words };
  }
  for (const warning of profile.warnings) state.context.log.warn({ impi, warning }, 'user profile');
  const identities = registeredIdentities(profile, null);
  const target = registrationOf(targets, identities);
  if (target === undefined) {
    const words = 'a pushed profile has no identity that the user is registered with';
    return { code: cxResultCodes.ERROR_IDENTITIES_DONT_MATCH, reason: 'ppr-refused', words };
  }
  // A copy: what is read is a view of the message.
  return { targets: [target], identities, profile: Buffer.from(userData), charging };
}

/** The registration with one of these identities; of several the one whose record is named after one. */
function registrationOf(
  registrations: readonly Registration[],
  identities: readonly RegisteredIdentity[],
): Registration | undefined {
  const fitting = registrations.filter((registration) =>
    identities.some(({ impu }) => identityOf(registration, impu) !== null),
  );
  return fitting.find(({ key }) => identities.some(({ impu }) => impu === key)) ?? fitting[0];
}

function replace(state: ScscfState, target: Registration, pushed: Pushed): void {
  const next = (current: Registration): Registration => ({
    ...current,
    identities: pushed.identities ?? current.identities,
    charging: pushed.charging === undefined ? current.charging : chargingAddresses(pushed.charging),
  });
  const { identities } = pushed;
  if (identities === null) {
    state.registrations.change(target.key, (current) => (current === null ? undefined : next(current)));
    return;
  }
  if (identities.every(({ barred }) => barred)) {
    end(state, target);
    return;
  }
  const key = keyFor(state, target, identities);
  if (key === target.key) {
    const change = (current: Registration | null) => (current === null ? undefined : next(current));
    tell(state, target, state.registrations.change(key, change, pushed.profile ?? undefined));
    return;
  }
  tell(
    state,
    target,
    rename(state, target.key, (current) => ({ ...next(current), key }), pushed.profile),
  );
}

/** The key that a registration has with these identities: the one it has, unless that is none of them any more. */
function keyFor(state: ScscfState, target: Registration, identities: readonly RegisteredIdentity[]): string {
  if (identities.some(({ impu }) => impu === target.key)) return target.key;
  const free = identities.filter(({ impu }) => state.registrations.get(impu) === null);
  return (free.find(({ barred }) => !barred) ?? free[0])?.impu ?? target.key;
}

function rename(
  state: ScscfState,
  key: string,
  next: (current: Registration) => Registration,
  profile: Buffer | null,
): Registration | null {
  for (let i = 0; i < MAX_TRIES; i++) {
    const current = state.registrations.get(key);
    const renamed = current === null ? null : next(current);
    if (current === null || renamed === null) return null;
    if (state.registrations.rename(current, renamed, profile)) return renamed;
  }
  throw new StoreError('ERR_STORE_STUCK', `the registration ${key} changes too often to be renamed`);
}

/** Watchers hear of identities that came, went or were barred. Requirement S-73. */
function tell(state: ScscfState, before: Registration, after: Registration | null): void {
  const named = ({ identities }: Registration) => identities.map(({ uri, barred }) => `${barred} ${uri}`).join('\n');
  if (after === null || named(before) === named(after)) return;
  state.regEvents.changed(before, after, () => 'deactivated', 'later');
  releaseSessionsOfLost(state, before, after);
}

/** Nobody may be registered with barred identities alone: the contacts go, and the HSS is told. Requirement S-73. */
function end(state: ScscfState, target: Registration): void {
  const impis = [...new Set(target.bindings.map(({ impi }) => impi))];
  const { before, after, removed } = endContacts(state, target.key, impis);
  state.regEvents.changed(before, after, () => 'deactivated', 'later');
  releaseSessionsOf(state, before, after, removed);
  for (const impi of new Set(removed.map((binding) => binding.impi))) {
    state.context.count('network-deregistration');
    release(state, impi, assignedImpus(target), serverAssignmentTypes.ADMINISTRATIVE_DEREGISTRATION);
  }
}
