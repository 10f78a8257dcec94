import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pcscf } from '#nodes/pcscf/pcscf';
import { pcscfTables } from '#nodes/pcscf/registrations';
import { SecretSweep } from './secret-sweep.ts';
import { type Hop, home, SectionG, userA, userB } from './section-g-network.ts';
import { changes, fieldsOf, one, Phone, reversed } from './section-g-phone.ts';

/**
 * The worked flows of registration, call and de-registration, hop by hop: what stands here as a change is all that
 * may differ between a message as a node got it and as it sent it on.
 */
let network: SectionG;
let a: Phone;
let b: Phone;
beforeAll(() => {
  network = new SectionG();
  a = new Phone(network, 'A', userA);
  b = new Phone(network, 'B', userB);
});
afterAll(() => network.stop());

const like = (pattern: string) => expect.stringMatching(new RegExp(`^${pattern}$`, 's'));
const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const branch = 'z9hG4bK[\\w-]+';
const token = '[\\w-]{12}';
const P = literal('SIP/2.0/UDP 172.22.0.21:5060;branch=') + branch;
const I = literal('SIP/2.0/UDP 172.22.0.19:4060;branch=') + branch;
const S = literal('SIP/2.0/UDP 172.22.0.20:6060;branch=') + branch;
const core = literal('sip:scscf.') + literal(home);

/** The Via of a hop: what was there, and ours on top. */
function viaOnTop(before: string, own: string) {
  return [before, like(`${own}, ${literal(before)}`)];
}

function viaOf(hop: { message: { text: string } } | string): string {
  return fieldsOf(typeof hop === 'string' ? hop : hop.message.text).Via!;
}

const text = ({ message }: Hop) => message.text;

/** A message passes a node that takes nothing but its own Via, or adds nothing else. */
function expectOnlyVia(before: Hop, after: Hop, more: Record<string, unknown> = {}) {
  expect(Object.keys(changes(text(before), text(after))).sort()).toEqual(['Via', ...Object.keys(more)].sort());
  expect(changes(text(before), text(after))).toMatchObject(more);
}

