import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import { reasons } from '#ims/reasons';
import { outcomeDetail, sarRefusal } from '#ims/result-reasons';
import { findIdentity, ProfileFailure, readUserProfile } from '#ims/user-profile';
import type { Reason } from '#sip/reasons';
import { isOurHss } from './hss-trust.ts';
import { type AssignmentRefusal, chargingAddresses, release } from './server-assignment.ts';
import type { ServedUser } from './service-chain-state.ts';
import { criteriaIn, noServices } from './services.ts';
import type { ScscfState } from './state.ts';
import type { UnregisteredServices } from './unregistered-store.ts';

/** For whom an HSS orders something, and which HSS. */
export interface OrderOfHss {
  readonly impi: string;
  readonly originHost: string;
  readonly originRealm: string;
}

/**
 * The services of an identity that nobody is registered with, of a public service identity too: as the HSS gave them a
 * while ago, else it is asked. `profileKey`: the wildcard that the I-CSCF was told, else the identity. What it refuses
 * with is for the called one; see `refusalOfCaller`.
 *
 * Source: TS 24.229 5.4.3.2, 5.4.3.3, TS 29.228 6.1.2; requirements S-21, S-82, S-84.
 */
export function unregisteredUser(
  state: ScscfState,
  impu: string,
  profileKey: string,
): ServedUser | Promise<ServedUser | AssignmentRefusal> {
  const known = knownUnregistered(state, impu, profileKey);
  return known ?? ask(state, impu, profileKey);
}

/** As `unregisteredUser`, without asking the HSS: null when nothing is known. */
export function knownUnregistered(state: ScscfState, impu: string, profileKey: string): ServedUser | null {
  const known = state.unregistered.get(profileKey);
  return known === null ? null : servedBy(known, impu, profileKey);
}

/** The profile of an unregistered user has served its time: the HSS is told that this S-CSCF drops it. Requirement S-21. */
export function dropUnregistered(state: ScscfState, key: string): void {
  const user = state.unregistered.remove(key);
  // Who has registered in the meantime is assigned here by that.
  if (user === null || user.impi === '' || state.registrations.find(key) !== null) return;
  release(state, user.impi, [key], serverAssignmentTypes.TIMEOUT_DEREGISTRATION);
}

/**
 * An RTR or PPR for a private identity without registrations ends what is known of it as unregistered: it is asked for
 * anew. Gives whether there was something. Requirements S-70, S-73.
 */
export function forgetUnregistered(state: ScscfState, { impi, originHost, originRealm }: OrderOfHss): boolean {
  if (!isOurHss(state.context.config.diameter, originHost, originRealm)) return false;
  return state.unregistered.removeOf(impi) > 0 && state.registrations.ofPrivateIdentity(impi).length === 0;
}

/** The refusal of a caller, where one of the called one does not say it. Requirement S-82. */
export function refusalOfCaller({ reason, detail }: AssignmentRefusal): AssignmentRefusal {
  switch (reason) {
    case reasons.calleeNotRegistered:
      return { reason: reasons.callerNotRegistered, detail };
    case reasons.calleeBarred:
      return { reason: reasons.callerBarred, detail };
    default:
      return { reason, detail };
  }
}

async function ask(state: ScscfState, impu: string, profileKey: string): Promise<ServedUser | AssignmentRefusal> {
  const { config, clock } = state.context;
  const answer = await state.cx.serverAssignment({
    impus: [impu],
    serverName: config.uri,
    type: serverAssignmentTypes.UNREGISTERED_USER,
    userDataAlreadyAvailable: false,
    wildcardedImpu: profileKey === impu ? undefined : profileKey,
  });
  state.context.count('unregistered-assignment');
  const refusal = sarRefusal(answer);
  if (refusal !== null || answer.failure !== undefined) {
    return { reason: sessionRefusal(refusal), detail: outcomeDetail('SAR', answer) };
  }
  const { userData } = answer;
  if (userData === undefined || userData.length === 0) {
    return { reason: reasons.calleeNotRegistered, detail: 'the HSS sent no User-Data' };
  }
  const profile = readUserProfile(userData);
  if (profile instanceof ProfileFailure) {
    state.context.log.error({ impu, reason: 'profile-unusable' }, `a profile of the HSS: ${profile.reason}`);
    return { reason: reasons.profileUnusable, detail: profile.reason };
  }
  for (const warning of profile.warnings) state.context.log.warn({ impu, warning }, 'user profile');
  if (findIdentity(profile, impu)?.identity.barred === true) return { reason: reasons.calleeBarred, detail: impu };
  const charging = chargingAddresses(answer.charging);
  const user = { impi: answer.impi ?? '', charging, profile: Buffer.from(userData) };
  const keptMs = 1000 * state.services.settings.unregisteredProfile;
  state.unregistered.put(profileKey, user, clock.wallMs() + keptMs);
  const services = state.services.read(user.profile);
  return services === null
    ? { impu, profileKey, registration: null, charging, criteria: noServices }
    : servedBy({ charging, services }, impu, profileKey);
}

function servedBy({ charging, services }: UnregisteredServices, impu: string, profileKey: string): ServedUser {
  return { impu, profileKey, registration: null, charging, criteria: criteriaIn(services, profileKey) };
}

/** What an answer of the HSS means while a session is set up. Source: TS 24.229 5.4.3.3; requirements S-22, S-84. */
function sessionRefusal(refusal: Reason | null): Reason {
  switch (refusal) {
    case null:
      return reasons.hssMalformed;
    case reasons.userUnknown:
      return reasons.unknownUser;
    case reasons.hssTimeout:
    case reasons.hssUnreachable:
    case reasons.hssMalformed:
      return refusal;
    default:
      return reasons.calleeNotRegistered;
  }
}
