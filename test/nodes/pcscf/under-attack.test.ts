import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  alice,
  bob,
  coreRequest,
  expectQuiet,
  type PcscfWorker,
  register,
  request,
  scscf,
  serviceRoute,
  startPcscf,
  ue,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
beforeEach(() => {
  worker = startPcscf();
});
afterEach(() => expectQuiet(worker));

const route = `Route: ${serviceRoute}`;
const methods = ['INVITE', 'MESSAGE', 'SUBSCRIBE', 'PUBLISH', 'REFER', 'INFO', 'OPTIONS', 'NOTIFY', 'FOO'];
/** Methods of what left that is no response. */
const requests = () => worker.take().flatMap(({ method }) => (method === '' ? [] : [method]));

describe('who is not registered', () => {
  it.each(methods)('X-I6 %s gets 403, and nothing goes on', (method) => {
    register(worker, alice);
    for (const source of ['udp 127.16.0.9:5070', 'udp 127.16.0.1:5071', 'tcp 127.16.0.1:5070 #9']) {
      worker.receive(request(ue('alice', source), method, 'sip:bob@ims.test', [route]), source);
      expect(worker.takeOne().status).toBe(403);
    }
  });

  it('X-I16 hears the same of users that there are and that there are not', () => {
    register(worker, bob);
    const stranger = ue('eve', 'udp 127.16.0.9:5070');
    const answers = ['sip:bob@ims.test', 'sip:nobody@ims.test'].map((uri) => {
      worker.receive(
        request(stranger, 'SUBSCRIBE', uri, ['Event: reg', 'Call-ID: same', 'CSeq: 1 SUBSCRIBE']),
        stranger.source,
      );
      const { startLine, names } = worker.takeOne();
      return { startLine, names };
    });
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]!.startLine).toContain('403');
  });
});

describe('a registered UE that lies', () => {
  /** Header fields a UE must not say, each in a disguise. */
  const smuggled = [
    'p-asserted-IDENTITY : <sip:bob@ims.test>',
    'P-Served-User:<sip:bob@ims.test>;sescase=orig;regstate=reg',
    'P-Charging-Vector: icid-value=evil',
    'P-Charging-Function-Addresses:\r\n ccf=evil',
    'P-Visited-Network-ID: evil',
    'P-Profile-Key: <sip:evil@ims.test>',
    'P-User-Database: <aaa://evil>',
    'P-Asserted-Service: urn:urn-7:evil',
    'P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=1;NETWORK-PROVIDED',
    'Path: <sip:evil@127.99.0.1;lr>',
    'Service-Route: <sip:evil@127.99.0.1;lr>',
  ];

  it('X-I1 X-I2 is believed none of it', () => {
    register(worker, alice);
    worker.receive(request(alice, 'INVITE', 'sip:bob@ims.test', [route, ...smuggled]), alice.source);
    const sent = worker.takeOne();
    expect(sent.all('P-Asserted-Identity')).toEqual(['<sip:alice@ims.test>']);
    expect(sent.text.toLowerCase()).not.toContain('evil');
    expect(sent.text.toLowerCase()).not.toContain('network-provided');
    expect(sent.header('P-Served-User')).toBeNull();
  });

  it.each([
    '<sip:127.99.0.1;lr>',
    '<sip:127.0.8.3:6060>',
    '<sip:localhost:9090;lr>',
    '<sip:10.0.0.1;maddr=127.99.0.1;lr>',
  ])('X-I4 X-I22 does not choose its next hop by Route %s', (evil) => {
    register(worker, alice);
    worker.receive(request(alice, 'MESSAGE', 'sip:bob@ims.test', [`Route: ${evil}`]), alice.source);
    const sent = worker.takeOne();
    expect([sent.to, sent.all('Route')]).toEqual(['udp 127.0.8.3:6060', [serviceRoute]]);
  });

  it.each([
    'sip:bob@ims.test?Route=%3Csip:127.99.0.1%3Blr%3E',
    'sip:bob@ims.test;maddr=127.99.0.1',
    'sip:bob@ims.test?P-Asserted-Identity=sip:bob%40ims.test',
  ])('X-I18 puts nothing into the message by its Request-URI: %s', (uri) => {
    register(worker, alice);
    worker.receive(request(alice, 'MESSAGE', uri, [route]), alice.source);
    const sent = worker.takeOne();
    expect([sent.requestUri, sent.to]).toEqual(['sip:bob@ims.test', 'udp 127.0.8.3:6060']);
    expect(sent.all('P-Asserted-Identity')).toEqual(['<sip:alice@ims.test>']);
  });

  it('X-I19 sends nothing round in circles: Max-Forwards 0 gets 483, without one it gets 70', () => {
    register(worker, alice);
    worker.receive(request(alice, 'MESSAGE', 'sip:bob@ims.test', [route, 'Max-Forwards: 0']), alice.source);
    expect(worker.takeOne().status).toBe(483);
    const bare = request(alice, 'MESSAGE', 'sip:bob@ims.test', [route]).replace('Max-Forwards: 70\r\n', '');
    worker.receive(bare, alice.source);
    expect(worker.takeOne().header('Max-Forwards')).toBe('70');
  });
});

