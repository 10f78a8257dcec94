import { describe, expect, it } from 'vitest';
import { digestResponse } from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import {
  type AuthenticationInfo,
  formatAuthenticationInfo,
  parseAuthenticationInfo,
} from '#sip/header/authentication-info';
import { formatDate, parseDate } from '#sip/header/date';
import { formatEarlyMedia, parseEarlyMedia } from '#sip/header/early-media';
import { formatHistoryEntry, type HistoryEntry, parseHistory } from '#sip/header/history-info';
import {
  formatInfoPackage,
  formatRecvInfo,
  type InfoPackage,
  parseInfoPackage,
  parseRecvInfo,
} from '#sip/header/info-package';
import { formatMaxBreadth, parseMaxBreadth } from '#sip/header/max-breadth';
import { formatRSeq, parseRSeq } from '#sip/header/rack';
import { formatSessionId, parseSessionId, type SessionId } from '#sip/header/session-id';
import {
  formatNamedDialog,
  parseReplaces,
  parseTargetDialog,
  type Replaces,
  type TargetDialog,
} from '#sip/header/target-dialog';
import { formatUriReference, parseUriReferences, type UriReference } from '#sip/header/uri-reference';

describe('P-Early-Media', () => {
  it('C-37 RFC 5009 8 reads directions in order, flags and what is new', () => {
    const media = parseEarlyMedia(['Supported, sendrecv', 'inactive,GATED, new']);
    expect(media).toEqual({ directions: ['sendrecv', 'inactive'], gated: true, supported: true, others: ['new'] });
    expect(parseEarlyMedia([formatEarlyMedia(media)])).toEqual(media);
    expect(formatEarlyMedia(parseEarlyMedia(['']))).toBe('');
  });
});

describe('History-Info', () => {
  it('C-33 RFC 7044 5 reads entries with index and target, and writes them as they came', () => {
    const text =
      '"A, B" <sip:a@b?Reason=SIP%3Bcause%3D302>;index=1;new=x, <sip:c@d>;index=1.1;mp=1, <tel:+1>;index=1.1.12;rc=1.1';
    const entries = parseHistory(text) as HistoryEntry[];
    expect(entries.map(({ index, target }) => [index, target])).toEqual([
      [[1], ''],
      [[1, 1], 'mp'],
      [[1, 1, 12], 'rc'],
    ]);
    expect(entries.map(formatHistoryEntry).join(', ')).toBe(text);
    expect((parseHistory('<sip:a@b>') as HistoryEntry[])[0]!.index).toEqual([]);
  });

  it.each([
    '<sip:a@b>;index=1.',
    '<sip:a@b>;index=.1',
    '<sip:a@b>;index=1..1',
    '<sip:a@b>;index=x',
    '<sip:a@b>;index=1000000000',
    `<sip:a@b>;index=1${'.1'.repeat(101)}`,
    '<sip:a@b',
  ])('X-S11 refuses %s', (text) => {
    expect(parseHistory(text)).toBeInstanceOf(ParseFailure);
  });
});

describe('Session-ID', () => {
  const [a, b] = ['ab30317f1a784dc48ff824d0d3715d86', '47755a9de7794ba387653f2099600ef2'];

  it('C-33 RFC 7989 5 reads both halves', () => {
    const id = parseSessionId(` ${a};remote=${b!.toUpperCase()};new="x"`) as SessionId;
    expect([id.local, id.remote]).toEqual([a, b]);
    expect(formatSessionId(id)).toBe(`${a};remote=${b!.toUpperCase()};new="x"`);
    expect(parseSessionId(a!)).toMatchObject({ local: a, remote: '' });
  });

  it.each(['', 'x', a!.slice(1), `${a}0`, `${a};remote=${b!.slice(1)}`, `${a};remote=${b!.slice(1)}g`, `${a} x`])(
    'X-S11 refuses %j',
    (text) => {
      expect(parseSessionId(text)).toBeInstanceOf(ParseFailure);
    },
  );
});

describe('Target-Dialog, Replaces', () => {
  it('C-33 RFC 4538 7 RFC 3891 6.1 read the dialog, and write it as it came', () => {
    const target = 'fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544;new';
    expect(parseTargetDialog(target)).toMatchObject({ localTag: 'kkaz-', remoteTag: '6544' });
    expect(formatNamedDialog(parseTargetDialog(target) as TargetDialog)).toBe(target);
    const replaces = '425928@bobster.example.org;to-tag=7743;from-tag=6472;Early-Only;x=y';
    expect(parseReplaces(replaces)).toMatchObject({
      callId: '425928@bobster.example.org',
      toTag: '7743',
      fromTag: '6472',
      earlyOnly: true,
    });
    expect(formatNamedDialog(parseReplaces(replaces) as Replaces)).toBe(replaces);
  });

  it('X-S11 refuses them without Call-ID, Replaces without tags as well', () => {
    for (const bad of ['', ';local-tag=a', 'a b', 'a;x="', 'a,b'])
      expect(parseTargetDialog(bad)).toBeInstanceOf(ParseFailure);
    for (const bad of ['a', 'a;to-tag=b', 'a;from-tag=b', 'a;to-tag;from-tag=c'])
      expect(parseReplaces(bad)).toBeInstanceOf(ParseFailure);
  });
});