describe('registration with IPsec', () => {
  let challenge: Hop;

  it('P-14 P-15 P-16 P-17 P-19 P-20 P-24 I-02 the first REGISTER: R1 to R4', async () => {
    const first = a.firstRegister();
    const hops = await a.send(first, 'udp 10.46.0.5:5060', 5060);
    const toHome = one(hops, 'P>I', 'REGISTER');
    const { Authorization: credentials, Via: via } = fieldsOf(first);
    expect(changes(first, text(toHome))).toEqual({
      Via: [via, like(`${P}, SIP/2.0/UDP 10.46.0.5:5060;branch=z9hG4bKAr1;rport=5060;received=10.46.0.5`)],
      Path: ['', like(`<sip:${token}@172.22.0.21:5060;lr>`)],
      'Max-Forwards': ['70', '69'],
      Require: ['sec-agree', 'path'],
      'Proxy-Require': ['sec-agree', ''],
      'Security-Client': [expect.stringContaining('spi-c=5060011'), ''],
      Authorization: [credentials, `${credentials}, integrity-protected="no"`],
      'P-Visited-Network-ID': ['', home],
      'P-Charging-Vector': [
        '',
        like(`icid-value=[\\w.]+;icid-generated-at=pcscf.${literal(home)};orig-ioi=${literal(home)}`),
      ],
    });
    const toRegistrar = one(hops, 'I>S', 'REGISTER');
    expect(changes(text(toHome), text(toRegistrar))).toEqual({
      start: [`REGISTER sip:${home} SIP/2.0`, `REGISTER sip:scscf.${home}:6060 SIP/2.0`],
      Via: viaOnTop(viaOf(toHome), I),
      'Max-Forwards': ['69', '68'],
    });
    challenge = one(hops, 'S>I', 'SIP/2.0 401');
    const passed = one(hops, 'I>P', 'SIP/2.0 401');
    expectOnlyVia(challenge, passed);
    // No 100 to a REGISTER, and nothing to anybody else.
    expect(hops).toHaveLength(5);
  });

  it('P-30 P-35 P-36 P-38 S-08 the challenge: R6 and R7', () => {
    const [toPcscf, toUe] = [one(network.hops, 'I>P', 'SIP/2.0 401'), one(network.hops, 'P>A', 'SIP/2.0 401')];
    const given = fieldsOf(text(toPcscf))['WWW-Authenticate']!;
    expect(given).toMatch(/, algorithm=AKAv1-MD5, qop="auth", ck="[0-9a-f]{32}", ik="[0-9a-f]{32}"$/);
    const keyless = given.slice(0, given.indexOf(', ck='));
    expect(changes(text(toPcscf), text(toUe))).toEqual({
      Via: [viaOf(toPcscf), 'SIP/2.0/UDP 10.46.0.5:5060;branch=z9hG4bKAr1;rport=5060;received=10.46.0.5'],
      'WWW-Authenticate': [given, keyless],
      'Security-Server': [
        '',
        like(
          'ipsec-3gpp;q=0.1;prot=esp;mod=trans;spi-c=\\d+;spi-s=\\d+;port-c=510[02];port-s=6100;alg=hmac-sha-1-96;ealg=aes-cbc',
        ),
      ],
    });
    expect([toUe.source, toUe.message.to]).toEqual(['udp 172.22.0.21:5060', 'udp 10.46.0.5:5060']);
    expect(
      network.associations.added[0]!.map(({ direction, source, destination, spi }) => ({
        direction,
        source,
        destination,
        spi,
      })),
    ).toEqual([
      association('in', '10.46.0.5:50600', '172.22.0.21:6100', spiOf(toUe, 'spi-s')),
      association('out', '172.22.0.21:6100', '10.46.0.5:50600', 5060011),
      association('out', `172.22.0.21:${spiOf(toUe, 'port-c')}`, '10.46.0.5:50601', 5060122),
      association('in', '10.46.0.5:50601', `172.22.0.21:${spiOf(toUe, 'port-c')}`, spiOf(toUe, 'spi-c')),
    ]);
  });

  it('P-40 P-41 P-42 the protected REGISTER: R8 and R9', async () => {
    const toUe = one(network.hops, 'P>A', 'SIP/2.0 401');
    const second = a.secondRegister(toUe.message);
    const hops = await a.send(second);
    const toHome = one(hops, 'P>I', 'REGISTER');
    const { Authorization: credentials, Via: via } = fieldsOf(second);
    const [first] = network.hops.filter(({ from, to }) => from === 'P' && to === 'I');
    expect(changes(second, text(toHome))).toEqual({
      Via: [via, like(`${P}, SIP/2.0/UDP 10.46.0.5:50601;branch=${branch}`)],
      Path: ['', fieldsOf(text(first!)).Path],
      'Max-Forwards': ['70', '69'],
      Require: ['sec-agree', 'path'],
      'Proxy-Require': ['sec-agree', ''],
      'Security-Client': [expect.any(String), ''],
      'Security-Verify': [a.server, ''],
      Authorization: [credentials, `${credentials}, integrity-protected="yes"`],
      'P-Visited-Network-ID': ['', home],
      'P-Charging-Vector': ['', like(`icid-value=.*;orig-ioi=${literal(home)}`)],
    });
    expect(fieldsOf(text(toHome))['P-Charging-Vector']).not.toBe(fieldsOf(text(first!))['P-Charging-Vector']);
    expect(changes(text(toHome), text(one(hops, 'I>S', 'REGISTER')))).toEqual({
      start: [`REGISTER sip:${home} SIP/2.0`, `REGISTER sip:scscf.${home}:6060 SIP/2.0`],
      Via: viaOnTop(viaOf(toHome), I),
      'Max-Forwards': ['69', '68'],
    });
  });

  it('P-51 P-52 P-81 S-36 the 200: R11 and R12', () => {
    const granted = one(network.hops, 'S>I', 'SIP/2.0 200');
    const fields = fieldsOf(text(granted));
    const path = fieldsOf(text(network.hops.find(({ to }) => to === 'I')!)).Path!;
    expect(fields).toMatchObject({
      Path: path,
      'Service-Route': `<sip:orig@scscf.${home}:6060;lr>`,
      'P-Associated-URI': `<sip:+15550001@${home}>, <tel:+15550001>, <sip:001010000000001@${home}>`,
      'P-Charging-Vector': like(`icid-value=.*;orig-ioi=${literal(home)};term-ioi=${literal(home)}`),
      'P-Charging-Function-Addresses': 'ccf="aaa://pcrf"',
    });
    expect(fields.Contact).toContain('<sip:001010000000001@10.46.0.5:50601>');
    expect(fields.Contact).toContain(';expires=7200');
    const passed = one(network.hops, 'I>P', 'SIP/2.0 200');
    expectOnlyVia(granted, passed);
    const toUe = one(network.hops, 'P>A', 'SIP/2.0 200');
    expect(changes(text(passed), text(toUe))).toEqual({
      Via: [viaOf(passed), like(`SIP/2.0/UDP 10.46.0.5:50601;branch=${branch}`)],
      'P-Charging-Vector': [fields['P-Charging-Vector'], ''],
      'P-Charging-Function-Addresses': [fields['P-Charging-Function-Addresses'], ''],
    });
    const port = spiOf(one(network.hops, 'P>A', 'SIP/2.0 401'), 'port-c');
    expect([toUe.source, toUe.message.to]).toEqual([`udp 172.22.0.21:${port}`, 'udp 10.46.0.5:50601']);
    expect(network.associations.extended.at(-1)!.seconds).toBeGreaterThanOrEqual(7230);
    a.serviceRoute = fields['Service-Route']!;
  });

  it('P-71 P-72 P-73 P-75 P-76 P-82 P-93 S-60 the SUBSCRIBE of the UE and its NOTIFY: R16', async () => {
    const subscribe = a.request('SUBSCRIBE', `sip:+15550001@${home}`, [
      ...a.outgoing,
      `From: ${a.identity};tag=s`,
      `To: ${a.identity}`,
      'Call-ID: sub-a',
      'Event: reg',
      'Accept: application/reginfo+xml',
      'Expires: 600000',
      `Contact: ${a.contact}`,
    ]);
    const hops = await a.send(subscribe);
    const toServer = one(hops, 'P>S', 'SUBSCRIBE');
    expect(changes(subscribe, text(toServer))).toEqual({
      Via: viaOnTop(viaOf(subscribe), P),
      'Max-Forwards': ['70', '69'],
      Route: [fieldsOf(subscribe).Route, `<sip:orig@scscf.${home}:6060;lr>`],
      'Record-Route': ['', like(`<sip:(${token})@172.22.0.21:5060;lr>, <sip:\\1@172.22.0.21:6100;lr>`)],
      'P-Preferred-Identity': [`<sip:+15550001@${home}>`, ''],
      'P-Asserted-Identity': ['', `<sip:+15550001@${home}>`],
      'P-Charging-Vector': ['', like('icid-value=.*')],
      'Security-Verify': [a.server, ''],
      Require: ['sec-agree', ''],
      'Proxy-Require': ['sec-agree', ''],
    });
    const notify = one(hops, 'S>P', 'NOTIFY');
    expect(fieldsOf(text(notify))).toMatchObject({
      start: 'NOTIFY sip:001010000000001@10.46.0.5:50601 SIP/2.0',
      Route: fieldsOf(text(toServer))['Record-Route'],
      Event: 'reg',
      'Subscription-State': like('active;expires=\\d+'),
      'Content-Type': 'application/reginfo+xml',
    });
    expect(notify.message.body).toContain('version="0" state="full"');
    for (const [aor, event] of [
      [`sip:+15550001@${home}`, 'created'],
      ['tel:+15550001', 'created'],
      [`sip:001010000000001@${home}`, 'registered'],
    ]) {
      expect(notify.message.body).toMatch(
        new RegExp(
          `<registration aor="${literal(aor!)}" [^>]*state="active">\\s*<contact [^>]*state="active" event="${event}"`,
        ),
      );
    }
    const toUe = one(hops, 'P>A', 'NOTIFY');
    expect(changes(text(notify), text(toUe))).toEqual({
      Via: viaOnTop(viaOf(notify), literal(`SIP/2.0/TCP 172.22.0.21:6100;branch=`) + branch),
      'Max-Forwards': ['70', '69'],
      Route: [fieldsOf(text(notify)).Route, ''],
      'P-Charging-Vector': [expect.any(String), ''],
    });
    // It is too large for a datagram: by TCP from the client port to the server port of the UE.
    expect(toUe.message.to).toBe('tcp 10.46.0.5:50601');
    const port = spiOf(one(network.hops, 'P>A', 'SIP/2.0 401'), 'port-c');
    expect(toUe.source).toBe(`tcp 172.22.0.21:${port}`);
    await a.send(a.respond(toUe, 200, []), 'tcp 10.46.0.5:50601 #41', Number(port));
  });
});

