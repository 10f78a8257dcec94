import type { AnswerContent } from '#diameter/answer';
import { type Avp, avp, encodedAvps } from '#diameter/codec/avp-types';
import type { DiameterMessage } from '#diameter/codec/message';
import type { ServerCapabilities } from '#diameter/cx/cx-results';
import { cxResultCodes } from '#diameter/cx/cx-results';
import { baseAvps } from '#diameter/dictionary/base';
import { resultCodes } from '#diameter/errors';
import { baseResult, type DiameterResult, experimentalResult } from '#diameter/result';
import type { Finding } from '../diameter/finding.ts';
import { refusalOfBreach } from '../diameter/finding-refusal.ts';
import type { AuthenticationCentre } from './authentication-centre.ts';
import type { ServingNode, SubscriberStates } from './subscriber-state.ts';
import type { FoundPrivate, FoundPublic, SubscriberTable, Subscription } from './subscriber-table.ts';

/** What the procedures work on. */
export interface CxContext {
  /** Realm of SIP Digest. */
  readonly domain: string;
  readonly subscribers: SubscriberTable;
  readonly states: SubscriberStates;
  readonly centre: AuthenticationCentre;
  /** SIP URIs of the S-CSCFs that may serve; empty: any. */
  readonly servers: readonly string[];
  /** Whether types 6 and 7 of a SAR keep the S-CSCF. */
  readonly keepServerName: boolean;
  /** Notes what is wrong with a request; true: it is to be answered with that error. */
  report(request: DiameterMessage, finding: Finding): boolean;
}

export const success = baseResult(resultCodes.SUCCESS);
export const userUnknown = experimentalResult(cxResultCodes.ERROR_USER_UNKNOWN);
export const identitiesDontMatch = experimentalResult(cxResultCodes.ERROR_IDENTITIES_DONT_MATCH);
export const notRegistered = experimentalResult(cxResultCodes.ERROR_IDENTITY_NOT_REGISTERED);

/** A private and a public identity that belong together. */
export interface MatchedUser extends FoundPrivate, FoundPublic {}

/** Finds the two identities of a UAR or MAR, or says what is wrong with them. Source: TS 29.228 6.1.1.1, 6.3.1. */
export function matchIdentities(
  { subscribers }: CxContext,
  impi: string,
  impu: string,
): MatchedUser | { readonly refused: DiameterResult } {
  const byImpi = subscribers.byImpi(impi);
  const byImpu = subscribers.byImpu(impu);
  if (byImpi === undefined || byImpu === undefined) return { refused: userUnknown };
  if (!byImpu.subscription.sets[byImpu.set]!.impis.includes(byImpi.user.impi)) return { refused: identitiesDontMatch };
  return { ...byImpi, ...byImpu };
}

/** Server-Capabilities of a subscription; undefined: any S-CSCF will do. Source: TS 29.228 6.1.1, 7.5. */
export function capabilitiesOf({ capabilities }: Subscription): ServerCapabilities | undefined {
  if (capabilities === undefined) return undefined;
  const { mandatory, optional, servers } = capabilities;
  if (mandatory.length + optional.length + servers.length === 0) return undefined;
  return { mandatory, optional, serverNames: servers };
}

/** The S-CSCF that sent a request with this Server-Name. */
export function servingNode(request: DiameterMessage, name: string): ServingNode {
  const { avps } = request;
  return { name, host: avps.text(baseAvps.originHost) ?? '', realm: avps.text(baseAvps.originRealm) ?? '' };
}

/** The answer that a finding deserves. Source: RFC 6733 7.1.5, 7.5. */
export function refusalFor(finding: Finding): AnswerContent {
  const breach = { ...finding, resultCode: finding.resultCode ?? resultCodes.UNABLE_TO_COMPLY };
  const { failedAvp, resultCode, words } = refusalOfBreach(breach);
  const avps: Avp[] = [avp(baseAvps.errorMessage, words)];
  if (failedAvp !== undefined) avps.push(avp(baseAvps.failedAvp, [encodedAvps(failedAvp)]));
  return { result: baseResult(resultCode), avps };
}
