import { describe, expect, it } from 'vitest';
import { CidrTable, parseCidr } from '#service/cidr';
import { formatEndpoint, isDomain, isWildcard, parseAdvertise, parseEndpoint } from '#service/config/address';
import { editDistance, nearest } from '#service/config/suggestion';

describe('addresses of the configuration', () => {
  it.each(['udp:127.0.0.1:5060', 'tcp:[::1]:5060', 'tls:[2001:db8::1]:65535'])('reads and writes %s', (text) => {
    const endpoint = parseEndpoint(text);
    expect('fault' in endpoint ? endpoint.fault : formatEndpoint(endpoint)).toBe(text);
  });

  it.each([
    '',
    'udp',
    'udp:',
    'udp:127.0.0.1',
    'udp:127.0.0.1:0',
    'udp:127.0.0.1:65536',
    'udp:127.0.0.1:5O60',
    'udp:::1:5060',
    'sctp:127.0.0.1:5060',
    'udp:host:5060',
    'UDP:127.0.0.1:5060',
    'udp:127.0.0.1:5060 ',
  ])('refuses %j', (text) => {
    expect(parseEndpoint(text)).toMatchObject({
      fault: expect.any(String),
      suggestion: expect.stringContaining('transport:address:port'),
    });
  });

  it('knows wildcards in every spelling', () => {
    expect(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '::0'].map(isWildcard)).toEqual([true, true, true, true]);
    expect(['127.0.0.1', '::1', '::ffff:1.2.3.4'].map(isWildcard)).toEqual([false, false, false]);
  });

  it('reads advertised hosts with and without port', () => {
    expect(parseAdvertise('edge.test')).toEqual({ host: 'edge.test', port: undefined });
    expect(parseAdvertise('[2001:db8::1]:5099')).toEqual({ host: '2001:db8::1', port: 5099 });
    expect(parseAdvertise('2001:db8::1')).toEqual({ host: '2001:db8::1', port: undefined });
    expect(parseAdvertise('0.0.0.0:5060')).toHaveProperty('fault');
    expect(isDomain(`${'a'.repeat(64)}.test`)).toBe(false);
  });
});

describe('networks', () => {
  it('P-01 finds the longest prefix that holds an address', () => {
    const table = new CidrTable([
      ['0.0.0.0/0', 'all'],
      ['10.0.0.0/8', 'lab'],
      ['10.1.2.3', 'one'],
      ['fd00::/8', 'six'],
      ['2001:db8::/32', 'doc'],
    ]);
    const asked = [
      '10.1.2.3',
      '10.1.2.4',
      '192.0.2.1',
      'fd12::1',
      '2001:db8:ffff::1',
      '2001:db9::1',
      '::ffff:10.9.9.9',
      'no address',
    ];
    expect(asked.map((address) => table.find(address))).toEqual([
      'one',
      'lab',
      'all',
      'six',
      'doc',
      undefined,
      'lab',
      undefined,
    ]);
    expect(asked.map((address) => table.find(address))).toEqual([
      'one',
      'lab',
      'all',
      'six',
      'doc',
      undefined,
      'lab',
      undefined,
    ]);
  });

  it('keeps its answers right under a flood of sources', () => {
    const table = new CidrTable([['10.0.0.0/9', true]]);
    let inside = 0;
    for (let i = 0; i < 20_000; i++) if (table.find(`10.${i % 256}.${(i >> 8) % 256}.1`)) inside++;
    expect(inside).toBe(Array.from({ length: 20_000 }, (_, i) => i % 256 < 128).filter(Boolean).length);
  });

  it.each([
    ['10.0.0.1/8', '10.0.0.0/8'],
    ['2001:db8::1/32', '2001:db8::/32'],
  ])('says what %s was meant to be', (text, meant) => {
    expect(parseCidr(text)).toMatchObject({ suggestion: expect.stringContaining(`write ${meant},`) });
  });

  it.each(['10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/33', '::/129', '10.0.0/8', 'fe80::1%eth0/64', '/8', '1.2.3.4/8/8'])(
    'refuses %s',
    (text) => {
      expect(parseCidr(text)).toHaveProperty('fault');
    },
  );
});

describe('suggestions', () => {
  it('counts inserts, deletes, replacements and swaps', () => {
    expect([
      editDistance('', 'abc'),
      editDistance('lsiteners', 'listeners'),
      editDistance('kitten', 'sitting'),
      editDistance('WORKERS', 'workers'),
    ]).toEqual([3, 1, 3, 0]);
  });

  it('suggests what is near or begins alike, and nothing else', () => {
    const keys = ['listeners', 'workers', 'homeDomain', 'log', 'sarOnReRegistration'];
    expect(
      ['listners', 'homedomain', 'wrokers', 'sarOnReReg', 'xyz', 'x'.repeat(100)].map((word) => nearest(word, keys)),
    ).toEqual(['listeners', 'homeDomain', 'workers', 'sarOnReRegistration', undefined, undefined]);
  });
});
