import { describe, expect, it } from 'vitest';
import { parseDigest } from '#sip/auth/digest';
import { parseAccept } from '#sip/header/accept';
import { isNetworkProvided, withoutNetworkProvided } from '#sip/header/access-network-info';
import { parseIdentityPair } from '#sip/header/asserted-identity';
import { parseAssociatedUris } from '#sip/header/associated-uri';
import { parseAuthenticationInfo } from '#sip/header/authentication-info';
import { parseCalledParty } from '#sip/header/called-party';
import { parseContactPreferences, parseRequestDisposition } from '#sip/header/caller-preferences';
import { contactWithExpires, parseContacts } from '#sip/header/contact';
import { parseContentDisposition } from '#sip/header/content-disposition';
import { parseContentType } from '#sip/header/content-type';
import { parseCSeq } from '#sip/header/cseq';
import { parseDate } from '#sip/header/date';
import { parseEarlyMedia } from '#sip/header/early-media';
import { parseEvent, parseSubscriptionState } from '#sip/header/event';
import { parseFeatureCaps } from '#sip/header/feature-caps';
import { parseHistory } from '#sip/header/history-info';
import { parseInfoPackage, parseRecvInfo } from '#sip/header/info-package';
import { firstListValue, splitListValues } from '#sip/header/list-values';
import { parseMaxBreadth } from '#sip/header/max-breadth';
import { parseNameAddr, tagOf } from '#sip/header/name-addr';
import { parseClipped, parseDecimal } from '#sip/header/number-value';
import { parseOptionTags, withoutTag } from '#sip/header/option-tags';
import { parsePrivacy } from '#sip/header/privacy';
import { parseRAck } from '#sip/header/rack';
import { parseReasons } from '#sip/header/reason';
import { parseRetryAfter } from '#sip/header/retry-after';
import { parseSecurityMechanisms, sameSecurityFields } from '#sip/header/security-mechanism';
import { parseServedUser } from '#sip/header/served-user';
import { parseServiceIdentities } from '#sip/header/service-identity';
import { parseSessionExpires } from '#sip/header/session-expires';
import { parseSessionId } from '#sip/header/session-id';
import { parseReplaces, parseTargetDialog } from '#sip/header/target-dialog';
import { quote, unquote } from '#sip/header/token';
import { parseUriReferences } from '#sip/header/uri-reference';
import { parseVia, withReceived } from '#sip/header/via';
import { parseVisitedNetwork } from '#sip/header/visited-network';
import { parseWarnings } from '#sip/header/warning';
import { parseMultipart } from '#sip/message/multipart';
import { parseSessionDescription } from '#sip/sdp/session-description';
import { parseHostPort } from '#sip/uri/host-port';
import { Parameters, withoutParameter, withParameter } from '#sip/uri/parameters';
import { parseUri } from '#sip/uri/uri';
import { uriEquals } from '#sip/uri/uri-equality';
import { quickest } from '../../torture/quickest.ts';

const size = 64 * 1024;

const multipart = { mediaType: 'multipart/mixed', parameters: new Parameters(`;boundary=${'a'.repeat(70)}`) };

/** Reads a session description to the last codec. */
function readSdp(text: string): unknown {
  const parsed = parseSessionDescription(`v=0\r\n${text}`);
  return 'media' in parsed ? parsed.media.map((media) => [media.codecs(), media.direction, media.rtcp]) : parsed;
}

/** Everything that takes text from a peer. */
const readers: Record<string, (text: string) => unknown> = {
  parseUri,
  parseHostPort,
  parseNameAddr,
  tagOf,
  splitListValues,
  firstListValue,
  parseVia,
  withReceived: (text) => withReceived(text, '1.2.3.4', 5),
  parseCSeq,
  parseRAck,
  parseContacts: (text) => parseContacts([text]),
  contactWithExpires: (text) => contactWithExpires(text, 5),
  parseDecimal: (text) => parseDecimal(text, 255),
  parseClipped: (text) => parseClipped(text, 255),
  parseOptionTags: (text) => parseOptionTags([text]),
  withoutTag: (text) => withoutTag(text, 'x'),
  parsePrivacy: (text) => parsePrivacy([text]),
  parseReasons,
  parseWarnings,
  parseRetryAfter,
  parseSessionExpires,
  parseEvent,
  parseSubscriptionState,
  parseServedUser,
  parseVisitedNetwork,
  isNetworkProvided,
  withoutNetworkProvided,
  parseAccept,
  parseIdentityPair: (text) => parseIdentityPair([text]),
  parseAssociatedUris: (text) => parseAssociatedUris([text]),
  parseAuthenticationInfo,
  parseCalledParty,
  parseContactPreferences: (text) => parseContactPreferences(`*${text}`),
  parseRequestDisposition: (text) => parseRequestDisposition([text]),
  parseContentDisposition,
  parseContentType,
  parseDate,
  parseDigest: (text) => parseDigest(`Digest ${text}`),
  parseEarlyMedia: (text) => parseEarlyMedia([text]),
  parseFeatureCaps: (text) => parseFeatureCaps(`*${text}`),
  parseFeatures: (text) => parseContactPreferences(`*;audio="${text}"`),
  parseHistory,
  parseInfoPackage,
  parseRecvInfo,
  parseMaxBreadth,
  parseSecurityMechanisms: (text) => parseSecurityMechanisms([text]),
  sameSecurityFields: (text) => sameSecurityFields([text], [`${text} `]),
  parseServiceIdentities: (text) => parseServiceIdentities([text]),
  parseSessionId,
  parseTargetDialog,
  parseReplaces,
  parseUriReferences,
  unquote: (text) => unquote(quote(text)),
  get: (text) => new Parameters(text).get('x'),
  entries: (text) => new Parameters(text).entries(),
  withParameter: (text) => withParameter(text, 'x', 'y'),
  withoutParameter: (text) => withoutParameter(text, 'x'),
};

