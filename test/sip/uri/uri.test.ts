import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { Parameters } from '#sip/uri/parameters';
import { formatSipUri, parseSipUri, type SipUri, sipUriEquals } from '#sip/uri/sip-uri';
import { parseTelUri, type TelUri, withoutSeparators } from '#sip/uri/tel-uri';
import { formatUri, parseUri, type Uri } from '#sip/uri/uri';
import { uriEquals } from '#sip/uri/uri-equality';

function uri(text: string): Uri {
  const parsed = parseUri(text);
  if (parsed instanceof ParseFailure) throw new Error(`${text}: ${parsed.reason}`);
  return parsed;
}

const sip = (text: string): SipUri => uri(text) as SipUri;
const tel = (text: string): TelUri => uri(text) as TelUri;

describe('SIP URIs', () => {
  it('C-18 takes one apart', () => {
    expect(sip('SIPS:Alice:secret@Example.COM:5061;transport=tcp;lr?Subject=hi&Priority=urgent')).toEqual({
      kind: 'sip',
      scheme: 'sips',
      user: 'Alice',
      password: 'secret',
      host: 'example.com',
      port: 5061,
      parameters: new Parameters(';transport=tcp;lr'),
      headers: 'Subject=hi&Priority=urgent',
    });
  });

  // The user parts of RFC 4475 3.1.1 and X-I18 in words of our own.
  it.each([
    ['sip:example.com', '', 'example.com', ''],
    ['sip:alice@[2001:db8::1];lr', 'alice', '2001:db8::1', ';lr'],
    [
      "sip:9_odd.User~(not!this)&wasn't+that$/mad?,/;;*:&so+is=2,p*w$d_(it)@example.org",
      "9_odd.User~(not!this)&wasn't+that$/mad?,/;;*",
      'example.org',
      '',
    ],
    ['sip:user;par=u%40example.net@example.com', 'user;par=u%40example.net', 'example.com', ''],
    ['sip:nul-%00-nul@example.com', 'nul-%00-nul', 'example.com', ''],
    ['sip:crlf%0d%0aVia@example.com', 'crlf%0d%0aVia', 'example.com', ''],
    [
      'sip:sip%3Auser%40example.com@company.com;other-param=summit',
      'sip%3Auser%40example.com',
      'company.com',
      ';other-param=summit',
    ],
    ['sip:*21*1234#@example.com', '*21*1234#', 'example.com', ''],
    ['sip:+1234;phone-context=+49@example.com;user=phone', '+1234;phone-context=+49', 'example.com', ';user=phone'],
    ['sip:a@b.c;lr=on;x=[::1]:5060;__proto__', 'a', 'b.c', ';lr=on;x=[::1]:5060;__proto__'],
  ])('C-24 reads %s', (text, user, host, parameters) => {
    const parsed = sip(text);
    expect([parsed.user, parsed.host, parsed.parameters.raw]).toEqual([user, host, parameters]);
    expect(formatUri(parsed)).toBe(text);
  });

  it.each([
    ['sip:', 'malformed host'],
    ['sip:@example.com', 'malformed user part'],
    ['sip::pw@example.com', 'malformed user part'],
    ['sip:a b@example.com', 'malformed user part'],
    ['sip:a%4@example.com', 'malformed user part'],
    ['sip:a%4g@example.com', 'malformed user part'],
    ['sip:a%@example.com', 'malformed user part'],
    ['sip:\xe4@example.com', 'malformed user part'],
    ['sip:a"b"@example.com', 'malformed user part'],
    ['sip:a<b>@example.com', 'malformed user part'],
    ['sip:a\0@example.com', 'malformed user part'],
    ['sip:a\r\nVia: x@example.com', 'malformed user part'],
    ['sip:a:p?w@example.com', 'malformed password'],
    ['sip:a@b@c', 'unexpected character in URI'],
    ['sip:a@', 'malformed host'],
    ['sip:user@2001:db8::10', 'malformed host'],
    ['sip:user@db8::10', 'malformed port'],
    ['sip:user@[2001:db8::10', 'malformed host'],
    ['sip:a@b:', 'malformed port'],
    ['sip:a@b:0', 'malformed port'],
    ['sip:a@b:65536', 'malformed port'],
    ['sip:a@b:5060x', 'unexpected character in URI'],
    ['sip:a@b ', 'unexpected character in URI'],
    ['sip:a@b; lr', 'malformed URI parameters'],
    ['sip:a@b;', 'malformed URI parameters'],
    ['sip:a@b;;lr', 'malformed URI parameters'],
    ['sip:a@b;lr=', 'malformed URI parameters'],
    ['sip:a@b;a=b=c', 'unexpected character in URI'],
    ['sip:a@b;x=%zz', 'malformed URI parameters'],
    ['sip:a@b;x="y"', 'malformed URI parameters'],
    ['sip:a@b?', 'malformed URI headers'],
    ['sip:a@b?x=y z', 'malformed URI headers'],
    ['sip:a@b>', 'unexpected character in URI'],
    ['<sip:a@b>', 'URI without scheme'],
    [' sip:a@b', 'URI without scheme'],
    ['', 'URI without scheme'],
    ['alice', 'URI without scheme'],
    [':x', 'URI without scheme'],
    ['s ip:x', 'malformed URI scheme'],
    ['urn:', 'unexpected character in URI'],
    ['urn:a b', 'unexpected character in URI'],
    ['urn:a%4', 'unexpected character in URI'],
    ['urn:a\x7f', 'unexpected character in URI'],
    [`sip:${'a'.repeat(4096)}@b`, 'URI too long'],
    [`urn:${'a'.repeat(4096)}`, 'URI too long'],
    [`tel:${'1'.repeat(4096)}`, 'URI too long'],
    [`sip:a@b${';x'.repeat(101)}`, 'malformed URI parameters'],
  ])('X-S12 refuses %j', (text, reason) => {
    expect(parseUri(text)).toMatchObject({ reason });
  });

  it('reads what it wrote', () => {
    const escaped = fc.constantFrom('%00', '%0d', '%41', '%fF');
    const text = (characters: string) =>
      fc
        .array(fc.oneof(fc.constantFrom(...characters), escaped), { minLength: 1, maxLength: 12 })
        .map((p) => p.join(''));
    const word = text("aZ09-_.!~*'()[]/:&+$");
    const parameters = fc.uniqueArray(fc.tuple(word, fc.oneof(fc.constant(''), word)), {
      maxLength: 5,
      selector: ([n]) => n.toLowerCase(),
    });
    const user = fc.tuple(text("aZ09-_.!~*'()&=+$,;?/#"), fc.oneof(fc.constant(''), text("aZ09-_.!~*'()&=+$,")));
    fc.assert(
      fc.property(
        fc.record({
          kind: fc.constant('sip' as const),
          scheme: fc.constantFrom('sip' as const, 'sips' as const),
          user: fc.oneof(fc.constant(['', ''] as [string, string]), user),
          host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()).map((h) => h.toLowerCase()),
          port: fc.integer({ min: 0, max: 65535 }),
          parameters,
          headers: fc.oneof(fc.constant(''), text('aZ09?:[]/+$=&-')),
        }),
        (made) => {
          const raw = made.parameters.map(([n, v]) => (v === '' ? `;${n}` : `;${n}=${v}`)).join('');
          const [name, password] = made.user;
          const value: SipUri = { ...made, user: name, password, parameters: new Parameters(raw) };
          const again = parseSipUri(formatSipUri(value));
          expect(again).toEqual(value);
          expect(sipUriEquals(again as SipUri, value)).toBe(true);
        },
      ),
    );
  });

  it('X-S13 takes any text without throwing', () => {
    const unit = fc.constantFrom(...'sip:tel@;=?%4a[]:.5 "<>\\\r\n\0\xff,+');
    fc.assert(
      fc.property(
        fc.string({ unit, maxLength: 50 }),
        fc.constantFrom('', 'sip:', 'sip:a@', 'tel:', 'tel:+1', 'urn:'),
        (tail, head) => {
          const parsed = parseUri(head + tail);
          if (parsed instanceof ParseFailure) return;
          const again = parseUri(formatUri(parsed));
          expect(again).not.toBeInstanceOf(ParseFailure);
          expect(uriEquals(parsed, again as Uri)).toBe(true);
        },
      ),
      { numRuns: 5000 },
    );
  });
});

