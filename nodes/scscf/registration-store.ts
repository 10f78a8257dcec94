import { CachedReader } from '#store/cached-reader';
import { isKey, type Store } from '#store/store';
import {
  decodeRegistration,
  encodeRegistration,
  hasBindingOf,
  identityOf,
  type RegisteredIdentity,
  type Registration,
} from './registration.ts';

/** Registrations by one of their identities. */
export const REGISTRATIONS = 'registrations';
/** The other identities of a registration, each with the key of its registration. */
export const IDENTITIES = 'identities';
/** The user profile of a registration as the HSS sent it. */
export const PROFILES = 'profiles';
/** Wildcards among the identities, each with the key of its registration. Requirement S-26. */
export const WILDCARDS = 'wildcards';
/** Written whenever a wildcard comes or goes, so that its counter in the store tells. No wildcard has a blank. */
export const WILDCARDS_CHANGED = ' changed';

/** Private identities with a contact, by `<private identity> <key of the registration>`; nothing in the record. */
export const PRIVATE_IDENTITIES = 'private-identities';

/** The tables that the store of an S-CSCF needs for its registrations. */
export const registrationTables: readonly string[] = [
  REGISTRATIONS,
  IDENTITIES,
  PROFILES,
  WILDCARDS,
  PRIVATE_IDENTITIES,
];

/** A contact stays this long after its time, for a refresh that is on its way. Requirement S-39. */
export const GRACE_MS = 10_000;

/**
 * Where several S-CSCFs share their records, a profile stays so long behind its registration: another one may have renewed
 * that at the same moment, and goes on with it.
 */
const LEFT_MS = 3_600_000;

/** Decoded registrations kept per worker, 1 to 2 KB each. */
const CACHE_CAPACITY = 8192;
/** Implicit registration sets of one private identity that are looked at. */
const MAX_SETS = 256;
const mark = Buffer.alloc(1);

/**
 * A change of one registration: gets it or null, gives the next one, null to remove it, undefined to leave it. Pure: it
 * runs twice, first to see what will change, then for good within the transaction of the store.
 */
export type RegistrationChange = (current: Registration | null) => Registration | null | undefined;

/**
 * The registrations of this S-CSCF, seen alike by all its workers. One record per implicit registration set, found by
 * any identity of the set: by its key at once, by another identity through the index.
 */
export class RegistrationStore {
  readonly #store: Store;
  readonly #registrations: CachedReader<Registration>;
  readonly #keys: CachedReader<string>;
  readonly #wallMs: () => number;

  constructor(store: Store, wallMs: () => number = Date.now) {
    this.#store = store;
    this.#wallMs = wallMs;
    this.#registrations = new CachedReader(store, REGISTRATIONS, decodeRegistration, CACHE_CAPACITY);
    this.#keys = new CachedReader(store, IDENTITIES, (octets) => octets.toString('latin1'), CACHE_CAPACITY);
  }

  /** The registration an identity belongs to, null when nobody is registered with it. */
  find(impu: string): Registration | null {
    const registration = this.#registrations.get(impu);
    // A profile that the HSS pushed may have taken away the identity that the record is named after.
    if (registration !== null && identityOf(registration, impu) !== null) return registration;
    const key = this.#keys.get(impu);
    return key === null ? null : this.#registrations.get(key);
  }

  /** The registration with this key, null when there is none. */
  get(key: string): Registration | null {
    return this.#registrations.get(key);
  }

  /** The registrations in which a private identity has a contact. Requirements S-70, S-73. */
  ofPrivateIdentity(impi: string): Registration[] {
    const prefix = `${impi} `;
    const keys = isKey(prefix)
      ? this.#store.range(PRIVATE_IDENTITIES, prefix, MAX_SETS).map(({ key }) => key.slice(prefix.length))
      : [];
    const found: Registration[] = [];
    // The derived identity finds registrations that an earlier release, which had no such index, has written.
    for (const candidate of [...keys.map((key) => this.get(key)), this.find(`sip:${impi}`)]) {
      if (candidate === null || !hasBindingOf(candidate, impi)) continue;
      if (!found.some(({ key }) => key === candidate.key)) found.push(candidate);
    }
    return found;
  }

