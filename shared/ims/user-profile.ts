/*
 * A profile is stored as the User-Data octets themselves: reading them again costs some ten microseconds, and what the
 * HSS sent stays what is kept, whatever this release of the reader makes of it.
 */
import { ParseFailure } from '#sip/errors';
import { impuOf } from './identity.ts';
import { childOf, readXml, type XmlElement } from './xml.ts';

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

interface TriggerBase {
  readonly groups: readonly number[];
  readonly negated: boolean;
  /** 0 initial registration, 1 re-registration, 2 de-registration; empty: any. */
  readonly registrationTypes: readonly number[];
}

/** One condition of a trigger point. Patterns are extended regular expressions; `content` null: being there is enough. */
export type ServicePointTrigger = TriggerBase &
  (
    | { readonly kind: 'method'; readonly method: string }
    | { readonly kind: 'request-uri'; readonly pattern: string }
    | { readonly kind: 'sip-header'; readonly header: string; readonly content: string | null }
    | { readonly kind: 'session-case'; readonly sessionCase: number }
    | { readonly kind: 'session-description'; readonly line: string; readonly content: string | null }
    /** A condition this release does not know; it never holds. */
    | { readonly kind: 'unknown' }
  );

/** ConditionTypeCNF and the conditions. */
export interface TriggerPoint {
  /** True: conditions of one group are ORed and groups ANDed; false: the other way round. */
  readonly cnf: boolean;
  readonly spts: readonly ServicePointTrigger[];
}

/** Where a matching request goes. */
export interface ApplicationServer {
  readonly serverName: string;
  /** 0 SESSION_CONTINUED, 1 SESSION_TERMINATED. */
  readonly defaultHandling: 0 | 1;
  readonly serviceInfo: string;
  readonly includeRegisterRequest: boolean;
  readonly includeRegisterResponse: boolean;
}

