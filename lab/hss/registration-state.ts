import { serverAssignmentTypes as types } from '#diameter/cx/cx-requests';
import { cxResultCodes } from '#diameter/cx/cx-results';
import type { ScscfRestorationInfo } from '#diameter/cx/restoration-info';
import { resultCodes } from '#diameter/errors';
import { baseResult, type DiameterResult, experimentalResult } from '#diameter/result';
import type { ServingNode, SetState, SubscriptionState } from './subscriber-state.ts';

/** What a SAR asks of the state. */
export interface Assignment {
  /** `serverAssignmentTypes`. */
  readonly type: number;
  readonly server: ServingNode;
  /** Undefined: the SAR named only public identities. */
  readonly impi: string | undefined;
  /** Positions of the implicit sets that it is about. */
  readonly sets: readonly number[];
  readonly multipleRegistration: boolean;
  readonly restoration: readonly ScscfRestorationInfo[];
  /** Whether types 6 and 7 keep the S-CSCF. */
  readonly keepServerName: boolean;
}

/** What comes of it. */
export interface AssignmentOutcome {
  readonly result: DiameterResult;
  /** The profile goes with the answer, unless the S-CSCF has it. */
  readonly profile: boolean;
  /** The answer names the S-CSCF that is assigned. */
  readonly namesServer?: boolean;
  readonly restoration?: readonly ScscfRestorationInfo[];
}

const success = baseResult(resultCodes.SUCCESS);
const done: AssignmentOutcome = { result: success, profile: false };
const withProfile: AssignmentOutcome = { result: success, profile: true };
const unable: AssignmentOutcome = { result: baseResult(resultCodes.UNABLE_TO_COMPLY), profile: false };
const inAssignmentType = experimentalResult(cxResultCodes.ERROR_IN_ASSIGNMENT_TYPE);
const taken: AssignmentOutcome = {
  result: experimentalResult(cxResultCodes.ERROR_IDENTITY_ALREADY_REGISTERED),
  profile: false,
  namesServer: true,
};

/** What a Server-Assignment-Type does to the state of a subscription. Source: TS 29.228 6.1.2.1, 8.1; TS 23.380 4.3. */
export function assignServer(state: SubscriptionState, assignment: Assignment): AssignmentOutcome {
  const { type } = assignment;
  const other = state.server !== null && state.server.name !== assignment.server.name;
  switch (type) {
    case types.NO_ASSIGNMENT:
    case types.RESTORATION:
      if (state.server === null || other) return unable;
      return { ...withProfile, restoration: restorationOf(state, assignment) };
    case types.REGISTRATION:
    case types.RE_REGISTRATION:
      return other ? taken : register(state, assignment);
    case types.UNREGISTERED_USER:
      return serveUnregistered(state, assignment, other);
    case types.TIMEOUT_DEREGISTRATION:
    case types.USER_DEREGISTRATION:
    case types.ADMINISTRATIVE_DEREGISTRATION:
    case types.DEREGISTRATION_TOO_MUCH_DATA:
      if (other) return unable;
      endRegistrations(state, assignment.sets, assignment.impi);
      return done;
    case types.TIMEOUT_DEREGISTRATION_STORE_SERVER_NAME:
    case types.USER_DEREGISTRATION_STORE_SERVER_NAME:
      return other ? unable : keepUnregistered(state, assignment);
    case types.AUTHENTICATION_FAILURE:
    case types.AUTHENTICATION_TIMEOUT:
      if (other) return unable;
      for (const set of setsOf(state, assignment.sets)) set.pending = without(set.pending, assignment.impi);
      releaseServer(state);
      return done;
    case types.AAA_USER_DATA_REQUEST:
    case types.PGW_UPDATE:
      // Of an AAA server, which does not speak Cx.
      return { result: inAssignmentType, profile: false };
    default:
      return { result: baseResult(resultCodes.INVALID_AVP_VALUE), profile: false };
  }
}

/** Notes which S-CSCF has the subscription; one that is replaced is remembered. Source: TS 29.228 6.3.1, 8.1.1. */
export function assign(state: SubscriptionState, server: ServingNode): void {
  const { former, server: current } = state;
  if (current !== null && current.name === server.name) {
    // It may have moved to another Diameter name.
    if (current.host !== server.host) state.server = server;
    return;
  }
  state.former = current ?? former;
  state.server = server;
  state.hasProfile = false;
}