describe('a call with preconditions and 100rel', () => {
  const offer = [
    'v=0',
    'o=- 1 1 IN IP4 10.46.0.5',
    's=-',
    'c=IN IP4 10.46.0.5',
    't=0 0',
    'm=audio 49000 RTP/AVP 104',
    'a=rtpmap:104 AMR-WB/16000',
    'a=curr:qos local none',
    '',
  ].join('\r\n');
  const answer = offer.replaceAll('10.46.0.5', '10.46.0.9').replace('49000', '49002');
  const source = 'tcp 10.46.0.5:50600 #21';
  const dialog: string[] = [];
  let ringing: Hop[];
  /** Between A and B, in the order that A's requests pass. */
  let path: string;

  it('P-71 P-76 S-86 S-110 the INVITE from A to the core: M1 to M4', async () => {
    await b.register();
    const invite = a.request(
      'INVITE',
      `sip:+15550002@${home};user=phone`,
      [
        ...a.outgoing,
        `From: ${a.identity};tag=fa`,
        'To: <tel:+15550002>',
        'Call-ID: call-a',
        'P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel',
        'P-Early-Media: supported',
        'Privacy: none',
        'Supported: 100rel,timer,precondition',
        'Session-Expires: 1800',
        'Accept-Contact: *;+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"',
        `Contact: ${a.contact}`,
        'Content-Type: application/sdp',
      ],
      offer,
      'TCP',
    );
    ringing = await a.send(invite, source);
    const hops = ringing;
    const toServer = one(hops, 'P>S', 'INVITE');
    expect(changes(invite, text(toServer))).toEqual({
      Via: viaOnTop(viaOf(invite), P),
      'Max-Forwards': ['70', '69'],
      Route: [fieldsOf(invite).Route, `<sip:orig@scscf.${home}:6060;lr>`],
      'Record-Route': ['', like(`<sip:(${token})@172.22.0.21:5060;lr>, <sip:\\1@172.22.0.21:6100;lr>`)],
      'P-Preferred-Identity': [`<sip:+15550001@${home}>`, ''],
      'P-Asserted-Identity': ['', `<sip:+15550001@${home}>`],
      'P-Charging-Vector': ['', like('icid-value=.*')],
      'Security-Verify': [a.server, ''],
      Require: ['sec-agree', ''],
      'Proxy-Require': ['sec-agree', ''],
    });
    const recorded = fieldsOf(text(toServer))['Record-Route']!;
    const [toHome] = hops.filter(({ from, to, message }) => `${from}>${to}` === 'S>I' && message.method === 'INVITE');
    expect(changes(text(toServer), text(toHome!))).toEqual({
      Via: viaOnTop(viaOf(toServer), S),
      'Max-Forwards': ['69', '68'],
      Route: [`<sip:orig@scscf.${home}:6060;lr>`, ''],
      'Record-Route': [recorded, like(`<sip:mo@${core.slice(4)}:6060;lr>, ${literal(recorded)}`)],
      'P-Asserted-Identity': [`<sip:+15550001@${home}>`, `<sip:+15550001@${home}>, <tel:+15550001>`],
      'P-Charging-Vector': [expect.any(String), like(`.*;orig-ioi=${literal(home)}`)],
      'P-Preferred-Service': ['urn:urn-7:3gpp-service.ims.icsi.mmtel', ''],
      'P-Asserted-Service': ['', 'urn:urn-7:3gpp-service.ims.icsi.mmtel'],
    });
    const toTerminating = hops.find(
      ({ from, to, message }) => `${from}>${to}` === 'I>S' && message.method === 'INVITE',
    )!;
    expect(changes(text(toHome!), text(toTerminating))).toEqual({
      Via: viaOnTop(viaOf(toHome!), I),
      'Max-Forwards': ['68', '67'],
      Route: ['', `<sip:scscf.${home}:6060;lr>`],
    });
  });

  it('P-90 P-91 P-93 S-120 S-121 the INVITE from the core to B: M5 and M6', () => {
    const arrived = ringing.find(({ from, to, message }) => `${from}>${to}` === 'I>S' && message.method === 'INVITE')!;
    const toPcscf = one(ringing, 'S>P', 'INVITE');
    const recorded = fieldsOf(text(arrived))['Record-Route']!;
    expect(changes(text(arrived), text(toPcscf))).toEqual({
      start: [expect.any(String), 'INVITE sip:001010000000002@10.46.0.9:50701 SIP/2.0'],
      Via: viaOnTop(viaOf(arrived), S),
      'Max-Forwards': ['67', '66'],
      Route: [`<sip:scscf.${home}:6060;lr>`, like(`<sip:${token}@172.22.0.21:5060;lr>`)],
      'Record-Route': [recorded, like(`<sip:mt@${core.slice(4)}:6060;lr>, ${literal(recorded)}`)],
      'P-Called-Party-ID': ['', `<sip:+15550002@${home};user=phone>`],
    });
    const toUe = one(ringing, 'P>B', 'INVITE');
    const route = fieldsOf(text(toPcscf)).Route!;
    const own = /<sip:([\w-]+)@/.exec(route)![1]!;
    expect(changes(text(toPcscf), text(toUe))).toEqual({
      Via: viaOnTop(viaOf(toPcscf), literal('SIP/2.0/TCP 172.22.0.21:6100;branch=') + branch),
      'Max-Forwards': ['66', '65'],
      Route: [route, ''],
      'Record-Route': [
        fieldsOf(text(toPcscf))['Record-Route'],
        `<sip:${own}@172.22.0.21:6100;lr>, <sip:${own}@172.22.0.21:5060;lr>, ${fieldsOf(text(toPcscf))['Record-Route']}`,
      ],
      'P-Charging-Vector': [expect.any(String), ''],
      'P-Access-Network-Info': [expect.any(String), ''],
    });
    expect(toUe.message.to).toBe('tcp 10.46.0.9:50701');
  });

  it('P-92 P-103 S-110 S-125 the 183 from B to A: M7', async () => {
    const toUe = one(ringing, 'P>B', 'INVITE');
    const progress = b.respond(
      toUe,
      183,
      [
        'Require: 100rel',
        'RSeq: 1',
        `Contact: ${b.contact}`,
        `P-Preferred-Identity: ${b.identity}`,
        'Content-Type: application/sdp',
      ],
      answer,
    );
    const hops = await b.send(progress);
    const toServer = one(hops, 'P>S', 'SIP/2.0 183');
    expect(changes(progress, text(toServer))).toEqual({
      Via: [viaOf(progress), viaOf(one(ringing, 'S>P', 'INVITE'))],
      'P-Preferred-Identity': [b.identity, ''],
      'P-Asserted-Identity': ['', b.identity],
      'P-Charging-Vector': ['', like(`icid-value=.*;orig-ioi=${literal(home)}`)],
    });
    const answered = hops.filter(({ message }) => message.status === 183);
    expect(answered.map(({ from, to }) => `${from}>${to}`)).toEqual(['P>S', 'S>I', 'I>S', 'S>P', 'P>A']);
    expect(fieldsOf(text(answered[1]!))['P-Asserted-Identity']).toBe(`${b.identity}, <tel:+15550002>`);
    expect(fieldsOf(text(answered[1]!))['P-Charging-Vector']).toMatch(new RegExp(`;term-ioi=${literal(home)}`));
    expectOnlyVia(answered[1]!, answered[2]!);
    const [toPcscf, toA] = [answered[3]!, answered[4]!];
    expect(changes(text(toPcscf), text(toA))).toEqual({
      Via: [viaOf(toPcscf), like(`SIP/2.0/TCP 10.46.0.5:50601;branch=${branch}`)],
      'P-Charging-Vector': [expect.any(String), ''],
      'P-Charging-Function-Addresses': ['ccf="aaa://pcrf"', ''],
    });
    expect([toA.message.target.connection, toA.message.target.transport]).toEqual([21, 'tcp']);
    const record = fieldsOf(text(toA))['Record-Route']!;
    expect(record).toMatch(
      new RegExp(
        `^<sip:(${token})@172.22.0.21:6100;lr>, <sip:\\1@172.22.0.21:5060;lr>, <sip:mt@.*>, <sip:mo@.*>, ` +
          `<sip:(${token})@172.22.0.21:5060;lr>, <sip:\\2@172.22.0.21:6100;lr>$`,
      ),
    );
    path = reversed(record);
    dialog.push(`From: ${a.identity};tag=fa`, 'To: <tel:+15550002>;tag=tB', 'Call-ID: call-a');
  });

  /** Sends a request of A inside the dialog; gives the hops, and the request as B got it. */
  async function toB(method: string, lines: readonly string[], body = '') {
    const request = a.request(
      method,
      'sip:001010000000002@10.46.0.9:50701',
      [`Route: ${path}`, ...dialog, ...lines],
      body,
      'TCP',
    );
    const hops = await a.send(request, source);
    return { request, hops, arrived: one(hops, 'P>B', method) };
  }

  /** B answers a request that came inside the dialog; gives what came back to A. */
  async function answerOfB(arrived: Hop, lines: readonly string[] = [], body = '') {
    const hops = await b.send(b.respond(arrived, 200, lines, body));
    return { hops, back: one(hops, 'P>A', 'SIP/2.0 200') };
  }

  it('P-76 P-96 P-100 P-104 PRACK and UPDATE follow the route set, each node takes its own entries: M8 and M9', async () => {
    for (const [method, lines, body] of [
      [
        'PRACK',
        ['RAck: 1 4 INVITE', 'Require: sec-agree', 'Proxy-Require: sec-agree', `Security-Verify: ${a.server}`],
        '',
      ],
      [
        'UPDATE',
        [`Contact: ${a.contact}`, 'Content-Type: application/sdp'],
        offer.replace('local none', 'local sendrecv'),
      ],
    ] as const) {
      const { request, hops, arrived } = await toB(method, lines, body);
      expect(hops.filter(({ message }) => message.method === method).map(({ from, to }) => `${from}>${to}`)).toEqual([
        'P>S',
        // One traversal for both of its entries.
        'S>P',
        'P>B',
      ]);
      const total = changes(request, text(arrived));
      expect(total.Route).toEqual([path, '']);
      expect(total['Max-Forwards']).toEqual(['70', '67']);
      for (const name of ['Via', 'Route', 'Max-Forwards', 'Security-Verify', 'Require', 'Proxy-Require'])
        delete total[name];
      expect(total).toEqual({});
      expect(arrived.message.text).not.toContain('sec-agree');
      // I-CSCF and HSS are not asked again.
      const { back } = await answerOfB(
        arrived,
        method === 'UPDATE' ? [`Contact: ${b.contact}`, 'Content-Type: application/sdp'] : [],
        body === '' ? '' : answer,
      );
      expect(back.message.target.connection).toBe(21);
      expect(fieldsOf(text(back))).not.toHaveProperty('P-Charging-Vector');
    }
  });

  it('P-94 the 180 and 200 to the INVITE, and the ACK end to end: M10 and M11', async () => {
    const toUe = one(ringing, 'P>B', 'INVITE');
    for (const [status, lines] of [
      [180, [`Contact: ${b.contact}`]],
      [200, [`Contact: ${b.contact}`, 'Session-Expires: 1800;refresher=uas']],
    ] as const) {
      const hops = await b.send(b.respond(toUe, status, lines));
      expect(hops.filter(({ message }) => message.status === status).map(({ from, to }) => `${from}>${to}`)).toEqual([
        'P>S',
        'S>I',
        'I>S',
        'S>P',
        'P>A',
      ]);
    }
    const { request, hops, arrived } = await toB('ACK', ['CSeq: 4 ACK']);
    expect(hops.map(({ from, to, message }) => `${from}>${to} ${message.method}`)).toEqual([
      'P>S ACK',
      'S>P ACK',
      'P>B ACK',
    ]);
    expect(Object.keys(changes(request, text(arrived))).sort()).toEqual(['Max-Forwards', 'Route', 'Via']);
  });

  it('P-102 the BYE: M12', async () => {
    const { arrived } = await toB('BYE', []);
    const { back } = await answerOfB(arrived);
    expect(back.message.target.connection).toBe(21);
    expect(network.nodes.P.failures).toEqual([]);
  });
});

