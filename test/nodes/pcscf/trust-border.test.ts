import { describe, expect, it } from 'vitest';
import { type Crossing, crossBorder, dropIntegrityClaims, dropKeys } from '#nodes/pcscf/trust-border';
import type { SipRequest } from '#sip/message/request';
import { writeMessage } from '#sip/message/write';
import { parseMessage } from '#sip/parser/parse-message';

const flow = { listener: 0, transport: 'udp', address: '127.16.0.1', port: 5070, connection: 0 } as const;

function parse(lines: readonly string[]): SipRequest {
  const message = parseMessage(`MESSAGE sip:a@b SIP/2.0\r\n${lines.join('\r\n')}\r\n\r\n`, flow);
  if (message.kind !== 'request') throw new Error('test message is broken');
  return message;
}

/** What is left of the lines after a crossing. */
function cross(crossing: Crossing, lines: readonly string[]): string[] {
  const request = parse(lines);
  crossBorder(request.headers, crossing);
  return writeMessage(request).split('\r\n').slice(1, -3);
}

/** Requirement rows P-18, P-74 and P-91, header by header. */
const fromUe = [
  'P-Asserted-Identity',
  'P-Served-User',
  'P-Charging-Function-Addresses',
  'P-Charging-Vector',
  'P-Visited-Network-ID',
  'P-User-Database',
  'P-Profile-Key',
  'P-Called-Party-ID',
  'P-Asserted-Service',
  'P-Private-Network-Indication',
  'Feature-Caps',
  'Relayed-Charge',
  'Response-Source',
  'Path',
  'Service-Route',
];
const toUe = [
  'P-Charging-Vector',
  'P-Charging-Function-Addresses',
  'P-Served-User',
  'P-Profile-Key',
  'P-User-Database',
  'P-Visited-Network-ID',
  'P-Access-Network-Info',
  'P-Private-Network-Indication',
];

/** Spellings under which a header may try to slip through. */
const spellings = (name: string): readonly (readonly string[])[] => [
  [`${name}: <sip:x@y>`],
  [`${name.toUpperCase()}:<sip:x@y>`],
  [`${name.toLowerCase()} \t: <sip:x@y>`],
  [`${name}:\r\n <sip:x@y>\r\n\t;more=1`],
  [`${name}: <sip:x@y>, <sip:z@y>`, 'X-Between: 1', `${name}: <sip:x@y>`],
  [`${name}:`],
  [`${name}: "unclosed`],
];

describe('the trust border', () => {
  it.each(fromUe)('P-18 P-74 X-I2 takes %s of a UE out in every spelling', (name) => {
    for (const crossing of ['registerFromUe', 'requestFromUe', 'responseFromUe'] as const) {
      for (const lines of spellings(name)) {
        const kept = cross(crossing, ['X-First: 1', ...lines, 'X-Last: 1']).filter((line) => line !== 'X-Between: 1');
        expect(kept, `${crossing} ${lines[0]}`).toEqual(['X-First: 1', 'X-Last: 1']);
      }
    }
  });

  it.each(toUe)('P-91 P-77 X-I2 takes %s out on the way to a UE in every spelling', (name) => {
    for (const lines of spellings(name)) {
      const kept = cross('requestToUe', ['X-First: 1', ...lines, 'X-Last: 1']).filter(
        (line) => line !== 'X-Between: 1',
      );
      expect(kept, lines[0]).toEqual(['X-First: 1', 'X-Last: 1']);
    }
  });

  it('P-51 P-103 keeps of an answer what the UE needs and no charging data', () => {
    const kept = [
      'Path: <sip:p>',
      'Service-Route: <sip:s>',
      'P-Associated-URI: <sip:a>',
      'P-Asserted-Identity: <sip:b>',
    ];
    const gone = [
      'P-Charging-Vector: icid-value=1',
      'P-Charging-Function-Addresses: ccf=1',
      'P-Access-Network-Info: x',
    ];
    expect(cross('responseToUe', [...kept, ...gone])).toEqual(kept);
  });

  it('P-74 P-78 keeps what a UE may say', () => {
    const lines = [
      'History-Info: <sip:a>;index=1',
      'P-Preferred-Service: urn:x',
      'P-Early-Media: supported',
      'P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=1',
      'Privacy: id',
      'Accept-Contact: *;audio',
      'Geolocation: <cid:x>',
      'Recv-Info: x',
      'Session-ID: ab',
      'X-Unknown: \u00e4',
    ];
    expect(cross('requestFromUe', lines)).toEqual(lines);
  });

  it.each([
    ['IEEE-802.11;network-provided', []],
    ['IEEE-802.11; Network-Provided', []],
    ['3GPP-UTRAN;a=1, IEEE-802.11;network-provided', ['3GPP-UTRAN;a=1']],
    ['"broken;network-provided', []],
    ['3GPP-UTRAN;a="network-provided"', ['3GPP-UTRAN;a="network-provided"']],
  ])('P-18 P-74 access information %s', (value, kept) => {
    const before = `P-Access-Network-Info: ${value}`;
    expect(cross('requestFromUe', [before])).toEqual(kept.map((info) => `P-Access-Network-Info: ${info}`));
  });

  it('P-16 P-73 takes sec-agree out of option lists, and lists that have nothing else', () => {
    const lines = [
      'Require: precondition, Sec-Agree',
      'Proxy-Require: sec-agree',
      'Security-Verify: x',
      'Supported: sec-agree',
    ];
    expect(cross('requestFromUe', lines)).toEqual(['Require: precondition', 'Supported: sec-agree']);
  });

  it('P-17 X-I3 credentials that cannot be read go as a whole', () => {
    const request = parse([
      'Authorization: Digest username="a',
      'Authorization: Digest username="b", INTEGRITY-protected = "yes"',
    ]);
    dropIntegrityClaims(request.headers);
    expect(request.headers.values('Authorization')).toEqual(['Digest username="b"']);
  });

  it('P-30 X-I15 keys go in any spelling, and with them a challenge that cannot be read', () => {
    const request = parse([
      'WWW-Authenticate: Digest realm="r", IK="00", Ck=11, nonce="n"',
      'WWW-Authenticate: digest realm="r, ck=22',
      'WWW-Authenticate: Basic realm="r"',
    ]);
    dropKeys(request.headers);
    expect(request.headers.values('WWW-Authenticate')).toEqual(['Digest realm="r", nonce="n"', 'Basic realm="r"']);
  });
});
