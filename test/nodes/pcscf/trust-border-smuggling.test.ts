import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SentMessage } from '../worker-harness.ts';
import {
  alice,
  bob,
  coreRequest,
  expectQuiet,
  type PcscfWorker,
  register,
  registerText,
  request,
  scscf,
  serviceRoute,
  startPcscf,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
beforeEach(() => {
  worker = startPcscf({ serviceRoute: 'replace' });
});
afterEach(() => expectQuiet(worker));

/** The rows P-18 and P-74: what nobody but the network may say. */
const untrusted = [
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
  'Restoration-Info',
  'Attestation-Info',
  'Origination-Id',
  'Service-Interact-Info',
  'Priority-Verstat',
  'Path',
  'Service-Route',
  'P-Associated-URI',
];

const value = '<sip:smuggled@evil.example>';

/** Lines by which a header may try to come in, X-S6: to be taken out, or to have the message refused. */
const variants: Readonly<Record<string, (name: string) => readonly string[]>> = {
  plain: (name) => [`${name}: ${value}`],
  'in capitals': (name) => [`${name.toUpperCase()}: ${value}`],
  'in small letters': (name) => [`${name.toLowerCase()}:${value}`],
  'with blanks before the colon': (name) => [`${name} \t : ${value}`],
  'with a colon on the next line': (name) => [`${name}\r\n : ${value}`],
  folded: (name) => [`${name}:\r\n ${value}\r\n\t;a=b`],
  'folded twice': (name) => [`${name}: ${value},\r\n ${value},\r\n ${value}`],
  'as a list': (name) => [`${name}: ${value}, ${value}`],
  'on several lines': (name) => [`${name}: ${value}`, 'X-Between: 1', `${name.toLowerCase()}: ${value}`],
  'after an empty one': (name) => [`${name}:`, `${name}: ${value}`],
  'behind a bare LF': (name) => [`X-Cover: 1\n${name}: ${value}`],
  'behind a bare CR': (name) => [`X-Cover: 1\r${name}: ${value}`],
  'with NUL in its name': (name) => [`${name}\0: ${value}`],
  'with an odd blank in its name': (name) => [`${name}\u00a0: ${value}`],
  'with an odd blank before its name': (name) => [`X-Cover: 1\r\n\u00a0${name}: ${value}`],
  'with a vertical tab': (name) => [`${name}\v: ${value}`],
  'first of all, as if folded': (name) => [`X-Cover:`, `${name}: ${value}`],
  'with an open quote': (name) => [`${name}: "${value}`],
  'with parameters of its own': (name) => [`${name}: "a, b" ${value};network-provided;${'p=1;'.repeat(50)}q`],
};

/** The header part of what left for the core, as text. */
function headOf({ text }: SentMessage): string {
  return text.slice(0, text.indexOf('\r\n\r\n'));
}

const cases = Object.entries(variants);
/** Those that are well-formed, and therefore go on without the header. */
const wellFormed = [
  'plain',
  'in capitals',
  'in small letters',
  'with blanks before the colon',
  'folded',
  'folded twice',
  'as a list',
  'on several lines',
  'after an empty one',
  'with parameters of its own',
];

describe('what a UE tries to smuggle into the network', () => {
  it.each(cases)('P-18 X-I2 X-S6 %s, in REGISTER', (how, linesOf) => {
    let forwarded = 0;
    for (const name of untrusted) {
      worker.receive(registerText(alice, linesOf(name)), alice.source);
      for (const sent of worker.take()) {
        expect(headOf(sent), name).not.toContain('smuggled');
        if (sent.status !== 0) continue;
        forwarded++;
        worker.answer(sent, 403);
      }
      worker.take();
    }
    if (wellFormed.includes(how)) expect(forwarded).toBe(untrusted.length);
  });

  it.each(cases)('P-74 X-I2 X-S6 %s, in a request', (how, linesOf) => {
    let forwarded = 0;
    register(worker, alice);
    const route = `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`;
    for (const name of untrusted) {
      worker.receive(request(alice, 'MESSAGE', 'sip:bob@ims.test', [route, ...linesOf(name)]), alice.source);
      for (const sent of worker.take()) {
        expect(headOf(sent), name).not.toContain('smuggled');
        if (sent.status !== 0) continue;
        expect(sent.all('P-Asserted-Identity')).toEqual(['<sip:alice@ims.test>']);
        expect(sent.all('P-Charging-Vector')).toHaveLength(1);
        forwarded++;
        worker.answer(sent, 200);
      }
      worker.take();
    }
    if (wellFormed.includes(how)) expect(forwarded).toBe(untrusted.length);
  });

  it.each(cases)('P-92 X-I2 X-S6 %s, in a response', (how, linesOf) => {
    let forwarded = 0;
    const token = register(worker, bob);
    for (const name of untrusted) {
      worker.receive(
        coreRequest('MESSAGE', `sip:bob@${bob.address}`, [`Route: <sip:${token}@127.0.8.1:5060;lr>`]),
        scscf,
      );
      worker.answer(worker.takeOne(), 200, linesOf(name));
      // A response that cannot be read is dropped.
      for (const sent of worker.take()) {
        expect(headOf(sent), name).not.toContain('smuggled');
        expect(sent.all('P-Asserted-Identity')).toEqual(['<sip:bob@ims.test>']);
        forwarded++;
      }
    }
    if (wellFormed.includes(how)) expect(forwarded).toBe(untrusted.length);
  });

  it('P-74 P-78 X-I18 header parts of URIs and parts of bodies stay what they are: no header comes of them', () => {
    register(worker, alice);
    const body = ['--b', `P-Asserted-Identity: ${value}`, 'Content-Type: text/plain', '', 'hello', '--b--', ''].join(
      '\r\n',
    );
    const lines = [
      `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`,
      'Refer-To: <sip:bob@ims.test?P-Asserted-Identity=%3Csip%3Asmuggled%40evil%3E>',
      'History-Info: <sip:bob@ims.test?P-Asserted-Identity=%3Csip%3Asmuggled%40evil%3E>;index=1',
      'Contact: "P-Asserted-Identity: smuggled" <sip:alice@127.16.0.1:5070>',
      'Content-Type: multipart/mixed;boundary=b',
    ];
    worker.receive(request(alice, 'REFER', 'sip:bob@ims.test?P-Served-User=smuggled', lines, body), alice.source);
    const sent = worker.takeOne();
    expect(sent.requestUri).toBe('sip:bob@ims.test');
    expect(sent.all('P-Asserted-Identity')).toEqual(['<sip:alice@ims.test>']);
    for (const name of ['Refer-To', 'History-Info']) expect(sent.header(name)).toContain('%3Csip%3Asmuggled');
    expect(sent.text.endsWith(body)).toBe(true);
  });

  it('P-73 P-74 compact forms stand for their own header, and sec-agree hides in no spelling', () => {
    register(worker, alice);
    const lines = [
      `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`,
      'k: sec-agree, path',
      'REQUIRE: Sec-Agree',
      'Require : precondition,\r\n SEC-AGREE',
      'proxy-require: sec-agree',
      'security-verify: smuggled',
      'a: *;audio',
      'x: 1800',
    ];
    worker.receive(request(alice, 'MESSAGE', 'sip:bob@ims.test', lines), alice.source);
    const sent = worker.takeOne();
    expect(sent.all('Require')).toEqual(['precondition']);
    expect([sent.all('Proxy-Require'), sent.all('Security-Verify')]).toEqual([[], []]);
    expect([sent.header('k'), sent.header('a'), sent.header('x')]).toEqual(['sec-agree, path', '*;audio', '1800']);
  });

  it('P-74 P-77 of access information what the network alone may say goes, on whatever line it stands', () => {
    register(worker, alice);
    const lines = [
      `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`,
      'P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=1, IEEE-802.11;NETWORK-PROVIDED',
      'p-access-network-info:\r\n IEEE-802.11a;i-wlan-node-id=2;network-provided ',
    ];
    worker.receive(request(alice, 'MESSAGE', 'sip:bob@ims.test', lines), alice.source);
    expect(worker.takeOne().all('P-Access-Network-Info')).toEqual(['3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=1']);
  });
});

describe('what a UE must not see', () => {
  const secret = [
    'P-Charging-Vector',
    'P-Charging-Function-Addresses',
    'P-Served-User',
    'P-Profile-Key',
    'P-User-Database',
    'P-Visited-Network-ID',
    'P-Access-Network-Info',
    'P-Private-Network-Indication',
  ];

  it.each(cases.slice(0, 12))('P-91 P-77 X-I2 %s', (_how, linesOf) => {
    const token = register(worker, bob);
    for (const name of secret) {
      const lines = [`Route: <sip:${token}@127.0.8.1:5060;lr>`, ...linesOf(name)];
      worker.receive(coreRequest('MESSAGE', `sip:bob@${bob.address}`, lines), scscf);
      for (const sent of worker.take()) {
        expect(headOf(sent), name).not.toContain('smuggled');
        if (sent.status === 0) worker.answer(sent, 200);
      }
      worker.take();
    }
  });

  it.each([
    ['Privacy: id', []],
    ['Privacy: header;ID;critical', []],
    ['PRIVACY: user;\r\n id', []],
    ['Privacy: none', ['<sip:boss@ims.test>']],
    ['Privacy: header;user', ['<sip:boss@ims.test>']],
  ])('P-91 P-78 %s', (privacy, seen) => {
    const token = register(worker, bob);
    const lines = [`Route: <sip:${token}@127.0.8.1:5060;lr>`, 'P-Asserted-Identity: <sip:boss@ims.test>', privacy];
    worker.receive(coreRequest('MESSAGE', `sip:bob@${bob.address}`, lines), scscf);
    const sent = worker.takeOne();
    expect(sent.all('P-Asserted-Identity')).toEqual(seen);
    expect(sent.all('Privacy')).toHaveLength(1);
  });

  it.each([
    ['Privacy: user', true],
    ['Privacy: HEADER;critical', false],
    ['Privacy: id', true],
  ])('P-91 by policy more than id withholds an identity, both ways: %s', (privacy, gone) => {
    worker.stop();
    worker = startPcscf({ withholdIdentity: ['user'] });
    const token = register(worker, bob);
    const identity = [privacy, 'P-Asserted-Identity: <sip:boss@ims.test>'];
    const route = `Route: <sip:${token}@127.0.8.1:5060;lr>`;
    worker.receive(coreRequest('MESSAGE', `sip:bob@${bob.address}`, [route, ...identity]), scscf);
    const sent = worker.takeOne();
    expect(sent.all('P-Asserted-Identity')).toHaveLength(gone ? 0 : 1);
    worker.answer(sent, 200);
    worker.take();
    const lines = [`Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`];
    worker.receive(request(bob, 'MESSAGE', 'sip:alice@ims.test', lines), bob.source);
    worker.answer(worker.takeOne(), 200, identity);
    expect(worker.takeOne().all('P-Asserted-Identity')).toHaveLength(gone ? 0 : 1);
  });
});
