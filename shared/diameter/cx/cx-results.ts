import type { RequestFailure } from '../client.ts';
import type { AvpList } from '../codec/avp-list.ts';
import type { DiameterMessage } from '../codec/message.ts';
import { baseAvps } from '../dictionary/base.ts';
import { cxAvps, etsiAvps } from '../dictionary/cx.ts';
import { type DiameterResult, readResult } from '../result.ts';
import { mendResult } from './hss-dialect.ts';
import { readRestorationInfos, type ScscfRestorationInfo } from './restoration-info.ts';

/** Experimental-Result codes of vendor 10415. Source: TS 29.229 6.2. */
export const cxResultCodes = {
  FIRST_REGISTRATION: 2001,
  SUBSEQUENT_REGISTRATION: 2002,
  UNREGISTERED_SERVICE: 2003,
  SUCCESS_SERVER_NAME_NOT_STORED: 2004,
  SERVER_SELECTION: 2005,
  ERROR_USER_UNKNOWN: 5001,
  ERROR_IDENTITIES_DONT_MATCH: 5002,
  ERROR_IDENTITY_NOT_REGISTERED: 5003,
  ERROR_ROAMING_NOT_ALLOWED: 5004,
  ERROR_IDENTITY_ALREADY_REGISTERED: 5005,
  ERROR_AUTH_SCHEME_NOT_SUPPORTED: 5006,
  ERROR_IN_ASSIGNMENT_TYPE: 5007,
  ERROR_TOO_MUCH_DATA: 5008,
  ERROR_NOT_SUPPORTED_USER_DATA: 5009,
  ERROR_FEATURE_UNSUPPORTED: 5011,
  ERROR_SERVING_NODE_FEATURE_UNSUPPORTED: 5012,
} as const;

/** Flags of a LIA. Source: TS 29.229 6.3.56. */
export const liaFlags = { PSI_DIRECT_ROUTING: 1 } as const;

/** What every Cx answer tells. Buffers in answers are views of the message: copy what is kept for long. */
export interface CxAnswer {
  /** Never set: tells an answer from a RequestFailure. */
  readonly failure?: undefined;
  readonly result: DiameterResult;
  /** Empty when the peer left it out. */
  readonly originHost: string;
  readonly originRealm: string;
  readonly errorMessage: string | undefined;
  /** What the HSS names in a Failed-AVP, as `vendor:code`; undefined when there is none. */
  readonly failedAvp?: string | undefined;
}

export interface ServerCapabilities {
  readonly mandatory: readonly number[];
  readonly optional: readonly number[];
  readonly serverNames: readonly string[];
}

export interface UserAuthorizationAnswer extends CxAnswer {
  readonly serverName: string | undefined;
  readonly capabilities: ServerCapabilities | undefined;
}

export interface LocationInfoAnswer extends UserAuthorizationAnswer {
  readonly wildcardedPublicIdentity: string | undefined;
  /** `liaFlags`. */
  readonly liaFlags: number;
}

/** SIP-Digest-Authenticate. Source: TS 29.229 6.3.36. */
export interface SipDigestAuthenticate {
  readonly realm: string;
  readonly algorithm: string | undefined;
  readonly qop: string | undefined;
  readonly ha1: string;
}

/** One SIP-Auth-Data-Item; a part with an impossible length is undefined. Source: TS 29.229 6.3.13, TS 29.228 6.3. */
export interface AuthDataItem {
  readonly itemNumber: number;
  readonly scheme: string | undefined;
  /** 16 octets each, from the 32 of SIP-Authenticate. */
  readonly rand: Buffer | undefined;
  readonly autn: Buffer | undefined;
  /** 4 to 16 octets. */
  readonly xres: Buffer | undefined;
  /** 16 octets each. */
  readonly ck: Buffer | undefined;
  readonly ik: Buffer | undefined;
  readonly digest: SipDigestAuthenticate | undefined;
  readonly lineIdentifiers: readonly Buffer[];
}

export interface MultimediaAuthAnswer extends CxAnswer {
  readonly impi: string | undefined;
  readonly impu: string | undefined;
  /** In the order of their item numbers. */
  readonly items: readonly AuthDataItem[];
}

export interface ChargingInformation {
  readonly primaryEcf: string | undefined;
  readonly secondaryEcf: string | undefined;
  readonly primaryCcf: string | undefined;
  readonly secondaryCcf: string | undefined;
}

