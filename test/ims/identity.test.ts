import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { impiFrom, impuOf, lookupIdentityOf } from '#ims/identity';
import { ParseFailure } from '#sip/errors';

describe('public identities', () => {
  it.each([
    ['sip:alice@ims.test', 'sip:alice@ims.test'],
    ['SIP:Alice@IMS.Test:5060;transport=tcp;gr=x?Subject=y', 'sip:Alice@ims.test'],
    ['sips:alice@ims.test', 'sips:alice@ims.test'],
    ['sip:alice:secret@ims.test', 'sip:alice@ims.test'],
    ['sip:ims.test;lr', 'sip:ims.test'],
    ['sip:a@[2001:DB8::1]:5070', 'sip:a@[2001:db8::1]'],
    ['sip:%61lice%20x%c3%a9@ims.test', 'sip:alice%20x%C3%A9@ims.test'],
    ['sip:+15550001@ims.test;user=phone', 'sip:+15550001@ims.test'],
    ['tel:+1-555-(000).001', 'tel:+1555000001'],
    ['TEL:+1555;ext=3;isub=1', 'tel:+1555'],
    ['tel:7042;phone-context=Example.COM', 'tel:7042;phone-context=example.com'],
    ['tel:70-42;ext=1;phone-context=+1-914', 'tel:7042;phone-context=+1914'],
    ['tel:7042', 'tel:7042'],
  ])('I-10 reduces %s', (uri, impu) => {
    expect(impuOf(uri)).toBe(impu);
    expect(impuOf(impu)).toBe(impu);
  });

  it.each([
    '',
    'alice',
    'sip:',
    'sip:a@',
    'tel:',
    'tel:+',
    'urn:service:sos',
    'http://x',
    'sip:a b@c',
    'sip:a@b\0',
    '<sip:a@b>',
    'sip:%6@b',
    'x'.repeat(5000),
  ])('X-S12 makes no identity of %j', (uri) => {
    expect(impuOf(uri)).toBeInstanceOf(ParseFailure);
    expect(lookupIdentityOf(uri)).toBeInstanceOf(ParseFailure);
  });

  it.each([
    ['sip:+1-555-0001@ims.test;user=phone', 'tel:+15550001'],
    ['sip:+15550001;npdi@ims.test;user=PHONE', 'tel:+15550001'],
    ['sip:+15550001@ims.test', 'sip:+15550001@ims.test'],
    ['sip:5550001@ims.test;user=phone', 'sip:5550001@ims.test'],
    ['sip:+1555x@ims.test;user=phone', 'sip:+1555x@ims.test'],
    ['sip:+@ims.test;user=phone', 'sip:+@ims.test'],
    ['sips:alice@ims.test;gr=urn:uuid:1', 'sip:alice@ims.test'],
    ['pres:alice@IMS.test', 'sip:alice@ims.test'],
    ['im:alice@ims.test', 'sip:alice@ims.test'],
    ['tel:+1-555', 'tel:+1555'],
  ])('I-21 looks %s up as %s', (uri, impu) => {
    expect(lookupIdentityOf(uri)).toBe(impu);
  });

  it('I-10 takes the private identity from the username, or from the public identity', () => {
    expect(impiFrom('user@ims.test', 'sip:alice@ims.test')).toBe('user@ims.test');
    expect(impiFrom(null, 'sip:alice@ims.test')).toBe('alice@ims.test');
    expect(impiFrom('', 'tel:+1555')).toBe('+1555');
    for (const username of ['a b', 'a\tb', 'a\0', 'x'.repeat(256)]) {
      expect(impiFrom(username, 'sip:a@b')).toBeInstanceOf(ParseFailure);
    }
    expect(impiFrom(null, 'sip:')).toBeInstanceOf(ParseFailure);
  });

  it('X-S12 never throws, and what it gives is stable', () => {
    const piece = fc.constantFrom(
      'sip:',
      'tel:',
      '@',
      ':',
      ';',
      '%',
      '%41',
      '+',
      '-',
      '1',
      'a',
      'A',
      '.',
      '[',
      ']',
      '?',
      '=',
      'user=phone',
      ' ',
      '\0',
      '\u00ff',
    );
    fc.assert(
      fc.property(
        fc.constantFrom('sip:', 'sips:', 'tel:', 'pres:', ''),
        fc.array(piece, { maxLength: 15 }),
        (scheme, pieces) => {
          const uri = scheme + pieces.join('');
          for (const key of [impuOf(uri), lookupIdentityOf(uri)]) {
            if (typeof key === 'string') expect(impuOf(key)).toBe(key);
          }
        },
      ),
      { numRuns: 5000 },
    );
  });
});