  /** The profile of a registration as the HSS sent it, null when there is none. */
  profile(key: string): Buffer | null {
    return this.#store.get(PROFILES, key);
  }

  /** A profile that was left behind falls due: it goes, unless somebody is registered again. */
  dropProfile(key: string): void {
    const profile = this.#registrations.get(key) === null ? null : this.profile(key);
    if (profile === null) this.#store.remove(PROFILES, key);
    else this.#store.put(PROFILES, key, profile);
  }

  /** Registrations in the order of their keys, behind `from`, at most `limit`; `last`: where to go on, null at the end. */
  page(from: string, limit: number): { readonly registrations: readonly Registration[]; readonly last: string | null } {
    const entries = this.#store.range(REGISTRATIONS, '', limit, from);
    const registrations = entries.flatMap(({ key, value }) => decodeRegistration(value, key) ?? []);
    return { registrations, last: entries.length < limit ? null : entries.at(-1)!.key };
  }

  /** How many registrations there are. */
  count(): number {
    return this.#store.count(REGISTRATIONS);
  }

  /**
   * Changes one registration, atomically over all workers; what it gives is committed. `profile`: a new one to keep.
   *
   * @throws StoreError ERR_STORE_WRITE when nothing could be written.
   */
  change(key: string, change: RegistrationChange, profile?: Buffer): Registration | null {
    const before = this.#registrations.get(key);
    const expected = change(before);
    if (expected === undefined) return before;
    // Index and profile go into the batch, which the update below commits with the record.
    this.#index(key, before, expected);
    let kept: Buffer | null = null;
    if (expected === null) {
      kept = this.#store.get(PROFILES, key);
      this.#leaveProfile(key, kept);
    } else if (profile !== undefined && !(before !== null && this.#hasProfile(key, profile))) {
      this.#store.put(PROFILES, key, profile);
    }
    let after: Registration | null = null;
    this.#store.update(REGISTRATIONS, key, (record) => {
      const current = record === null ? null : decodeRegistration(record.value as Buffer, key);
      const next = change(current);
      after = next === undefined ? current : next;
      if (next === undefined) return undefined;
      return next === null ? null : { value: encodeRegistration(next), expiresAtMs: dueMs(next) };
    });
    this.#heal(key, expected, after, kept);
    return after;
  }

  /**
   * Puts `next`, which has another key, in the place of a registration whose identities have lost the one it is named
   * after; committed at once. False when another worker has changed the registration meanwhile: look again and repeat.
   *
   * @throws StoreError ERR_STORE_WRITE when nothing could be written.
   */
  rename(before: Registration, next: Registration, profile: Buffer | null): boolean {
    const { key } = before;
    const was = encodeRegistration(before);
    this.#index(key, before, null);
    this.#store.remove(PROFILES, key);
    this.#index(next.key, null, next);
    if (profile !== null) this.#store.put(PROFILES, next.key, profile);
    this.#store.put(REGISTRATIONS, next.key, encodeRegistration(next), dueMs(next));
    let same = false;
    this.#store.update(REGISTRATIONS, key, (record) => {
      const current = record === null ? null : decodeRegistration(record.value as Buffer, key);
      same = current !== null && was.equals(encodeRegistration(current));
      return same ? null : undefined;
    });
    return same;
  }

  /** Another worker changed the record between our look and our write: the index is made to fit what stands there now. */
  #heal(key: string, expected: Registration | null, after: Registration | null, profile: Buffer | null): void {
    if ((expected === null) === (after === null) && haveSameUsers(expected, after)) return;
    this.#index(key, expected, after);
    if (after === null) this.#store.remove(PROFILES, key);
    else if (expected === null && profile !== null) this.#store.put(PROFILES, key, profile);
    this.#store.commit();
  }

  /** Whether a profile is the one that is kept: with most refreshes the HSS sends it again as it was. */
  #hasProfile(key: string, profile: Buffer): boolean {
    return this.#store.get(PROFILES, key)?.equals(profile) === true;
  }

  /** Nobody is registered any more: the profile goes, or is left for those who may not know yet. */
  #leaveProfile(key: string, profile: Buffer | null): void {
    if (this.#store.nodes === undefined || profile === null) this.#store.remove(PROFILES, key);
    else this.#store.put(PROFILES, key, profile, this.#wallMs() + LEFT_MS);
  }

  #index(key: string, from: Registration | null, to: Registration | null): void {
    const before = from?.identities ?? [];
    const after = to?.identities ?? [];
    if (before !== after) {
      this.#indexIdentities(key, before, after);
      this.#indexWildcards(key, before, after);
    }
    this.#indexPrivateIdentities(key, from, to);
  }

  #indexIdentities(key: string, before: readonly RegisteredIdentity[], after: readonly RegisteredIdentity[]): void {
    for (const { impu } of before) {
      if (impu === key || after.some((identity) => identity.impu === impu)) continue;
      if (this.#leadsTo(IDENTITIES, impu, key)) this.#store.remove(IDENTITIES, impu);
    }
    for (const { impu } of after) {
      if (impu === key || before.some((identity) => identity.impu === impu)) continue;
      this.#store.put(IDENTITIES, impu, Buffer.from(key, 'latin1'));
    }
  }

  /** An identity that has gone over to another registration in the meantime is that one's. */
  #leadsTo(table: string, impu: string, key: string): boolean {
    return this.#store.get(table, impu)?.toString('latin1') === key;
  }

  #indexPrivateIdentities(key: string, before: Registration | null, after: Registration | null): void {
    for (const { impi } of before?.bindings ?? []) {
      const name = `${impi} ${key}`;
      if ((after === null || !hasBindingOf(after, impi)) && isKey(name)) this.#store.remove(PRIVATE_IDENTITIES, name);
    }
    for (const { impi } of after?.bindings ?? []) {
      const name = `${impi} ${key}`;
      if ((before === null || !hasBindingOf(before, impi)) && isKey(name)) {
        this.#store.put(PRIVATE_IDENTITIES, name, mark);
      }
    }
  }

  #indexWildcards(key: string, before: readonly RegisteredIdentity[], after: readonly RegisteredIdentity[]): void {
    const among = (identities: readonly RegisteredIdentity[], impu: string) =>
      identities.some((identity) => identity.wildcard && identity.impu === impu);
    let changed = false;
    for (const { impu, wildcard } of before) {
      if (!wildcard || among(after, impu) || !this.#leadsTo(WILDCARDS, impu, key)) continue;
      this.#store.remove(WILDCARDS, impu);
      changed = true;
    }
    for (const { impu, wildcard } of after) {
      if (!wildcard || among(before, impu)) continue;
      this.#store.put(WILDCARDS, impu, Buffer.from(key, 'latin1'));
      changed = true;
    }
    if (changed) this.#store.put(WILDCARDS, WILDCARDS_CHANGED, Buffer.alloc(1));
  }
}

/** Whether the same private identities have contacts in both. */
function haveSameUsers(a: Registration | null, b: Registration | null): boolean {
  if (a === null || b === null) return a === b;
  return a.bindings.every(({ impi }) => hasBindingOf(b, impi)) && b.bindings.every(({ impi }) => hasBindingOf(a, impi));
}

/** When a registration is to be looked at: at the end of its first contact. */
export function dueMs(registration: Registration): number {
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const { expiresAtMs } of registration.bindings) earliestMs = Math.min(earliestMs, expiresAtMs);
  return earliestMs + GRACE_MS;
}
