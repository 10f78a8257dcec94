import {
  fitsLiterals,
  literalsOf,
  matchesWildcard,
  parseWildcard,
  type Wildcard,
  type WildcardLiterals,
} from '#ims/wildcarded-identity';
import { ParseFailure } from '#sip/errors';
import { bucketOf, type Store, StoreError } from '#store/store';
import { identityOf, type Registration } from './registration.ts';
import { WILDCARDS, WILDCARDS_CHANGED } from './registration-store.ts';
import type { ScscfState } from './state.ts';

/** Wildcards that are looked at; what comes behind in order of text is found by P-Profile-Key only. */
const MAX_WILDCARDS = 4096;
const MAX_COMPILED = 512;
/** Steps one look may take, states times characters: some 20 ms at worst. */
const MAX_STEPS = 4_000_000;
const MAX_REPORTED = 1024;

/** A registered wildcard that stands for an identity. */
export interface WildcardHit {
  /** Its text, the `impu` of the identity in its registration. */
  readonly wildcard: string;
  /** Key of the registration. */
  readonly key: string;
}

interface Entry extends WildcardHit {
  readonly literals: WildcardLiterals;
}

/**
 * The registered wildcards of all workers, for identities nobody is registered with by name. The table is read again only
 * after it has changed; expressions are compiled when an identity first fits what stands around them.
 * Requirement S-26.
 */
export class WildcardIndex {
  readonly #store: Store;
  readonly #report: (wildcard: string, reason: string) => void;
  readonly #changes = bucketOf(WILDCARDS, WILDCARDS_CHANGED);
  readonly #compiled = new Map<string, Wildcard | ParseFailure>();
  readonly #reported = new Set<string>();
  #entries = new Map<string, Entry>();
  /** By literal prefix, longest literal first; and the lengths of the prefixes there are. */
  #byPrefix = new Map<string, Entry[]>();
  #lengths: readonly number[] = [];
  #generation: number | null = null;

  /** `report` hears of each wildcard that cannot be used, once. */
  constructor(store: Store, report: (wildcard: string, reason: string) => void) {
    this.#store = store;
    this.#report = report;
  }

  /** The wildcard with the longest literal part that matches an identity (a key of `impuOf`); null when none does. */
  find(impu: string): WildcardHit | null {
    this.#refresh();
    if (this.#lengths.length === 0) return null;
    const candidates: Entry[] = [];
    for (const length of this.#lengths) {
      if (length > impu.length) break;
      for (const entry of this.#byPrefix.get(impu.slice(0, length)) ?? []) {
        if (fitsLiterals(entry.literals, impu)) candidates.push(entry);
      }
    }
    // Stable: among equals the order of the table.
    candidates.sort((a, b) => b.literals.literalLength - a.literals.literalLength);
    let steps = 0;
    for (const entry of candidates) {
      const wildcard = this.#compile(entry.wildcard);
      if (wildcard instanceof ParseFailure) continue;
      steps += wildcard.compiled.states.length * (impu.length - wildcard.literalLength + 1);
      if (steps > MAX_STEPS) return null;
      if (matchesWildcard(wildcard, impu)) return entry;
    }
    return null;
  }

  #refresh(): void {
    const generation = Atomics.load(this.#store.generations, this.#changes);
    if (generation === this.#generation) return;
    const entries = new Map<string, Entry>();
    try {
      for (const { key: wildcard, value } of this.#store.range(WILDCARDS, '', MAX_WILDCARDS + 2)) {
        if (wildcard === WILDCARDS_CHANGED) continue;
        if (entries.size === MAX_WILDCARDS) {
          this.#tell(wildcard, `more than ${MAX_WILDCARDS} wildcards`);
          break;
        }
        const key = value.toString('latin1');
        const known = this.#entries.get(wildcard);
        const literals = known?.literals ?? literalsOf(wildcard);
        if (literals instanceof ParseFailure) this.#tell(wildcard, literals.reason);
        else entries.set(wildcard, { wildcard, key, literals });
      }
    } catch (error) {
      // Reading commits what waits, and the disk may be full: what was known before serves until the next look.
      if (error instanceof StoreError) return;
      throw error;
    }
    const byPrefix = new Map<string, Entry[]>();
    for (const entry of entries.values()) {
      const same = byPrefix.get(entry.literals.prefix);
      if (same === undefined) byPrefix.set(entry.literals.prefix, [entry]);
      else same.push(entry);
    }
    this.#entries = entries;
    this.#byPrefix = byPrefix;
    this.#lengths = [...new Set([...byPrefix.keys()].map((prefix) => prefix.length))].sort((a, b) => a - b);
    this.#generation = generation;
  }

  #compile(text: string): Wildcard | ParseFailure {
    let wildcard = this.#compiled.get(text);
    if (wildcard === undefined) {
      wildcard = parseWildcard(text);
      if (wildcard instanceof ParseFailure) this.#tell(text, wildcard.reason);
    } else this.#compiled.delete(text);
    // Anew at the end: the first one of the map is the one not used for longest.
    this.#compiled.set(text, wildcard);
    if (this.#compiled.size > MAX_COMPILED) this.#compiled.delete(this.#compiled.keys().next().value!);
    return wildcard;
  }

  #tell(wildcard: string, reason: string): void {
    if (this.#reported.has(wildcard) || this.#reported.size >= MAX_REPORTED) return;
    this.#reported.add(wildcard);
    this.#report(wildcard, reason);
  }
}

/**
 * The registration of a wildcard that an identity matches, for one that is not found by name; `impu` is the wildcard.
 * Source: TS 24.229 5.4.3.2, 5.4.3.3; requirements S-26, S-81, S-84.
 */
export function findWildcarded(
  state: ScscfState,
  impu: string,
): { readonly registration: Registration; readonly impu: string } | null {
  const hit = state.wildcards.find(impu);
  if (hit === null) return null;
  const registration = state.registrations.get(hit.key);
  if (registration === null || identityOf(registration, hit.wildcard) === null) return null;
  return { registration, impu: hit.wildcard };
}
