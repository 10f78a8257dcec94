import { type Avp, avp } from '../codec/avp-types.ts';
import { baseAvps } from '../dictionary/base.ts';
import { type AvpDefinition, VENDOR_3GPP } from '../dictionary/dictionary.ts';
import { rxApplication, rxAvps } from '../dictionary/rx.ts';
import type { DiameterIdentity } from '../identity.ts';
import { type FramedAddress, framedAddressAvp } from './framed-address.ts';
import { type MediaComponent, mediaComponentAvp } from './media-component.ts';
import { terminationCauses } from './rx-values.ts';

export interface SubscriptionId {
  /** `subscriptionIdTypes`. */
  readonly type: number;
  readonly data: string;
}

/** Supported-Features of vendor 10415. Source: TS 29.214 5.4.1. */
export interface RxFeatures {
  readonly listId: number;
  readonly features: number;
}

/** The service that an AAR asks for: all of it each time, since an update replaces what was said before. */
export interface AaService {
  readonly ipDomainId?: string | undefined;
  /** Auth-Session-State; left out, the session is stateful. */
  readonly authSessionState?: number | undefined;
  readonly applicationIdentifier?: string | undefined;
  readonly mediaComponents: readonly MediaComponent[];
  readonly serviceInfoStatus?: number | undefined;
  readonly chargingIdentifier?: string | undefined;
  readonly forkingIndication?: number | undefined;
  readonly specificActions: readonly number[];
  readonly subscriptionIds: readonly SubscriptionId[];
  readonly supportedFeatures?: readonly RxFeatures[] | undefined;
  readonly reservationPriority?: number | undefined;
  readonly framedAddress?: FramedAddress | undefined;
  readonly calledStationId?: string | undefined;
  readonly serviceUrn?: string | undefined;
  readonly mpsIdentifier?: string | undefined;
  readonly requestType?: number | undefined;
  readonly requiredAccessInfo?: readonly number[] | undefined;
}

/** The session that a request belongs to, and where it goes. */
export interface RxAddress {
  readonly sessionId: string;
  /** The PCRF that holds the session; none before it is known. */
  readonly destinationHost?: string | undefined;
  /** That of the client when left out. */
  readonly destinationRealm?: string | undefined;
}

export interface AaRequest extends RxAddress, AaService {}

export interface SessionTermination extends RxAddress {
  /** LOGOUT when left out. */
  readonly cause?: number | undefined;
  readonly requiredAccessInfo?: readonly number[] | undefined;
  /** Class AVPs of the AAA, given back as they came. */
  readonly classes?: readonly Buffer[] | undefined;
}

/** Which flows of which media component; no flow numbers: all of the component. Source: TS 29.214 5.3.12. */
export interface Flows {
  readonly componentNumber: number;
  readonly flowNumbers: readonly number[];
  readonly componentStatus?: number | undefined;
}

/** Access-Network-Charging-Identifier. Source: TS 29.214 5.3.3. */
export interface AccessCharging {
  readonly value: Buffer;
  readonly flows: readonly Flows[];
}

/** What a PCRF knows of the access network of a UE; octet strings are copies. Source: TS 29.214 4.4.6. */
export interface AccessNetworkInfo {
  readonly ipCanType?: number | undefined;
  readonly ratType?: number | undefined;
  readonly anGwAddresses?: readonly string[] | undefined;
  readonly userLocation?: Buffer | undefined;
  /** Seconds since 1970. */
  readonly userLocationTime?: number | undefined;
  readonly timeZone?: Buffer | undefined;
  readonly servingPlmn?: string | undefined;
  readonly twanIdentifier?: Buffer | undefined;
  readonly releaseCause?: Buffer | undefined;
  readonly ueLocalAddress?: string | undefined;
  readonly udpSourcePort?: number | undefined;
  readonly tcpSourcePort?: number | undefined;
}

export interface ReAuth extends RxAddress {
  readonly specificActions: readonly number[];
  readonly accessCharging?: readonly AccessCharging[] | undefined;
  readonly accessChargingAddress?: string | undefined;
  readonly flows?: readonly Flows[] | undefined;
  readonly subscriptionIds?: readonly SubscriptionId[] | undefined;
  readonly abortCause?: number | undefined;
  readonly accessNetwork?: AccessNetworkInfo | undefined;
}

