/*
 * A profile is stored as the User-Data octets themselves: reading them again costs some ten microseconds, and what the
 * HSS sent stays what is kept, whatever this release of the reader makes of it.
 */
import { ParseFailure } from '#sip/errors';
import { readFilterCriteria } from './filter-criteria-xml.ts';
import { byPriority, type FilterCriterion } from './filter-criterion.ts';
import { impuOf } from './identity.ts';
import {
  collectNumbers,
  extended,
  flagOf,
  numberOf,
  pushNumber,
  textOf,
  textOfExtended,
  trim,
} from './profile-element.ts';
import { ProfileReading } from './profile-reading.ts';
import { childOf, lineOf, readXml, type XmlElement } from './xml.ts';

/** Kinds of public identities; the numbers are those of TS 29.228 annex D. */
export const identityTypes = Object.freeze({
  publicUserIdentity: 0,
  distinctPsi: 1,
  wildcardedPsi: 2,
  nonDistinctIdentity: 3,
  wildcardedIdentity: 4,
});

/** One PublicIdentity. Texts that are absent are ''. */
export interface PublicIdentity {
  /** As the HSS sent it, without the blanks around it. */
  readonly identity: string;
  /** The identity as a key (`impuOf`); the identity itself where it is no URI (wildcards). */
  readonly key: string;
  readonly barred: boolean;
  readonly identityType: number;
  readonly wildcardedPsi: string;
  readonly wildcardedImpu: string;
  readonly displayName: string;
  readonly aliasGroup: string;
  readonly servicePriorityLevel: string;
}

/** What the subscriber may use of the core network. */
export interface CoreNetworkServicesAuthorization {
  readonly subscribedMediaProfileId: number | null;
  readonly serviceIds: readonly string[];
}

/** One ServiceProfile. Filter criteria are in ascending priority, those of one priority in document order. */
export interface ServiceProfile {
  readonly publicIdentities: readonly PublicIdentity[];
  readonly filterCriteria: readonly FilterCriterion[];
  /** The XML of the filter criteria: equal texts mean equal criteria. */
  readonly criteriaXml: string;
  readonly sharedIfcSetIds: readonly number[];
  readonly coreNetworkServicesAuthorization: CoreNetworkServicesAuthorization | null;
}

/** An IMSSubscription. */
export interface UserProfile {
  readonly privateId: string;
  readonly serviceProfiles: readonly ServiceProfile[];
  /** What was mended or left out on the way, in words for the operator; at most 20. */
  readonly warnings: readonly string[];
}

/** Why User-Data could not be read. */
export class ProfileFailure {
  /** In words for the log, with the line. */
  readonly reason: string;
  /** Of the XML document, from 1. */
  readonly line: number;

  constructor({ reason, offset }: ParseFailure, xml: Buffer) {
    this.line = lineOf(xml, offset);
    this.reason = `${reason} in line ${this.line}`;
  }
}

/** The implicit registration set of a profile. */
export interface ImplicitRegistrationSet {
  /** Identities a user can be registered with, barred ones included, each once, in document order. */
  readonly identities: readonly PublicIdentity[];
  /** Those not barred, the default one first: P-Associated-URI, reg-event. */
  readonly associated: readonly PublicIdentity[];
  /** First of `associated`; null when all are barred. */
  readonly defaultIdentity: PublicIdentity | null;
}

/** Shared sets that one service profile may name. */
const MAX_SHARED_SETS = 64;

/**
 * Reads User-Data of Cx. Order and namespaces of elements do not matter, unknown ones are ignored, Extension elements are
 * looked through at any depth. A criterion without priority or server is left out with a warning; no XML, another root
 * element, no identity at all, or more filter criteria than `filterLimits` is a ProfileFailure.
 * Source: TS 29.228 annexes B, E.
 */
export function readUserProfile(xml: Buffer): UserProfile | ProfileFailure {
  const root = readXml(xml);
  if (root instanceof ParseFailure) return new ProfileFailure(root, xml);
  const reading = new ProfileReading(xml);
  if (root.name !== 'IMSSubscription') reading.fail('root element is not IMSSubscription', root);
  const serviceProfiles: ServiceProfile[] = [];
  let identities = 0;
  for (const element of root.children) {
    if (element.name !== 'ServiceProfile') continue;
    const profile = readServiceProfile(element, reading);
    identities += profile.publicIdentities.length;
    serviceProfiles.push(profile);
    if (reading.failure !== null) break;
  }
  if (identities === 0) reading.fail('no public identity', root);
  if (reading.failure !== null) return new ProfileFailure(reading.failure, xml);
  return { privateId: textOf(root, 'PrivateID'), serviceProfiles, warnings: reading.warnings };
}

/**
 * Identities registered together. The default one is the first distinct public user identity that is not barred, or else
 * the first that is not barred at all. Public service identities do not register.
 * Source: TS 23.228 5.2.1a, TS 24.229 5.4.1.2.2F.
 */