export interface ServerAssignmentAnswer extends CxAnswer {
  readonly impi: string | undefined;
  /** The XML of the profile. */
  readonly userData: Buffer | undefined;
  readonly charging: ChargingInformation | undefined;
  /** IMPIs that share the IMS subscription. */
  readonly associatedIdentities: readonly string[];
  readonly associatedRegisteredIdentities: readonly string[];
  readonly serverName: string | undefined;
  readonly wildcardedPublicIdentity: string | undefined;
  /** Loose-Route-Indication: the user wants loose routing. */
  readonly looseRoute: boolean;
  readonly priviledgedSender: boolean;
  readonly restorationInfos: readonly ScscfRestorationInfo[];
  readonly allowedIdentities: AllowedWafWwsfIdentities | undefined;
}

/** Allowed-WAF-WWSF-Identities: names of WebRTC functions that may act for the user. Source: TS 29.229 6.3.60. */
export interface AllowedWafWwsfIdentities {
  readonly authenticationFunctions: readonly string[];
  readonly webServerFunctions: readonly string[];
}

const noResult: RequestFailure = { failure: 'malformed', words: 'the answer tells no result' };

/** What all answers of Cx have in common; a failure when it tells no result. Source: TS 29.229 6.1. */
export function readCxAnswer(answer: DiameterMessage): CxAnswer | RequestFailure {
  const result = readResult(answer);
  if (result === undefined) return noResult;
  const { avps } = answer;
  return {
    result: mendResult(answer, result),
    originHost: avps.text(baseAvps.originHost) ?? '',
    originRealm: avps.text(baseAvps.originRealm) ?? '',
    errorMessage: avps.text(baseAvps.errorMessage),
    failedAvp: readFailedAvp(avps),
  };
}

/** Names the first AVP inside Failed-AVP. Source: RFC 6733 7.5. */
function readFailedAvp(avps: AvpList): string | undefined {
  let name: string | undefined;
  avps.grouped(baseAvps.failedAvp)?.forEach((_offset, code, vendor) => {
    name ??= `${vendor >>> 0}:${code >>> 0}`;
  });
  return name;
}

/** Source: TS 29.229 6.1.2. */
export function readUserAuthorizationAnswer(answer: DiameterMessage): UserAuthorizationAnswer | RequestFailure {
  const common = readCxAnswer(answer);
  if (common.failure !== undefined) return common;
  const { avps } = answer;
  return {
    ...common,
    serverName: avps.text(cxAvps.serverName),
    capabilities: readServerCapabilities(avps),
  };
}

/** Source: TS 29.229 6.1.6. */
export function readLocationInfoAnswer(answer: DiameterMessage): LocationInfoAnswer | RequestFailure {
  const common = readCxAnswer(answer);
  if (common.failure !== undefined) return common;
  const { avps } = answer;
  return {
    ...common,
    serverName: avps.text(cxAvps.serverName),
    capabilities: readServerCapabilities(avps),
    wildcardedPublicIdentity: readWildcard(avps),
    liaFlags: avps.unsigned32(cxAvps.liaFlags) ?? 0,
  };
}

/**
 * An answer in which a part of a vector has an impossible length is malformed: what is left of it may not be used.
 * Source: TS 29.229 6.1.8, TS 33.102 6.3.7; requirement X-D2.
 */
export function readMultimediaAuthAnswer(answer: DiameterMessage): MultimediaAuthAnswer | RequestFailure {
  const common = readCxAnswer(answer);
  if (common.failure !== undefined) return common;
  const { avps } = answer;
  const groups = avps.groups(cxAvps.sipAuthDataItem);
  for (const group of groups) {
    const damaged = damagedPart(group);
    if (damaged !== undefined) return { failure: 'malformed', words: damaged };
  }
  const items = groups.map(readAuthDataItem);
  if (items.length > 1) items.sort((a, b) => a.itemNumber - b.itemNumber);
  return {
    ...common,
    impi: avps.text(baseAvps.userName),
    impu: avps.text(cxAvps.publicIdentity),
    items,
  };
}

/** Source: TS 29.229 6.1.4. */
export function readServerAssignmentAnswer(answer: DiameterMessage): ServerAssignmentAnswer | RequestFailure {
  const common = readCxAnswer(answer);
  if (common.failure !== undefined) return common;
  const { avps } = answer;
  return {
    ...common,
    impi: avps.text(baseAvps.userName),
    userData: avps.octets(cxAvps.userData),
    charging: readChargingInformation(avps),
    associatedIdentities: avps.grouped(cxAvps.associatedIdentities)?.texts(baseAvps.userName) ?? [],
    associatedRegisteredIdentities: avps.grouped(cxAvps.associatedRegisteredIdentities)?.texts(baseAvps.userName) ?? [],
    serverName: avps.text(cxAvps.serverName),
    wildcardedPublicIdentity: readWildcard(avps),
    looseRoute: avps.integer32(cxAvps.looseRouteIndication) === 1,
    priviledgedSender: avps.integer32(cxAvps.priviledgedSenderIndication) === 1,
    restorationInfos: avps.has(cxAvps.scscfRestorationInfo) ? readRestorationInfos(avps) : [],
    allowedIdentities: readAllowedIdentities(avps),
  };
}

