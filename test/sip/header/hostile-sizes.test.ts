import { describe, expect, it } from 'vitest';
import { isNetworkProvided, withoutNetworkProvided } from '#sip/header/access-network-info';
import { contactWithExpires, parseContacts } from '#sip/header/contact';
import { parseCSeq } from '#sip/header/cseq';
import { parseEvent, parseSubscriptionState } from '#sip/header/event';
import { firstListValue, splitListValues } from '#sip/header/list-values';
import { parseNameAddr, tagOf } from '#sip/header/name-addr';
import { parseClipped, parseDecimal } from '#sip/header/number-value';
import { parseOptionTags, withoutTag } from '#sip/header/option-tags';
import { parsePrivacy } from '#sip/header/privacy';
import { parseRAck } from '#sip/header/rack';
import { parseReasons } from '#sip/header/reason';
import { parseRetryAfter } from '#sip/header/retry-after';
import { parseServedUser } from '#sip/header/served-user';
import { parseSessionExpires } from '#sip/header/session-expires';
import { quote, unquote } from '#sip/header/token';
import { parseVia, withReceived } from '#sip/header/via';
import { parseVisitedNetwork } from '#sip/header/visited-network';
import { parseWarnings } from '#sip/header/warning';
import { parseHostPort } from '#sip/uri/host-port';
import { Parameters, withoutParameter, withParameter } from '#sip/uri/parameters';
import { parseUri, uriEquals } from '#sip/uri/uri';

const size = 64 * 1024;

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
const heads = ['sip:', 'sip:a@', 'sip:a@b', 'tel:1', 'SIP/2.0/UDP ', 'SIP/2.0/UDP h', '<sip:a@b>', '"', 'sip:a@[', '1'];
const texts = [
  ...codes.map((unit) => unit.repeat(size)),
  ...['', ...heads].flatMap((head) => awkward.map((unit) => head + unit.repeat(size / unit.length))),
];

/** The quickest of up to four runs, so that a pause of the machine does not count. */
function quickest(run: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 4 && best >= 20; i++) {
    const start = performance.now();
    run();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

describe('X-S13 64 KiB of one repeated text', () => {
  it.each(Object.entries(readers))('%s is through in 20 ms', (_, read) => {
    for (const text of texts) {
      const took = quickest(() => read(text));
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
      expect(quickest(() => uriEquals(a, b))).toBeLessThan(20);
    }
  });
});