/** Registrations of one private identity (undefined: of all) end; the S-CSCF stays as long as anything needs it. */
export function endRegistrations(state: SubscriptionState, sets: readonly number[], impi: string | undefined): void {
  for (const set of setsOf(state, sets)) {
    set.registered = without(set.registered, impi);
    set.pending = without(set.pending, impi);
    set.restoration = impi === undefined ? [] : set.restoration.filter((info) => info.impi !== impi);
    set.unregistered = false;
  }
  releaseServer(state);
}

/** Whether a set is registered, kept for unregistered users, or neither. */
export function stateOf(set: SetState | undefined): 'registered' | 'unregistered' | 'not-registered' {
  if (set === undefined) return 'not-registered';
  if (set.registered.length > 0) return 'registered';
  return set.unregistered ? 'unregistered' : 'not-registered';
}

function register(state: SubscriptionState, assignment: Assignment): AssignmentOutcome {
  const { impi, multipleRegistration, restoration, server, type } = assignment;
  const stored = restorationOf(state, assignment);
  // An S-CSCF that lost its data takes one contact of several for the first: what is kept here is what it lacks.
  if (type === types.REGISTRATION && multipleRegistration && stored.length > 0) {
    return { result: inAssignmentType, profile: true, restoration: stored };
  }
  assign(state, server);
  for (const set of setsOf(state, assignment.sets)) {
    if (impi !== undefined && !set.registered.includes(impi)) set.registered.push(impi);
    set.pending = without(set.pending, impi);
    set.unregistered = false;
    for (const info of restoration) {
      set.restoration = [...set.restoration.filter((kept) => kept.impi !== info.impi), info];
    }
  }
  return withProfile;
}

function serveUnregistered(state: SubscriptionState, assignment: Assignment, other: boolean): AssignmentOutcome {
  const sets = setsOf(state, assignment.sets);
  const registered = sets.some((set) => stateOf(set) === 'registered');
  const kept = state.sets.some((set) => stateOf(set) !== 'not-registered');
  if (other && kept) return taken;
  if (registered) {
    const restoration = restorationOf(state, assignment);
    return { result: inAssignmentType, profile: restoration.length > 0, restoration };
  }
  assign(state, assignment.server);
  for (const set of sets) {
    set.unregistered = true;
    set.pending = without(set.pending, assignment.impi);
  }
  return withProfile;
}

function keepUnregistered(state: SubscriptionState, assignment: Assignment): AssignmentOutcome {
  const { impi, keepServerName, server, sets } = assignment;
  if (!keepServerName) {
    endRegistrations(state, sets, impi);
    return { result: experimentalResult(cxResultCodes.SUCCESS_SERVER_NAME_NOT_STORED), profile: false };
  }
  const { hasProfile } = state;
  endRegistrations(state, sets, impi);
  assign(state, server);
  state.hasProfile = hasProfile;
  for (const set of setsOf(state, sets)) set.unregistered = set.registered.length === 0;
  return done;
}

/** What is stored for the sets, of one private identity or of all. */
function restorationOf(state: SubscriptionState, { impi, sets }: Assignment): ScscfRestorationInfo[] {
  const infos = setsOf(state, sets).flatMap(({ restoration }) => restoration);
  const own = impi === undefined ? infos : infos.filter((info) => info.impi === impi);
  return own.filter((info, i) => own.findIndex((other) => other.impi === info.impi) === i);
}

/** Without registrations, kept identities and authentications under way nobody serves the subscription. */
function releaseServer(state: SubscriptionState): void {
  if (state.sets.some((set) => stateOf(set) !== 'not-registered' || set.pending.length > 0)) return;
  state.server = null;
  state.former = null;
  state.hasProfile = false;
}

function setsOf(state: SubscriptionState, positions: readonly number[]): SetState[] {
  return positions.flatMap((position) => state.sets[position] ?? []);
}

function without(impis: readonly string[], impi: string | undefined): string[] {
  return impi === undefined ? [] : impis.filter((other) => other !== impi);
}
