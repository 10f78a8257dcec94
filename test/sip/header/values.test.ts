import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { formatCSeq, parseCSeq } from '#sip/header/cseq';
import { formatEvent, formatSubscriptionState, parseEvent, parseSubscriptionState } from '#sip/header/event';
import { parseClipped, parseDecimal } from '#sip/header/number-value';
import { hasTag, parseOptionTags, withoutTag, withTag } from '#sip/header/option-tags';
import { formatRAck, parseRAck, parseRSeq } from '#sip/header/rack';
import { formatReason, parseReasons, type Reason } from '#sip/header/reason';
import { formatRetryAfter, parseRetryAfter } from '#sip/header/retry-after';
import { formatMinSe, formatSessionExpires, parseMinSe, parseSessionExpires } from '#sip/header/session-expires';
import { isQuoted, isSafeHeaderValue, isToken, quote, tokenOrQuoted, unquote } from '#sip/header/token';
import { formatWarning, parseWarnings } from '#sip/header/warning';

const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 30,
});
const printable = fc.stringMatching(/^[\t -~\x80-\xff]{0,20}$/);

describe('numbers', () => {
  it.each([
    ['0', 0],
    [' 70 ', 70],
    ['0068', 68],
    ['4294967295', 4294967295],
  ])('X-S2 reads %j', (text, number) => {
    expect(parseDecimal(text, 0xffff_ffff)).toBe(number);
    expect(parseClipped(text, 0xffff_ffff)).toBe(number);
  });

  it.each([
    '',
    ' ',
    '-1',
    '+1',
    '12abc',
    '1e3',
    '0x10',
    '1.0',
    '1 2',
    '1,2',
    '\u0663',
    '1\0',
    '1\r\n',
    'NaN',
    'Infinity',
  ])('X-S2 X-S9 refuses %j', (text) => {
    expect(parseDecimal(text, 0xffff_ffff)).toBeInstanceOf(ParseFailure);
    expect(parseClipped(text, 0xffff_ffff)).toBeInstanceOf(ParseFailure);
  });

  it.each(['4294967296', '4294967328', '18446744073709551648', '99999999999999999999', '9'.repeat(1000)])(
    'X-S9 refuses %s as too large, and clips it where that is asked for',
    (text) => {
      expect(parseDecimal(text, 0xffff_ffff)).toMatchObject({ reason: 'number too large' });
      expect(parseClipped(text, 0xffff_ffff)).toBe(0xffff_ffff);
      expect(parseClipped(`${text}x`, 255)).toBeInstanceOf(ParseFailure);
    },
  );

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(fc.nat(), (n) => {
        expect(parseDecimal(String(n), 0x7fff_ffff)).toBe(n);
      }),
    );
  });
});

describe('CSeq, RAck, RSeq', () => {
  it.each([
    ['1 INVITE', 1, 'INVITE'],
    ['0009 \t INVITE', 9, 'INVITE'],
    [' 2147483647 invite ', 2147483647, 'invite'],
    ["8 !interesting-Method0123456789_*+`.%indeed'~", 8, "!interesting-Method0123456789_*+`.%indeed'~"],
  ])('C-23 reads CSeq %j', (value, number, method) => {
    expect(parseCSeq(value)).toEqual({ number, method });
  });

  it.each([
    '',
    '1',
    '1 ',
    'INVITE',
    '1INVITE',
    '-1 INVITE',
    '1 INV ITE',
    '1 INVITE;x',
    '1 INVITE\r\n',
    '1\0INVITE',
    '2147483648 INVITE',
    '36893488147419103232 REGISTER',
    '1.0 INVITE',
    '1 \xe4',
  ])('X-S9 refuses CSeq %j', (value) => {
    expect(parseCSeq(value)).toBeInstanceOf(ParseFailure);
  });

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.constantFrom('INVITE', 'x-Y'), (a, b, method) => {
        expect(parseCSeq(formatCSeq(a, method))).toEqual({ number: a, method });
        const rack = { rseq: a + 1, cseq: b, method };
        expect(parseRAck(formatRAck(rack))).toEqual(rack);
      }),
    );
  });

  it.each([
    '',
    '1',
    '1 2',
    '0 1 INVITE',
    '1  INVITE',
    '4294967296 1 INVITE',
    '1 2147483648 INVITE',
    'x 1 INVITE',
    '1x 1 INVITE',
  ])('RFC 3262 7.2 refuses RAck %j', (value) => {
    expect(parseRAck(value)).toBeInstanceOf(ParseFailure);
  });

  it('RFC 3262 7.1 refuses an RSeq of 0', () => {
    expect(parseRSeq('1')).toBe(1);
    expect(parseRSeq('0')).toBeInstanceOf(ParseFailure);
    expect(parseRSeq('4294967296')).toBeInstanceOf(ParseFailure);
  });
});