describe('de-registration', () => {
  it('P-42 P-55 S-38 REGISTER with Expires 0 by the associations, which live 64*T1 longer', async () => {
    const gone = a.request('REGISTER', `sip:${home}`, [
      ...a.registerLines(`nonce="x",response="${'0'.repeat(32)}"`).filter((line) => !line.startsWith('Expires')),
      'Expires: 0',
      `Security-Verify: ${a.server}`,
    ]);
    const hops = await a.send(gone);
    const toHome = one(hops, 'P>I', 'REGISTER');
    expect(fieldsOf(text(toHome))).toMatchObject({
      Authorization: expect.stringContaining('integrity-protected="yes"'),
      Path: like(`<sip:${token}@172.22.0.21:5060;lr>`),
      Require: 'path',
      Expires: '0',
    });
    expect(network.hss.sars.at(-1)!.type).toBe(5);
    const toUe = one(hops, 'P>A', 'SIP/2.0 200');
    expect(toUe.message.to).toBe('udp 10.46.0.5:50601');
    // The NOTIFY of the end passes before the associations go.
    const [notify] = hops.filter(({ from, message }) => from === 'S' && message.method === 'NOTIFY');
    expect(notify!.message.text).toMatch(/Subscription-State: terminated/);
    const own = [...network.associations.installed.values()].filter(
      ({ source, destination }) => source.address === '10.46.0.5' || destination.address === '10.46.0.5',
    );
    expect(own).toHaveLength(4);
    network.nodes.P.advance(130_000);
    await network.nodes.P.settle();
    expect([...network.associations.installed.values()].some(({ source }) => source.address === '10.46.0.5')).toBe(
      false,
    );
  });
});

