import type { AnswerContent } from '#diameter/answer';
import type { DiameterMessage } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { resultCodes } from '#diameter/errors';
import { sameIdentity } from '#diameter/identity';
import { baseResult, experimentalResult } from '#diameter/result';
import type { AcceptableServiceInfo } from '#diameter/rx/media-component';
import { readAaRequest } from '#diameter/rx/rx-read';
import type { AaRequest } from '#diameter/rx/rx-requests';
import { rxResultCodes } from '#diameter/rx/rx-results';
import { aaAnswer, sessionTerminationAnswer } from '#diameter/rx/rx-server';
import { rxRequestTypes } from '#diameter/rx/rx-values';
import type { RejectionConfig } from '#service/config/pcrf-config';
import { type AfSession, type AfSessions, mergeComponents } from './af-sessions.ts';
import type { Decision, PolicyRules, RequestedService } from './policy-rules.ts';

/** What the requests of P-CSCFs work on. */
export interface AfContext {
  readonly sessions: AfSessions;
  readonly rules: PolicyRules;
  readonly originStateId: number;
  /** Resolves after so many milliseconds. */
  wait(milliseconds: number): Promise<void>;
}

/**
 * Answers an AAR as the rules say. A new session that is refused is forgotten, one that was there stays as it was.
 * Source: TS 29.214 4.4.1, 4.4.2; requirements P-123, P-124, P-125.
 */
export async function answerAaRequest(context: AfContext, request: DiameterMessage): Promise<AnswerContent> {
  const { originStateId, sessions } = context;
  const told = readAaRequest(request);
  const host = request.avps.text(baseAvps.originHost) ?? '';
  const realm = request.avps.text(baseAvps.originRealm) ?? '';
  const known = sessions.byId(told.sessionId);
  // A P-CSCF that was restored tells of a UE, without a session of its own.
  if (told.requestType === rxRequestTypes.PCSCF_RESTORATION) return aaAnswer({ result: success, originStateId });
  const isUpdate = told.requestType === rxRequestTypes.UPDATE_REQUEST;
  if (known === undefined ? isUpdate : !sameIdentity(known.host, host)) return unknownSession(originStateId);
  const service = servicesOf(told, known);
  if (service.components.length > maxComponents) return tooMuch(originStateId);
  const session = known ?? sessions.open(told.sessionId, host, realm);
  if (session === undefined) return aaAnswer({ result: baseResult(resultCodes.TOO_BUSY), originStateId });
  const decision = context.rules.decide(service);
  session.requests++;
  session.pending++;
  if (decision.rule.delay > 0) await context.wait(decision.rule.delay);
  session.pending--;
  if (sessions.byId(session.id) !== session) return unknownSession(originStateId);
  const { reject } = decision.rule;
  if (decision.rule.action === 'reject' && reject !== undefined) {
    if (session.state === 'asked' && session.pending === 0) sessions.end(session, 'refused');
    return refusal(decision, reject, originStateId);
  }
  sessions.grant(session, told, decision.rule.name);
  return aaAnswer({ result: success, originStateId });
}

/** Answers a STR. Source: TS 29.214 4.4.4; requirement D-60. */
export function answerSessionTermination(context: AfContext, request: DiameterMessage): AnswerContent {
  const { originStateId, sessions } = context;
  const session = sessions.byId(request.avps.text(baseAvps.sessionId) ?? '');
  if (session === undefined || !sameIdentity(session.host, request.avps.text(baseAvps.originHost) ?? '')) {
    return unknownSession(originStateId);
  }
  sessions.end(session, 'terminated');
  return sessionTerminationAnswer({ result: success, originStateId });
}

/** Whether a rule leaves this AAR without an answer. */
export function isLeftUnanswered({ rules, sessions }: AfContext, request: DiameterMessage): boolean {
  const told = readAaRequest(request);
  const session = sessions.byId(told.sessionId);
  if (rules.decide(servicesOf(told, session)).rule.action !== 'silent') return false;
  if (session === undefined) sessions.remember(told.sessionId, 'unanswered');
  return true;
}

/** As many m-lines as a description of our P-CSCF can have. */
const maxComponents = 64;
const success = baseResult(resultCodes.SUCCESS);

function unknownSession(originStateId: number): AnswerContent {
  return sessionTerminationAnswer({ result: baseResult(resultCodes.UNKNOWN_SESSION_ID), originStateId });
}

function tooMuch(originStateId: number): AnswerContent {
  return aaAnswer({
    result: experimentalResult(rxResultCodes.INVALID_SERVICE_INFORMATION),
    errorMessage: `a session has ${maxComponents} media components at most`,
    originStateId,
  });
}

/** What an AAR asks for, together with what its session has. */
function servicesOf(told: AaRequest, session: AfSession | undefined): RequestedService {
  const subscriptionIds = told.subscriptionIds.length > 0 ? told.subscriptionIds : (session?.subscriptionIds ?? []);
  return {
    framedAddress: told.framedAddress ?? session?.framedAddress,
    subscriptions: subscriptionIds.map(({ data }) => data),
    serviceUrn: told.serviceUrn ?? session?.serviceUrn,
    components: [...mergeComponents(session?.components ?? new Map(), told.mediaComponents).values()],
  };
}

/** Source: TS 29.214 4.4.1, 5.3.24, 5.5. */
function refusal(decision: Decision, reject: RejectionConfig, originStateId: number): AnswerContent {
  const { code, experimental, retryAfter } = reject;
  return aaAnswer({
    result: experimental ? experimentalResult(code) : baseResult(code),
    retryInterval: retryAfter,
    acceptable: reject.acceptable === undefined ? undefined : acceptableInfo(decision, reject.acceptable),
    errorMessage: `${decision.rule.name} of the PCRF`,
    originStateId,
  });
}

/** Of each component that the rule is about; for a rule about no media, of all together. */
function acceptableInfo(
  { components }: Decision,
  { downlink, uplink }: NonNullable<RejectionConfig['acceptable']>,
): AcceptableServiceInfo {
  if (components === undefined) return { mediaComponents: [], maxUplink: uplink, maxDownlink: downlink };
  const mediaComponents = components.map(({ number }) => ({
    number,
    subComponents: [],
    codecData: [],
    maxUplink: uplink,
    maxDownlink: downlink,
  }));
  return { mediaComponents, maxUplink: undefined, maxDownlink: undefined };
}
