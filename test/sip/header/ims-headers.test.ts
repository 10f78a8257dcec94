import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import {
  formatAccessNetworkInfo,
  isNetworkProvided,
  parseAccessNetworkInfo,
  withoutNetworkProvided,
} from '#sip/header/access-network-info';
import { formatPrivacy, parsePrivacy } from '#sip/header/privacy';
import { formatServedUser, parseServedUser } from '#sip/header/served-user';
import { formatVisitedNetwork, parseVisitedNetwork } from '#sip/header/visited-network';
import { Parameters } from '#sip/uri/parameters';

describe('P-Access-Network-Info', () => {
  const own = '3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=0010100010019B01';

  it('RFC 7315 5.4 reads all values', () => {
    const infos = parseAccessNetworkInfo(`${own}, IEEE-802.11;i-wlan-node-id=ac12;Network-Provided`);
    expect(infos).toMatchObject([
      { accessType: '3GPP-E-UTRAN-FDD', networkProvided: false, raw: own },
      { accessType: 'IEEE-802.11', networkProvided: true },
    ]);
    expect(formatAccessNetworkInfo('ADSL', new Parameters(';dsl-location="x"'))).toBe('ADSL;dsl-location="x"');
  });

  it.each([
    [own, own],
    [`${own}, X;network-provided`, own],
    [`X ; NETWORK-Provided ;y=1, ${own}`, own],
    ['X;network-provided', ''],
    ['X;a;network-provided=yes', ''],
    ['X;a="network-provided"', 'X;a="network-provided"'],
    ['X;a=";network-provided"', 'X;a=";network-provided"'],
    ['X;;network-provided', ''],
    ['X;a=";network-provided', ''],
    [';network-provided', ''],
    ['@;a', '@;a'],
  ])('P-74 X-I2 of %j leaves %j', (value, kept) => {
    expect(withoutNetworkProvided(value)).toBe(kept);
    expect(isNetworkProvided(value)).toBe(kept !== value);
    expect(isNetworkProvided(kept)).toBe(false);
  });
});

describe('P-Visited-Network-ID', () => {
  it.each([
    ['ims.test', 'ims.test'],
    ['"Visited network number 1"', 'Visited network number 1'],
    [' "a, \\"b\\"" ;x=y, other.net', 'a, "b"'],
    ['other.net, "x"', 'other.net'],
  ])('RFC 7315 5.3 reads %j', (value, name) => {
    expect(parseVisitedNetwork(value)).toBe(name);
  });

  it.each(['', '""', '"a', ';x', 'a b', '@'])('X-S11 refuses %j', (value) => {
    expect(parseVisitedNetwork(value)).toBeInstanceOf(ParseFailure);
  });

  it('reads what it wrote', () => {
    expect(formatVisitedNetwork('ims.test')).toBe('ims.test');
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~\x80-\xff]{1,20}$/), (name) => {
        expect(parseVisitedNetwork(formatVisitedNetwork(name))).toBe(name);
      }),
    );
  });
});

describe('Privacy', () => {
  it('RFC 3323 4.2 reads the types of all fields', () => {
    expect(parsePrivacy(['ID; critical', ' header ;;,user'])).toEqual(['id', 'critical', 'header', 'user']);
    expect(parsePrivacy([''])).toEqual([]);
    expect(parsePrivacy([formatPrivacy(['id', 'user'])])).toEqual(['id', 'user']);
  });

  it('X-S16 reads 100 at most', () => {
    expect(parsePrivacy(['id;'.repeat(5000)])).toHaveLength(100);
  });
});

describe('P-Served-User', () => {
  it('RFC 5502 6 reads user, session case and registration state', () => {
    expect(parseServedUser('<sip:a@b>; SesCase=ORIG ;regstate=unreg')).toEqual({
      uri: 'sip:a@b',
      sescase: 'orig',
      regstate: 'unreg',
      origCdiv: false,
    });
    expect(parseServedUser('sip:a@b;orig-cdiv')).toEqual({ uri: 'sip:a@b', sescase: '', regstate: '', origCdiv: true });
    expect(parseServedUser('"x" <tel:+1>;sescase=constructor')).toMatchObject({ uri: 'tel:+1', sescase: '' });
    expect(parseServedUser('<sip:a@b>;sescase=')).toBeInstanceOf(ParseFailure);
  });

  it('reads what it wrote', () => {
    const made = fc.record({
      uri: fc.constantFrom('sip:a@b', 'tel:+1', 'sip:a@b;user=phone'),
      sescase: fc.constantFrom('orig' as const, 'term' as const, '' as const),
      regstate: fc.constantFrom('reg' as const, 'unreg' as const, '' as const),
      origCdiv: fc.boolean(),
    });
    fc.assert(
      fc.property(made, (user) => {
        expect(parseServedUser(formatServedUser(user))).toEqual(user);
      }),
    );
  });
});
