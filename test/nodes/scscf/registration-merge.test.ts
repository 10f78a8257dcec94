import { describe, expect, it } from 'vitest';
import {
  type Binding,
  type BindingSource,
  decodeRegistration,
  encodeRegistration,
  type Registration,
} from '#nodes/scscf/registration';
import { mergeRegistrations } from '#nodes/scscf/registration-merge';
import { PROFILES } from '#nodes/scscf/registration-store';
import {
  decodeWatch,
  type EndedContact,
  encodeWatch,
  SUBSCRIPTIONS,
  type Watch,
  type Watcher,
} from '#nodes/scscf/subscription-store';
import { mergeWatches } from '#nodes/scscf/watch-merge';
import type { NotifyPhase } from '#sip/event/subscription';
import type { StoredRecord } from '#store/store';
import { binding, registrationOf } from './registration-records.ts';

const key = 'sip:grace@ims.test';
const nowMs = 1_000_000;
const impus = [key, 'tel:+15550006'];
const provenAt = (atMs: number) => ({ expiresAtMs: atMs + 600_000, proof: { atMs, unproven: 0 } });

/** A contact, registered at a time; a phone is `<private identity> <port>`, with a reg-id if a third word says so. */
function contact(phone: string, atMs: number, more: Partial<BindingSource> = {}): Binding {
  const [user, port, regId] = phone.split(' ');
  const outbound = regId === undefined ? '' : `;reg-id=${regId};+sip.instance="<urn:x:${user}>"`;
  const source = { impi: `${user}@ims.test`, callId: phone, ...provenAt(atMs), ...more };
  return binding(`<sip:${user}@10.0.0.1:${port}>${outbound}`, source);
}
const renewed = (before: Binding, atMs: number): Binding => ({ ...before, cseq: before.cseq + 1, ...provenAt(atMs) });
const registration = (...bindings: Binding[]): Registration | null =>
  bindings.length === 0 ? null : registrationOf(key, impus, bindings);
const stored = (value: Registration | null): StoredRecord | null =>
  value === null ? null : { value: encodeRegistration(value), expiresAtMs: 0 };

type Side = Registration | null;

/** Merges from both sides, `later` having been written last; both have to come to the same. */
function merge(base: Side, earlier: Side, later: Side, here: Record<string, StoredRecord> = {}) {
  const read = (table: string) => here[table] ?? null;
  const common = { key, base: stored(base), nowMs, read };
  const one = mergeRegistrations({ ...common, ours: stored(earlier), theirs: stored(later), isOursNewer: false });
  const other = mergeRegistrations({ ...common, ours: stored(later), theirs: stored(earlier), isOursNewer: true });
  const contactsOf = ({ record }: typeof one) =>
    record === null
      ? null
      : decodeRegistration(record.value as Buffer, key)!
          .bindings.map(({ callId, cseq }) => `${callId}/${cseq}`)
          .sort();
  expect(contactsOf(other)).toEqual(contactsOf(one));
  return { contacts: contactsOf(one), along: one.along };
}