describe('tokens and quoted strings', () => {
  it('knows tokens', () => {
    expect(isToken("aZ0-.!%*_+`'~")).toBe(true);
    for (const text of ['', ' a', 'a b', 'a:b', '"a"', 'a\0', '\xe4', 'a/b', '\u0100'])
      expect(isToken(text)).toBe(false);
  });

  it('X-S7 quotes any text so that it is safe, and takes printable text back unchanged', () => {
    fc.assert(
      fc.property(latin1, (text) => {
        const made = quote(text);
        expect(isSafeHeaderValue(made)).toBe(true);
        expect(isQuoted(made)).toBe(true);
        expect(unquote(made)).toHaveLength(text.length);
        expect(unquote(tokenOrQuoted(text))).toHaveLength(text.length);
      }),
    );
    fc.assert(
      fc.property(printable, (text) => {
        expect(unquote(quote(text))).toBe(text);
      }),
    );
    expect(quote('a"\\\r\nb')).toBe('"a\\"\\\\  b"');
    expect(tokenOrQuoted('a.b')).toBe('a.b');
  });

  it('leaves what is no quoted string alone', () => {
    for (const text of ['', 'a', '"', '"a', 'a"', '"a"b', '"a\\"']) expect(unquote(text)).toBe(text);
    expect(unquote('""')).toBe('');
    expect(unquote('"\\"\\a\\\\"')).toBe('"a\\');
  });

  it('X-S7 finds unsafe header values', () => {
    for (const text of ['', 'a b\t\xff%0d%0a']) expect(isSafeHeaderValue(text)).toBe(true);
    for (const text of ['a\rb', 'a\nb', 'a\0', '\u010d']) expect(isSafeHeaderValue(text)).toBe(false);
  });
});

describe('option tags', () => {
  it('C-22 reads several fields, empty ones too', () => {
    expect(parseOptionTags(['100rel, timer,', '', ' ,path'])).toEqual(['100rel', 'timer', 'path']);
    expect(parseOptionTags(['nothing-SupportsThis __proto__'])).toEqual(['nothing-SupportsThis __proto__']);
    expect(hasTag(['a, B'], 'b')).toBe(true);
    expect(hasTag([''], 'b')).toBe(false);
  });

  it('takes tags out and puts them in', () => {
    expect(withoutTag('sec-agree', 'SEC-AGREE')).toBe('');
    expect(withoutTag('path,sec-agree ,gruu', 'sec-agree')).toBe('path, gruu');
    expect(withoutTag('path,gruu', 'sec-agree')).toBe('path,gruu');
    expect(withTag('', 'path')).toBe('path');
    expect(withTag('gruu', 'path')).toBe('gruu, path');
    expect(withTag('Path', 'path')).toBe('Path');
  });

  it('X-S16 reads 100 at most', () => {
    expect(parseOptionTags(['a,'.repeat(5000), 'b'])).toHaveLength(100);
  });
});

describe('Session-Expires and Min-SE', () => {
  it.each([
    ['1800', 1800, ''],
    ['90;refresher=uac', 90, 'uac'],
    [' 90 ; Refresher = UAS ;x', 90, 'uas'],
    ['90;refresher=proxy', 90, ''],
    ['99999999999', 4294967295, ''],
  ])('RFC 4028 4 reads %j', (value, seconds, refresher) => {
    expect(parseSessionExpires(value)).toEqual({ seconds, refresher });
  });

  it.each(['', ';refresher=uac', 'x', '90 refresher=uac', '90;', '-90', '1e3'])('RFC 4028 4 refuses %j', (value) => {
    expect(parseSessionExpires(value)).toBeInstanceOf(ParseFailure);
    expect(parseMinSe(value)).toBeInstanceOf(ParseFailure);
  });

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom('uac' as const, 'uas' as const, '' as const), (seconds, refresher) => {
        expect(parseSessionExpires(formatSessionExpires({ seconds, refresher }))).toEqual({ seconds, refresher });
        expect(parseMinSe(formatMinSe(seconds))).toBe(seconds);
      }),
    );
    expect(parseMinSe('90;x=y')).toBe(90);
  });
});