/** The later AVP, or the one of older releases. */
export function readWildcard(avps: AvpList): string | undefined {
  return avps.text(cxAvps.wildcardedPublicIdentity) ?? avps.text(cxAvps.wildcardedImpu);
}

export function readServerCapabilities(avps: AvpList): ServerCapabilities | undefined {
  const group = avps.grouped(cxAvps.serverCapabilities);
  if (group === undefined) return undefined;
  return {
    mandatory: group.unsigned32s(cxAvps.mandatoryCapability),
    optional: group.unsigned32s(cxAvps.optionalCapability),
    serverNames: group.texts(cxAvps.serverName),
  };
}

/** Reads Charging-Information, of an SAA or a PPR. Source: TS 29.229 6.3.19. */
export function readChargingInformation(avps: AvpList): ChargingInformation | undefined {
  const group = avps.grouped(cxAvps.chargingInformation);
  if (group === undefined) return undefined;
  return {
    primaryEcf: group.text(cxAvps.primaryEventChargingFunctionName),
    secondaryEcf: group.text(cxAvps.secondaryEventChargingFunctionName),
    primaryCcf: group.text(cxAvps.primaryChargingCollectionFunctionName),
    secondaryCcf: group.text(cxAvps.secondaryChargingCollectionFunctionName),
  };
}

/** Reads Allowed-WAF-WWSF-Identities, of an SAA or a PPR. Source: TS 29.229 6.3.60. */
export function readAllowedIdentities(avps: AvpList): AllowedWafWwsfIdentities | undefined {
  const group = avps.grouped(cxAvps.allowedWafWwsfIdentities);
  if (group === undefined) return undefined;
  return {
    authenticationFunctions: group.texts(cxAvps.webrtcAuthenticationFunctionName),
    webServerFunctions: group.texts(cxAvps.webrtcWebServerFunctionName),
  };
}

/** Reads one SIP-Auth-Data-Item, of a MAA or a PPR. Source: TS 29.229 6.3.13. */
export function readAuthDataItem(group: AvpList): AuthDataItem {
  const authenticate = ofLength(group.octets(cxAvps.sipAuthenticate), 32, 32);
  return {
    itemNumber: group.unsigned32(cxAvps.sipItemNumber) ?? 0,
    scheme: group.text(cxAvps.sipAuthenticationScheme),
    rand: authenticate?.subarray(0, 16),
    autn: authenticate?.subarray(16, 32),
    xres: ofLength(group.octets(cxAvps.sipAuthorization), 4, 16),
    ck: ofLength(group.octets(cxAvps.confidentialityKey), 16, 16),
    ik: ofLength(group.octets(cxAvps.integrityKey), 16, 16),
    digest: readDigest(group),
    lineIdentifiers: group.has(etsiAvps.lineIdentifier) ? readLineIdentifiers(group) : [],
  };
}

/** The parts of a vector and the octets that they have, least and most. Source: TS 33.102 6.3.7; TS 29.228 6.3.1. */
const vectorParts = [
  [cxAvps.sipAuthenticate, 32, 32],
  [cxAvps.sipAuthorization, 4, 16],
  [cxAvps.confidentialityKey, 16, 16],
  [cxAvps.integrityKey, 16, 16],
] as const;

/** What is wrong with the lengths in one SIP-Auth-Data-Item; undefined when nothing is. */
function damagedPart(group: AvpList): string | undefined {
  for (const [definition, least, most] of vectorParts) {
    const length = group.octets(definition)?.length ?? least;
    if (length >= least && length <= most) continue;
    const wanted = least === most ? `${least}` : `${least} to ${most}`;
    return `${definition.name} has ${length} octets instead of ${wanted}`;
  }
  return undefined;
}

function readDigest(group: AvpList): SipDigestAuthenticate | undefined {
  const digest = group.grouped(cxAvps.sipDigestAuthenticate);
  const realm = digest?.text(baseAvps.digestRealm);
  const ha1 = digest?.text(baseAvps.digestHa1);
  if (digest === undefined || realm === undefined || ha1 === undefined) return undefined;
  return { realm, ha1, algorithm: digest.text(baseAvps.digestAlgorithm), qop: digest.text(baseAvps.digestQop) };
}

function readLineIdentifiers(group: AvpList): Buffer[] {
  return group.texts(etsiAvps.lineIdentifier).map((text) => Buffer.from(text, 'latin1'));
}

function ofLength(octets: Buffer | undefined, least: number, most: number): Buffer | undefined {
  return octets !== undefined && octets.length >= least && octets.length <= most ? octets : undefined;
}
