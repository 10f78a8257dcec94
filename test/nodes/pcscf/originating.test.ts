import { afterEach, describe, expect, it } from 'vitest';
import {
  alice,
  coreRequest,
  expectQuiet,
  granted,
  icscf,
  mw,
  type PcscfOptions,
  type PcscfWorker,
  register,
  registerText,
  request,
  scscf,
  serviceRoute,
  startPcscf,
  twoListeners,
  ue,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
const start = (options?: PcscfOptions) => (worker = startPcscf(options));
afterEach(() => expectQuiet(worker));

const preloaded = `Route: <sip:127.0.8.1:5060;lr>, ${serviceRoute}`;

/** Sends a request of alice and gives what left. */
function send(method: string, lines: readonly string[] = [preloaded], uri = 'sip:bob@ims.test', body = '') {
  worker.receive(request(alice, method, uri, lines, body), alice.source);
  return worker.takeOne();
}

describe('requests of a UE', () => {
  it('P-72 P-75 P-76 an INVITE goes along the Service-Route with a charging identifier and Record-Route', () => {
    start();
    const token = register(worker, alice);
    const invite = send('INVITE');
    expect(invite.to).toBe(scscf);
    expect(invite.requestUri).toBe('sip:bob@ims.test');
    expect(invite.all('Route')).toEqual([serviceRoute]);
    expect(invite.header('Record-Route')).toBe(`<sip:${token}@127.0.8.1:5060;lr>`);
    expect(invite.header('P-Charging-Vector')).toMatch(
      /^icid-value=[0-9a-f]+\.\w+;icid-generated-at=pcscf\.ims\.test$/,
    );
    expect(invite.header('Max-Forwards')).toBe('69');
  });

  it('P-76 records both sides where they differ, with the same token: Mw on top, Gm below', () => {
    start({ listeners: twoListeners, trusted: ['127.0.0.0/8'] });
    const token = register(worker, alice);
    const invite = send('INVITE', [`Route: <sip:127.0.0.1:5060;lr>, ${serviceRoute}`]);
    expect(invite.header('Record-Route')).toBe(`<sip:${token}@127.0.0.1:5070;lr>, <sip:${token}@127.0.0.1:5060;lr>`);
    expect(invite.target.listener).toBe(mw);
    expect(invite.header('Via')).toContain('127.0.0.1:5070');
  });

  it('P-76 a UE on TCP finds its transport in Record-Route', () => {
    start();
    const stream = ue('alice', 'tcp 127.16.0.1:40000 #7');
    const token = register(worker, stream, granted(stream), 1);
    worker.receive(request(stream, 'INVITE', 'sip:bob@ims.test', [preloaded]), stream.source, 1);
    expect(worker.takeOne().header('Record-Route')).toBe(
      `<sip:${token}@127.0.8.1:5060;lr>, <sip:${token}@127.0.8.1:5060;transport=tcp;lr>`,
    );
  });

  it.each(['MESSAGE', 'OPTIONS', 'PUBLISH', 'INFO', 'FROBNICATE'])(
    'P-76 P-83 %s passes without Record-Route',
    (method) => {
      start();
      register(worker, alice);
      const sent = send(method, [preloaded, 'Content-Type: application/vnd.3gpp.sms'], undefined, '\u0000\u00ffbinary');
      expect([sent.method, sent.to, sent.header('Record-Route'), sent.body]).toEqual([
        method,
        scscf,
        null,
        '\u0000\u00ffbinary',
      ]);
    },
  );

  it.each(['SUBSCRIBE', 'REFER'])('P-76 %s is recorded', (method) => {
    start();
    const token = register(worker, alice);
    expect(send(method).header('Record-Route')).toBe(`<sip:${token}@127.0.8.1:5060;lr>`);
  });

  it('P-75 every dialog and every request that stands alone has its own charging identifier', () => {
    start();
    register(worker, alice);
    const vectors = ['INVITE', 'MESSAGE', 'MESSAGE'].map((method) => send(method).header('P-Charging-Vector'));
    expect(new Set(vectors).size).toBe(3);
  });

  it('P-79 P-104 leaves SDP, 100rel, preconditions and early media alone', () => {
    start();
    register(worker, alice);
    const lines = [
      preloaded,
      'Require: precondition',
      'Supported: 100rel,timer',
      'P-Early-Media: supported',
      'Content-Type: application/sdp',
    ];
    const invite = send('INVITE', lines, undefined, 'v=0\r\nm=audio 49152 RTP/AVP 104\r\n');
    expect(invite.body).toBe('v=0\r\nm=audio 49152 RTP/AVP 104\r\n');
    expect([invite.header('Require'), invite.header('Supported'), invite.header('P-Early-Media')]).toEqual([
      'precondition',
      '100rel,timer',
      'supported',
    ]);
  });

  it('P-77 P-78 the access information and the privacy of the UE pass', () => {
    start();
    register(worker, alice);
    const sent = send('MESSAGE', [
      preloaded,
      'P-Access-Network-Info: 3GPP-E-UTRAN-FDD;x=1',
      'Privacy: id',
      'History-Info: <sip:a@b>;index=1',
    ]);
    expect(sent.header('P-Access-Network-Info')).toBe('3GPP-E-UTRAN-FDD;x=1');
    expect([sent.header('Privacy'), sent.header('History-Info')]).toEqual(['id', '<sip:a@b>;index=1']);
    expect(sent.header('P-Asserted-Identity')).toBe('<sip:alice@ims.test>');
  });
});

describe('who the UE is', () => {
  it.each([
    ['none', [], '<sip:alice@ims.test>'],
    ['a registered one', ['P-Preferred-Identity: "A" <sip:alice.private@ims.test>'], '<sip:alice.private@ims.test>'],
    ['a telephone number with separators', ['P-Preferred-Identity: <tel:+1-555-5>'], '<tel:+15555>'],
    [
      'a sip and a tel URI',
      ['P-Preferred-Identity: <tel:+15555>, <sip:alice@IMS.test;user=ip>'],
      '<sip:alice@ims.test>, <tel:+15555>',
    ],
    [
      'two sip URIs',
      ['P-Preferred-Identity: <sip:alice.private@ims.test>, <sip:alice@ims.test>'],
      '<sip:alice.private@ims.test>',
    ],
    ['a foreign one', ['P-Preferred-Identity: <sip:boss@ims.test>'], '<sip:alice@ims.test>'],
    ['garbage', ['P-Preferred-Identity: <<>'], '<sip:alice@ims.test>'],
    ['an asserted one', ['P-Asserted-Identity: <sip:boss@ims.test>'], '<sip:alice@ims.test>'],
    ['another From', ['From: <sip:boss@ims.test>;tag=1'], '<sip:alice@ims.test>'],
  ])('P-71 X-I1 prefers %s', (_name, lines, asserted) => {
    start();
    register(worker, alice);
    const sent = send('MESSAGE', [preloaded, ...lines]);
    expect(sent.all('P-Asserted-Identity')).toEqual([asserted]);
    expect(sent.all('P-Preferred-Identity')).toEqual([]);
  });

  it('P-71 of two registrations of one flow the one that has the preferred identity counts', () => {
    start();
    register(worker, alice);
    worker.receive(registerText(alice).replace('To: <sip:alice@ims.test>', 'To: <sip:work@ims.test>'), alice.source);
    const forwarded = worker.takeOne();
    worker.answer(forwarded, 200, [
      'Contact: <sip:alice@127.16.0.1:5070>;expires=60',
      'Service-Route: <sip:orig@127.0.8.9:6060;lr>',
      'P-Associated-URI: <sip:work@ims.test>',
    ]);
    worker.take();
    const work = send('MESSAGE', ['P-Preferred-Identity: <sip:work@ims.test>']);
    expect([work.header('P-Asserted-Identity'), work.to]).toEqual(['<sip:work@ims.test>', 'udp 127.0.8.9:6060']);
    expect(send('MESSAGE', []).to).toBe(scscf);
  });
});

describe('where a UE may go', () => {
  it.each([
    ['another S-CSCF', 'Route: <sip:127.0.8.1:5060;lr>, <sip:orig@203.0.113.1:6060;lr>'],
    ['a detour', `Route: <sip:127.0.8.1:5060;lr>, <sip:evil.example;lr>, ${serviceRoute}`],
    ['a loopback port', 'Route: <sip:127.0.0.1:22;lr>'],
    ['no lr', 'Route: <sip:127.0.8.1:5060;lr>, <sip:orig@127.0.8.3:6060>'],
    ['none', 'X-Nothing: here'],
    ['garbage', 'Route: <sip:127.0.8.1:5060;lr>, <<sip'],
  ])('P-72 X-I4 X-I22 replaces %s by the Service-Route', (_name, line) => {
    start();
    register(worker, alice);
    const sent = send('MESSAGE', [line]);
    expect([sent.to, sent.all('Route'), sent.requestUri]).toEqual([scscf, [serviceRoute], 'sip:bob@ims.test']);
  });

  it('P-72 X-I4 strict answers 400 to another Route, and takes another spelling of the right one', () => {
    start({ serviceRoute: 'strict' });
    register(worker, alice);
    expect(send('MESSAGE', ['Route: <sip:127.0.8.1:5060;lr>, <sip:orig@203.0.113.1:6060;lr>']).status).toBe(400);
    expect(send('MESSAGE', ['Route: <sip:127.0.8.1:5060;lr>, <sip:orig@127.0.8.3:6060>']).status).toBe(400);
    expect(worker.refusals).toEqual(['service-route-mismatch', 'service-route-mismatch']);
    const sent = send('MESSAGE', ['Route: <sip:127.0.8.1:5060;lr>, "S" <SIP:orig@127.0.8.3:6060;LR>']);
    expect(sent.all('Route')).toEqual([serviceRoute]);
  });

  it('P-72 goes to the I-CSCF of the home network when it gave no Service-Route', () => {
    start();
    register(worker, alice, ['Contact: <sip:alice@127.16.0.1:5070>;expires=60']);
    const sent = send('MESSAGE', ['Route: <sip:127.0.8.1:5060;lr>']);
    expect([sent.to, sent.header('Route')]).toEqual([icscf, '<sip:ims.test;lr>']);
  });

  it('X-I18 cuts maddr and header parts off the Request-URI and makes no header of them', () => {
    start();
    register(worker, alice);
    const sent = send(
      'MESSAGE',
      [preloaded],
      'sip:bob@ims.test;maddr=203.0.113.1;user=phone?P-Asserted-Identity=%3Csip:boss%40ims.test%3E',
    );
    expect(sent.requestUri).toBe('sip:bob@ims.test;user=phone');
    expect(sent.all('P-Asserted-Identity')).toEqual(['<sip:alice@ims.test>']);
  });

  it('X-I18 a request that comes back from the core for our own address ends here', () => {
    start();
    worker.receive(coreRequest('MESSAGE', 'sip:127.0.8.1:5060'), scscf);
    expect(worker.takeOne().status).toBe(480);
  });
});

describe('answers to a UE', () => {
  it('P-77 P-91 P-103 come without charging data, access information and identities that want privacy', () => {
    start();
    const token = register(worker, alice);
    const invite = send('INVITE');
    worker.answer(invite, 183, [
      'Contact: <sip:bob@127.32.0.1:5070>',
      'P-Charging-Vector: icid-value=c1;term-ioi=home',
      'P-Charging-Function-Addresses: ccf=pcrf',
      'P-Access-Network-Info: IEEE-802.11',
      'P-Asserted-Identity: <sip:bob@ims.test>',
      'Privacy: id',
      'Require: 100rel',
      'RSeq: 1',
      'P-Early-Media: sendrecv',
    ]);
    const ringing = worker.takeOne();
    expect(ringing.to).toBe(alice.source);
    for (const name of [
      'P-Charging-Vector',
      'P-Charging-Function-Addresses',
      'P-Access-Network-Info',
      'P-Asserted-Identity',
    ])
      expect(ringing.all(name), name).toEqual([]);
    expect([ringing.header('Require'), ringing.header('RSeq'), ringing.header('P-Early-Media')]).toEqual([
      '100rel',
      '1',
      'sendrecv',
    ]);
    expect(ringing.header('Record-Route')).toBe(`<sip:${token}@127.0.8.1:5060;lr>`);
    worker.answer(invite, 200, ['Contact: <sip:bob@127.32.0.1:5070>', 'P-Asserted-Identity: <sip:bob@ims.test>']);
    expect(worker.takeOne().header('P-Asserted-Identity')).toBe('<sip:bob@ims.test>');
  });
});
