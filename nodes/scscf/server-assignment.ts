import { isSilence } from '#diameter/client';
import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import type { ChargingInformation } from '#diameter/cx/cx-results';
import { reasons } from '#ims/reasons';
import { outcomeDetail, sarRefusal } from '#ims/result-reasons';
import {
  identityTypes,
  implicitRegistrationSet,
  ProfileFailure,
  type PublicIdentity,
  readUserProfile,
  type UserProfile,
} from '#ims/user-profile';
import { isSafeHeaderValue } from '#sip/header/token';
import type { Reason } from '#sip/reasons';
import { skipClass, uriTextClass } from '#sip/uri/characters';
import { type ChargingAddresses, hasBindingOf, type RegisteredIdentity, type Registration } from './registration.ts';
import type { ScscfState } from './state.ts';

/** What the HSS gave with an assignment. */
export interface Assignment {
  readonly identities: readonly RegisteredIdentity[];
  readonly charging: ChargingAddresses;
  /** The profile as it came; undefined when the one there already is to be kept. */
  readonly profile: Buffer | undefined;
}

export interface AssignmentRefusal {
  readonly reason: Reason;
  readonly detail: string;
}

/**
 * Tells the HSS that a private identity is registered here and takes over the profile. `known`: the registration there is
 * already, whose profile serves when the HSS sends none.
 *
 * When the answer cannot be used the HSS is told that the assignment is off again. A refresh goes on without the HSS.
 * Source: TS 29.228 6.1.2, TS 24.229 5.4.1.2.2F; requirements S-20 to S-25, X-R4.
 */
export async function assign(
  state: ScscfState,
  user: { readonly impi: string; readonly impu: string; readonly outbound: boolean },
  type: number,
  known: Registration | null,
): Promise<Assignment | AssignmentRefusal> {
  const { impi, impu } = user;
  const answer = await state.cx.serverAssignment({
    impi,
    impus: [impu],
    serverName: state.context.config.uri,
    type,
    userDataAlreadyAvailable: known !== null,
    multipleRegistration: user.outbound && known !== null && hasBindingOf(known, impi),
  });
  const refusal = sarRefusal(answer);
  if (known !== null && type === serverAssignmentTypes.RE_REGISTRATION && isSilence(answer)) {
    state.context.log.info(
      { impi, outcome: outcomeDetail('SAR', answer) },
      'no HSS answers: what is known of the user serves on',
    );
    return { identities: known.identities, charging: known.charging, profile: undefined };
  }
  if (refusal !== null || answer.failure !== undefined) {
    if (refusal === reasons.profileTooLarge) {
      release(state, impi, [impu], serverAssignmentTypes.DEREGISTRATION_TOO_MUCH_DATA);
    }
    return { reason: refusal ?? reasons.hssMalformed, detail: outcomeDetail('SAR', answer) };
  }
  const giveUp = (reason: Reason, detail: string): AssignmentRefusal => {
    if (known === null) release(state, impi, [impu], serverAssignmentTypes.ADMINISTRATIVE_DEREGISTRATION);
    return { reason, detail };
  };
  const charging =
    answer.charging === undefined && known !== null ? known.charging : chargingAddresses(answer.charging);
  if (answer.userData === undefined || answer.userData.length === 0) {
    if (known === null) return giveUp(reasons.profileMissing, '');
    return { identities: known.identities, charging, profile: undefined };
  }
  const profile = readUserProfile(answer.userData);
  if (profile instanceof ProfileFailure) return giveUp(reasons.profileUnusable, profile.reason);
  for (const warning of profile.warnings) state.context.log.warn({ impi, warning }, 'user profile');
  const identities = registeredIdentities(profile, impu);
  if (identities.every((identity) => identity.barred)) return giveUp(reasons.allBarred, impu);
  return { identities, charging, profile: answer.userData };
}

