import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { parseUri, type Uri } from '#sip/uri/uri';
import { uriEquals, uriTextEquals } from '#sip/uri/uri-equality';

function uri(text: string): Uri {
  const parsed = parseUri(text);
  if (parsed instanceof ParseFailure) throw new Error(`${text}: ${parsed.reason}`);
  return parsed;
}

/** Compared both ways: equivalence is symmetric. */
function equal(a: string, b: string): boolean {
  const result = uriEquals(uri(a), uri(b));
  expect(uriEquals(uri(b), uri(a))).toBe(result);
  return result;
}

describe('equivalence of SIP URIs', () => {
  it.each([
    [
      'escapes of characters that need none',
      'sip:%61lice@example.com;transport=TCP',
      'sip:alice@Example.COM;Transport=tcp',
    ],
    ['a parameter that only one has', 'sip:carol@example.com', 'sip:carol@example.com;newparam=5'],
    ['parameters that only one each has', 'sip:carol@example.com;security=on', 'sip:carol@example.com;newparam=5'],
    ['lr, which only one has', 'sip:example.com;lr', 'sip:example.com'],
    [
      'the order of parameters',
      'sip:example.com;transport=tcp;method=REGISTER?to=sip:bob%40example.com',
      'sip:example.com;method=REGISTER;transport=tcp?to=sip:bob%40example.com',
    ],
    [
      'the order of headers',
      'sip:alice@example.com?subject=project%20x&priority=urgent',
      'sip:alice@example.com?priority=urgent&subject=project%20x',
    ],
    [
      'the case of scheme, host, parameters and header names',
      'SIP:a@HOST;X=Y;ttl=1?Subject=z',
      'sip:a@host;x=y;TTL=1?subject=z',
    ],
    ['escapes in header values', 'sip:b.com?to=a%62c&x=1', 'sip:b.com?X=1&to=abc'],
    ['the case of escapes', 'sip:a%2fb@example.com', 'sip:a%2Fb@example.com'],
    ['ways to write an IPv6 address', 'sip:[2001:db8::1]:5060', 'sip:[2001:0DB8:0:0::0:1]:5060'],
    ['IPv6 with IPv4 at its end', 'sip:[::ffff:192.0.2.1]', 'sip:[::FFFF:c000:201]'],
    ['all of sips', 'sips:%61@example.com;x=1', 'sips:a@example.com'],
  ])('C-18 RFC 3261 19.1.4 passes over %s', (_, a, b) => {
    expect(equal(a, b)).toBe(true);
  });

  it.each([
    ['users', 'SIP:ALICE@Example.COM;Transport=udp', 'sip:alice@Example.COM;Transport=UDP'],
    ['a port that only one has', 'sip:bob@example.com', 'sip:bob@example.com:5060'],
    ['ports', 'sip:bob@example.com:5060', 'sip:bob@example.com:5061'],
    ['a transport that only one has', 'sip:bob@example.com', 'sip:bob@example.com;transport=udp'],
    ['port and transport', 'sip:bob@example.com', 'sip:bob@example.com:6000;transport=tcp'],
    ['a header that only one has', 'sip:carol@example.com', 'sip:carol@example.com?Subject=next%20meeting'],
    ['header values', 'sip:carol@example.com?a=1', 'sip:carol@example.com?a=2'],
    ['the second of two headers of a name', 'sip:a@b?x=1&x=1', 'sip:a@b?x=1&x=2'],
    ['name and address of a host', 'sip:bob@phone21.example.com', 'sip:bob@192.0.2.4'],
    ['a user that only one has', 'sip:bob@example.com', 'sip:example.com'],
    ['passwords', 'sip:bob:x@example.com', 'sip:bob:X@example.com'],
    ['a password that only one has', 'sip:bob:x@example.com', 'sip:bob@example.com'],
    ['user', 'sip:bob@example.com', 'sip:bob@example.com;user=ip'],
    ['ttl', 'sip:bob@example.com', 'sip:bob@example.com;ttl=1'],
    ['method', 'sip:bob@example.com', 'sip:bob@example.com;method=INVITE'],
    ['maddr', 'sip:bob@example.com', 'sip:bob@example.com;maddr=192.0.2.1'],
    ['a parameter that both have', 'sip:carol@example.com;security=on', 'sip:carol@example.com;security=off'],
    ['sip and sips', 'sip:bob@example.com', 'sips:bob@example.com'],
    ['an escaped reserved character', 'sip:a%2Fb@example.com', 'sip:a/b@example.com'],
    ['IPv6 addresses', 'sip:[2001:db8::1]', 'sip:[2001:db8::1:0]'],
  ])('C-18 RFC 3261 19.1.4 tells %s apart', (_, a, b) => {
    expect(equal(a, b)).toBe(false);
  });

  it('RFC 3261 19.1.4 is not transitive', () => {
    const [plain, on, off] = ['', ';security=on', ';security=off'].map((tail) => `sip:carol@example.com${tail}`);
    expect([equal(plain!, on!), equal(plain!, off!), equal(on!, off!)]).toEqual([true, true, false]);
  });
});