describe('Error-Info, Geolocation', () => {
  it('C-27 C-33 S-116 read URIs and their parameters, and write them as they came', () => {
    const text = '<cid:alice123@atlanta.example.com>;inserted-by="x, y", <sips:lis.example.com/a?b;c>';
    const references = parseUriReferences(text) as UriReference[];
    expect(references.map(({ uri }) => uri)).toEqual([
      'cid:alice123@atlanta.example.com',
      'sips:lis.example.com/a?b;c',
    ]);
    expect(references.map(({ uri, parameters }) => formatUriReference(uri, parameters)).join(', ')).toBe(text);
    expect(formatUriReference('sip:not-in-service@example.com')).toBe('<sip:not-in-service@example.com>');
    for (const bad of ['sip:a@b', '"x" <sip:a@b>', '<sip:a@b', '<>'])
      expect(parseUriReferences(bad)).toBeInstanceOf(ParseFailure);
  });
});

describe('Info-Package, Recv-Info', () => {
  it('C-33 RFC 6086 7 read packages, and write them as they came', () => {
    const text = 'g.3gpp.current-location-discovery;x="y, z", g.3gpp.ussd';
    const packages = parseRecvInfo(text) as InfoPackage[];
    expect(packages.map(({ name }) => name)).toEqual(['g.3gpp.current-location-discovery', 'g.3gpp.ussd']);
    expect(formatRecvInfo(packages)).toBe(text);
    expect(parseRecvInfo('')).toEqual([]);
    expect(formatInfoPackage(parseInfoPackage(' g.3gpp.ussd ;a=b') as InfoPackage)).toBe('g.3gpp.ussd;a=b');
    for (const bad of ['', ';x', 'a b', 'a;x="']) expect(parseInfoPackage(bad)).toBeInstanceOf(ParseFailure);
    expect(parseRecvInfo('a, ;b')).toBeInstanceOf(ParseFailure);
  });
});

describe('Max-Breadth, RSeq', () => {
  it('C-36 RFC 5393 5.3.1 reads a number, a huge one as 65535', () => {
    expect([' 60 ', '0', '99999999999'].map(parseMaxBreadth)).toEqual([60, 0, 65_535]);
    for (const bad of ['', '-1', '6x', '1.5']) expect(parseMaxBreadth(bad)).toBeInstanceOf(ParseFailure);
    expect(parseMaxBreadth(formatMaxBreadth(30))).toBe(30);
    expect(parseRSeq(formatRSeq(988_789))).toBe(988_789);
  });
});

describe('Date', () => {
  const ms = Date.UTC(2010, 10, 13, 23, 29, 0);

  it.each([
    'Sat, 13 Nov 2010 23:29:00 GMT',
    'sat,13 NOV 2010 23:29:00 gmt',
    '13 Nov 2010 23:29 UTC',
    'Mon,  13  Nov 2010 23:29:0 +0000',
  ])('RFC 3261 20.17 reads %s', (text) => {
    expect(parseDate(text)).toBe(ms);
    expect(parseDate(formatDate(ms))).toBe(ms);
  });

  it.each([
    '',
    'Sat, 13 Nov 2010 23:29:00 EST',
    'Sat, 13 Nov 2010 24:00:00 GMT',
    'Sat, 13 Nov 2010 23:60:00 GMT',
    'Sat, 31 Feb 2010 23:29:00 GMT',
    'Sat, 0 Nov 2010 23:29:00 GMT',
    'Sat, 13 Foo 2010 23:29:00 GMT',
    'Sat, 13 Nov 10 23:29:00 GMT',
    'Sat, 13 Nov 2010 GMT',
    'Sat, 13 Nov 2010 23 GMT',
    'Sat, 13 Nov 2010 1:2:3:4 GMT',
    `Sat, 13 Nov 2010 23:29:00 GMT${' '.repeat(50)}`,
  ])('C-24 a date that is none is a value, not an exception: %s', (text) => {
    expect(parseDate(text)).toBeInstanceOf(ParseFailure);
  });
});

describe('Authentication-Info', () => {
  it('S-15 reads what the server proves, unknown parameters are kept', () => {
    const rspauth = digestResponse({
      method: '',
      uri: 'sip:ims.test',
      nonce: 'n',
      qop: 'auth',
      nc: '00000001',
      cnonce: 'c',
      ha1: 'a',
    });
    const text = `qop=auth, rspauth="${rspauth}", cnonce="c", nc=00000001, nextnonce="m\\"n", new=x`;
    const info = parseAuthenticationInfo(text) as AuthenticationInfo;
    expect(info).toMatchObject({ qop: 'auth', rspauth, cnonce: 'c', nc: '00000001', nextNonce: 'm"n' });
    expect(formatAuthenticationInfo(info)).toBe(text);
    expect(parseAuthenticationInfo('nextnonce="x"')).toMatchObject({ nextNonce: 'x', rspauth: '', qop: '' });
    for (const bad of ['', 'x', 'qop=', 'qop="auth', 'qop=auth, QOP=auth'])
      expect(parseAuthenticationInfo(bad)).toBeInstanceOf(ParseFailure);
  });
});