describe('X-R18 what two S-CSCFs made of one registration at once', () => {
  const mobile = contact('mobile 1', 100);
  const home = contact('home 1', 100);

  it('has the contacts that either has added', () => {
    expect(merge(null, registration(mobile), registration(home)).contacts).toEqual(['home 1/1', 'mobile 1/1']);
    const more = contact('work 1', 200);
    expect(merge(registration(mobile), registration(mobile, home), registration(mobile, more)).contacts).toEqual([
      'home 1/1',
      'mobile 1/1',
      'work 1/1',
    ]);
  });

  it('loses the contacts that either has ended, but not those that the other one has renewed since', () => {
    const both = registration(mobile, home);
    expect(merge(both, registration(mobile), both).contacts).toEqual(['mobile 1/1']);
    expect(merge(both, registration(mobile), registration(home)).contacts).toBe(null);
    const again = registration(renewed(mobile, 300), home);
    expect(merge(both, registration(home), again).contacts).toEqual(['home 1/1', 'mobile 1/2']);
    expect(merge(both, again, registration(home)).contacts).toEqual(['home 1/1']);
    expect(merge(registration(mobile), null, registration(renewed(mobile, 300))).contacts).toEqual(['mobile 1/2']);
  });

  it('S-32 S-33 has one contact of a private identity: that of the last authenticated REGISTER', () => {
    const [early, late] = [contact('mobile 2', 200), contact('mobile 3', 300)];
    expect(merge(registration(mobile), registration(early), registration(late)).contacts).toEqual(['mobile 3/1']);
    // Whichever record was written last, for the sake of another contact.
    expect(merge(registration(mobile), registration(late), registration(early, home)).contacts).toEqual([
      'home 1/1',
      'mobile 3/1',
    ]);
    const [second, third] = [renewed(mobile, 300), renewed(renewed(mobile, 200), 250)];
    expect(merge(registration(mobile), registration(third), registration(second)).contacts).toEqual(['mobile 1/3']);
    // Flows of one phone stand side by side, as do the contacts of one REGISTER.
    const flows = [contact('mobile 4 1', 100), contact('mobile 5 2', 200)] as const;
    expect(merge(null, registration(flows[0]), registration(flows[1])).contacts).toHaveLength(2);
    const twin = contact('mobile 6', 100, { callId: 'mobile 1' });
    expect(merge(null, registration(mobile, twin), registration(home)).contacts).toHaveLength(3);
  });

  it('keeps index and profile of what one of them has ended', () => {
    const profile = { value: Buffer.from('<profile/>'), expiresAtMs: 5_000 };
    const { along } = merge(registration(mobile), null, registration(renewed(mobile, 300)), { [PROFILES]: profile });
    expect(along.map(({ table, key: name, record }) => [table, name, record?.expiresAtMs])).toEqual([
      ['identities', 'tel:+15550006', 0],
      ['private-identities', `mobile@ims.test ${key}`, 0],
      ['profiles', key, 0],
    ]);
    const gone = merge(registration(mobile), registration(mobile), null).along;
    expect(gone.map(({ table, record }) => [table, record])).toEqual([
      ['identities', null],
      ['private-identities', null],
    ]);
  });

  it('takes the identities of the one that changed them', () => {
    const pushed = registrationOf(key, [...impus, 'sip:g@ims.test'], [mobile]);
    const read = () => null;
    const conflict = {
      key,
      base: stored(registration(mobile)),
      theirs: stored(registration(mobile, home)),
      nowMs,
      read,
    };
    for (const isOursNewer of [true, false]) {
      const { record } = mergeRegistrations({ ...conflict, ours: stored(pushed), isOursNewer });
      const merged = decodeRegistration(record!.value as Buffer, key)!;
      expect([merged.identities.length, merged.bindings.length]).toEqual([3, 2]);
    }
  });

  it('leaves what it cannot read as it was written last', () => {
    const strange = { value: Buffer.from([9, 9, 9]), expiresAtMs: 7 };
    const conflict = { key, base: null, ours: strange, theirs: stored(registration(mobile)), nowMs, read: () => null };
    expect(mergeRegistrations({ ...conflict, isOursNewer: true }).record).toBe(strange);
    expect(mergeRegistrations({ ...conflict, isOursNewer: false }).record).toBe(conflict.theirs);
  });

  it('S-64 is told to the watchers, with the contacts that gave way', () => {
    const here = { [SUBSCRIPTIONS]: watch(watcher('idle', 3)) };
    const { along } = merge(
      registration(mobile),
      registration(contact('mobile 2', 200)),
      registration(contact('mobile 3', 300)),
      here,
    );
    const told = along.find(({ table }) => table === SUBSCRIPTIONS)!.record!;
    const [left] = decodeWatch(told.value as Buffer, key)!.watchers;
    expect(left).toMatchObject({ subscription: { phase: 'waiting', version: 3 }, owner: 7 });
    expect(left!.news.map(({ binding, event }) => [binding.callId, event])).toEqual([['mobile 2', 'deactivated']]);
    expect(told.expiresAtMs).toBe(nowMs);
  });
});

const news = (phone: string): EndedContact => ({ binding: contact(phone, 100), event: 'expired', aors: [] });

function watcher(phase: NotifyPhase, version: number, ...told: EndedContact[]): Watcher {
  const dialog = {
    callId: 'c',
    localTag: 'l',
    remoteTag: 'r',
    localAddress: key,
    remoteAddress: key,
    remoteTarget: key,
    routeSet: [],
    localCseq: version,
    remoteCseq: 1,
    secure: false,
    state: 'confirmed' as const,
  };
  const subscription = {
    dialog,
    event: 'reg',
    contact: '<sip:s1>',
    expiresAtMs: 5_000_000,
    version,
    phase,
    retryAtMs: 0,
    retried: false,
    ending: null,
  };
  return { subscription, owner: 7, news: told, told: [] };
}

function watch(...watchers: Watcher[]): StoredRecord {
  return { value: encodeWatch({ key, ended: [], watchers }), expiresAtMs: 0 };
}

/** What both sides come to. */
function mergeBoth(base: StoredRecord | null, a: StoredRecord | null, b: StoredRecord | null): Watch | null {
  const common = { key, base, nowMs, read: () => null };
  const [one, other] = [
    mergeWatches({ ...common, ours: a, theirs: b, isOursNewer: true }),
    mergeWatches({ ...common, ours: b, theirs: a, isOursNewer: false }),
  ];
  expect(other.record?.value).toEqual(one.record?.value);
  return one.record === null ? null : decodeWatch(one.record.value as Buffer, key);
}

describe('X-R18 what two S-CSCFs noted of one subscription at once', () => {
  it('goes on with the higher version, and tells what either has to tell', () => {
    const base = watch(watcher('idle', 3, news('old 1')));
    const merged = mergeBoth(
      base,
      watch(watcher('notifying', 4)),
      watch(watcher('waiting', 3, news('old 1'), news('new 1'))),
    );
    const [left] = merged!.watchers;
    expect(left!.subscription).toMatchObject({ version: 4, phase: 'owing', dialog: { localCseq: 4 } });
    expect(left!.news.map(({ binding }) => binding.callId)).toEqual(['new 1']);
  });

  it('waits for no answer that one of them has heard', () => {
    const merged = mergeBoth(
      watch(watcher('notifying', 4)),
      watch(watcher('idle', 4)),
      watch(watcher('owing', 4, news('new 1'))),
    );
    expect(merged!.watchers[0]!.subscription).toMatchObject({ phase: 'waiting', retryAtMs: nowMs });
  });

  it('is as the one left it that changed it, and gone when either ended it', () => {
    const base = watch(watcher('idle', 3));
    const changed = watch(watcher('notifying', 4));
    expect(mergeBoth(base, base, changed)!.watchers[0]!.subscription.phase).toBe('notifying');
    expect(mergeBoth(base, null, changed)).toBe(null);
    expect(mergeBoth(null, null, changed)!.watchers).toHaveLength(1);
  });
});