describe('tel URIs', () => {
  it.each([
    ['tel:+1-201-555-0123', '+1-201-555-0123', ''],
    ['TEL:7042;phone-context=example.com', '7042', ';phone-context=example.com'],
    ['tel:863-1234;phone-context=+1-914-555', '863-1234', ';phone-context=+1-914-555'],
    ['tel:*#06#', '*#06#', ''],
    ['tel:112', '112', ''],
    ['tel:+49(30)1.2;isub=12;ext=3;npdi;rn=+4930', '+49(30)1.2', ';isub=12;ext=3;npdi;rn=+4930'],
  ])('C-18 reads %s', (text, number, parameters) => {
    const parsed = tel(text);
    expect([parsed.kind, parsed.number, parsed.parameters.raw]).toEqual(['tel', number, parameters]);
    expect(formatUri(parsed)).toBe(`tel:${text.slice(4)}`);
  });

  it.each([
    'tel:',
    'tel:+',
    'tel:-',
    'tel:+()',
    'tel:+12a',
    'tel:+12*',
    'tel:+1 2',
    'tel:xyz',
    'tel:12?x',
    'tel:1;',
    'tel:1;x="',
    'tel:1;x=y,z',
    'tel:++1',
    'tel:1\r\n',
  ])('X-I18 refuses %j', (text) => {
    expect(parseUri(text)).toBeInstanceOf(ParseFailure);
  });

  it.each([
    ['tel:7042;phone-context=+1914', 'tel:7042;phone-context=-+1914'],
    ['tel:1;x=1;x=1', 'tel:1;x=1;y=2'],
    ['sip:a@b;p=1;p=2', 'sip:a@b;p=1;P=3'],
    ['sip:a@b;p=2;p=1', 'sip:a@b;p=1'],
  ])('C-22 equality of %s and %s has no direction', (left, right) => {
    const [a, b] = [parseUri(left), parseUri(right)];
    if (a instanceof ParseFailure || b instanceof ParseFailure) throw new Error('no URI');
    expect(uriEquals(a, b)).toBe(uriEquals(b, a));
  });

  it('takes visual separators out', () => {
    expect(withoutSeparators('+1-(201).555')).toBe('+1201555');
    expect(withoutSeparators('+1201555')).toBe('+1201555');
    expect(withoutSeparators('-')).toBe('');
    expect(parseTelUri('sip:1')).toBeInstanceOf(ParseFailure);
  });
});

describe('URIs of other schemes', () => {
  it('C-18 keeps them as scheme and text', () => {
    expect(uri('URN:service:sos.fire')).toEqual({ kind: 'other', scheme: 'urn', opaque: 'service:sos.fire' });
    expect(uri('soap.beep://192.0.2.103:3002')).toMatchObject({ kind: 'other', scheme: 'soap.beep' });
    expect(uri('noSuchScheme:opaque')).toMatchObject({ kind: 'other', scheme: 'nosuchscheme' });
    expect(uri('sipx:a')).toMatchObject({ kind: 'other', scheme: 'sipx' });
    expect(uri('sip+x:a%20b')).toMatchObject({ kind: 'other', scheme: 'sip+x', opaque: 'a%20b' });
  });
});