describe('Retry-After', () => {
  it.each([
    ['120', 120, -1],
    ['18000;duration=3600', 18000, 3600],
    ['120 (I am (deep) in a \\) meeting) ;duration=5', 120, 5],
    ['99999999999', 4294967295, -1],
  ])('RFC 3261 20.33 reads %j', (value, seconds, duration) => {
    expect(parseRetryAfter(value)).toEqual({ seconds, duration });
  });

  it.each(['', 'x', '1 (a', '1 a', '1;duration=x', `1 ${'('.repeat(1000)}`])('X-S11 refuses %j', (value) => {
    expect(parseRetryAfter(value)).toBeInstanceOf(ParseFailure);
  });

  it('reads what it wrote', () => {
    expect(parseRetryAfter(formatRetryAfter(30))).toEqual({ seconds: 30, duration: -1 });
  });
});

describe('Event and Subscription-State', () => {
  it('RFC 6665 8.2 reads them', () => {
    expect(parseEvent('reg')).toMatchObject({ package: 'reg', id: '' });
    expect(parseEvent(' presence.winfo ; id=7;x')).toMatchObject({ package: 'presence.winfo', id: '7' });
    expect(parseSubscriptionState('Active;Expires=99')).toEqual({
      state: 'active',
      reason: '',
      expires: 99,
      retryAfter: -1,
    });
    expect(parseSubscriptionState('terminated;reason=rejected;retry-after=9')).toEqual({
      state: 'terminated',
      reason: 'rejected',
      expires: -1,
      retryAfter: 9,
    });
  });

  it.each(['', ';id=1', 'reg;', 'reg id=1', 'r@g', 'active;expires=x\0'])('X-S11 refuses %j', (value) => {
    expect(parseEvent(value)).toBeInstanceOf(ParseFailure);
    expect(parseSubscriptionState(value)).toBeInstanceOf(ParseFailure);
  });

  it('X-S9 refuses an expires that is no number', () => {
    expect(parseSubscriptionState('active;expires=x')).toBeInstanceOf(ParseFailure);
    expect(parseSubscriptionState('active;retry-after')).toBeInstanceOf(ParseFailure);
    expect(parseSubscriptionState('active;expires=99999999999')).toMatchObject({ expires: 4294967295 });
  });

  it('reads what it wrote', () => {
    const event = parseEvent('reg;id=7');
    if (event instanceof ParseFailure) throw new Error(event.reason);
    expect(formatEvent(event)).toBe('reg;id=7');
    const seconds = fc.integer({ min: -1, max: 0x7fff_ffff });
    fc.assert(
      fc.property(
        fc.constantFrom('active', 'pending', 'terminated'),
        fc.constantFrom('', 'timeout'),
        seconds,
        seconds,
        (state, reason, expires, retryAfter) => {
          const made = { state, reason, expires, retryAfter };
          expect(parseSubscriptionState(formatSubscriptionState(made))).toEqual(made);
        },
      ),
    );
  });
});

describe('Reason and Warning', () => {
  it('P-111 writes the Reason of a release', () => {
    expect(formatReason({ protocol: 'SIP', cause: 503, text: 'Service Unavailable' })).toBe(
      'SIP;cause=503;text="Service Unavailable"',
    );
    expect(parseReasons('SIP ;cause=200 ;text="Call, completed", Q.850;cause=16')).toEqual([
      { protocol: 'SIP', cause: 200, text: 'Call, completed' },
      { protocol: 'Q.850', cause: 16, text: '' },
    ]);
  });

  it.each(['SIP;cause=x', ';cause=1', 'SIP;cause', 'SIP;text="x', 'SIP,'])('X-S11 refuses Reason %j', (value) => {
    expect(parseReasons(value)).toBeInstanceOf(ParseFailure);
  });

  it('C-27 writes a Warning that no text can break', () => {
    expect(formatWarning('scscf.ims.test', 'a "b" \\\r\nVia: x')).toBe('399 scscf.ims.test "a \\"b\\" \\\\  Via: x"');
    expect(parseWarnings('301 isi.edu "a, \\"b\\"", 399 [::1]:5060  "c"')).toEqual([
      { code: 301, agent: 'isi.edu', text: 'a, "b"' },
      { code: 399, agent: '[::1]:5060', text: 'c' },
    ]);
  });

  it.each([
    '399',
    '399 ',
    '399 a',
    '399 "x"',
    '39 a "x"',
    '3999 a "x"',
    '099 a "x"',
    '399 a "x',
    '399 a "x" y',
    '399 a x',
    'x99 a "x"',
  ])('X-S11 refuses Warning %j', (value) => {
    expect(parseWarnings(value)).toBeInstanceOf(ParseFailure);
  });

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1, max: 999 }), printable, (cause, text) => {
        const reason: Reason = { protocol: 'SIP', cause, text };
        expect(parseReasons(formatReason(reason))).toEqual([reason]);
        expect(parseWarnings(formatWarning('h.test:5060', text))).toEqual([{ code: 399, agent: 'h.test:5060', text }]);
      }),
    );
  });
});
