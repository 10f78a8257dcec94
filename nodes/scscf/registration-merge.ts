import type { MergedRecord, RecordConflict, RecordMerge } from '#store/replication';
import { isKey } from '#store/store';
import { givesWay } from './registrar.ts';
import {
  type Binding,
  decodeRegistration,
  encodeRegistration,
  endedBindings,
  hasBindingOf,
  identityOf,
  type Registration,
} from './registration.ts';
import {
  dueMs,
  IDENTITIES,
  PRIVATE_IDENTITIES,
  PROFILES,
  REGISTRATIONS,
  WILDCARDS,
  WILDCARDS_CHANGED,
} from './registration-store.ts';
import { SUBSCRIPTIONS } from './subscription-store.ts';
import { mergeWatches, tellingOf } from './watch-merge.ts';

/** Index records hold the key of their registration, or nothing that matters. */
const mark = Buffer.alloc(1);

type Along = MergedRecord['along'][number];

/** How what two S-CSCFs did at once to one user becomes one. */
export const scscfMerges: ReadonlyMap<string, RecordMerge> = new Map([
  [REGISTRATIONS, mergeRegistrations],
  [SUBSCRIPTIONS, mergeWatches],
]);

/**
 * Makes one registration of two: contact by contact, what one of the nodes did to it stands; where both did something, or
 * the contacts of one private identity exclude each other, the last REGISTER does. A contact that one node ended and the
 * other one renewed is what the registration that was written last says. Index, profile and watchers follow.
 *
 * Source: RFC 3261 10.3, TS 24.229 5.4.1.2.2; requirements S-32, S-33, X-R18.
 */
export function mergeRegistrations(conflict: RecordConflict): MergedRecord {
  const { key, isOursNewer } = conflict;
  const base = read(conflict.base, key);
  const ours = read(conflict.ours, key);
  const theirs = read(conflict.theirs, key);
  const isRead = (ours === null) === (conflict.ours === null) && (theirs === null) === (conflict.theirs === null);
  // What a newer release wrote cannot be taken apart here.
  if (!isRead) return { record: isOursNewer ? conflict.ours : conflict.theirs, along: [] };
  const bindings = mergeBindings(base, ours, theirs, isOursNewer);
  const part = changedPart(base, ours, theirs, isOursNewer);
  const merged: Registration | null = bindings.length === 0 || part === null ? null : { ...part, bindings };
  const record = merged === null ? null : { value: encodeRegistration(merged), expiresAtMs: dueMs(merged) };
  return { record, along: [...indexOf(ours, theirs, merged), ...rest(conflict, base, ours, theirs, merged)] };
}

function read(record: RecordConflict['ours'], key: string): Registration | null {
  return record === null ? null : decodeRegistration(record.value as Buffer, key);
}

function mergeBindings(
  base: Registration | null,
  ours: Registration | null,
  theirs: Registration | null,
  isOursNewer: boolean,
): Binding[] {
  const left: Binding[] = [];
  const take = (own: Registration | null, other: Registration | null, isNewer: boolean) => {
    for (const binding of own?.bindings ?? []) {
      const before = sameIn(base, binding);
      const twin = sameIn(other, binding);
      if (twin === null) {
        // New here, or ended there: then it is what was written last, unless nothing has happened to it here.
        if (before === null || (isNewer && !isSame(binding, before))) left.push(binding);
      } else if (own === ours) {
        if (isSame(binding, before)) left.push(twin);
        else left.push(isSame(twin, before) || isLater(binding, twin, isOursNewer) ? binding : twin);
      }
    }
  };
  take(ours, theirs, isOursNewer);
  take(theirs, ours, !isOursNewer);
  return left.filter(
    (binding) => !left.some((other) => other !== binding && excludes(other, binding, ours, isOursNewer)),
  );
}

/** Whether a contact takes the place of another one, as if its REGISTER had come after the other's. */
function excludes(other: Binding, binding: Binding, ours: Registration | null, isOursNewer: boolean): boolean {
  if (other.impi !== binding.impi || !givesWay(binding, other, true)) return false;
  // One REGISTER may bind several.
  if (other.callId === binding.callId && other.cseq === binding.cseq) return false;
  return isLater(other, binding, (sameIn(ours, other) !== null) === isOursNewer);
}

