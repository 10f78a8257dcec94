import { describe, expect, it } from 'vitest';
import { contactGroups } from '#nodes/scscf/contact-selection';
import type { RegisterRequest } from '#nodes/scscf/register-request';
import { applyContacts, isEmergency } from '#nodes/scscf/registrar';
import { type Binding, decodeRegistration, encodeRegistration } from '#nodes/scscf/registration';
import { RegistrationStore, registrationTables } from '#nodes/scscf/registration-store';
import { ParseFailure } from '#sip/errors';
import { parseContacts } from '#sip/header/contact';
import { openMemoryStore } from '#store/memory-store';
import type { Store, StoredRecord } from '#store/store';
import { binding, identity, registrationOf } from './registration-records.ts';

const register = (contacts: string[], seconds: number, more: Partial<RegisterRequest> = {}): RegisterRequest => {
  const read = parseContacts(contacts);
  if (read instanceof ParseFailure) throw new Error(read.reason);
  return {
    impu: 'sip:a@x',
    impi: 'a@x',
    credentials: null,
    protection: '',
    star: read.star,
    contacts: read.contacts.map((contact) => ({ contact, seconds })),
    binds: seconds > 0,
    outbound: false,
    path: '',
    callId: 'd',
    cseq: 1,
    ...more,
  };
};

const uris = (bindings: unknown) => (bindings as readonly Binding[]).map((b) => b.uri);

describe('the record of a registration', () => {
  it('S-35 S-42 keeps everything, octet for octet', () => {
    const contact = '"A" <sip:a@10.0.0.1;p=x>;+sip.instance="<urn:gsma:imei:1>";reg-id=3;q=0.7;Audio;x="\u00e9"';
    const before = registrationOf('sip:a@x', ['sip:a@x', 'tel:+1'], [binding(contact)]);
    const after = decodeRegistration(encodeRegistration(before), 'sip:a@x');
    expect(after).toEqual(before);
    expect(after!.bindings[0]).toMatchObject({ q: 700, regId: 3, instance: '<urn:gsma:imei:1>' });
  });

  it('S-42 reads nothing out of what is no record or a newer one', () => {
    const octets = encodeRegistration(registrationOf('k', ['k'], [binding('<sip:a@10.0.0.1>')]));
    expect(decodeRegistration(octets.subarray(0, 20), 'k')).toBeNull();
    const newer = Buffer.from(octets);
    newer[1] = 9;
    expect(decodeRegistration(newer, 'k')).toBeNull();
  });

  it('takes less than 1 KB for a usual subscriber', () => {
    const contact =
      '<sip:user000001@127.0.9.1:5060>;expires=600000;+sip.instance="<urn:gsma:imei:35000000-user000001-0>";+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"';
    const usual = registrationOf(
      'sip:user000001@ims.test',
      ['sip:user000001@ims.test', 'tel:+1555000001'],
      [binding(contact)],
    );
    expect(encodeRegistration(usual).length).toBeLessThan(400);
  });
});