export function implicitRegistrationSet(profile: UserProfile): ImplicitRegistrationSet {
  const identities: PublicIdentity[] = [];
  const seen = new Set<string>();
  for (const { publicIdentities } of profile.serviceProfiles) {
    for (const identity of publicIdentities) {
      if (isServiceIdentity(identity) || seen.has(identity.key)) continue;
      seen.add(identity.key);
      identities.push(identity);
    }
  }
  const open = identities.filter((identity) => !identity.barred);
  const defaultIdentity =
    open.find((identity) => identity.identityType === identityTypes.publicUserIdentity) ?? open[0] ?? null;
  const associated =
    defaultIdentity === null ? [] : [defaultIdentity, ...open.filter((identity) => identity !== defaultIdentity)];
  return { identities, associated, defaultIdentity };
}

/**
 * Other identities that are aliases of `impu` (a key of `impuOf`) and not barred, in document order: those of the same
 * alias group or, where it has none, those of the same service profile without one.
 * Source: TS 29.228 annex B.2.1, TS 23.228 4.3.3.4.
 */
export function aliasesOf(profile: UserProfile, impu: string): PublicIdentity[] {
  const found = findIdentity(profile, impu);
  if (found === null) return [];
  const { identity, serviceProfile } = found;
  const pool =
    identity.aliasGroup === ''
      ? serviceProfile.publicIdentities
      : profile.serviceProfiles.flatMap((candidate) => candidate.publicIdentities);
  return pool.filter(
    (other) =>
      other.aliasGroup === identity.aliasGroup &&
      other.key !== identity.key &&
      !other.barred &&
      !isServiceIdentity(other),
  );
}

/** The identity with that key and the service profile it belongs to, null when the profile has none. Wildcards are not tried. */
export function findIdentity(
  profile: UserProfile,
  impu: string,
): { readonly identity: PublicIdentity; readonly serviceProfile: ServiceProfile } | null {
  for (const serviceProfile of profile.serviceProfiles) {
    for (const identity of serviceProfile.publicIdentities) {
      if (identity.key === impu) return { identity, serviceProfile };
    }
  }
  return null;
}

function isServiceIdentity(identity: PublicIdentity): boolean {
  const { identityType } = identity;
  return identityType === identityTypes.distinctPsi || identityType === identityTypes.wildcardedPsi;
}

function readServiceProfile(element: XmlElement, reading: ProfileReading): ServiceProfile {
  const { criteria, xml } = readFilterCriteria(element, reading);
  const publicIdentities: PublicIdentity[] = [];
  const sharedIfcSetIds: number[] = [];
  let authorization: CoreNetworkServicesAuthorization | null = null;
  for (const child of element.children) {
    if (child.name === 'PublicIdentity') {
      const identity = readPublicIdentity(child, reading);
      if (identity !== null) publicIdentities.push(identity);
    } else if (child.name === 'CoreNetworkServicesAuthorization') authorization = readAuthorization(child);
    else if (child.name === 'Extension') collectNumbers(child, 'SharedIFCSetID', sharedIfcSetIds);
    else if (child.name === 'SharedIFCSetID') pushNumber(child, sharedIfcSetIds);
  }
  if (sharedIfcSetIds.length > MAX_SHARED_SETS) reading.fail('too many shared iFC sets', element);
  return {
    publicIdentities,
    filterCriteria: byPriority(criteria),
    criteriaXml: xml,
    sharedIfcSetIds,
    coreNetworkServicesAuthorization: authorization,
  };
}

function readPublicIdentity(element: XmlElement, reading: ProfileReading): PublicIdentity | null {
  const given = childOf(element, 'Identity')?.text ?? '';
  const identity = trim(given);
  if (identity === '') {
    reading.warn('a PublicIdentity without Identity was left out');
    return null;
  }
  if (identity !== given) reading.warn(`blanks around the identity ${identity} were cut off`);
  const key = impuOf(identity);
  const type = numberOf(extended(element, 'IdentityType')) ?? identityTypes.publicUserIdentity;
  const wildcard = type === identityTypes.wildcardedPsi || type === identityTypes.wildcardedIdentity;
  if (typeof key !== 'string' && !wildcard) reading.warn(`identity ${identity} is no sip or tel URI`);
  return {
    identity,
    key: typeof key === 'string' ? key : identity,
    barred: flagOf(childOf(element, 'BarringIndication')),
    identityType: type,
    wildcardedPsi: textOfExtended(element, 'WildcardedPSI'),
    wildcardedImpu: textOfExtended(element, 'WildcardedIMPU'),
    displayName: textOfExtended(element, 'DisplayName'),
    aliasGroup: textOfExtended(element, 'AliasIdentityGroupID'),
    servicePriorityLevel: textOfExtended(element, 'ServicePriorityLevel'),
  };
}

function readAuthorization(element: XmlElement): CoreNetworkServicesAuthorization {
  const serviceIds: string[] = [];
  for (const child of extended(element, 'ListOfServiceIds')?.children ?? []) {
    const id = trim(child.text);
    if (child.name === 'ServiceId' && id !== '') serviceIds.push(id);
  }
  return { subscribedMediaProfileId: numberOf(childOf(element, 'SubscribedMediaProfileId')), serviceIds };
}