/** Whether the last REGISTER of `a` came after that of `b`; `otherwise` where that cannot be told. */
function isLater(a: Binding, b: Binding, otherwise: boolean): boolean {
  if (a.callId === b.callId && a.cseq !== b.cseq) return a.cseq > b.cseq;
  if (a.proof.atMs !== b.proof.atMs) return a.proof.atMs > b.proof.atMs;
  if (a.expiresAtMs !== b.expiresAtMs) return a.expiresAtMs > b.expiresAtMs;
  return otherwise;
}

function sameIn(registration: Registration | null, { history }: Binding): Binding | null {
  return registration?.bindings.find((other) => other.history.id === history.id) ?? null;
}

function isSame(a: Binding, b: Binding | null): boolean {
  return (
    b !== null &&
    a.callId === b.callId &&
    a.cseq === b.cseq &&
    a.expiresAtMs === b.expiresAtMs &&
    a.contact === b.contact &&
    a.path === b.path &&
    a.history.event === b.history.event
  );
}

/** The registration but for its contacts: as the node left it that changed it, the last one if both did. */
function changedPart(
  base: Registration | null,
  ours: Registration | null,
  theirs: Registration | null,
  isOursNewer: boolean,
): Registration | null {
  if (ours === null || theirs === null) return ours ?? theirs;
  const text = ({ identities, charging }: Registration) => JSON.stringify([identities, charging]);
  const was = base === null ? '' : text(base);
  if (text(ours) === was) return theirs;
  if (text(theirs) === was) return ours;
  return isOursNewer ? ours : theirs;
}

/** What the index has to say anew: both nodes may be about to write theirs. */
function indexOf(ours: Registration | null, theirs: Registration | null, merged: Registration | null): Along[] {
  const along = new Map<string, Along>();
  const set = (table: string, key: string, value: Buffer | null) => {
    if (!isKey(key)) return;
    const record = value === null ? null : { value, expiresAtMs: 0 };
    along.set(`${table} ${key}`, { table, key, record });
  };
  for (const side of [ours, theirs, merged]) {
    if (side === null) continue;
    const other = side === ours ? theirs : ours;
    const own = Buffer.from(side.key, 'latin1');
    for (const { impu, wildcard } of side.identities) {
      const stays = merged !== null && identityOf(merged, impu) !== null;
      if (stays && other !== null && identityOf(other, impu) !== null && side !== merged) continue;
      if (impu !== side.key) set(IDENTITIES, impu, stays ? own : null);
      if (wildcard) set(WILDCARDS, impu, stays ? own : null);
      if (wildcard) set(WILDCARDS, WILDCARDS_CHANGED, mark);
    }
    for (const { impi } of side.bindings) {
      const stays = merged !== null && hasBindingOf(merged, impi);
      set(PRIVATE_IDENTITIES, `${impi} ${side.key}`, stays ? mark : null);
    }
  }
  return [...along.values()];
}

/** The profile stays with the registration, and its watchers hear how things are now. */
function rest(
  { key, read: readHere, nowMs }: RecordConflict,
  base: Registration | null,
  ours: Registration | null,
  theirs: Registration | null,
  merged: Registration | null,
): Along[] {
  const along: Along[] = [];
  const profile = readHere(PROFILES, key);
  if (merged !== null && (ours === null || theirs === null) && profile !== null) {
    along.push({ table: PROFILES, key, record: { value: profile.value, expiresAtMs: 0 } });
  }
  const watch = readHere(SUBSCRIPTIONS, key);
  if (watch === null || merged === null) return along;
  // Who ended a contact has noted that; what gave way here nobody has.
  const gone = [...endedBindings(ours, merged), ...endedBindings(theirs, merged)].filter(
    (binding) => sameIn(base, binding) === null,
  );
  const told = tellingOf(watch, key, gone, nowMs);
  if (told !== null) along.push({ table: SUBSCRIPTIONS, key, record: told });
  return along;
}