describe('RegistrationStore', () => {
  const open = (store: Store = openMemoryStore(registrationTables)) => ({
    store,
    registrations: new RegistrationStore(store),
  });
  const first = registrationOf('sip:a@x', ['sip:a@x', 'tel:+1'], [binding('<sip:a@10.0.0.1>')]);

  it('S-40 finds a registration by each of its identities', () => {
    const { registrations } = open();
    expect(registrations.change('sip:a@x', () => first)).toEqual(first);
    expect(registrations.find('sip:a@x')).toEqual(first);
    expect(registrations.find('tel:+1')).toEqual(first);
    expect(registrations.find('tel:+2')).toBeNull();
    expect(registrations.count()).toBe(1);
  });

  it('keeps the profile, and removes all of it with the registration', () => {
    const { store, registrations } = open();
    registrations.change('sip:a@x', () => first, Buffer.from('<IMSSubscription/>'));
    expect(registrations.profile('sip:a@x')!.toString()).toBe('<IMSSubscription/>');
    registrations.change('sip:a@x', () => null);
    for (const table of registrationTables) expect(store.count(table), table).toBe(0);
    expect(registrations.find('tel:+1')).toBeNull();
    expect(registrations.profile('sip:a@x')).toBeNull();
  });

  it('S-42 a refresh with the same profile does not write that again, one with another does', () => {
    const { store, registrations } = open();
    const written: string[] = [];
    const put = store.put.bind(store);
    store.put = (table, ...rest) => {
      written.push(table);
      put(table, ...rest);
    };
    const refresh = (profile: string) => {
      written.length = 0;
      registrations.change('sip:a@x', (current) => ({ ...(current ?? first) }), Buffer.from(profile));
      return written.includes('profiles');
    };
    expect(['<A/>', '<A/>', '<B/>', '<B/>'].map(refresh)).toEqual([true, false, true, false]);
    expect(registrations.profile('sip:a@x')!.toString()).toBe('<B/>');
  });

  it('S-70 S-73 finds the registrations of a private identity, as contacts come and go', () => {
    const { store, registrations } = open();
    const of = (impi: string) => registrations.ofPrivateIdentity(impi).map(({ key }) => key);
    registrations.change('sip:a@x', () => first);
    registrations.change('sip:b@x', () => registrationOf('sip:b@x', ['sip:b@x'], [binding('<sip:a@10.0.0.2>')]));
    const others = [binding('<sip:c@10.0.0.3>', { impi: 'c@x' }), binding('<sip:a@10.0.0.2>')];
    registrations.change('sip:c@x', () => registrationOf('sip:c@x', ['sip:c@x'], others));
    expect([of('a@x'), of('c@x'), of('a'), of('')]).toEqual([['sip:a@x', 'sip:b@x', 'sip:c@x'], ['sip:c@x'], [], []]);
    registrations.change('sip:c@x', (current) => ({ ...current!, bindings: others.slice(0, 1) }));
    registrations.change('sip:b@x', () => null);
    expect([of('a@x'), of('c@x')]).toEqual([['sip:a@x'], ['sip:c@x']]);
    expect(store.count('private-identities')).toBe(2);
  });

  it('S-70 finds what an earlier release wrote without that index, by the derived identity', () => {
    const { store, registrations } = open();
    registrations.change('sip:a@x', () => first);
    store.remove('private-identities', 'a@x sip:a@x');
    expect(registrations.ofPrivateIdentity('a@x').map(({ key }) => key)).toEqual(['sip:a@x']);
  });

  it('S-73 gives a registration another key, and leaves nothing of the old one', () => {
    const { store, registrations } = open();
    registrations.change('sip:a@x', () => first, Buffer.from('old'));
    const next = registrationOf('sip:z@x', ['sip:z@x', 'tel:+1'], first.bindings);
    expect(registrations.rename(registrations.get('sip:a@x')!, next, Buffer.from('new'))).toBe(true);
    expect(registrations.find('sip:a@x')).toBeNull();
    expect([registrations.find('tel:+1')!.key, registrations.find('sip:z@x')!.key]).toEqual(['sip:z@x', 'sip:z@x']);
    expect(registrations.ofPrivateIdentity('a@x').map(({ key }) => key)).toEqual(['sip:z@x']);
    expect(registrations.profile('sip:z@x')!.toString()).toBe('new');
    registrations.change('sip:z@x', () => null);
    for (const table of registrationTables) expect(store.count(table), table).toBe(0);
  });

  it('S-73 does not rename over a change of another worker', () => {
    const { registrations } = open();
    registrations.change('sip:a@x', () => first);
    const before = registrations.get('sip:a@x')!;
    registrations.change('sip:a@x', (current) => ({ ...current!, charging: { ccf: 'other', ecf: '' } }));
    const next = registrationOf('sip:z@x', ['sip:z@x'], first.bindings);
    expect(registrations.rename(before, next, null)).toBe(false);
    expect(registrations.get('sip:a@x')!.charging.ccf).toBe('other');
    const now = registrations.get('sip:a@x')!;
    expect(registrations.rename(now, { ...next, charging: now.charging }, null)).toBe(true);
    expect([registrations.get('sip:a@x'), registrations.find('sip:z@x')!.charging.ccf]).toEqual([null, 'other']);
    expect(registrations.count()).toBe(1);
  });

  it('follows identities that come and go', () => {
    const { store, registrations } = open();
    registrations.change('sip:a@x', () => first);
    registrations.change('sip:a@x', (current) => ({ ...current!, identities: ['sip:a@x', 'tel:+3'].map(identity) }));
    expect(registrations.find('tel:+1')).toBeNull();
    expect(registrations.find('tel:+3')!.key).toBe('sip:a@x');
    expect(store.count('identities')).toBe(1);
  });

  it('sees at once what another worker wrote', () => {
    const { store, registrations } = open();
    const other = new RegistrationStore(store);
    registrations.change('sip:a@x', () => first);
    expect(other.find('tel:+1')).toEqual(first);
    registrations.change('sip:a@x', (current) => ({ ...current!, charging: { ccf: 'new', ecf: '' } }));
    expect(other.find('tel:+1')!.charging.ccf).toBe('new');
  });

  it('keeps the index of a registration that another worker renewed while this one removed it', () => {
    const { store, registrations } = open();
    const profile = Buffer.from('<IMSSubscription/>');
    registrations.change('sip:a@x', () => first, profile);
    const renewed = registrationOf('sip:a@x', ['sip:a@x', 'tel:+1'], [binding('<sip:a@10.0.0.2>')]);
    // The renewal falls between the look and the write.
    const update = store.update.bind(store);
    store.update = (table, key, change) => {
      store.update = update;
      const record: StoredRecord = { value: encodeRegistration(renewed), expiresAtMs: 5000 };
      update(table, key, () => record);
      return update(table, key, change);
    };
    const after = registrations.change('sip:a@x', (current) =>
      current!.bindings[0]!.uri === 'sip:a@10.0.0.1' ? null : undefined,
    );
    expect(after).toEqual(renewed);
    expect(registrations.find('tel:+1')).toEqual(renewed);
    expect(registrations.profile('sip:a@x')).toEqual(profile);
  });
});