describe('equivalence of tel URIs', () => {
  it.each([
    ['tel:+1-201-555-0123', 'TEL:+1(201)555.0123', true],
    ['tel:+12015550123', 'tel:12015550123', false],
    ['tel:7042;phone-context=example.com', 'tel:70-42;Phone-Context=EXAMPLE.com', true],
    ['tel:7042;phone-context=example.com', 'tel:7042;phone-context=example.org', false],
    ['tel:7042;phone-context=+1-914', 'tel:7042;phone-context=+1914', true],
    ['tel:7042;phone-context=+1-914', 'tel:7042;phone-context=+1915', false],
    ['tel:7042', 'tel:7042;phone-context=example.com', false],
    ['tel:+1;ext=1-2;isub=4', 'tel:+1;ISUB=4;ext=12', true],
    ['tel:+1;isub=1-2', 'tel:+1;isub=12', false],
    ['tel:+1;npdi;rn=+1555', 'tel:+1;rn=+1555;npdi', true],
    ['tel:+1;npdi', 'tel:+1', false],
    ['tel:*21#;phone-context=a.b', 'tel:*21#;phone-context=a.b', true],
    ['tel:a1b2;phone-context=a.b', 'tel:A1B2;phone-context=a.b', true],
  ])('C-18 RFC 3966 4 %s and %s: %s', (a, b, same) => {
    expect(equal(a, b)).toBe(same);
  });
});

describe('equivalence of URNs', () => {
  it.each([
    ['urn:example:a123,z456', 'URN:EXAMPLE:a123,z456', true],
    ['urn:example:a123,z456', 'urn:example:a123,z456?+abc', true],
    ['urn:example:a123,z456?=xyz', 'urn:example:a123,z456#789', true],
    ['urn:example:a123%2Cz456', 'URN:EXAMPLE:a123%2cz456', true],
    ['urn:example:a123,z456', 'urn:example:A123,z456', false],
    ['urn:example:a123,z456', 'urn:example:a123%2Cz456', false],
    ['urn:example:a123,z456', 'urn:example:a123,z456/foo', false],
    ['urn:example:%2c%2cA', 'urn:example:%2C%2Ca', false],
    ['urn:example:a', 'urn:exampla:a', false],
    ['urn:service:SOS.Fire', 'urn:Service:sos.fire', true],
    ['urn:service:sos', 'urn:service:sos.fire', false],
    ['urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6', 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6', true],
    ['urn:gsma:imei:35622410-483840-0', 'URN:GSMA:IMEI:35622410-483840-0', true],
    ['urn:gsma:imei:35622410-483840-0', 'urn:gsma:imei:35622410-483841-0', false],
    ['urn:x', 'URN:x', true],
    ['urn:x', 'urn:X', false],
  ])('C-18 RFC 8141 3 %s and %s: %s', (a, b, same) => {
    expect(equal(a, b)).toBe(same);
  });
});

describe('equivalence across schemes', () => {
  it.each([
    ['sip:+1@example.com;user=phone', 'tel:+1'],
    ['sip:a@b', 'urn:a:b'],
    ['tel:+1', 'urn:a:1'],
    ['http://a/B', 'http://a/b'],
  ])('C-18 %s and %s differ', (a, b) => {
    expect(equal(a, b)).toBe(false);
    expect(equal(a, a)).toBe(true);
  });
});

describe('URIs that may be unreadable', () => {
  it.each([
    ['sip:%61lice@example.com', 'sip:alice@Example.COM', true],
    ['sip:alice@example.com', 'sip:Alice@example.com', false],
    ['nonsense', 'nonsense', true],
    ['nonsense', 'Nonsense', false],
    ['nonsense', 'sip:alice@example.com', false],
  ])('C-18 %s and %s: %s', (a, b, same) => {
    expect(uriTextEquals(a, b)).toBe(same);
    expect(uriTextEquals(b, a)).toBe(same);
  });
});
