import type { AnswerContent } from '../answer.ts';
import { type Avp, avp } from '../codec/avp-types.ts';
import type { DiameterMessage } from '../codec/message.ts';
import { baseAvps } from '../dictionary/base.ts';
import { cxAvps } from '../dictionary/cx.ts';
import type { AvpDefinition } from '../dictionary/dictionary.ts';
import type { DiameterResult } from '../result.ts';
import type { LocationInfo, MultimediaAuth, ServerAssignment, UserAuthorization } from './cx-requests.ts';
import {
  type AllowedWafWwsfIdentities,
  type AuthDataItem,
  type ChargingInformation,
  readWildcard,
  type ServerCapabilities,
  type SipDigestAuthenticate,
} from './cx-results.ts';
import { readRestorationInfos, restorationInfoAvp, type ScscfRestorationInfo } from './restoration-info.ts';

/** Reads a UAR whose mandatory AVPs were checked (the DiameterClient does before a handler runs). Source: TS 29.229 6.1.1. */
export function readUserAuthorization(request: DiameterMessage): UserAuthorization {
  const { avps } = request;
  const type = avps.integer32(cxAvps.userAuthorizationType);
  return {
    ...readDestination(request),
    impi: avps.text(baseAvps.userName) ?? '',
    impu: avps.text(cxAvps.publicIdentity) ?? '',
    visitedNetwork: avps.text(cxAvps.visitedNetworkIdentifier) ?? '',
    type: type === 0 || type === 1 || type === 2 ? type : undefined,
    emergency: ((avps.unsigned32(cxAvps.uarFlags) ?? 0) & 1) === 1,
  };
}

/** Reads a MAR, as `readUserAuthorization`. Source: TS 29.229 6.1.7. */
export function readMultimediaAuth(request: DiameterMessage): MultimediaAuth {
  const { avps } = request;
  const item = avps.grouped(cxAvps.sipAuthDataItem);
  return {
    ...readDestination(request),
    impi: avps.text(baseAvps.userName) ?? '',
    impu: avps.text(cxAvps.publicIdentity) ?? '',
    serverName: avps.text(cxAvps.serverName) ?? '',
    scheme: item?.text(cxAvps.sipAuthenticationScheme) ?? '',
    items: avps.unsigned32(cxAvps.sipNumberAuthItems),
    resync: item?.octets(cxAvps.sipAuthorization),
  };
}

/** Reads a SAR, as `readUserAuthorization`. Source: TS 29.229 6.1.3. */
export function readServerAssignment(request: DiameterMessage): ServerAssignment {
  const { avps } = request;
  return {
    ...readDestination(request),
    impi: avps.text(baseAvps.userName),
    impus: avps.texts(cxAvps.publicIdentity),
    serverName: avps.text(cxAvps.serverName) ?? '',
    type: avps.integer32(cxAvps.serverAssignmentType) ?? 0,
    userDataAlreadyAvailable: avps.integer32(cxAvps.userDataAlreadyAvailable) === 1,
    wildcardedImpu: readWildcard(avps),
    multipleRegistration: avps.integer32(cxAvps.multipleRegistrationIndication) === 1,
    restorationInfos: readRestorationInfos(avps),
    sessionPriority: avps.integer32(cxAvps.sessionPriority),
    sarFlags: avps.unsigned32(cxAvps.sarFlags),
  };
}

/** Reads a LIR, as `readUserAuthorization`. Source: TS 29.229 6.1.5. */
export function readLocationInfo(request: DiameterMessage): LocationInfo {
  const { avps } = request;
  return {
    ...readDestination(request),
    impu: avps.text(cxAvps.publicIdentity) ?? '',
    originating: avps.integer32(cxAvps.originatingRequest) === 0,
    type: avps.integer32(cxAvps.userAuthorizationType),
    sessionPriority: avps.integer32(cxAvps.sessionPriority),
  };
}