/**
 * Tells the HSS that identities are not assigned here any more, or that an authentication failed. Nothing waits for the
 * answer but who asks for it; a refusal is only logged. Requirements S-09, S-14, S-21, S-38, S-39.
 */
export async function release(state: ScscfState, impi: string, impus: readonly string[], type: number): Promise<void> {
  const { config, log } = state.context;
  try {
    const answer = await state.cx.serverAssignment({
      impi,
      impus,
      serverName: config.uri,
      type,
      // Only the removal of a registration leaves a profile behind that we had.
      userDataAlreadyAvailable:
        type !== serverAssignmentTypes.AUTHENTICATION_FAILURE && type !== serverAssignmentTypes.AUTHENTICATION_TIMEOUT,
    });
    if (sarRefusal(answer) === null) return;
    log.warn({ impi, assignmentType: type, outcome: outcomeDetail('SAR', answer) }, 'the HSS refuses an assignment');
  } catch (error) {
    // Hardly anybody waits for this promise, so nothing would catch a rejection.
    log.error({ error, impi, assignmentType: type }, 'an assignment could not be told to the HSS');
  }
}

/** The identities that a de-registration names: every one of the set that is a name, not a pattern. Requirement S-21. */
export function assignedImpus(registration: Registration): string[] {
  const impus: string[] = [];
  for (const identity of registration.identities) if (!identity.wildcard) impus.push(identity.impu);
  return impus;
}

/**
 * The implicit registration set as it is kept: default identity first, barred ones last, aliases numbered. An identity
 * that registered but is missing from the profile (some HSSs leave it out, a wildcard may stand for it) is added; null
 * when nobody registers.
 */
export function registeredIdentities(profile: UserProfile, impu: string | null): RegisteredIdentity[] {
  const set = implicitRegistrationSet(profile);
  const groups = new Map<string, number>();
  const aliasOf = (identity: PublicIdentity): number => {
    const serviceProfile = profile.serviceProfiles.findIndex((p) => p.publicIdentities.includes(identity));
    const name = identity.aliasGroup === '' ? `profile ${serviceProfile}` : `group ${identity.aliasGroup}`;
    const number = groups.get(name) ?? groups.size + 1;
    groups.set(name, number);
    return number;
  };
  const identities: RegisteredIdentity[] = [];
  for (const identity of [...set.associated, ...set.identities.filter(({ barred }) => barred)]) {
    const wildcard = identity.identityType === identityTypes.wildcardedIdentity;
    const uri = wildcard && identity.wildcardedImpu !== '' ? identity.wildcardedImpu : identity.identity;
    if (!isUriText(uri)) continue;
    identities.push({
      impu: wildcard ? uri : identity.key,
      uri,
      barred: identity.barred,
      wildcard,
      alias: aliasOf(identity),
      displayName: isSafeHeaderValue(identity.displayName) ? identity.displayName : '',
    });
  }
  if (impu !== null && !identities.some((identity) => identity.impu === impu)) {
    identities.push({ impu, uri: impu, barred: false, wildcard: false, alias: groups.size + 1, displayName: '' });
  }
  return identities;
}

/** What is kept of Charging-Information, of an SAA or a PPR. Requirement S-27. */
export function chargingAddresses(charging: ChargingInformation | undefined): ChargingAddresses {
  return {
    ccf: chargingAddress(charging?.primaryCcf, charging?.secondaryCcf),
    ecf: chargingAddress(charging?.primaryEcf, charging?.secondaryEcf),
  };
}

/** The first address there is; any text will do, as long as a header can hold it. Requirement S-27. */
function chargingAddress(primary: string | undefined, secondary: string | undefined): string {
  const address = primary || secondary || '';
  return isSafeHeaderValue(address) ? address : '';
}

/** Whether a text may stand between angle brackets in a header and be a key of the store. */
function isUriText(text: string): boolean {
  return text.length > 0 && text.length <= 512 && skipClass(text, 0, text.length, uriTextClass) === text.length;
}