describe('what follows a registration', () => {
  let followed: SectionG;
  let phone: Phone;
  let hops: Hop[];
  beforeAll(async () => {
    followed = new SectionG({ afterwards: true });
    phone = new Phone(followed, 'A', userA);
    await phone.register();
    hops = [...followed.hops, ...(await followed.wait(3_000))];
  });
  afterAll(() => followed.stop());

  it('P-121 D-70 Q-02 the P-CSCF asks the PCRF for the signalling bearer before the UE has its 200: R13', () => {
    expect(followed.rx).toHaveLength(1);
    const { head, avps, after } = followed.rx[0]!;
    expect(head).toBe('AAR');
    const [session, ...rest] = avps;
    expect(session).toMatch(new RegExp(`^Session-Id: pcscf\\.${literal(home)};`));
    expect(rest).toEqual([
      'Auth-Application-Id: 16777236',
      `Origin-Host: pcscf.${home}`,
      `Origin-Realm: ${home}`,
      `Destination-Realm: ${home}`,
      'AF-Application-Identifier: IMS Services',
      'Media-Component-Description:',
      '  Media-Component-Number: 0',
      // AF_SIGNALLING, SIP; CONTROL, ENABLED.
      '  Media-Sub-Component:',
      '    Flow-Number: 0',
      '    Flow-Usage: 2',
      '    AF-Signalling-Protocol: 1',
      '  Media-Type: 4',
      '  Flow-Status: 2',
      'Specific-Action: 2',
      'Specific-Action: 3',
      'Specific-Action: 4',
      'Subscription-Id:',
      '  Subscription-Id-Type: 2',
      `  Subscription-Id-Data: sip:+15550001@${home}`,
      'Framed-IP-Address: 0a2e0005',
    ]);
    const [given, received] = [
      hops.find((hop) => hop.from === 'I' && hop.to === 'P' && hop.message.status === 200)!,
      one(hops, 'P>A', 'SIP/2.0 200'),
    ].map((hop) => hops.indexOf(hop));
    expect([given! < after, after <= received!]).toEqual([true, true]);
  });

  it('S-50 S-51 the S-CSCF tells the application server, which the UE does not notice: R14', () => {
    const told = one(hops, 'S>AS', 'REGISTER');
    const ours = `<sip:scscf.${home}:6060>`;
    const registered = hops.filter(({ from, to }) => from === 'I' && to === 'S')[1]!;
    const { 'P-Charging-Vector': vector } = fieldsOf(text(registered));
    expect(fieldsOf(text(told))).toEqual({
      start: `REGISTER sip:as.${home} SIP/2.0`,
      Via: like(S),
      'Max-Forwards': '70',
      From: like(`${literal(ours)};tag=[\\w-]+`),
      // The identity that was registered; the default one only when that is barred.
      To: `<sip:001010000000001@${home}>`,
      'Call-ID': like('[0-9a-f]{32}'),
      CSeq: '1 REGISTER',
      Contact: ours,
      Expires: '7200',
      'P-Access-Network-Info': '3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=00101',
      'P-Visited-Network-ID': home,
      'P-Charging-Vector': vector,
      'P-Charging-Function-Addresses': 'ccf="aaa://pcrf"',
      'Content-Length': '0',
    });
    expect(told.message.to).toBe('udp 172.22.0.30:5060');
    // It has nothing of what the UE and the HSS sent but the headers above.
    expect(text(told)).not.toMatch(/Authorization|Path|Security-/);
    expect(followed.nodes.S.refusals).toEqual([]);
  });

  it('P-60 P-62 I-40 S-60 S-61 S-62 S-63 the P-CSCF subscribes to the registration, and is told at once: R15', () => {
    const subscribe = one(hops, 'P>I', 'SUBSCRIBE');
    // The host of the Path: by that the S-CSCF knows whom it may tell.
    const ours = '<sip:172.22.0.21:5060>';
    expect(fieldsOf(text(subscribe))).toEqual({
      start: `SUBSCRIBE sip:+15550001@${home} SIP/2.0`,
      Via: like(P),
      'Max-Forwards': '70',
      From: like(`${literal(ours)};tag=[\\w-]+`),
      To: `<sip:+15550001@${home}>`,
      'Call-ID': like('[0-9a-f]{32}'),
      CSeq: '1 SUBSCRIBE',
      Contact: like('<sip:[\\w-]+@172.22.0.21:5060>'),
      Event: 'reg',
      Accept: 'application/reginfo+xml',
      Expires: '600000',
      'P-Asserted-Identity': ours,
      'P-Charging-Vector': like(
        `icid-value=[\\w.]+;icid-generated-at=pcscf.${literal(home)};orig-ioi=${literal(home)}`,
      ),
      'Content-Length': '0',
    });
    const asked = one(hops, 'I>S', 'SUBSCRIBE');
    expect(changes(text(subscribe), text(asked))).toEqual({
      Via: viaOnTop(viaOf(subscribe), I),
      'Max-Forwards': ['70', '69'],
      Route: ['', `<sip:scscf.${home}:6060;lr>`],
    });
    const sent = hops.slice(hops.indexOf(asked) + 1);
    const accepted = one(sent, 'S>I', 'SIP/2.0 200');
    expect(fieldsOf(text(accepted))).toMatchObject({
      Via: viaOf(asked),
      Contact: `<sip:scscf.${home}:6060>`,
      Expires: '600000',
    });
    expectOnlyVia(accepted, one(sent, 'I>P', 'SIP/2.0 200'));
    const notify = one(sent, 'S>P', 'NOTIFY');
    const { Contact: contact, From: from, 'Call-ID': callId } = fieldsOf(text(subscribe));
    expect(fieldsOf(text(notify))).toMatchObject({
      start: `NOTIFY ${contact!.slice(1, -1)} SIP/2.0`,
      Via: like(S),
      From: fieldsOf(text(accepted)).To,
      To: from,
      'Call-ID': callId,
      Contact: `<sip:scscf.${home}:6060>`,
      Event: 'reg',
      'Subscription-State': like('active;expires=\\d+'),
      'Content-Type': 'application/reginfo+xml',
    });
    // To the P-CSCF directly: the I-CSCF has not recorded itself.
    expect(fieldsOf(text(notify))).not.toHaveProperty('Route');
    expect(notify.message.body).toContain('version="0" state="full"');
    for (const aor of [`sip:+15550001@${home}`, 'tel:+15550001', `sip:001010000000001@${home}`]) {
      expect(notify.message.body).toMatch(new RegExp(`<registration aor="${literal(aor)}" [^>]*state="active">`));
    }
    expect(fieldsOf(text(one(sent, 'P>S', 'SIP/2.0 200')))).toMatchObject({ CSeq: '1 NOTIFY', Via: viaOf(notify) });
    expect(followed.hss.sars.map(({ type }) => type)).toEqual([1]);
  });
});

