import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { formatVia, parseVia, type Via, withReceived } from '#sip/header/via';
import { formatHost } from '#sip/uri/host-port';
import { Parameters } from '#sip/uri/parameters';

function via(value: string): Via {
  const parsed = parseVia(value);
  if (parsed instanceof ParseFailure) throw new Error(`${value}: ${parsed.reason}`);
  return parsed;
}

describe('Via', () => {
  it('takes one apart', () => {
    const value =
      'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport=5070;received=192.0.2.9;maddr=Example.COM;ttl=1;x="a;b"';
    expect(via(value)).toEqual({
      transport: 'UDP',
      host: '192.0.2.1',
      port: 5060,
      parameters: new Parameters(value.slice(value.indexOf(';'))),
      branch: 'z9hG4bK1',
      received: '192.0.2.9',
      rport: 5070,
      maddr: 'example.com',
      raw: value,
    });
  });

  // Shapes of RFC 4475 3.1.1 and RFC 5118 in words of our own.
  it.each([
    ['SIP  / 2.0 \t /UDP   192.0.2.2;branch=390skdjuw', 'UDP', '192.0.2.2', 0, '390skdjuw', ''],
    [
      'SIP / 2.0 / TCP spindle.example.com : 5061 ; branch = z9hG4bK9ikj8 ',
      'TCP',
      'spindle.example.com',
      5061,
      'z9hG4bK9ikj8',
      '',
    ],
    [
      "SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
      'TCP',
      'host1.example.com',
      0,
      "z9hG4bK-.!%66*_+`'~",
      '',
    ],
    ['sip/2.0/udp Example.COM', 'UDP', 'example.com', 0, '', ''],
    ['SIP/2.0/TLS-SCTP [2001:DB8::9:1]:5061;branch=b', 'TLS-SCTP', '2001:db8::9:1', 5061, 'b', ''],
    ['SIP/2.0/UNKNOWN t.example.com;branch=z9hG4bK', 'UNKNOWN', 't.example.com', 0, 'z9hG4bK', ''],
    [
      'SIP/2.0/UDP [2001:db8::9:1];received=[2001:DB8::9:255];branch=b',
      'UDP',
      '2001:db8::9:1',
      0,
      'b',
      '2001:db8::9:255',
    ],
    [
      'SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=b',
      'UDP',
      '2001:db8::9:1',
      0,
      'b',
      '2001:db8::9:255',
    ],
    ['SIP/2.0/UDP [::ffff:192.0.2.10]:19823', 'UDP', '::ffff:192.0.2.10', 19823, '', ''],
    ['SIP/2.0/UDP 1.2.3.4;__proto__=x;constructor', 'UDP', '1.2.3.4', 0, '', ''],
  ])('C-22 C-24 reads %s', (value, transport, host, port, branch, received) => {
    expect(via(value)).toMatchObject({ transport, host, port, branch, received, raw: value });
  });

  it('RFC 3581 tells an absent rport from an empty one and a filled one', () => {
    expect(via('SIP/2.0/UDP h').rport).toBe(-1);
    expect(via('SIP/2.0/UDP h;rport').rport).toBe(0);
    expect(via('SIP/2.0/UDP h;RPORT = 4').rport).toBe(4);
  });

  it.each([
    '',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP ',
    'SIP/2.0/UDP ;branch=x',
    'SIP/2.0/ 1.2.3.4',
    'SIP/2.0 1.2.3.4',
    'SIP/3.0/UDP 1.2.3.4',
    'SIP/2.00/UDP 1.2.3.4',
    'HTTP/2.0/UDP 1.2.3.4',
    'SIP/2.0/UDP1.2.3.4',
    'SIP/2.0/U@P 1.2.3.4',
    'SIP/2.0/UDP 192.0.2.15;;,;,,',
    'SIP/2.0/UDP 1.2.3.4;branch=',
    'SIP/2.0/UDP 1.2.3.4;branch',
    'SIP/2.0/UDP 1.2.3.4;branch=a;branch=b',
    'SIP/2.0/UDP 1.2.3.4;branch=a b',
    'SIP/2.0/UDP 1.2.3.4;branch="a',
    'SIP/2.0/UDP 1.2.3.4;received=;x',
    'SIP/2.0/UDP 1.2.3.4;received=<x>',
    'SIP/2.0/UDP 1.2.3.4;received=a:1',
    'SIP/2.0/UDP 1.2.3.4;received=1.1.1.1;received=2.2.2.2',
    'SIP/2.0/UDP 1.2.3.4;maddr',
    'SIP/2.0/UDP 1.2.3.4;maddr="x"',
    'SIP/2.0/UDP 1.2.3.4;rport=0',
    'SIP/2.0/UDP 1.2.3.4;rport=65536',
    'SIP/2.0/UDP 1.2.3.4;rport=4x',
    'SIP/2.0/UDP 1.2.3.4;rport;rport=4',
    'SIP/2.0/UDP 1.2.3.4:0',
    'SIP/2.0/UDP 1.2.3.4:',
    'SIP/2.0/UDP 1.2.3.4:65536',
    'SIP/2.0/UDP 1.2.3.4 5060',
    'SIP/2.0/UDP 2001:db8::1',
    'SIP/2.0/UDP [2001:db8::1',
    'SIP/2.0/UDP 1.2.3.4, SIP/2.0/UDP 5.6.7.8',
    'SIP/2.0/UDP 1.2.3.4\r\nX: y',
    'SIP/2.0/UDP h\0',
    `SIP/2.0/UDP h${';x'.repeat(101)}`,
  ])('X-S11 refuses %j', (value) => {
    expect(parseVia(value)).toBeInstanceOf(ParseFailure);
  });

  it.each([
    ['SIP/2.0/UDP h;rport;branch=b', '1.2.3.4', 5070, 'SIP/2.0/UDP h;rport=5070;branch=b;received=1.2.3.4'],
    ['SIP/2.0/UDP h;branch=b;rport', '1.2.3.4', 5070, 'SIP/2.0/UDP h;branch=b;rport=5070;received=1.2.3.4'],
    ['SIP/2.0/UDP h;branch=b', '1.2.3.4', 5070, 'SIP/2.0/UDP h;branch=b;received=1.2.3.4'],
    ['SIP/2.0/UDP h', '::1', null, 'SIP/2.0/UDP h;received=::1'],
    ['SIP/2.0/UDP h ', '1.2.3.4', 1, 'SIP/2.0/UDP h;received=1.2.3.4'],
    ['SIP/2.0/UDP h;Received=9.9.9.9;rport=1;x', '1.2.3.4', 2, 'SIP/2.0/UDP h;Received=1.2.3.4;rport=2;x'],
    ['SIP/2.0/UDP h;received=9.9.9.9;x;received=8.8.8.8', '1.2.3.4', null, 'SIP/2.0/UDP h;received=1.2.3.4;x'],
    ['SIP/2.0/UDP h;received=9.9.9.9;x', null, null, 'SIP/2.0/UDP h;x'],
    ['SIP/2.0/UDP h;rport;x;rport=9', null, 7, 'SIP/2.0/UDP h;rport=7;x'],
    ['SIP/2.0/UDP h;rport;x', null, null, 'SIP/2.0/UDP h;rport;x'],
    [
      'SIP / 2.0 / UDP h ; rport ; branch = b',
      '1.2.3.4',
      5,
      'SIP / 2.0 / UDP h ; rport=5; branch = b;received=1.2.3.4',
    ],
    [
      'SIP/2.0/UDP h;x=";rport;received=9.9.9.9";rport',
      '1.2.3.4',
      5,
      'SIP/2.0/UDP h;x=";rport;received=9.9.9.9";rport=5;received=1.2.3.4',
    ],
    ['SIP/2.0/UDP h;xrport;rportx;branch=b', null, 5, 'SIP/2.0/UDP h;xrport;rportx;branch=b'],
  ])('RFC 3581 4 writes the source into %j (%s, %s)', (value, received, rport, expected) => {
    expect(withReceived(value, received, rport)).toBe(expected);
  });

  const made = fc.record({
    transport: fc.constantFrom('UDP', 'TCP', 'TLS', 'WS', 'TLS-SCTP'),
    host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()).map((h) => h.toLowerCase()),
    port: fc.integer({ min: 0, max: 65535 }),
    branch: fc.stringMatching(/^(?:z9hG4bK)?[A-Za-z0-9.!%*_+`'~-]{1,20}$/),
    received: fc.oneof(fc.constant(''), fc.ipV4(), fc.ipV6()).map((h) => h.toLowerCase()),
    rport: fc.integer({ min: -1, max: 65535 }),
    other: fc.constantFrom('', ';alias', ';x="a;rport=1"', ' ; keep = 1', ';comp=sigcomp;ttl=1'),
  });

  it('reads what it wrote', () => {
    fc.assert(
      fc.property(made, (m) => {
        let raw = `;branch=${m.branch}${m.other}`;
        if (m.rport >= 0) raw += m.rport === 0 ? ';rport' : `;rport=${m.rport}`;
        if (m.received !== '') raw += `;received=${m.received}`;
        const text = formatVia({ ...m, parameters: new Parameters(raw) });
        expect(text).toBe(`SIP/2.0/${m.transport} ${formatHost(m.host)}${m.port === 0 ? '' : `:${m.port}`}${raw}`);
        const { transport, host, port, branch, received, rport } = m;
        const parsed = via(text);
        expect(parsed).toMatchObject({ transport, host, port, branch, received, rport, maddr: '', raw: text });
        expect(formatVia(parsed)).toBe(text);
      }),
    );
  });

  it('gives back the source that was written, and nothing else changes', () => {
    fc.assert(
      fc.property(made, fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: 1, max: 65535 }), (m, address, port) => {
        let raw = `${m.other};branch=${m.branch}`;
        if (m.rport >= 0) raw += ';rport';
        if (m.received !== '') raw += `;received=${m.received}`;
        const before = via(formatVia({ ...m, parameters: new Parameters(raw) }));
        const after = via(withReceived(before.raw, address, port));
        expect(after.received).toBe(address.toLowerCase());
        expect(after.rport).toBe(m.rport >= 0 ? port : -1);
        expect([after.transport, after.host, after.port, after.branch]).toEqual([
          before.transport,
          before.host,
          before.port,
          before.branch,
        ]);
        const rest = (v: Via) => v.parameters.entries().filter((e) => e.name !== 'rport' && e.name !== 'received');
        expect(rest(after)).toEqual(rest(before));
      }),
    );
  });

  it('takes any text without throwing', () => {
    const unit = fc.constantFrom(...'SIP/2.0UDP h:1;rportbanch=[]" \\,\t\r\n\0\xff');
    fc.assert(
      fc.property(
        fc.constantFrom('', 'SIP/2.0/UDP ', 'SIP/2.0/UDP h;'),
        fc.string({ unit, maxLength: 50 }),
        (head, tail) => {
          parseVia(head + tail);
          withReceived(head + tail, '1.2.3.4', 5);
        },
      ),
      { numRuns: 5000 },
    );
  });
});