export interface AbortSession extends RxAddress {
  /** `abortCauses`. */
  readonly cause: number;
}

/** Who sends a request. */
export interface RxSender extends DiameterIdentity {
  /** Not sent when left out. */
  readonly originStateId?: number | undefined;
}

const applicationId = avp(baseAvps.authApplicationId, rxApplication.id);

function originAvps({ originHost, originRealm }: DiameterIdentity, destinationRealm: string): Avp[] {
  return [
    avp(baseAvps.originHost, originHost),
    avp(baseAvps.originRealm, originRealm),
    avp(baseAvps.destinationRealm, destinationRealm),
  ];
}

/** What an AAR carries after its Session-Id, in the order of the table. Source: TS 29.214 5.6.1; requirement D-70. */
export function aaRequestAvps(request: AaRequest, sender: RxSender, destinationRealm: string): Avp[] {
  const avps = [applicationId, ...originAvps(sender, destinationRealm)];
  pushText(avps, baseAvps.destinationHost, request.destinationHost);
  pushText(avps, rxAvps.ipDomainId, request.ipDomainId);
  pushNumber(avps, baseAvps.authSessionState, request.authSessionState);
  pushText(avps, rxAvps.afApplicationIdentifier, request.applicationIdentifier);
  for (const component of request.mediaComponents) avps.push(mediaComponentAvp(component));
  pushNumber(avps, rxAvps.serviceInfoStatus, request.serviceInfoStatus);
  pushText(avps, rxAvps.afChargingIdentifier, request.chargingIdentifier);
  pushNumber(avps, rxAvps.sipForkingIndication, request.forkingIndication);
  for (const action of request.specificActions) avps.push(avp(rxAvps.specificAction, action));
  for (const subscription of request.subscriptionIds) avps.push(subscriptionIdAvp(subscription));
  for (const features of request.supportedFeatures ?? []) avps.push(supportedFeaturesAvp(features));
  pushNumber(avps, rxAvps.reservationPriority, request.reservationPriority);
  const framed = request.framedAddress === undefined ? undefined : framedAddressAvp(request.framedAddress);
  if (framed !== undefined) avps.push(framed);
  pushText(avps, baseAvps.calledStationId, request.calledStationId);
  pushText(avps, rxAvps.serviceUrn, request.serviceUrn);
  pushText(avps, rxAvps.mpsIdentifier, request.mpsIdentifier);
  pushNumber(avps, rxAvps.rxRequestType, request.requestType);
  for (const info of request.requiredAccessInfo ?? []) avps.push(avp(rxAvps.requiredAccessInfo, info));
  pushNumber(avps, baseAvps.originStateId, sender.originStateId);
  return avps;
}

/** What a STR carries after its Session-Id. Source: TS 29.214 5.6.5. */
export function sessionTerminationAvps(request: SessionTermination, sender: RxSender, realm: string): Avp[] {
  const cause = avp(baseAvps.terminationCause, request.cause ?? terminationCauses.LOGOUT);
  const avps = [...originAvps(sender, realm), applicationId, cause];
  pushText(avps, baseAvps.destinationHost, request.destinationHost);
  for (const info of request.requiredAccessInfo ?? []) avps.push(avp(rxAvps.requiredAccessInfo, info));
  for (const octets of request.classes ?? []) avps.push(avp(baseAvps.classAvp, octets));
  pushNumber(avps, baseAvps.originStateId, sender.originStateId);
  return avps;
}