const codes = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));
const awkward = [
  ...['"', '\\', '\\"', '<', '>', '<x>,', '"x",', ',', 'x,', ' ', '\t', '(', ';', ';x', ';x=', ';x=y', '; x = "y"'],
  ...['%', '%41', ':', '::', '.', '1.', 'a.', '-', '0', '9', 'a', 'A', '@', '[', '=', '&', '*', ';received=1.1.1.1'],
];
const heads = [
  'sip:',
  'sip:a@',
  'sip:a@b',
  'tel:1',
  'SIP/2.0/UDP ',
  'SIP/2.0/UDP h',
  '<sip:a@b>',
  '"',
  'sip:a@[',
  '1',
  'm=a 1 RTP/AVP ',
  `--${'a'.repeat(70)}\n`,
];
const texts = [
  ...codes.map((unit) => unit.repeat(size)),
  ...['', ...heads].flatMap((head) => awkward.map((unit) => head + unit.repeat(size / unit.length))),
];

/** The same for bodies. */
const bodyReaders: Record<string, (text: string) => unknown> = {
  parseSessionDescription: (text) => readSdp(text.slice(0, size - 5)),
  parseMultipart: (text) => parseMultipart(text, multipart),
};
const bodyHeads = [
  '',
  'm=a 1 RTP/AVP ',
  'm=a 1 RTP/AVP 0\n',
  `--${'a'.repeat(70)}\n`,
  `--${'a'.repeat(70)}\nx:`,
  '\n--',
];
const lines = [
  '\r\n',
  'a=\r\n',
  'a=sendrecv\n',
  'a=rtpmap:0 x\n',
  'a=fmtp:0\n',
  'c=IN IP4 1\n',
  'm=audio 1 RTP/AVP 0\n',
  '\n--',
  '\n--a',
  'x:y\n',
  ' \n',
  '--',
  '0 ',
  '1/',
];
const bodyTexts = bodyHeads.flatMap((head) => lines.map((unit) => head + unit.repeat(Math.ceil(size / unit.length))));

describe('X-S13 64 KiB of one repeated text', () => {
  it.each(Object.entries(readers))('%s is through in 20 ms', (_, read) => {
    for (const text of texts) {
      const took = quickest(20, () => read(text));
      if (took >= 20) throw new Error(`${JSON.stringify(text.slice(0, 40))}... took ${took} ms`);
    }
  });

  it.each(Object.entries(bodyReaders))('%s is through in 20 ms', (_, read) => {
    for (const text of bodyTexts) {
      const took = quickest(20, () => read(text));
      if (took >= 20) throw new Error(`${JSON.stringify(text.slice(0, 40))}... took ${took} ms`);
    }
  });

  it('X-S14 no prototype was touched', () => {
    for (const read of Object.values(readers))
      for (const text of ['__proto__', ';__proto__=x', '<sip:a@b>;constructor']) read(text);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it('X-S16 comparing URIs of the largest size is through in 20 ms', () => {
    const wide = (tail: string) =>
      parseUri(`sip:a@b${Array.from({ length: 100 }, (_, i) => `;p${i}=${tail}`).join('')}`);
    const headers = (n: number, tail: string) =>
      parseUri(`sip:a@b?${Array.from({ length: n }, (_, i) => `h${i}=${tail}`).join('&')}`);
    for (const [a, b] of [
      [wide('%41'.repeat(10)), wide('A'.repeat(10))],
      [headers(100, '%41'), headers(100, 'A')],
      [headers(400, '%41'), headers(400, 'A')],
    ] as const) {
      if (!('kind' in a) || !('kind' in b)) throw new Error('not a URI');
      expect(quickest(20, () => uriEquals(a, b))).toBeLessThan(20);
    }
  });
});
