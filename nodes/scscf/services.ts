import type { KeyObject } from 'node:crypto';
import { type CompiledCriteria, compileCriteria } from '#ims/filter-criteria';
import type { FilterCriteriaCache } from '#ims/filter-criteria-cache';
import { identityTypes, ProfileFailure, readUserProfile } from '#ims/user-profile';
import type { ScscfConfig, ServicesConfig } from '#service/config/scscf-config';
import type { NodeLog } from '#service/node-context';
import { CachedReader } from '#store/cached-reader';
import type { Store } from '#store/store';
import { originalDialogKey } from './original-dialog.ts';
import { PROFILES } from './registration-store.ts';
import type { ServiceChain } from './service-chain-state.ts';

/** What services run for the identities of one profile. */
export interface UserServices {
  /** By the key of the identity, of a wildcard its text. */
  readonly byIdentity: ReadonlyMap<string, CompiledCriteria>;
  /** Of an identity that the profile does not name: those of its first service profile. */
  readonly first: CompiledCriteria;
  /** Numbers of media profiles, by the key of the identity as above; null when there is none at all. */
  readonly mediaProfiles: ReadonlyMap<string, number> | null;
}

/** Profiles whose services are kept at hand, per worker: some 200 octets each, the criteria themselves are shared. */
const capacity = 8192;

/** What holds where the configuration does not say. */
export const defaultServices: ServicesConfig = Object.freeze({
  continuedTimeout: 2,
  terminatedTimeout: 4,
  recordRoute: 'ends',
  maxServers: 20,
  unregisteredProfile: 3600,
});

/** Nobody's services. */
export const noServices: CompiledCriteria = compileCriteria([]);

/**
 * Services of the users of one worker: which filter criteria an identity has, and the hops to application servers that
 * wait for an answer. Requirements S-90, S-95, S-97.
 */
export class Services {
  readonly settings: ServicesConfig;
  /** Seals original dialog identifiers. */
  readonly key: KeyObject;
  /** Hops under way, by their number. They go with their transactions. */
  readonly links = new Map<number, ServiceChain>();
  /** Whether evaluations are explained in the log. */
  readonly explains: boolean;
  readonly #criteria: FilterCriteriaCache;
  readonly #registered: CachedReader<UserServices>;
  readonly #log: NodeLog;
  #nextLink = 1;

  constructor(config: ScscfConfig, store: Store, secret: KeyObject, log: NodeLog, criteria: FilterCriteriaCache) {
    this.settings = config.services ?? defaultServices;
    this.key = originalDialogKey(secret);
    const level = config.log?.level;
    this.explains = level === 'debug' || level === 'trace';
    this.#criteria = criteria;
    this.#registered = new CachedReader(store, PROFILES, (octets) => this.read(octets), capacity);
    this.#log = log;
  }

  /** The filter criteria of an identity of a registration; none where its profile is gone. */
  criteriaOf(registrationKey: string, identity: string): CompiledCriteria {
    const services = this.#registered.get(registrationKey);
    return services === null ? noServices : criteriaIn(services, identity);
  }

  /** The number of the media profile of an identity of a registration, null where it has none. Requirement S-29. */
  mediaProfileOf(registrationKey: string, identity: string): number | null {
    return this.#registered.get(registrationKey)?.mediaProfiles?.get(identity) ?? null;
  }

  /** What services a profile has; null when it cannot be read. */
  read(xml: Buffer): UserServices | null {
    const profile = readUserProfile(xml);
    if (profile instanceof ProfileFailure) return null;
    const byIdentity = new Map<string, CompiledCriteria>();
    let first: CompiledCriteria | null = null;
    let mediaProfiles: Map<string, number> | null = null;
    for (const serviceProfile of profile.serviceProfiles) {
      const compiled = this.#criteria.criteriaOf(serviceProfile, ({ warnings }) => {
        for (const warning of warnings) this.#log.warn({ warning }, 'filter criteria of a profile');
      });
      first ??= compiled;
      const media = serviceProfile.coreNetworkServicesAuthorization?.subscribedMediaProfileId ?? null;
      for (const { key, identityType, wildcardedImpu, wildcardedPsi } of serviceProfile.publicIdentities) {
        const wildcard =
          identityType === identityTypes.wildcardedIdentity
            ? wildcardedImpu
            : identityType === identityTypes.wildcardedPsi
              ? wildcardedPsi
              : '';
        for (const name of [key, wildcard]) {
          if (name === '' || byIdentity.has(name)) continue;
          byIdentity.set(name, compiled);
          if (media === null) continue;
          mediaProfiles ??= new Map();
          mediaProfiles.set(name, media);
        }
      }
    }
    return { byIdentity, first: first ?? noServices, mediaProfiles };
  }

  /** Remembers a hop to an application server; gives its number. */
  remember(chain: ServiceChain): number {
    const link = this.#nextLink++;
    this.links.set(link, chain);
    return link;
  }
}

/** The filter criteria of an identity of a profile. */
export function criteriaIn(services: UserServices, identity: string): CompiledCriteria {
  return services.byIdentity.get(identity) ?? services.first;
}
