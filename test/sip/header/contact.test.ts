import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import {
  type Contact,
  type Contacts,
  contactWithExpires,
  formatContact,
  parseContact,
  parseContacts,
  parseQ,
} from '#sip/header/contact';

function contacts(...values: string[]): readonly Contact[] {
  const parsed = parseContacts(values);
  if (parsed instanceof ParseFailure) throw new Error(parsed.reason);
  return parsed.contacts;
}

const phone =
  '"A" <sip:001@10.0.0.1:31700;transport=udp>;expires=600000;+sip.instance="<urn:gsma:imei:35622410-483840-0>"' +
  ';+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel";Audio;reg-id=1;q=0.75;methods="INVITE,BYE"';

describe('Contact', () => {
  it('S-35 reads what a registrar needs and keeps all parameters as received', () => {
    const [contact] = contacts(phone);
    expect(contact).toMatchObject({
      uri: 'sip:001@10.0.0.1:31700;transport=udp',
      displayName: '"A"',
      expires: 600000,
      q: 750,
      instance: '<urn:gsma:imei:35622410-483840-0>',
      regId: 1,
      raw: phone,
    });
    expect(formatContact(contact!)).toBe(phone);
    expect(formatContact(contacts('sip:a@b;Expires=5')[0]!)).toBe('<sip:a@b>;Expires=5');
  });

  it('C-22 gives parameters to the header when there are no brackets', () => {
    expect(contacts('sip:a@b;expires=5;q=1')[0]).toMatchObject({ uri: 'sip:a@b', expires: 5, q: 1000 });
    expect(contacts('<sip:a@b;expires=5>')[0]).toMatchObject({ expires: -1, q: -1, instance: '', regId: 0 });
  });

  it('C-22 splits lists, also over several fields', () => {
    const found = contacts('"x, y" <sip:a@b>;q=0.5, <sip:c@d>', 'sip:e@f');
    expect(found.map((c) => c.uri)).toEqual(['sip:a@b', 'sip:c@d', 'sip:e@f']);
    expect(found.map((c) => c.raw)).toEqual(['"x, y" <sip:a@b>;q=0.5', '<sip:c@d>', 'sip:e@f']);
    expect(contacts()).toEqual([]);
  });

  it('RFC 3261 10.3 takes * alone only', () => {
    expect(parseContacts([' * '])).toEqual({ star: true, contacts: [] });
    for (const values of [['*', '*'], ['*, <sip:a@b>'], ['<sip:a@b>', '*']]) {
      expect(parseContacts(values)).toMatchObject({ reason: '* beside other contacts' });
    }
    expect(parseContacts(['*;expires=0'])).toMatchObject({ contacts: [{ uri: '*' }] } satisfies Partial<
      Record<keyof Contacts, unknown>
    >);
  });

  it.each([
    ['0', 0],
    ['60', 60],
    ['4294967295', 4294967295],
    ['4294967296', 4294967295],
    ['280297596632815', 4294967295],
    ['99999999999999999999999', 4294967295],
    ['12abc', 3600],
    ['1e3', 3600],
    ['-1', 3600],
    ['"5"', 3600],
  ])('X-S9 reads expires=%s as %d', (text, seconds) => {
    expect(contacts(`<sip:a@b>;expires=${text}`)[0]!.expires).toBe(seconds);
  });

  it.each([
    ['0', 0],
    ['1', 1000],
    ['0.', 0],
    ['0.5', 500],
    ['0.75', 750],
    ['0.123', 123],
    ['1.0', 1000],
    ['1.000', 1000],
    ['', -1],
    ['1.001', -1],
    ['0.1234', -1],
    ['2', -1],
    ['.5', -1],
    ['0,5', -1],
    ['0.5x', -1],
    ['-0.5', -1],
    ['01', -1],
  ])('reads q=%s as %d thousandths', (text, thousandths) => {
    expect(parseQ(text)).toBe(thousandths);
  });

  it.each([
    '<sip:a@b>;q=2',
    '<sip:a@b>;q',
    '<sip:a@b>;reg-id=0',
    '<sip:a@b>;reg-id=x',
    '<sip:a@b>;reg-id',
    '<sip:a@b>;reg-id=2147483648',
    '<sip:a@b',
    '',
    'sip:a@b?x=y',
    '<sip:a@b>;;;;',
  ])('X-S11 refuses %j', (value) => {
    expect(parseContact(value)).toBeInstanceOf(ParseFailure);
  });

  it('X-S16 refuses more than 100 contacts', () => {
    expect(contacts(...Array<string>(100).fill('<sip:a@b>'))).toHaveLength(100);
    expect(parseContacts(Array<string>(101).fill('<sip:a@b>'))).toMatchObject({ reason: 'too many contacts' });
    expect(parseContacts(Array<string>(5000).fill('*'))).toMatchObject({ reason: 'too many contacts' });
    expect(parseContacts([Array<string>(5000).fill('<sip:a@b>').join()])).toMatchObject({ reason: 'too many values' });
  });

  it('S-35 writes expires into a contact, the rest byte for byte', () => {
    expect(contactWithExpires(phone, 60)).toBe(phone.replace('600000', '60'));
    expect(contactWithExpires('<sip:a@b;expires=1>;Q=1', 60)).toBe('<sip:a@b;expires=1>;Q=1;expires=60');
    expect(contactWithExpires('<sip:a@b>;EXPIRES = 5 ;x;expires=7', 60)).toBe('<sip:a@b>;EXPIRES=60;x');
    expect(contactWithExpires('sip:a@b', 60)).toBe('sip:a@b;expires=60');
    expect(contactWithExpires('"x;expires=1" <sip:a@b> ', 60)).toBe('"x;expires=1" <sip:a@b>;expires=60');
    expect(contacts(contactWithExpires(phone, 60))[0]).toMatchObject({ expires: 60, regId: 1 });
  });
});
