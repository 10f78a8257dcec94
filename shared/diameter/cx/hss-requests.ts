import type { AnswerContent } from '../answer.ts';
import type { RequestFailure } from '../client.ts';
import { type Avp, avp } from '../codec/avp-types.ts';
import type { DiameterMessage } from '../codec/message.ts';
import { baseAvps } from '../dictionary/base.ts';
import { cxAvps } from '../dictionary/cx.ts';
import type { DiameterResult } from '../result.ts';
import {
  type AllowedWafWwsfIdentities,
  type AuthDataItem,
  type ChargingInformation,
  type CxAnswer,
  readAllowedIdentities,
  readAuthDataItem,
  readChargingInformation,
  readCxAnswer,
} from './cx-results.ts';
import { allowedIdentitiesAvp, associatedIdentitiesAvp, chargingAvp } from './cx-server.ts';

/** Reason-Code of Deregistration-Reason. Source: TS 29.229 6.3.17. */
export const deregistrationReasons = {
  PERMANENT_TERMINATION: 0,
  NEW_SERVER_ASSIGNED: 1,
  SERVER_CHANGE: 2,
  REMOVE_S_CSCF: 3,
} as const;

/** Whom a request comes from; empty while it is written. */
export interface HssRequest {
  readonly originHost: string;
  readonly originRealm: string;
}

/** What an RTR asks: the end of registrations. */
export interface RegistrationTermination {
  readonly impi: string;
  /** Empty: all identities of the private identity. */
  readonly impus: readonly string[];
  /** Other private identities of the subscription that are meant as well. */
  readonly associatedIdentities: readonly string[];
  /** `deregistrationReasons`; numbers that are none of them are possible. */
  readonly reasonCode: number;
  readonly reasonInfo: string | undefined;
  readonly rtrFlags: number;
}

/** What a PPR brings: a new profile, new charging addresses, or both. */
export interface PushProfile {
  readonly impi: string;
  /** The XML of the profile, a view of the message. */
  readonly userData: Buffer | undefined;
  readonly charging: ChargingInformation | undefined;
  readonly authDataItem: AuthDataItem | undefined;
  readonly allowedIdentities: AllowedWafWwsfIdentities | undefined;
}

/** What an RTR is made of; only what is there is sent. */
export type RegistrationTerminationContent = Pick<RegistrationTermination, 'impi' | 'reasonCode'> &
  Partial<RegistrationTermination>;

/** What a PPR is made of; only what is there is sent. */
export interface PushProfileContent {
  readonly impi: string;
  readonly userData?: Buffer | string | undefined;
  readonly charging?: Partial<ChargingInformation> | undefined;
  readonly allowedIdentities?: AllowedWafWwsfIdentities | undefined;
}

/** What an RTR carries beside the common AVPs. Source: TS 29.229 6.1.9, TS 29.228 6.1.3. */
export function registrationTerminationAvps(request: RegistrationTerminationContent): Avp[] {
  const { impi, impus = [], associatedIdentities = [], reasonCode, reasonInfo, rtrFlags } = request;
  const avps: Avp[] = [avp(baseAvps.userName, impi)];
  for (const impu of impus) avps.push(avp(cxAvps.publicIdentity, impu));
  if (associatedIdentities.length > 0) avps.push(associatedIdentitiesAvp(associatedIdentities));
  const reason: Avp[] = [avp(cxAvps.reasonCode, reasonCode)];
  if (reasonInfo !== undefined) reason.push(avp(cxAvps.reasonInfo, reasonInfo));
  avps.push(avp(cxAvps.deregistrationReason, reason));
  if (rtrFlags !== undefined) avps.push(avp(cxAvps.rtrFlags, rtrFlags));
  return avps;
}

