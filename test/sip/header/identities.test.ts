import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { formatIdentityPair, parseIdentityPair } from '#sip/header/asserted-identity';
import { formatAssociatedUris, parseAssociatedUris } from '#sip/header/associated-uri';
import { formatCalledParty, parseCalledParty } from '#sip/header/called-party';
import type { NameAddr } from '#sip/header/name-addr';
import { formatServiceIdentities, parseServiceIdentities } from '#sip/header/service-identity';

describe('P-Asserted-Identity, P-Preferred-Identity', () => {
  it.each([
    [['<sip:a@b>', '<tel:+1>'], 'sip:a@b', 'tel:+1'],
    [['tel:+1', '"A" <sips:a@b>'], 'sips:a@b', 'tel:+1'],
    [['<sip:a@b>', '<sip:c@d>', '<tel:+1>', '<tel:+2>'], 'sip:a@b', 'tel:+1'],
    [['<urn:service:sos>', '<sip:>', '<sip:a@b'], null, null],
    [[], null, null],
  ])('P-71 S-110 of %j takes the first sip and the first tel one', (values, sip, tel) => {
    const pair = parseIdentityPair(values);
    expect([pair.sip?.address.uri ?? null, pair.tel?.address.uri ?? null]).toEqual([sip, tel]);
  });

  it('P-71 writes what it read, parameters and display names included', () => {
    const values = ['"A, B" <sip:a@b;x=y>;z=1', '<tel:+1>;q="2"'];
    expect(formatIdentityPair(parseIdentityPair(values))).toBe(values.join(', '));
    expect(parseIdentityPair(values).sip?.uri.host).toBe('b');
    expect(formatIdentityPair(parseIdentityPair(['tel:+1']))).toBe('<tel:+1>');
    expect(formatIdentityPair(parseIdentityPair([]))).toBe('');
  });
});

describe('P-Associated-URI', () => {
  const text = '<sip:+1555@ims.test>;x=1, "A, B" <tel:+1555>, <sip:ims.test;user=phone>';

  it('P-50 C-32 reads all identities in order, over several fields', () => {
    const addresses = parseAssociatedUris([text, '<sip:c@d>']) as NameAddr[];
    expect(addresses.map(({ uri }) => uri)).toEqual([
      'sip:+1555@ims.test',
      'tel:+1555',
      'sip:ims.test;user=phone',
      'sip:c@d',
    ]);
    expect(formatAssociatedUris(addresses)).toBe(`${text}, <sip:c@d>`);
    expect(parseAssociatedUris([''])).toEqual([]);
  });

  it('X-S16 C-32 refuses what is no address, and more than 100', () => {
    expect(parseAssociatedUris(['<sip:a@b>, c d'])).toBeInstanceOf(ParseFailure);
    expect(parseAssociatedUris(['<sip:a@b'])).toBeInstanceOf(ParseFailure);
    const many = Array<string>(60).fill('<sip:a@b>').join(',');
    expect(parseAssociatedUris([many])).toHaveLength(60);
    expect(parseAssociatedUris([many, many])).toBeInstanceOf(ParseFailure);
  });
});

describe('P-Called-Party-ID', () => {
  it.each(['<sip:bob@ims.test>', '"B" <sip:bob@ims.test;user=phone>;x="y"', '<tel:+1>'])(
    'S-120 C-32 reads and writes %s',
    (text) => {
      expect(formatCalledParty(parseCalledParty(text) as NameAddr)).toBe(text);
    },
  );

  it.each(['', '<sip:a@b>, <sip:c@d>', '<sip:a@b', 'a b'])('C-32 refuses %j', (text) => {
    expect(parseCalledParty(text)).toBeInstanceOf(ParseFailure);
  });
});

describe('P-Asserted-Service, P-Preferred-Service', () => {
  const mmtel = 'urn:urn-7:3gpp-service.ims.icsi.mmtel';

  it('S-111 C-32 reads service URNs and leaves out what is none', () => {
    expect(
      parseServiceIdentities([`${mmtel},URN:URN-7:x-y%2A`, ' sip:a@b, urn:urn-7:, urn:service:sos, urn:urn-7:a;b']),
    ).toEqual([mmtel, 'URN:URN-7:x-y%2A']);
    expect(formatServiceIdentities([mmtel, 'urn:urn-7:x'])).toBe(`${mmtel}, urn:urn-7:x`);
  });
});
