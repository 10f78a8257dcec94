import type { AnswerContent } from '#diameter/answer';
import type { DiameterMessage } from '#diameter/codec/message';
import { serverAssignmentTypes, userAuthorizationTypes } from '#diameter/cx/cx-requests';
import { cxResultCodes } from '#diameter/cx/cx-results';
import {
  type LocationContent,
  locationInfoAnswer,
  multimediaAuthAnswer,
  readLocationInfo,
  readMultimediaAuth,
  readServerAssignment,
  readUserAuthorization,
  type ServerAssignmentContent,
  serverAssignmentAnswer,
  userAuthorizationAnswer,
} from '#diameter/cx/cx-server';
import { baseAvps } from '#diameter/dictionary/base';
import { resultCodes } from '#diameter/errors';
import { baseResult, type DiameterResult, experimentalResult } from '#diameter/result';
import { digestHa1 } from '#sip/auth/digest';
import type { AuthenticationCentre } from './authentication-centre.ts';
import type { SubscriberState, SubscriberStates } from './subscriber-state.ts';
import type { Subscriber, SubscriberTable } from './subscriber-table.ts';

/** What the four procedures work on. */
export interface CxContext {
  /** Realm of SIP Digest. */
  readonly domain: string;
  readonly subscribers: SubscriberTable;
  readonly states: SubscriberStates;
  readonly centre: AuthenticationCentre;
}

const success = baseResult(resultCodes.SUCCESS);
const unableToComply = baseResult(resultCodes.UNABLE_TO_COMPLY);
const userUnknown = experimentalResult(cxResultCodes.ERROR_USER_UNKNOWN);
const identitiesDontMatch = experimentalResult(cxResultCodes.ERROR_IDENTITIES_DONT_MATCH);
const notRegistered = experimentalResult(cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED);
const MAX_VECTORS = 5;
const AUTS_AND_RAND = 30;

/**
 * May this user register, and with which S-CSCF? Server-Capabilities is left out: any S-CSCF will do.
 * Source: TS 29.228 6.1.1.1.
 */
export function answerUserAuthorization(context: CxContext, request: DiameterMessage): AnswerContent {
  const { impi, impu, type, emergency } = readUserAuthorization(request);
  const subscriber = matchIdentities(context, impi, impu);
  if ('kind' in subscriber) return userAuthorizationAnswer({ result: subscriber });
  const deregistration = type === userAuthorizationTypes.DE_REGISTRATION;
  if (subscriber.profile.barred && !deregistration && !emergency) {
    return userAuthorizationAnswer({ result: baseResult(resultCodes.AUTHORIZATION_REJECTED) });
  }
  const { serverName } = context.states.of(subscriber.impi);
  if (type === userAuthorizationTypes.REGISTRATION_AND_CAPABILITIES)
    return userAuthorizationAnswer({ result: success });
  if (serverName === '') {
    const first = experimentalResult(cxResultCodes.FIRST_REGISTRATION);
    return userAuthorizationAnswer({ result: deregistration ? notRegistered : first });
  }
  const subsequent = experimentalResult(cxResultCodes.SUBSEQUENT_REGISTRATION);
  return userAuthorizationAnswer({ result: deregistration ? success : subsequent, serverName });
}