/** One initial filter criterion. */
export interface FilterCriterion {
  readonly priority: number;
  /** Null: every request matches. */
  readonly triggerPoint: TriggerPoint | null;
  readonly applicationServer: ApplicationServer;
  /** 0 while registered, 1 while unregistered, null both. */
  readonly profilePartIndicator: 0 | 1 | null;
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
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
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

const MAX_WARNINGS = 20;
const HIGHEST_NUMBER = 0x7fffffff;

/**
 * Reads User-Data of Cx. Order and namespaces of elements do not matter, unknown ones are ignored, Extension elements are
 * looked through at any depth. A criterion without priority or server is left out with a warning; no XML, another root
 * element, or no identity at all is a ProfileFailure.
 * Source: TS 29.228 annexes B, E.
 */
export function readUserProfile(xml: Buffer): UserProfile | ProfileFailure {
  const root = readXml(xml);
  if (root instanceof ParseFailure) return new ProfileFailure(`${root.reason} at ${root.offset}`);
  if (root.name !== 'IMSSubscription') return new ProfileFailure('root element is not IMSSubscription');
  const warnings: string[] = [];
  const serviceProfiles: ServiceProfile[] = [];
  let identities = 0;
  for (const element of root.children) {
    if (element.name !== 'ServiceProfile') continue;
    const profile = readServiceProfile(element, warnings);
    identities += profile.publicIdentities.length;
    serviceProfiles.push(profile);
  }
  if (identities === 0) return new ProfileFailure('no public identity in the profile');
  return { privateId: textOf(root, 'PrivateID'), serviceProfiles, warnings };
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

function readServiceProfile(element: XmlElement, warnings: string[]): ServiceProfile {
  const publicIdentities: PublicIdentity[] = [];
  const filterCriteria: FilterCriterion[] = [];
  const sharedIfcSetIds: number[] = [];
  let authorization: CoreNetworkServicesAuthorization | null = null;
  for (const child of element.children) {
    if (child.name === 'PublicIdentity') {
      const identity = readPublicIdentity(child, warnings);
      if (identity !== null) publicIdentities.push(identity);
    } else if (child.name === 'InitialFilterCriteria') {
      const criterion = readCriterion(child, warnings);
      if (criterion !== null) filterCriteria.push(criterion);
    } else if (child.name === 'CoreNetworkServicesAuthorization') authorization = readAuthorization(child);
    else if (child.name === 'Extension') collectNumbers(child, 'SharedIFCSetID', sharedIfcSetIds);
    else if (child.name === 'SharedIFCSetID') pushNumber(child, sharedIfcSetIds);
  }
  // Array.prototype.sort is stable, which keeps the document order of equal priorities.
  filterCriteria.sort((a, b) => a.priority - b.priority);
  return { publicIdentities, filterCriteria, sharedIfcSetIds, coreNetworkServicesAuthorization: authorization };
}

function readPublicIdentity(element: XmlElement, warnings: string[]): PublicIdentity | null {
  const given = childOf(element, 'Identity')?.text ?? '';
  const identity = trim(given);
  if (identity === '') {
    warn(warnings, 'a PublicIdentity without Identity was left out');
    return null;
  }
  if (identity !== given) warn(warnings, `blanks around the identity ${identity} were cut off`);
  const key = impuOf(identity);
  const type = numberOf(extended(element, 'IdentityType')) ?? identityTypes.publicUserIdentity;
  const wildcard = type === identityTypes.wildcardedPsi || type === identityTypes.wildcardedIdentity;
  if (typeof key !== 'string' && !wildcard) warn(warnings, `identity ${identity} is no sip or tel URI`);
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

function readCriterion(element: XmlElement, warnings: string[]): FilterCriterion | null {
  const priority = numberOf(childOf(element, 'Priority'));
  const server = childOf(element, 'ApplicationServer');
  const serverName = server === null ? '' : textOf(server, 'ServerName');
  if (priority === null || server === null || serverName === '') {
    warn(warnings, `filter criterion without ${priority === null ? 'Priority' : 'ServerName'} was left out`);
    return null;
  }
  const point = childOf(element, 'TriggerPoint');
  const part = numberOf(childOf(element, 'ProfilePartIndicator'));
  return {
    priority,
    triggerPoint: point === null ? null : readTriggerPoint(point, priority, warnings),
    applicationServer: {
      serverName,
      defaultHandling: numberOf(childOf(server, 'DefaultHandling')) === 1 ? 1 : 0,
      serviceInfo: trim(childOf(server, 'ServiceInfo')?.text ?? ''),
      includeRegisterRequest: presenceOf(extended(server, 'IncludeRegisterRequest')),
      includeRegisterResponse: presenceOf(extended(server, 'IncludeRegisterResponse')),
    },
    profilePartIndicator: part === 0 || part === 1 ? part : null,
  };
}

function readTriggerPoint(element: XmlElement, priority: number, warnings: string[]): TriggerPoint {
  const spts: ServicePointTrigger[] = [];
  for (const child of element.children) {
    if (child.name !== 'SPT') continue;
    const spt = readTrigger(child);
    if (spt.kind === 'unknown')
      warn(warnings, `criterion ${priority} has a condition that is not known, it never holds`);
    spts.push(spt);
  }
  return { cnf: flagOf(childOf(element, 'ConditionTypeCNF')), spts };
}

function readTrigger(element: XmlElement): ServicePointTrigger {
  const groups: number[] = [];
  const registrationTypes: number[] = [];
  let condition: XmlElement | null = null;
  for (const child of element.children) {
    if (child.name === 'Group') pushNumber(child, groups);
    else if (child.name === 'Extension') collectNumbers(child, 'RegistrationType', registrationTypes);
    else if (isCondition(child.name)) condition ??= child;
  }
  const base: TriggerBase = {
    groups: groups.length > 0 ? groups : [0],
    negated: flagOf(childOf(element, 'ConditionNegated')),
    registrationTypes,
  };
  if (condition === null) return { ...base, kind: 'unknown' };
  switch (condition.name) {
    case 'Method':
      return { ...base, kind: 'method', method: trim(condition.text) };
    case 'RequestURI':
      return { ...base, kind: 'request-uri', pattern: trim(condition.text) };
    case 'SIPHeader':
      return { ...base, kind: 'sip-header', header: textOf(condition, 'Header'), content: contentOf(condition) };
    case 'SessionCase': {
      const sessionCase = numberOf(condition);
      return sessionCase === null ? { ...base, kind: 'unknown' } : { ...base, kind: 'session-case', sessionCase };
    }
    default:
      return { ...base, kind: 'session-description', line: textOf(condition, 'Line'), content: contentOf(condition) };
  }
}

function isCondition(name: string): boolean {
  return (
    name === 'Method' ||
    name === 'SessionCase' ||
    name === 'SIPHeader' ||
    name === 'RequestURI' ||
    name === 'SessionDescription'
  );
}

/** The pattern untouched: blanks may belong to it. */
function contentOf(element: XmlElement): string | null {
  return childOf(element, 'Content')?.text ?? null;
}

function readAuthorization(element: XmlElement): CoreNetworkServicesAuthorization {
  const serviceIds: string[] = [];
  for (const child of extended(element, 'ListOfServiceIds')?.children ?? []) {
    const id = trim(child.text);
    if (child.name === 'ServiceId' && id !== '') serviceIds.push(id);
  }
  return { subscribedMediaProfileId: numberOf(childOf(element, 'SubscribedMediaProfileId')), serviceIds };
}

/** A child of that name, directly or within Extension elements at any depth (the reader caps the depth). */
function extended(element: XmlElement, name: string): XmlElement | null {
  const direct = childOf(element, name);
  if (direct !== null) return direct;
  for (const child of element.children) {
    if (child.name !== 'Extension') continue;
    const found = extended(child, name);
    if (found !== null) return found;
  }
  return null;
}

function collectNumbers(element: XmlElement, name: string, into: number[]): void {
  for (const child of element.children) {
    if (child.name === name) pushNumber(child, into);
    else if (child.name === 'Extension') collectNumbers(child, name, into);
  }
}

function pushNumber(element: XmlElement, into: number[]): void {
  const number = numberOf(element);
  if (number !== null) into.push(number);
}

function textOf(element: XmlElement, name: string): string {
  return trim(childOf(element, name)?.text ?? '');
}

function textOfExtended(element: XmlElement, name: string): string {
  return trim(extended(element, name)?.text ?? '');
}

function flagOf(element: XmlElement | null): boolean {
  const text = trim(element?.text ?? '');
  return text === '1' || text.toLowerCase() === 'true';
}

/** An element that says yes by being there, unless it says no. */
function presenceOf(element: XmlElement | null): boolean {
  if (element === null) return false;
  const text = trim(element.text).toLowerCase();
  return text !== '0' && text !== 'false';
}

/** A whole number from 0 to 2^31-1; null for anything else. */
function numberOf(element: XmlElement | null): number | null {
  const text = trim(element?.text ?? '');
  if (text === '' || text.length > 10) return null;
  let number = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return null;
    number = number * 10 + digit;
  }
  return number <= HIGHEST_NUMBER ? number : null;
}

function warn(warnings: string[], text: string): void {
  if (warnings.length < MAX_WARNINGS) warnings.push(text);
}

/** Without the blanks of XML around it; octets above 127 are never blanks here, as they are for String.trim. */
function trim(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text.charCodeAt(start) <= 0x20) start++;
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end--;
  return text.slice(start, end);
}
