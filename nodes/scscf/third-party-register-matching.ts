import { type CompiledCriteria, nextMatch } from '#ims/filter-criteria';
import type { FilterCriteriaCache } from '#ims/filter-criteria-cache';
import { type ApplicationServer, type RegistrationType, sessionCases } from '#ims/filter-criterion';
import { ProfileFailure, readUserProfile, type ServiceProfile } from '#ims/user-profile';
import { createRequest } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { RegisteredIdentity, Registration } from './registration.ts';

/** An application server that is to hear of a registration. */
export interface Match {
  readonly applicationServer: ApplicationServer;
  /** The identity of its service profile that it hears of, as the HSS wrote it. */
  readonly identity: string;
}

/** The service profiles of a registration whose users it may speak of, with their filter criteria ready to be asked. */
export interface ServedProfile {
  readonly identity: string;
  readonly compiled: CompiledCriteria;
}

/** Servers that hear of one event, at most: a profile is input. */
export const maxMatches = 64;

/**
 * The service profiles of a registration that have filter criteria. The identity of each is `impu` where it is of that
 * profile and not barred, else the first that is not barred; a profile whose identities are all barred is left out.
 *
 * `xml`: the profile as the HSS sent it. Source: TS 24.229 5.4.1.7 c); requirement S-51.
 */
export function servedProfiles(
  xml: Buffer | null,
  registration: Registration,
  impu: string,
  cache: FilterCriteriaCache,
): ServedProfile[] {
  // Reading costs more than looking.
  if (xml === null || !(xml.includes('InitialFilterCriteria') || xml.includes('SharedIFCSetID'))) return [];
  const profile = readUserProfile(xml);
  if (profile instanceof ProfileFailure) return [];
  const served: ServedProfile[] = [];
  profile.serviceProfiles.forEach((serviceProfile, i) => {
    const identity = spokenOf(serviceProfile, registration, impu, i === 0);
    if (identity === undefined) return;
    const compiled = cache.criteriaOf(serviceProfile);
    if (compiled.criteria.length > 0) served.push({ identity: identity.uri, compiled });
  });
  return served;
}

/**
 * Who hears of a REGISTER, by priority, each server once for each identity and ServiceInfo.
 * Source: TS 24.229 5.4.1.7; requirements S-50, S-54.
 */
export function matchesOf(
  profiles: readonly ServedProfile[],
  request: SipRequest,
  registrationType: RegistrationType,
): Match[] {
  const context = { request, sessionCase: sessionCases.originatingRegistered, registered: true, registrationType };
  const matches: Match[] = [];
  for (const { identity, compiled } of profiles) {
    for (let i = nextMatch(compiled, -1, context); i >= 0; i = nextMatch(compiled, i, context)) {
      const { applicationServer } = compiled.criteria[i]!;
      const { serverName, serviceInfo } = applicationServer;
      const isKnown = matches.some(
        (other) =>
          other.identity === identity &&
          other.applicationServer.serverName === serverName &&
          other.applicationServer.serviceInfo === serviceInfo,
      );
      if (!isKnown) matches.push({ applicationServer, identity });
      if (matches.length === maxMatches) return matches;
    }
  }
  return matches;
}

/**
 * The REGISTER that filter criteria are asked about where no UE has sent one. `seconds`: 0 for the end.
 * Source: TS 24.229 5.4.1.7: as if an equivalent REGISTER had been received.
 */
export function equivalentRegister(identity: string, homeDomain: string, contact: string, seconds: number): SipRequest {
  return createRequest('REGISTER', `sip:${homeDomain}`, [
    [Header.From, `<${identity}>`],
    [Header.To, `<${identity}>`],
    [Header.Contact, contact],
    [Header.Expires, String(seconds)],
  ]);
}

/** Some HSSs leave out of the profile who registers: that identity counts as one of the first service profile. */
function spokenOf(
  { publicIdentities }: ServiceProfile,
  { identities }: Registration,
  impu: string,
  isFirst: boolean,
): RegisteredIdentity | undefined {
  const has = (identity: RegisteredIdentity) =>
    !identity.barred && !identity.wildcard && publicIdentities.some(({ key }) => key === identity.impu);
  const named = identities.find((identity) => identity.impu === impu);
  if (named !== undefined && has(named)) return named;
  const first = identities.find(has);
  return first ?? (isFirst && named?.barred === false ? named : undefined);
}