/** Gives authentication vectors, and notes which S-CSCF authenticates. Source: TS 29.228 6.3.1. */
export function answerMultimediaAuth(context: CxContext, request: DiameterMessage): AnswerContent {
  const { impi, impu, serverName, scheme, items = 1, resync } = readMultimediaAuth(request);
  const refuse = (result: DiameterResult) => multimediaAuthAnswer({ result });
  const subscriber = matchIdentities(context, impi, impu);
  if ('kind' in subscriber) return refuse(subscriber);
  const chosen = chooseScheme(scheme, subscriber);
  if (chosen === undefined) return refuse(experimentalResult(cxResultCodes.ERROR_AUTH_SCHEME_NOT_SUPPORTED));

  const state = context.states.of(subscriber.impi);
  if (resync !== undefined && chosen !== 'SIP Digest') {
    if (resync.length !== AUTS_AND_RAND) return refuse(baseResult(resultCodes.INVALID_AVP_VALUE));
    if (!context.centre.resynchronise(subscriber, state, resync)) return refuse(unableToComply);
  }
  assign(state, serverName, request);
  state.authenticationPending = true;
  context.states.keep(subscriber.impi);

  if (chosen === 'SIP Digest') {
    const ha1 = digestHa1(impi, context.domain, subscriber.password!);
    const digest = { realm: context.domain, algorithm: 'MD5', qop: 'auth', ha1 };
    return multimediaAuthAnswer({ result: success, impi, impu, items: [{ itemNumber: 1, scheme: chosen, digest }] });
  }
  const count = Math.min(Math.max(items, 1), MAX_VECTORS);
  const vectors = Array.from({ length: count }, (_, i) => context.centre.akaVector(subscriber, state, chosen, i + 1));
  return multimediaAuthAnswer({ result: success, impi, impu, items: vectors });
}

/** Unknown leaves the choice to us: SIP Digest for those who have a password. Source: TS 29.228 6.3.1, TS 29.229 6.3.9. */
function chooseScheme(asked: string, subscriber: Subscriber): string | undefined {
  switch (asked.toLowerCase()) {
    case 'digest-akav1-md5':
    case 'digest-akav2-md5':
      return asked;
    case 'sip digest':
      return subscriber.password === undefined ? undefined : 'SIP Digest';
    case 'unknown':
      return subscriber.password === undefined ? 'Digest-AKAv1-MD5' : 'SIP Digest';
    default:
      return undefined;
  }
}

/** Notes registration and de-registration, hands out the profile. Source: TS 29.228 6.1.2.1. */
export function answerServerAssignment(context: CxContext, request: DiameterMessage): AnswerContent {
  const { impi, impus, serverName, type, userDataAlreadyAvailable } = readServerAssignment(request);
  const refuse = (result: DiameterResult, assigned?: string) =>
    serverAssignmentAnswer({ result, impi, serverName: assigned });
  if (impi === undefined && impus.length === 0) return refuse(baseResult(resultCodes.MISSING_AVP));
  const subscriber = impi === undefined ? context.subscribers.byImpu(impus[0]!) : context.subscribers.byImpi(impi);
  if (subscriber === undefined) return refuse(userUnknown);
  for (const impu of impus) {
    const owner = context.subscribers.byImpu(impu);
    if (owner === undefined) return refuse(userUnknown);
    if (owner.impi !== subscriber.impi) return refuse(identitiesDontMatch);
  }
  if (impus.length !== 1 && needsOneIdentity(type)) {
    return refuse(baseResult(impus.length === 0 ? resultCodes.MISSING_AVP : resultCodes.AVP_OCCURS_TOO_MANY_TIMES));
  }
  const state = context.states.of(subscriber.impi);
  const outcome = assignServer(state, type, serverName, request);
  if (outcome === 'taken') {
    return refuse(experimentalResult(cxResultCodes.ERROR_IDENTITY_ALREADY_REGISTERED), state.serverName);
  }
  if (typeof outcome === 'object') return refuse(outcome);
  context.states.keep(subscriber.impi);

  const content: ServerAssignmentContent = { result: success, impi: subscriber.impi };
  if (outcome === 'no-profile' || userDataAlreadyAvailable) return serverAssignmentAnswer(content);
  return serverAssignmentAnswer({ ...content, userData: subscriber.profile.render(subscriber.impi, subscriber.impus) });
}

