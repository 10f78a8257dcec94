import type { AvpList } from '../codec/avp-list.ts';
import type { DiameterMessage } from '../codec/message.ts';
import { baseAvps } from '../dictionary/base.ts';
import { rxAvps } from '../dictionary/rx.ts';
import { readFramedAddress } from './framed-address.ts';
import { readMediaComponents } from './media-component.ts';
import type {
  AaRequest,
  AbortSession,
  AccessCharging,
  AccessNetworkInfo,
  Flows,
  ReAuth,
  RxAddress,
  RxFeatures,
  SessionTermination,
  SubscriptionId,
} from './rx-requests.ts';

/** Reads an AAR whose mandatory AVPs were checked (the DiameterClient does before a handler runs). Source: TS 29.214 5.6.1. */
export function readAaRequest(request: DiameterMessage): AaRequest {
  const { avps } = request;
  // Written out, for a spread costs as much as several AVPs.
  return {
    sessionId: avps.text(baseAvps.sessionId) ?? '',
    destinationHost: avps.text(baseAvps.destinationHost),
    destinationRealm: avps.text(baseAvps.destinationRealm),
    ipDomainId: avps.text(rxAvps.ipDomainId),
    authSessionState: avps.integer32(baseAvps.authSessionState),
    applicationIdentifier: avps.text(rxAvps.afApplicationIdentifier),
    mediaComponents: readMediaComponents(avps),
    serviceInfoStatus: avps.integer32(rxAvps.serviceInfoStatus),
    chargingIdentifier: avps.text(rxAvps.afChargingIdentifier),
    forkingIndication: avps.integer32(rxAvps.sipForkingIndication),
    specificActions: avps.integer32s(rxAvps.specificAction),
    subscriptionIds: readSubscriptionIds(avps),
    supportedFeatures: readFeatures(avps),
    reservationPriority: avps.integer32(rxAvps.reservationPriority),
    framedAddress: readFramedAddress(avps),
    calledStationId: avps.text(baseAvps.calledStationId),
    serviceUrn: avps.text(rxAvps.serviceUrn),
    mpsIdentifier: avps.text(rxAvps.mpsIdentifier),
    requestType: avps.integer32(rxAvps.rxRequestType),
    requiredAccessInfo: avps.integer32s(rxAvps.requiredAccessInfo),
  };
}

/** Reads a STR, as `readAaRequest`. Source: TS 29.214 5.6.5. */
export function readSessionTermination(request: DiameterMessage): SessionTermination {
  const { avps } = request;
  return {
    ...readAddress(avps),
    cause: avps.integer32(baseAvps.terminationCause),
    requiredAccessInfo: avps.integer32s(rxAvps.requiredAccessInfo),
    classes: readClasses(avps),
  };
}

/** Reads a RAR, as `readAaRequest`. Source: TS 29.214 5.6.3. */
export function readReAuth(request: DiameterMessage): ReAuth {
  const { avps } = request;
  return {
    ...readAddress(avps),
    specificActions: avps.integer32s(rxAvps.specificAction),
    accessCharging: readAccessCharging(avps),
    accessChargingAddress: avps.address(rxAvps.accessNetworkChargingAddress),
    flows: avps.groups(rxAvps.flows).map(readFlows),
    subscriptionIds: readSubscriptionIds(avps),
    abortCause: avps.integer32(rxAvps.abortCause),
    accessNetwork: readAccessNetwork(avps),
  };
}

/** Reads an ASR, as `readAaRequest`. Source: TS 29.214 5.6.7. */
export function readAbortSession(request: DiameterMessage): AbortSession {
  return { ...readAddress(request.avps), cause: request.avps.integer32(rxAvps.abortCause) ?? 0 };
}

/** Of what the access network told, that which is there. */
export function readAccessNetwork(avps: AvpList): AccessNetworkInfo {
  return {
    ipCanType: avps.integer32(rxAvps.ipCanType),
    ratType: avps.integer32(rxAvps.ratType),
    anGwAddresses: avps.addresses(rxAvps.anGwAddress),
    userLocation: copy(avps.octets(rxAvps.tgppUserLocationInfo)),
    userLocationTime: avps.time(rxAvps.userLocationInfoTime),
    timeZone: copy(avps.octets(rxAvps.tgppMsTimezone)),
    servingPlmn: avps.text(rxAvps.tgppSgsnMccMnc),
    twanIdentifier: copy(avps.octets(rxAvps.twanIdentifier)),
    releaseCause: copy(avps.octets(rxAvps.ranNasReleaseCause)),
    ueLocalAddress: avps.address(rxAvps.ueLocalIpAddress),
    udpSourcePort: avps.unsigned32(rxAvps.udpSourcePort),
    tcpSourcePort: avps.unsigned32(rxAvps.tcpSourcePort),
  };
}

export function readAccessCharging(avps: AvpList): AccessCharging[] {
  return avps.groups(rxAvps.accessNetworkChargingIdentifier).map((group) => ({
    value: Buffer.from(group.octets(rxAvps.accessNetworkChargingIdentifierValue) ?? ''),
    flows: group.groups(rxAvps.flows).map(readFlows),
  }));
}

export function readFlows(group: AvpList): Flows {
  return {
    componentNumber: group.unsigned32(rxAvps.mediaComponentNumber) ?? 0,
    flowNumbers: group.unsigned32s(rxAvps.flowNumber),
    componentStatus: group.unsigned32(rxAvps.mediaComponentStatus),
  };
}

export function readFeatures(avps: AvpList): RxFeatures[] {
  return avps.groups(rxAvps.supportedFeatures).map((group) => ({
    listId: group.unsigned32(rxAvps.featureListId) ?? 0,
    features: group.unsigned32(rxAvps.featureList) ?? 0,
  }));
}

/** Class AVPs are kept for the life of a session: more or longer ones than these are not. */
const MAX_CLASSES = 8;
const MAX_CLASS_LENGTH = 1024;

/** Copies of the Class AVPs, eight at most of 1024 octets at most. Source: RFC 6733 8.20. */
export function readClasses(avps: AvpList): Buffer[] {
  const classes = avps.texts(baseAvps.classAvp).filter((text) => text.length <= MAX_CLASS_LENGTH);
  return classes.slice(0, MAX_CLASSES).map((text) => Buffer.from(text, 'latin1'));
}

function readAddress(avps: AvpList): RxAddress {
  return {
    sessionId: avps.text(baseAvps.sessionId) ?? '',
    destinationHost: avps.text(baseAvps.destinationHost),
    destinationRealm: avps.text(baseAvps.destinationRealm),
  };
}

function readSubscriptionIds(avps: AvpList): SubscriptionId[] {
  return avps.groups(baseAvps.subscriptionId).map((group) => ({
    type: group.integer32(baseAvps.subscriptionIdType) ?? 0,
    data: group.text(baseAvps.subscriptionIdData) ?? '',
  }));
}

function copy(octets: Buffer | undefined): Buffer | undefined {
  return octets === undefined ? undefined : Buffer.from(octets);
}
