import type { AnswerContent } from '#diameter/answer';
import type { DiameterMessage } from '#diameter/codec/message';
import { userAuthorizationTypes } from '#diameter/cx/cx-requests';
import { cxResultCodes, liaFlags } from '#diameter/cx/cx-results';
import { type LocationContent, locationInfoAnswer, readLocationInfo } from '#diameter/cx/cx-server';
import { experimentalResult } from '#diameter/result';
import { type CxContext, capabilitiesOf, notRegistered, success, userUnknown } from './cx-context.ts';
import { stateOf } from './registration-state.ts';
import { reduceImpu } from './subscriber-table.ts';

/** Which S-CSCF, or application server, serves an identity? Source: TS 29.228 6.1.4.1. */
export function answerLocationInfo(context: CxContext, request: DiameterMessage): AnswerContent {
  const { impu, originating = false, type } = readLocationInfo(request);
  const found = context.subscribers.byImpu(impu);
  if (found === undefined) return locationInfoAnswer({ result: userUnknown });
  const { identity, set, subscription } = found;
  const { applicationServer, text } = identity;
  const stands = text.includes('!') && text !== reduceImpu(impu);
  const answer = (content: LocationContent) =>
    locationInfoAnswer({ ...content, wildcardedPublicIdentity: stands ? text : undefined });

  if (applicationServer !== undefined) {
    return answer({ result: success, serverName: applicationServer, liaFlags: liaFlags.PSI_DIRECT_ROUTING });
  }
  const capabilities = capabilitiesOf(subscription);
  if (type === userAuthorizationTypes.REGISTRATION_AND_CAPABILITIES) return answer({ result: success, capabilities });

  const { server, sets } = context.states.read(subscription);
  const state = stateOf(sets[set]);
  // A service identity is served without ever being registered.
  const served = originating || subscription.unregisteredServices || identity.service === true;
  if (state === 'not-registered' && !served) return answer({ result: notRegistered });
  if (server !== null) return answer({ result: success, serverName: server.name });
  return answer({ result: experimentalResult(cxResultCodes.UNREGISTERED_SERVICE), capabilities });
}
