import type { AnswerContent } from '#diameter/answer';
import type { DiameterMessage } from '#diameter/codec/message';
import { userAuthorizationTypes as types } from '#diameter/cx/cx-requests';
import { cxResultCodes } from '#diameter/cx/cx-results';
import { readUserAuthorization, userAuthorizationAnswer } from '#diameter/cx/cx-server';
import { resultCodes } from '#diameter/errors';
import { baseResult, experimentalResult } from '#diameter/result';
import {
  type CxContext,
  capabilitiesOf,
  type MatchedUser,
  matchIdentities,
  notRegistered,
  success,
} from './cx-context.ts';
import { stateOf } from './registration-state.ts';

/**
 * May this user register from there, and with which S-CSCF? Without requirements Server-Capabilities is left out: any
 * S-CSCF will do. Source: TS 29.228 6.1.1.1.
 */
export function answerUserAuthorization(context: CxContext, request: DiameterMessage): AnswerContent {
  const { impi, impu, type = types.REGISTRATION, emergency = false, visitedNetwork } = readUserAuthorization(request);
  const user = matchIdentities(context, impi, impu);
  if ('refused' in user) return userAuthorizationAnswer({ result: user.refused });
  if (!emergency && isBarred(user)) {
    return userAuthorizationAnswer({ result: baseResult(resultCodes.AUTHORIZATION_REJECTED) });
  }
  const deregistration = type === types.DE_REGISTRATION;
  if (!deregistration && !emergency && !mayRoam(user, visitedNetwork)) {
    return userAuthorizationAnswer({ result: experimentalResult(cxResultCodes.ERROR_ROAMING_NOT_ALLOWED) });
  }
  const capabilities = capabilitiesOf(user.subscription);
  if (type === types.REGISTRATION_AND_CAPABILITIES) return userAuthorizationAnswer({ result: success, capabilities });

  const { server, sets } = context.states.read(user.subscription);
  const registered = stateOf(sets[user.set]) !== 'not-registered';
  if (deregistration) {
    if (!registered || server === null) return userAuthorizationAnswer({ result: notRegistered });
    return userAuthorizationAnswer({ result: success, serverName: server.name });
  }
  if (server === null) {
    return userAuthorizationAnswer({ result: experimentalResult(cxResultCodes.FIRST_REGISTRATION), capabilities });
  }
  const result = experimentalResult(cxResultCodes.SUBSEQUENT_REGISTRATION);
  return userAuthorizationAnswer({ result, serverName: server.name });
}

/** A barred identity may be used to register others with it that are not. Source: TS 29.228 6.1.1.1 step 3. */
function isBarred({ identity, set, subscription }: MatchedUser): boolean {
  return identity.barred && subscription.sets[set]!.identities.every(({ barred }) => barred);
}

function mayRoam({ subscription: { visitedNetworks } }: MatchedUser, network: string): boolean {
  if (visitedNetworks === undefined) return true;
  const wanted = network.toLowerCase();
  return visitedNetworks.some((allowed) => allowed.toLowerCase() === wanted);
}
