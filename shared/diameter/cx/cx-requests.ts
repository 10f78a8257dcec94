import { type Avp, avp } from '../codec/avp-types.ts';
import { baseAvps } from '../dictionary/base.ts';
import { cxAvps } from '../dictionary/cx.ts';
import { restorationInfoAvp, type ScscfRestorationInfo } from './restoration-info.ts';

/** Where a request goes: the home realm and no particular host unless said. */
export interface CxDestination {
  readonly destinationHost?: string | undefined;
  readonly destinationRealm?: string | undefined;
}

/** User-Authorization-Type. Source: TS 29.229 6.3.24. */
export const userAuthorizationTypes = {
  REGISTRATION: 0,
  DE_REGISTRATION: 1,
  REGISTRATION_AND_CAPABILITIES: 2,
} as const;

/** Server-Assignment-Type. Source: TS 29.229 6.3.15. */
export const serverAssignmentTypes = {
  NO_ASSIGNMENT: 0,
  REGISTRATION: 1,
  RE_REGISTRATION: 2,
  UNREGISTERED_USER: 3,
  TIMEOUT_DEREGISTRATION: 4,
  USER_DEREGISTRATION: 5,
  TIMEOUT_DEREGISTRATION_STORE_SERVER_NAME: 6,
  USER_DEREGISTRATION_STORE_SERVER_NAME: 7,
  ADMINISTRATIVE_DEREGISTRATION: 8,
  AUTHENTICATION_FAILURE: 9,
  AUTHENTICATION_TIMEOUT: 10,
  DEREGISTRATION_TOO_MUCH_DATA: 11,
  AAA_USER_DATA_REQUEST: 12,
  PGW_UPDATE: 13,
  RESTORATION: 14,
} as const;

/** Features that may be announced in Feature-List-ID 1, by their bits. Source: TS 29.229 7.1.1; requirement D-45. */
export const cxFeatures = { sifc: 1, aliasind: 2, 'ims-restoration': 4, 'p-cscf-restoration': 8 } as const;

/** Bits of UAR-Flags. Source: TS 29.229 6.3.44. */
export const uarFlags = { EMERGENCY_REGISTRATION: 1 } as const;

/** Bits of SAR-Flags. Source: TS 29.229 6.3.58. */
export const sarFlags = { P_CSCF_RESTORATION: 1 } as const;

export interface UserAuthorization extends CxDestination {
  readonly impi: string;
  readonly impu: string;
  readonly visitedNetwork: string;
  /** `userAuthorizationTypes`; left out of the message when undefined. */
  readonly type?: 0 | 1 | 2 | undefined;
  /** UAR-Flags bit 0: an emergency registration. */
  readonly emergency?: boolean | undefined;
}

export interface MultimediaAuth extends CxDestination {
  readonly impi: string;
  readonly impu: string;
  readonly serverName: string;
  readonly scheme: string;
  /** How many vectors are asked for; default 1. */
  readonly items?: number | undefined;
  /** RAND and AUTS, 30 octets, after a synchronisation failure. */
  readonly resync?: Buffer | undefined;
}

export interface ServerAssignment extends CxDestination {
  readonly impi?: string | undefined;
  readonly impus: readonly string[];
  readonly serverName: string;
  /** `serverAssignmentTypes`. */
  readonly type: number;
  readonly userDataAlreadyAvailable: boolean;
  readonly wildcardedImpu?: string | undefined;
  /** What the HSS is to keep for a restoration. */
  readonly restorationInfos?: readonly ScscfRestorationInfo[] | undefined;
  readonly multipleRegistration?: boolean | undefined;
  readonly sessionPriority?: number | undefined;
  /** `sarFlags`. */
  readonly sarFlags?: number | undefined;
}

export interface LocationInfo extends CxDestination {
  readonly impu: string;
  readonly originating?: boolean | undefined;
  /** User-Authorization-Type, only REGISTRATION_AND_CAPABILITIES (2) has a meaning here. */
  readonly type?: number | undefined;
  /** Session-Priority, 0 (highest) to 4. */
  readonly sessionPriority?: number | undefined;
}

/** What a UAR carries beside the common AVPs. Source: TS 29.229 6.1.1, TS 29.228 6.1.1. */
export function userAuthorizationAvps(request: UserAuthorization): Avp[] {
  const avps = [
    avp(baseAvps.userName, request.impi),
    avp(cxAvps.publicIdentity, request.impu),
    avp(cxAvps.visitedNetworkIdentifier, request.visitedNetwork),
  ];
  if (request.type !== undefined) avps.push(avp(cxAvps.userAuthorizationType, request.type));
  if (request.emergency === true) avps.push(avp(cxAvps.uarFlags, uarFlags.EMERGENCY_REGISTRATION));
  return avps;
}

/** What a MAR carries beside the common AVPs. Source: TS 29.229 6.1.7, TS 29.228 6.3.1. */
export function multimediaAuthAvps(request: MultimediaAuth): Avp[] {
  const item = [avp(cxAvps.sipAuthenticationScheme, request.scheme)];
  if (request.resync !== undefined) item.push(avp(cxAvps.sipAuthorization, request.resync));
  return [
    avp(baseAvps.userName, request.impi),
    avp(cxAvps.publicIdentity, request.impu),
    avp(cxAvps.sipAuthDataItem, item),
    avp(cxAvps.sipNumberAuthItems, request.items ?? 1),
    avp(cxAvps.serverName, request.serverName),
  ];
}

/** What a SAR carries beside the common AVPs. Source: TS 29.229 6.1.3, TS 29.228 6.1.2. */
export function serverAssignmentAvps(request: ServerAssignment): Avp[] {
  const avps: Avp[] = [];
  if (request.impi !== undefined) avps.push(avp(baseAvps.userName, request.impi));
  for (const impu of request.impus) avps.push(avp(cxAvps.publicIdentity, impu));
  if (request.wildcardedImpu !== undefined) avps.push(avp(cxAvps.wildcardedPublicIdentity, request.wildcardedImpu));
  avps.push(
    avp(cxAvps.serverName, request.serverName),
    avp(cxAvps.serverAssignmentType, request.type),
    avp(cxAvps.userDataAlreadyAvailable, request.userDataAlreadyAvailable ? 1 : 0),
  );
  for (const info of request.restorationInfos ?? []) avps.push(restorationInfoAvp(info));
  if (request.multipleRegistration === true) avps.push(avp(cxAvps.multipleRegistrationIndication, 1));
  if (request.sessionPriority !== undefined) avps.push(avp(cxAvps.sessionPriority, request.sessionPriority));
  if (request.sarFlags !== undefined) avps.push(avp(cxAvps.sarFlags, request.sarFlags));
  return avps;
}

/** What a LIR carries beside the common AVPs. Source: TS 29.229 6.1.5, TS 29.228 6.1.4. */
export function locationInfoAvps(request: LocationInfo): Avp[] {
  const avps = [avp(cxAvps.publicIdentity, request.impu)];
  if (request.originating === true) avps.push(avp(cxAvps.originatingRequest, 0));
  if (request.type !== undefined) avps.push(avp(cxAvps.userAuthorizationType, request.type));
  if (request.sessionPriority !== undefined) avps.push(avp(cxAvps.sessionPriority, request.sessionPriority));
  return avps;
}
