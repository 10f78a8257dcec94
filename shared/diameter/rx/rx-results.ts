import type { RequestFailure } from '../client.ts';
import type { DiameterMessage } from '../codec/message.ts';
import { baseAvps } from '../dictionary/base.ts';
import { VENDOR_3GPP } from '../dictionary/dictionary.ts';
import { rxAvps } from '../dictionary/rx.ts';
import { resultCodes } from '../errors.ts';
import { type DiameterResult, readResult } from '../result.ts';
import { type AcceptableServiceInfo, readAcceptableServiceInfo } from './media-component.ts';
import { readAccessCharging, readAccessNetwork, readClasses, readFeatures, readFlows } from './rx-read.ts';
import type { AccessCharging, AccessNetworkInfo, Flows, RxFeatures } from './rx-requests.ts';

/** Experimental-Result codes of vendor 10415. Source: TS 29.214 5.5. */
export const rxResultCodes = {
  REQUESTED_SERVICE_TEMPORARILY_NOT_AUTHORIZED: 4261,
  INVALID_SERVICE_INFORMATION: 5061,
  FILTER_RESTRICTIONS: 5062,
  REQUESTED_SERVICE_NOT_AUTHORIZED: 5063,
  DUPLICATED_AF_SESSION: 5064,
  'IP-CAN_SESSION_NOT_AVAILABLE': 5065,
  UNAUTHORIZED_NON_EMERGENCY_SESSION: 5066,
  UNAUTHORIZED_SPONSORED_DATA_CONNECTIVITY: 5067,
  TEMPORARY_NETWORK_FAILURE: 5068,
} as const;

/** What each of them means to the one who has to repair it. */
const meanings: Readonly<Record<keyof typeof rxResultCodes, string>> = {
  REQUESTED_SERVICE_TEMPORARILY_NOT_AUTHORIZED: 'the PCRF refuses the service for now',
  INVALID_SERVICE_INFORMATION: 'the PCRF cannot use the media that was described',
  FILTER_RESTRICTIONS: 'the PCRF cannot use the flow descriptions',
  REQUESTED_SERVICE_NOT_AUTHORIZED:
    "no rule of the PCRF allows this media to this subscriber (check the subscriber's QCI 1 and QCI 5)",
  DUPLICATED_AF_SESSION: 'the PCRF holds another Rx session for the same thing',
  'IP-CAN_SESSION_NOT_AVAILABLE':
    "the PCRF knows no bearer with this UE's address (check the address, and that no NAT lies between)",
  UNAUTHORIZED_NON_EMERGENCY_SESSION: 'this bearer is for emergency calls only',
  UNAUTHORIZED_SPONSORED_DATA_CONNECTIVITY: 'the PCRF does not allow sponsored data',
  TEMPORARY_NETWORK_FAILURE: 'the access network cannot provide the bearer for now',
};

const namesOf3gpp = new Map(
  Object.entries(rxResultCodes).map(([name, code]) => [code as number, name as keyof typeof meanings]),
);
const namesOfBase = new Map(Object.entries(resultCodes).map(([name, code]) => [code as number, name]));

/** A result for the log: `5065 IP-CAN_SESSION_NOT_AVAILABLE: the PCRF knows no bearer ...`. Source: TS 29.214 5.5. */
export function rxResultWords(result: DiameterResult, errorMessage?: string): string {
  const isRx = result.kind === 'experimental' && result.vendor === VENDOR_3GPP;
  const rxName = isRx ? namesOf3gpp.get(result.code) : undefined;
  const name = rxName ?? (result.kind === 'base' ? namesOfBase.get(result.code) : undefined);
  let words = name === undefined ? `${result.code}` : `${result.code} ${name}`;
  if (result.kind === 'experimental' && !isRx) words += ` of vendor ${result.vendor}`;
  if (rxName !== undefined) words += `: ${meanings[rxName]}`;
  return errorMessage === undefined ? words : `${words} (peer says: ${errorMessage.slice(0, 200)})`;
}

/** What every Rx answer tells. */
export interface RxAnswer {
  /** Never set: tells an answer from a RequestFailure. */
  readonly failure?: undefined;
  readonly result: DiameterResult;
  /** Empty when the peer left it out. */
  readonly originHost: string;
  readonly originRealm: string;
  readonly originStateId: number | undefined;
  readonly errorMessage: string | undefined;
}

export interface AaAnswer extends RxAnswer {
  readonly acceptable: AcceptableServiceInfo | undefined;
  readonly accessCharging: readonly AccessCharging[];
  readonly accessChargingAddress: string | undefined;
  readonly accessNetwork: AccessNetworkInfo;
  readonly flows: readonly Flows[];
  readonly supportedFeatures: readonly RxFeatures[];
  /** Seconds. */
  readonly retryInterval: number | undefined;
  /** Seconds after which the session wants another AAR. */
  readonly authorizationLifetime: number | undefined;
  /** Copies. */
  readonly classes: readonly Buffer[];
}

export interface SessionTerminationAnswer extends RxAnswer {
  readonly accessNetwork: AccessNetworkInfo;
}

export type ReAuthAnswer = RxAnswer;
export type AbortSessionAnswer = RxAnswer;

const noResult: RequestFailure = { failure: 'malformed', words: 'the answer tells no result' };

/** Reads an AAA; unknown AVPs and features do no harm. Source: TS 29.214 5.6.2; requirement D-64. */
export function readAaAnswer(answer: DiameterMessage): AaAnswer | RequestFailure {
  const common = readRxAnswer(answer);
  if (common.failure !== undefined) return common;
  const { avps } = answer;
  return {
    ...common,
    acceptable: readAcceptableServiceInfo(avps),
    accessCharging: readAccessCharging(avps),
    accessChargingAddress: avps.address(rxAvps.accessNetworkChargingAddress),
    accessNetwork: readAccessNetwork(avps),
    flows: avps.groups(rxAvps.flows).map(readFlows),
    supportedFeatures: readFeatures(avps),
    retryInterval: avps.unsigned32(rxAvps.retryInterval),
    authorizationLifetime: avps.unsigned32(baseAvps.authorizationLifetime),
    classes: readClasses(avps),
  };
}

/** Reads a STA; a second Result-Code is not looked at. Source: TS 29.214 5.6.6; requirement D-15. */
export function readSessionTerminationAnswer(answer: DiameterMessage): SessionTerminationAnswer | RequestFailure {
  const common = readRxAnswer(answer);
  return common.failure !== undefined ? common : { ...common, accessNetwork: readAccessNetwork(answer.avps) };
}

/** Reads a RAA or ASA. Source: TS 29.214 5.6.4, 5.6.8. */
export function readRxAnswer(answer: DiameterMessage): RxAnswer | RequestFailure {
  const result = readResult(answer);
  if (result === undefined) return noResult;
  const { avps } = answer;
  return {
    result,
    originHost: avps.text(baseAvps.originHost) ?? '',
    originRealm: avps.text(baseAvps.originRealm) ?? '',
    originStateId: avps.unsigned32(baseAvps.originStateId),
    errorMessage: avps.text(baseAvps.errorMessage),
  };
}