describe('keys', () => {
  it('P-30 X-I15 C-34 are in nothing that goes to a UE or an application server, or stays at the P-CSCF', () => {
    const sweep = new SecretSweep();
    for (const { to, message } of network.hops) if (!['P', 'I', 'S'].includes(to)) sweep.add(`to ${to}`, message.text);
    for (const [name, { logged, refusals, events }] of Object.entries(network.nodes)) {
      sweep.addJson(`log of ${name}`, [logged, refusals, events]);
    }
    for (const table of pcscfTables) {
      const records = network.store.range(table, '', 1000);
      sweep.add(`table ${table}`, Buffer.concat(records.flatMap(({ key, value }) => [Buffer.from(key), value])));
    }
    const question = { command: 'registrations.show', id: userB.impi };
    sweep.addJson('registration', (network.nodes.P.logic as Pcscf).control(question));
    expect(new Set(network.keys).size).toBe(4);
    expect(sweep.find(network.keys)).toEqual([]);
    const places = sweep.find([Buffer.from('0010100000000').toString('hex').slice(0, 32)]);
    expect(places).toEqual(expect.arrayContaining(['to A: octets', 'to B: octets', 'table bindings: octets']));
    // The core has them: the challenge of the S-CSCF carries them to the P-CSCF.
    const core = new SecretSweep();
    for (const { to, message } of network.hops) core.add(`to ${to}`, message.text);
    expect(core.find(network.keys)).toEqual(['to I: hexadecimal', 'to P: hexadecimal']);
  });
});

function spiOf(hop: Hop, name: string): number {
  return Number(new RegExp(`;${name}=(\\d+)`).exec(fieldsOf(text(hop))['Security-Server']!)![1]);
}

function association(direction: 'in' | 'out', source: string, destination: string, spi: number) {
  const end = (name: string) => ({ address: name.split(':')[0]!, port: Number(name.split(':')[1]) });
  return { direction, source: end(source), destination: end(destination), spi };
}