describe('the call of somebody else', () => {
  /** alice calls, is answered, and bob, who is registered as well, knows all of it. */
  function callOfAlice(isAnswered: boolean): { readonly token: string; readonly branch: string } {
    const token = register(worker, alice);
    register(worker, bob);
    worker.receive(
      request(alice, 'INVITE', 'sip:carol@ims.test', [route, 'Call-ID: hers', 'CSeq: 7 INVITE']),
      alice.source,
    );
    const sent = worker.takeOne();
    worker.answer(sent, isAnswered ? 200 : 180, ['Contact: <sip:carol@127.0.8.3:6060>'], '', 'carol');
    worker.take();
    return { token, branch: sent.header('Via')! };
  }

  it.each(['BYE', 'PRACK', 'UPDATE', 'INFO', 'INVITE', 'MESSAGE'])(
    'X-I17 %s with all its ids from another UE goes nowhere',
    (method) => {
      const { token } = callOfAlice(true);
      for (const own of [`<sip:${token}@127.0.8.1:5060;lr>`, '<sip:127.0.8.1:5060;lr>']) {
        const lines = ['From: <sip:alice@ims.test>;tag=alice', 'To: <sip:carol@ims.test>;tag=carol', 'Call-ID: hers'];
        worker.receive(
          request(bob, method, 'sip:carol@127.0.8.3:6060', [...lines, `CSeq: 900 ${method}`, `Route: ${own}`]),
          bob.source,
        );
        expect([403, 481]).toContain(worker.takeOne().status);
      }
    },
  );

  it('X-I17 ACK and CANCEL of another UE go nowhere', () => {
    const { token } = callOfAlice(false);
    const lines = ['From: <sip:alice@ims.test>;tag=alice', 'Call-ID: hers'];
    worker.receive(
      request(bob, 'ACK', 'sip:carol@127.0.8.3:6060', [
        ...lines,
        'To: <sip:carol@ims.test>;tag=carol',
        'CSeq: 7 ACK',
        `Route: <sip:${token}@127.0.8.1:5060;lr>`,
      ]),
      bob.source,
    );
    worker.receive(
      request(bob, 'CANCEL', 'sip:carol@ims.test', [...lines, 'To: <sip:carol@ims.test>', 'CSeq: 7 CANCEL']),
      bob.source,
    );
    expect(requests()).toEqual([]);
  });

  it('X-I5 X-I17 a core node cannot reach into it with the token of another registration', () => {
    callOfAlice(true);
    const other = register(worker, ue('dave', 'udp 127.16.0.4:5070'));
    worker.receive(
      coreRequest('BYE', `sip:alice@${alice.address}`, [
        'From: <sip:carol@ims.test>;tag=carol',
        'To: <sip:alice@ims.test>;tag=alice',
        'Call-ID: hers',
        `Route: <sip:${other}@127.0.8.1:5060;lr>`,
      ]),
      scscf,
    );
    for (const sent of worker.take()) expect(sent.to).not.toBe(`udp ${alice.address}`);
  });
});
