import { describe, expect, it } from 'vitest';
import { encodeAddress, readAddress, readPort } from '#sip/transport/native-address';

function roundTrip(address: string, version: 4 | 6): string | null {
  const encoded = encodeAddress(address, version);
  return encoded === null ? null : readAddress(Buffer.from(encoded), 0);
}

describe('native socket addresses', () => {
  it.each(['0.0.0.0', '127.0.0.1', '255.255.255.255', '10.1.20.255'])('carries %s', (address) => {
    expect(roundTrip(address, 4)).toBe(address);
    expect(roundTrip(address, 6)).toBeNull();
  });

  it.each([
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['0001:0020:0300:4000:5:6:7:8', '1:20:300:4000:5:6:7:8'],
    ['fe80::1%3', 'fe80::1%3'],
    ['2001:db8::1%3', '2001:db8::1'],
  ])('RFC 5952 writes %s as %s', (address, canonical) => {
    expect(roundTrip(address, 6)).toBe(canonical);
    expect(roundTrip(address, 4)).toBeNull();
  });

  it.each([
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    'g::',
    '12345::',
    '::1.2.3',
    'fe80::1%x',
    '1.2.3.4.5',
    '1.2.3.',
    '1.2.3.256',
    '1e1.0.0.1',
    ' 1.2.3.4',
  ])('takes %j for no address', (address) => {
    expect(encodeAddress(address, 4)).toBeNull();
    expect(encodeAddress(address, 6)).toBeNull();
  });

  it('agrees with the URL parser on random IPv6 addresses, also when caches are full', () => {
    for (let i = 0; i < 10_000; i++) {
      const groups = Array.from({ length: 8 }, () => (Math.random() < 0.4 ? 0 : Math.floor(Math.random() * 65_536)));
      groups[0] = 0x2001;
      const address = groups.map((group) => group.toString(16)).join(':');
      expect(roundTrip(address, 6)).toBe(new URL(`http://[${address}]/`).hostname.slice(1, -1));
    }
  });

  it('reads ports in network order', () => {
    expect(readPort(Buffer.from([2, 0, 0x13, 0xc4]), 0)).toBe(5060);
  });
});