/** What Server-Assignment-Type does to the state: whether a profile goes with the answer, or why there is none. */
function assignServer(
  state: SubscriberState,
  type: number,
  serverName: string,
  request: DiameterMessage,
): 'profile' | 'no-profile' | 'taken' | DiameterResult {
  const types = serverAssignmentTypes;
  const other = state.serverName !== '' && state.serverName !== serverName;
  switch (type) {
    case types.NO_ASSIGNMENT:
    case types.RESTORATION:
      return state.serverName === serverName ? 'profile' : unableToComply;
    case types.REGISTRATION:
    case types.RE_REGISTRATION:
      if (other) return 'taken';
      assign(state, serverName, request);
      state.registration = 'registered';
      state.authenticationPending = false;
      return 'profile';
    case types.UNREGISTERED_USER:
      if (state.registration === 'registered') {
        return other ? 'taken' : experimentalResult(cxResultCodes.ERROR_IN_ASSIGNMENT_TYPE);
      }
      if (other && state.registration === 'unregistered') return 'taken';
      assign(state, serverName, request);
      state.registration = 'unregistered';
      state.authenticationPending = false;
      return 'profile';
    case types.TIMEOUT_DEREGISTRATION:
    case types.USER_DEREGISTRATION:
    case types.ADMINISTRATIVE_DEREGISTRATION:
    case types.DEREGISTRATION_TOO_MUCH_DATA:
      if (other) return unableToComply;
      forget(state);
      return 'no-profile';
    case types.TIMEOUT_DEREGISTRATION_STORE_SERVER_NAME:
    case types.USER_DEREGISTRATION_STORE_SERVER_NAME:
      if (other) return unableToComply;
      assign(state, serverName, request);
      state.registration = 'unregistered';
      state.authenticationPending = false;
      return 'no-profile';
    case types.AUTHENTICATION_FAILURE:
    case types.AUTHENTICATION_TIMEOUT:
      if (other) return unableToComply;
      if (state.registration === 'not-registered') forget(state);
      state.authenticationPending = false;
      return 'no-profile';
    case types.AAA_USER_DATA_REQUEST:
    case types.PGW_UPDATE:
      // Of an AAA server, which does not speak Cx.
      return experimentalResult(cxResultCodes.ERROR_IN_ASSIGNMENT_TYPE);
    default:
      return baseResult(resultCodes.INVALID_AVP_VALUE);
  }
}

/** De-registrations may name several identities or, with User-Name alone, all. Source: TS 29.228 6.1.2.1 step 3. */
function needsOneIdentity(type: number): boolean {
  const types = serverAssignmentTypes;
  return (
    type === types.NO_ASSIGNMENT ||
    type === types.REGISTRATION ||
    type === types.RE_REGISTRATION ||
    type === types.UNREGISTERED_USER ||
    type === types.RESTORATION
  );
}

/** Which S-CSCF serves an identity? Source: TS 29.228 6.1.4.1. */
export function answerLocationInfo(context: CxContext, request: DiameterMessage): AnswerContent {
  const { impu, originating, type } = readLocationInfo(request);
  const subscriber = context.subscribers.byImpu(impu);
  if (subscriber === undefined) return locationInfoAnswer({ result: userUnknown });
  const { registration, serverName } = context.states.of(subscriber.impi);
  if (type === userAuthorizationTypes.REGISTRATION_AND_CAPABILITIES) return locationInfoAnswer({ result: success });
  const content: Omit<LocationContent, 'result'> = serverName === '' ? {} : { serverName };
  if (registration !== 'not-registered') return locationInfoAnswer({ result: success, ...content });
  if (originating || subscriber.profile.unregisteredServices) {
    return locationInfoAnswer({ result: experimentalResult(cxResultCodes.UNREGISTERED_SERVICE), ...content });
  }
  return locationInfoAnswer({ result: notRegistered });
}

function matchIdentities(context: CxContext, impi: string, impu: string): Subscriber | DiameterResult {
  const byImpi = context.subscribers.byImpi(impi);
  const byImpu = context.subscribers.byImpu(impu);
  if (byImpi === undefined || byImpu === undefined) return userUnknown;
  return byImpi.impi === byImpu.impi ? byImpi : identitiesDontMatch;
}

function assign(state: SubscriberState, serverName: string, request: DiameterMessage): void {
  state.serverName = serverName;
  state.serverHost = request.avps.text(baseAvps.originHost) ?? '';
}

function forget(state: SubscriberState): void {
  state.registration = 'not-registered';
  state.serverName = '';
  state.serverHost = '';
  state.authenticationPending = false;
}