/** Reads an RTR whose mandatory AVPs were checked (the DiameterClient does before a handler runs). Source: TS 29.229 6.1.9. */
export function readRegistrationTermination({ avps }: DiameterMessage): RegistrationTermination & HssRequest {
  const reason = avps.grouped(cxAvps.deregistrationReason);
  return {
    originHost: avps.text(baseAvps.originHost) ?? '',
    originRealm: avps.text(baseAvps.originRealm) ?? '',
    impi: avps.text(baseAvps.userName) ?? '',
    impus: avps.texts(cxAvps.publicIdentity),
    associatedIdentities: avps.grouped(cxAvps.associatedIdentities)?.texts(baseAvps.userName) ?? [],
    reasonCode: reason?.integer32(cxAvps.reasonCode) ?? deregistrationReasons.PERMANENT_TERMINATION,
    reasonInfo: reason?.text(cxAvps.reasonInfo),
    rtrFlags: avps.unsigned32(cxAvps.rtrFlags) ?? 0,
  };
}

/** What a PPR carries beside the common AVPs. Source: TS 29.229 6.1.11, TS 29.228 6.2.2. */
export function pushProfileAvps(request: PushProfileContent): Avp[] {
  const { impi, userData, charging, allowedIdentities } = request;
  const avps: Avp[] = [avp(baseAvps.userName, impi)];
  if (userData !== undefined) avps.push(avp(cxAvps.userData, userData));
  if (charging !== undefined) avps.push(chargingAvp(charging));
  if (allowedIdentities !== undefined) avps.push(allowedIdentitiesAvp(allowedIdentities));
  return avps;
}

/** Reads a PPR, as `readRegistrationTermination`. Source: TS 29.229 6.1.11. */
export function readPushProfile({ avps }: DiameterMessage): PushProfile & HssRequest {
  const item = avps.grouped(cxAvps.sipAuthDataItem);
  return {
    originHost: avps.text(baseAvps.originHost) ?? '',
    originRealm: avps.text(baseAvps.originRealm) ?? '',
    impi: avps.text(baseAvps.userName) ?? '',
    userData: avps.octets(cxAvps.userData),
    charging: readChargingInformation(avps),
    authDataItem: item === undefined ? undefined : readAuthDataItem(item),
    allowedIdentities: readAllowedIdentities(avps),
  };
}

/** An identity whose emergency registration outlived an RTR. Source: TS 29.229 6.3.57. */
export interface EmergencyIdentity {
  readonly impi: string;
  readonly impu: string;
}

export interface TerminationAnswerContent {
  readonly result: DiameterResult;
  /** Private identities of the subscription that were registered with the same identities. */
  readonly associatedIdentities?: readonly string[] | undefined;
  readonly emergencies?: readonly EmergencyIdentity[] | undefined;
}

/** What an RTA tells. */
export interface RegistrationTerminationAnswer extends CxAnswer {
  readonly associatedIdentities: readonly string[];
  readonly emergencies: readonly EmergencyIdentity[];
}

/** The content of an RTA. Source: TS 29.229 6.1.10. */
export function registrationTerminationAnswer(content: TerminationAnswerContent): AnswerContent {
  const { result, associatedIdentities = [], emergencies = [] } = content;
  const avps: Avp[] = [];
  if (associatedIdentities.length > 0) avps.push(associatedIdentitiesAvp(associatedIdentities));
  for (const { impi, impu } of emergencies) {
    const parts = [avp(baseAvps.userName, impi), avp(cxAvps.publicIdentity, impu)];
    avps.push(avp(cxAvps.identityWithEmergencyRegistration, parts));
  }
  return { result, avps };
}

/** Reads an RTA. Source: TS 29.229 6.1.10. */
export function readRegistrationTerminationAnswer(
  answer: DiameterMessage,
): RegistrationTerminationAnswer | RequestFailure {
  const common = readCxAnswer(answer);
  if (common.failure !== undefined) return common;
  const { avps } = answer;
  const emergencies = avps.groups(cxAvps.identityWithEmergencyRegistration).map((group) => ({
    impi: group.text(baseAvps.userName) ?? '',
    impu: group.text(cxAvps.publicIdentity) ?? '',
  }));
  const associatedIdentities = avps.grouped(cxAvps.associatedIdentities)?.texts(baseAvps.userName) ?? [];
  return { ...common, associatedIdentities, emergencies };
}

/** The content of a PPA. Source: TS 29.229 6.1.12. */
export function pushProfileAnswer(result: DiameterResult): AnswerContent {
  return { result, avps: [] };
}