function readDestination(request: DiameterMessage) {
  return {
    destinationHost: request.avps.text(baseAvps.destinationHost),
    destinationRealm: request.avps.text(baseAvps.destinationRealm),
  };
}

export interface LocationContent {
  readonly result: DiameterResult;
  readonly serverName?: string | undefined;
  readonly capabilities?: ServerCapabilities | undefined;
  readonly wildcardedPublicIdentity?: string | undefined;
  readonly liaFlags?: number | undefined;
}

/** The content of a UAA. Source: TS 29.229 6.1.2. */
export function userAuthorizationAnswer(
  content: Omit<LocationContent, 'wildcardedPublicIdentity' | 'liaFlags'>,
): AnswerContent {
  return locationInfoAnswer(content);
}

/** The content of a LIA. Source: TS 29.229 6.1.6. */
export function locationInfoAnswer(content: LocationContent): AnswerContent {
  const avps: Avp[] = [];
  if (content.serverName !== undefined) avps.push(avp(cxAvps.serverName, content.serverName));
  if (content.capabilities !== undefined) {
    const { mandatory, optional, serverNames } = content.capabilities;
    avps.push(
      avp(cxAvps.serverCapabilities, [
        ...mandatory.map((capability) => avp(cxAvps.mandatoryCapability, capability)),
        ...optional.map((capability) => avp(cxAvps.optionalCapability, capability)),
        ...serverNames.map((name) => avp(cxAvps.serverName, name)),
      ]),
    );
  }
  pushText(avps, cxAvps.wildcardedPublicIdentity, content.wildcardedPublicIdentity);
  if (content.liaFlags !== undefined) avps.push(avp(cxAvps.liaFlags, content.liaFlags));
  return { result: content.result, avps };
}

export interface MultimediaAuthContent {
  readonly result: DiameterResult;
  readonly impi?: string | undefined;
  readonly impu?: string | undefined;
  /** SIP-Number-Auth-Items is their number; not sent when there are none. */
  readonly items?: readonly (Partial<Omit<AuthDataItem, 'lineIdentifiers'>> & { readonly itemNumber: number })[];
}

/** The content of a MAA. Source: TS 29.229 6.1.8, TS 29.228 6.3.1. */
export function multimediaAuthAnswer(content: MultimediaAuthContent): AnswerContent {
  const avps: Avp[] = [];
  const { items = [] } = content;
  pushText(avps, baseAvps.userName, content.impi);
  pushText(avps, cxAvps.publicIdentity, content.impu);
  if (items.length > 0) avps.push(avp(cxAvps.sipNumberAuthItems, items.length));
  for (const item of items) {
    const parts: Avp[] = [avp(cxAvps.sipItemNumber, item.itemNumber)];
    pushText(parts, cxAvps.sipAuthenticationScheme, item.scheme);
    if (item.rand !== undefined && item.autn !== undefined) {
      parts.push(avp(cxAvps.sipAuthenticate, Buffer.concat([item.rand, item.autn])));
    }
    if (item.xres !== undefined) parts.push(avp(cxAvps.sipAuthorization, item.xres));
    if (item.ck !== undefined) parts.push(avp(cxAvps.confidentialityKey, item.ck));
    if (item.ik !== undefined) parts.push(avp(cxAvps.integrityKey, item.ik));
    if (item.digest !== undefined) parts.push(digestAvp(item.digest));
    avps.push(avp(cxAvps.sipAuthDataItem, parts));
  }
  return { result: content.result, avps };
}

function digestAvp(digest: SipDigestAuthenticate): Avp {
  const parts: Avp[] = [avp(baseAvps.digestRealm, digest.realm)];
  pushText(parts, baseAvps.digestAlgorithm, digest.algorithm);
  pushText(parts, baseAvps.digestQop, digest.qop);
  parts.push(avp(baseAvps.digestHa1, digest.ha1));
  return avp(cxAvps.sipDigestAuthenticate, parts);
}

