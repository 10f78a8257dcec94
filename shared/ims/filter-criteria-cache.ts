import { type CompiledCriteria, compileCriteria } from './filter-criteria.ts';
import { type SharedFilterSets, withSharedSets } from './shared-filter-sets.ts';
import type { ServiceProfile } from './user-profile.ts';

/** Compiled forms that are kept. Most operators have a handful of service profiles. */
const defaultCapacity = 128;

/**
 * Compiled filter criteria by the XML that they came from: users with the same criteria share one compiled form, whatever
 * their identities. Bounded: the one that was not asked for the longest goes first. One for each thread.
 *
 * Source: requirements S-28, S-90.
 */
export class FilterCriteriaCache {
  #sets: SharedFilterSets;
  readonly #capacity: number;
  /** In the order they were last asked for. Map hashes the whole text and compares it: no two profiles are taken for one. */
  readonly #known = new Map<string, CompiledCriteria>();

  constructor(sets: SharedFilterSets, capacity = defaultCapacity) {
    this.#sets = sets;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Takes other shared sets: all is compiled anew when it is next asked for. */
  share(sets: SharedFilterSets): void {
    this.#sets = sets;
    this.#known.clear();
  }

  /** The compiled criteria of a service profile, shared sets included. `fresh` is called for one that is compiled now. */
  criteriaOf(profile: ServiceProfile, fresh?: (compiled: CompiledCriteria) => void): CompiledCriteria {
    const { criteriaXml, sharedIfcSetIds, filterCriteria } = profile;
    const key = sharedIfcSetIds.length === 0 ? criteriaXml : `${sharedIfcSetIds.join(' ')}${criteriaXml}`;
    let compiled = this.#known.get(key);
    if (compiled !== undefined) {
      this.#known.delete(key);
    } else {
      const { criteria, warnings } = withSharedSets(filterCriteria, sharedIfcSetIds, this.#sets);
      compiled = compileCriteria(criteria, warnings);
      fresh?.(compiled);
      if (this.#known.size >= this.#capacity) this.#known.delete(this.#known.keys().next().value!);
    }
    this.#known.set(key, compiled);
    return compiled;
  }
}