/** What a RAR of a PCRF carries after its Session-Id. Source: TS 29.214 5.6.3. */
export function reAuthAvps(request: ReAuth, sender: RxSender, realm: string): Avp[] {
  const avps = originAvps(sender, realm);
  pushText(avps, baseAvps.destinationHost, request.destinationHost);
  avps.push(applicationId);
  for (const action of request.specificActions) avps.push(avp(rxAvps.specificAction, action));
  for (const { value, flows } of request.accessCharging ?? []) {
    const parts = [avp(rxAvps.accessNetworkChargingIdentifierValue, value), ...flows.map(flowsAvp)];
    avps.push(avp(rxAvps.accessNetworkChargingIdentifier, parts));
  }
  if (request.accessChargingAddress !== undefined) {
    avps.push(avp(rxAvps.accessNetworkChargingAddress, request.accessChargingAddress));
  }
  for (const flows of request.flows ?? []) avps.push(flowsAvp(flows));
  for (const subscription of request.subscriptionIds ?? []) avps.push(subscriptionIdAvp(subscription));
  pushNumber(avps, rxAvps.abortCause, request.abortCause);
  if (request.accessNetwork !== undefined) avps.push(...accessNetworkAvps(request.accessNetwork));
  pushNumber(avps, baseAvps.originStateId, sender.originStateId);
  return avps;
}

/** What an ASR of a PCRF carries after its Session-Id. Source: TS 29.214 5.6.7. */
export function abortSessionAvps(request: AbortSession, sender: RxSender, realm: string): Avp[] {
  const avps = originAvps(sender, realm);
  pushText(avps, baseAvps.destinationHost, request.destinationHost);
  avps.push(applicationId, avp(rxAvps.abortCause, request.cause));
  pushNumber(avps, baseAvps.originStateId, sender.originStateId);
  return avps;
}

/** IP-CAN-Type, RAT-Type and where the UE is, for RAR, AAA and STA. Throws TypeError for an address that is none. */
export function accessNetworkAvps(info: AccessNetworkInfo): Avp[] {
  const avps: Avp[] = [];
  for (const address of info.anGwAddresses ?? []) avps.push(avp(rxAvps.anGwAddress, address));
  pushNumber(avps, rxAvps.ipCanType, info.ipCanType);
  pushNumber(avps, rxAvps.ratType, info.ratType);
  pushText(avps, rxAvps.tgppUserLocationInfo, info.userLocation);
  if (info.userLocationTime !== undefined) avps.push(avp(rxAvps.userLocationInfoTime, info.userLocationTime));
  pushText(avps, rxAvps.tgppMsTimezone, info.timeZone);
  pushText(avps, rxAvps.tgppSgsnMccMnc, info.servingPlmn);
  pushText(avps, rxAvps.twanIdentifier, info.twanIdentifier);
  pushText(avps, rxAvps.ranNasReleaseCause, info.releaseCause);
  if (info.ueLocalAddress !== undefined) avps.push(avp(rxAvps.ueLocalIpAddress, info.ueLocalAddress));
  pushNumber(avps, rxAvps.udpSourcePort, info.udpSourcePort);
  pushNumber(avps, rxAvps.tcpSourcePort, info.tcpSourcePort);
  return avps;
}

export function flowsAvp({ componentNumber, componentStatus, flowNumbers }: Flows): Avp {
  const avps: Avp[] = [avp(rxAvps.mediaComponentNumber, componentNumber)];
  for (const number of flowNumbers) avps.push(avp(rxAvps.flowNumber, number));
  pushNumber(avps, rxAvps.mediaComponentStatus, componentStatus);
  return avp(rxAvps.flows, avps);
}

export function supportedFeaturesAvp({ listId, features }: RxFeatures): Avp {
  return avp(rxAvps.supportedFeatures, [
    avp(baseAvps.vendorId, VENDOR_3GPP),
    avp(rxAvps.featureListId, listId),
    avp(rxAvps.featureList, features),
  ]);
}

function subscriptionIdAvp({ data, type }: SubscriptionId): Avp {
  return avp(baseAvps.subscriptionId, [avp(baseAvps.subscriptionIdType, type), avp(baseAvps.subscriptionIdData, data)]);
}

function pushText(
  avps: Avp[],
  definition: AvpDefinition<'UTF8String' | 'OctetString' | 'DiameterIdentity'>,
  value: string | Buffer | undefined,
): void {
  if (value !== undefined) avps.push({ definition, value });
}

function pushNumber(
  avps: Avp[],
  definition: AvpDefinition<'Unsigned32' | 'Enumerated'>,
  value: number | undefined,
): void {
  if (value !== undefined) avps.push(avp(definition, value));
}