/** Allowed-WAF-WWSF-Identities, of an SAA or a PPR. Source: TS 29.229 6.3.60. */
export function allowedIdentitiesAvp(allowed: AllowedWafWwsfIdentities): Avp {
  return avp(cxAvps.allowedWafWwsfIdentities, [
    ...allowed.authenticationFunctions.map((name) => avp(cxAvps.webrtcAuthenticationFunctionName, name)),
    ...allowed.webServerFunctions.map((name) => avp(cxAvps.webrtcWebServerFunctionName, name)),
  ]);
}

/** Associated-Identities. Source: TS 29.229 6.3.33. */
export function associatedIdentitiesAvp(impis: readonly string[]): Avp {
  return avp(
    cxAvps.associatedIdentities,
    impis.map((impi) => avp(baseAvps.userName, impi)),
  );
}

export interface ServerAssignmentContent {
  readonly result: DiameterResult;
  readonly impi?: string | undefined;
  /** The XML of the profile. */
  readonly userData?: Buffer | string | undefined;
  readonly charging?: Partial<ChargingInformation> | undefined;
  readonly associatedIdentities?: readonly string[] | undefined;
  readonly looseRoute?: boolean | undefined;
  readonly restorationInfos?: readonly ScscfRestorationInfo[] | undefined;
  readonly associatedRegisteredIdentities?: readonly string[] | undefined;
  readonly serverName?: string | undefined;
  readonly wildcardedPublicIdentity?: string | undefined;
  readonly priviledgedSender?: boolean | undefined;
  readonly allowedIdentities?: AllowedWafWwsfIdentities | undefined;
}

/** The content of a SAA. Source: TS 29.229 6.1.4, TS 29.228 6.1.2. */
export function serverAssignmentAnswer(content: ServerAssignmentContent): AnswerContent {
  const { associatedIdentities = [], associatedRegisteredIdentities: registered = [], restorationInfos = [] } = content;
  const avps: Avp[] = [];
  pushText(avps, baseAvps.userName, content.impi);
  if (content.userData !== undefined) avps.push(avp(cxAvps.userData, content.userData));
  if (content.charging !== undefined) avps.push(chargingAvp(content.charging));
  if (associatedIdentities.length > 0) avps.push(associatedIdentitiesAvp(associatedIdentities));
  if (content.looseRoute !== undefined) avps.push(avp(cxAvps.looseRouteIndication, content.looseRoute ? 1 : 0));
  for (const info of restorationInfos) avps.push(restorationInfoAvp(info));
  if (registered.length > 0) {
    const names = registered.map((impi) => avp(baseAvps.userName, impi));
    avps.push(avp(cxAvps.associatedRegisteredIdentities, names));
  }
  pushText(avps, cxAvps.serverName, content.serverName);
  pushText(avps, cxAvps.wildcardedPublicIdentity, content.wildcardedPublicIdentity);
  if (content.priviledgedSender === true) avps.push(avp(cxAvps.priviledgedSenderIndication, 1));
  if (content.allowedIdentities !== undefined) avps.push(allowedIdentitiesAvp(content.allowedIdentities));
  return { result: content.result, avps };
}

/** Charging-Information, of an SAA or a PPR. Source: TS 29.229 6.3.19. */
export function chargingAvp(charging: Partial<ChargingInformation>): Avp {
  const parts: Avp[] = [];
  pushText(parts, cxAvps.primaryEventChargingFunctionName, charging.primaryEcf);
  pushText(parts, cxAvps.secondaryEventChargingFunctionName, charging.secondaryEcf);
  pushText(parts, cxAvps.primaryChargingCollectionFunctionName, charging.primaryCcf);
  pushText(parts, cxAvps.secondaryChargingCollectionFunctionName, charging.secondaryCcf);
  return avp(cxAvps.chargingInformation, parts);
}

function pushText(
  avps: Avp[],
  definition: AvpDefinition<'UTF8String' | 'DiameterURI'>,
  text: string | undefined,
): void {
  if (text !== undefined) avps.push(avp(definition, text));
}
