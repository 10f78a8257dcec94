import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { formatHost, isIpAddress, parseHostPort } from '#sip/uri/host-port';

describe('host and port', () => {
  it.each([
    ['example.com', 'example.com', 0],
    ['Example.COM:5060', 'example.com', 5060],
    ['localhost', 'localhost', 0],
    ['example.com.', 'example.com.', 0],
    ['scscf_1.ims-core.test:6060', 'scscf_1.ims-core.test', 6060],
    ['3gppnetwork.org', '3gppnetwork.org', 0],
    ['1.2.3.4.example', '1.2.3.4.example', 0],
    ['192.0.2.1:65535', '192.0.2.1', 65535],
    ['[2001:DB8::10]', '2001:db8::10', 0],
    ['[2001:db8::10]:5070', '2001:db8::10', 5070],
    ['[2001:db8::10:5070]', '2001:db8::10:5070', 0],
    ['[::ffff:192.0.2.2]:5060', '::ffff:192.0.2.2', 5060],
    ['[2001:db8:::192.0.2.1]', '2001:db8::192.0.2.1', 0],
    ['[:::192.0.2.1]', '::192.0.2.1', 0],
    ['[::]', '::', 0],
    ['[1:2:3:4:5:6:7:8]', '1:2:3:4:5:6:7:8', 0],
    ['[1::3:4:5:6:7:8]', '1::3:4:5:6:7:8', 0],
    [' example.com:05060 ', 'example.com', 5060],
  ])('C-18 reads %s', (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
  });

  it.each([
    '',
    ' ',
    '.',
    'a..b',
    '.a',
    '-a.com',
    'a-.com',
    'a.-b',
    'a b',
    'a@b',
    'a:',
    'a:0',
    'a:65536',
    'a:4294967376',
    'a:99999999999999999999',
    'a:50x',
    'a:-1',
    'a:1:2',
    '1.2.3',
    '12345',
    '1.2.3.256',
    '1.2.3.04',
    '1.2.3.4.',
    '1.2.3.4.5',
    '1.2.3.4x:9y',
    '2001:db8::10',
    '[2001:db8::10',
    '[]',
    '[:]',
    '[1:2:3:4:5:6:7]',
    '[1:2:3:4:5:6:7:8:9]',
    '[1::2::3]',
    '[1:::2]',
    '[12345::]',
    '[::1.2.3]',
    '[::1.2.3.4:5]',
    '[fe80::1%eth0]',
    '[::1]x',
    '[192.0.2.1]',
    'exa\0mple',
    'ex\xe4mple.com',
    'example.com\r\n',
    `${'a'.repeat(256)}`,
  ])('C-24 refuses %j', (text) => {
    expect(parseHostPort(text)).toBeInstanceOf(ParseFailure);
  });

  it('agrees with the platform on addresses', () => {
    const some = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom(...'0125:::..aF'), maxLength: 24 }),
      fc
        .array(fc.constantFrom('0', '1', 'ff', 'abcd', ':', '::', '.', '1.2.3.4', '255'), { maxLength: 12 })
        .map((p) => p.join('')),
    );
    fc.assert(
      fc.property(some, (text) => {
        expect(isIpAddress(text)).toBe(isIP(text));
      }),
      { numRuns: 3000 },
    );
  });

  it('reads what it wrote', () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()).map((text) => text.toLowerCase());
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65535 }), (text, port) => {
        expect(parseHostPort(`${formatHost(text)}:${port}`)).toEqual({ host: text, port });
      }),
    );
  });
});