describe('applyContacts', () => {
  const bound = binding('<sip:a@10.0.0.1:5060>;expires=600');

  it('S-32 replaces the contact of the same private identity, and only that', () => {
    const foreign = binding('<sip:a@10.0.0.9>', { impi: 'b@x' });
    const after = applyContacts([bound, foreign], register(['<sip:a@10.0.0.2>'], 600), 10, 0);
    expect(uris(after)).toEqual(['sip:a@10.0.0.9', 'sip:a@10.0.0.2']);
  });

  it('S-32 knows a contact again by the rules of URIs', () => {
    const after = applyContacts([bound], register(['<sip:a@10.0.0.1:5060;x=y>'], 0), 10, 0);
    expect(after).toEqual([]);
    expect(applyContacts([bound], register(['<sip:A@10.0.0.1:5060>'], 0), 10, 0)).toEqual([bound]);
  });

  it('S-34 binds several contacts at once, each once', () => {
    const after = applyContacts(
      [bound],
      register(['<sip:a@10.0.0.2>', '<sip:a@10.0.0.3>', '<sip:a@10.0.0.2>;q=0.1'], 600),
      10,
      0,
    );
    expect(uris(after)).toEqual(['sip:a@10.0.0.3', 'sip:a@10.0.0.2']);
    expect((after as readonly Binding[])[1]!.q).toBe(100);
  });

  it('S-33 asks for a higher CSeq within a Call-ID, also of *', () => {
    const stale = { callId: 'c', cseq: 1 };
    for (const request of [register(['<sip:a@10.0.0.1:5060>'], 600, stale), register(['*'], 0, stale)]) {
      expect(applyContacts([bound], request, 10, 0)).toMatchObject({ id: 'cseq-too-low' });
    }
    expect(
      uris(applyContacts([bound], register(['<sip:a@10.0.0.1:5060>'], 600, { callId: 'c', cseq: 2 }), 10, 0)),
    ).toHaveLength(1);
  });

  it('S-30 S-32 lets emergency contacts stand beside the others and does not remove them', () => {
    const sos = binding('<sip:a@10.0.0.1:5060;sos>');
    expect(isEmergency(sos)).toBe(true);
    expect(isEmergency(binding('<sip:sos@10.0.0.1>'))).toBe(false);
    expect(uris(applyContacts([bound], register(['<sip:a@10.0.0.1:5060;sos>'], 600), 10, 0))).toEqual([
      bound.uri,
      sos.uri,
    ]);
    expect(uris(applyContacts([bound, sos], register(['<sip:a@10.0.0.7>'], 600), 10, 0))).toEqual([
      sos.uri,
      'sip:a@10.0.0.7',
    ]);
    expect(uris(applyContacts([bound, sos], register(['*'], 0), 10, 0))).toEqual([sos.uri]);
    expect(uris(applyContacts([sos], register(['<sip:a@10.0.0.1:5060;sos>'], 0), 10, 0))).toEqual([sos.uri]);
  });
});

describe('contactGroups', () => {
  it('S-122 groups by q, highest first, and leaves out emergency and expired contacts', () => {
    const bindings = [
      binding('<sip:low@10.0.0.1>;q=0.1'),
      binding('<sip:one@10.0.0.1>'),
      binding('<sip:two@10.0.0.1>;q=1.0'),
      binding('<sip:em@10.0.0.1;sos>'),
      binding('<sip:old@10.0.0.1>', { expiresAtMs: 500 }),
    ];
    expect(contactGroups(bindings, 500).map(uris)).toEqual([
      ['sip:one@10.0.0.1', 'sip:two@10.0.0.1'],
      ['sip:low@10.0.0.1'],
    ]);
  });

  it('S-122 tries a second flow of one terminal only after the first', () => {
    const flow = (id: number, instance: string) =>
      binding(`<sip:${instance}${id}@10.0.0.1>;reg-id=${id};+sip.instance="<urn:${instance}>"`);
    const groups = contactGroups([flow(1, 'x'), flow(2, 'x'), flow(1, 'y')], 0);
    expect(groups.map(uris)).toEqual([['sip:x1@10.0.0.1', 'sip:y1@10.0.0.1'], ['sip:x2@10.0.0.1']]);
  });
});
