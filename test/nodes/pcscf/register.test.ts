import { afterEach, describe, expect, it } from 'vitest';
import { pcscfTables } from '#nodes/pcscf/registrations';
import { openMemoryStore } from '#store/memory-store';
import {
  alice,
  bob,
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
  tokenOf,
  twoListeners,
  ue,
} from './pcscf-harness.ts';

let worker: PcscfWorker;
const start = (options?: PcscfOptions) => (worker = startPcscf(options));
afterEach(() => expectQuiet(worker));

/** Whether a request of the core finds its way to the UE of a token. */
function reaches(token: string): boolean {
  worker.take();
  worker.receive(coreRequest('MESSAGE', 'sip:x@127.16.0.1:5070', [`Route: <sip:${token}@127.0.8.1:5060;lr>`]), scscf);
  const sent = worker.take();
  worker.take();
  return sent.some(({ method }) => method === 'MESSAGE');
}

describe('REGISTER to the home network', () => {
  it('P-14 P-15 P-17 P-19 P-20 P-21 goes to the I-CSCF with Path, Require, visited network and charging', () => {
    start();
    worker.receive(
      registerText(alice, ['Route: <sip:127.0.8.1:5060;lr>, <sip:elsewhere.example;lr>', 'Require: gruu']),
      alice.source,
    );
    const forwarded = worker.takeOne();
    expect(forwarded.to).toBe(icscf);
    expect(forwarded.startLine).toBe('REGISTER sip:ims.test SIP/2.0');
    expect(forwarded.header('Path')).toMatch(/^<sip:[A-Za-z0-9_-]{12}@127\.0\.8\.1:5060;lr>$/);
    expect(forwarded.all('Require')).toEqual(['gruu', 'path']);
    expect(forwarded.header('Supported')).toBe('path');
    expect(forwarded.header('P-Visited-Network-ID')).toBe('"Visited Net"');
    expect(forwarded.header('P-Charging-Vector')).toMatch(
      /^icid-value=[0-9a-f]+\.\w+;icid-generated-at=pcscf\.ims\.test;orig-ioi="Visited Net"$/,
    );
    expect(forwarded.all('Route')).toEqual([]);
    expect(forwarded.header('Contact')).toBe('<sip:alice@127.16.0.1:5070>;expires=600000');
    expect(forwarded.header('Authorization')).not.toContain('integrity-protected');
  });

  it('P-14 the Path names the Mw listener, and has ob for a UE that uses outbound', () => {
    start({ listeners: twoListeners, trusted: ['127.0.0.0/8'] });
    const contact = '<sip:alice@127.16.0.1:5070>;reg-id=1;+sip.instance="<urn:uuid:1>"';
    worker.receive(registerText(alice, ['Supported: path, outbound'], contact), alice.source);
    expect(worker.takeOne().header('Path')).toMatch(/@127\.0\.0\.1:5070;lr;ob>$/);
  });

  it('P-16 P-18 X-I2 strips what a UE must not say', () => {
    start();
    worker.receive(
      registerText(alice, [
        'P-Charging-Vector: icid-value=forged',
        'p-charging-function-addresses: ccf=evil',
        'P-Visited-Network-ID: evil',
        'P-Asserted-Identity: <sip:boss@ims.test>',
        'P-Associated-URI: <sip:boss@ims.test>',
        'Service-Route: <sip:evil;lr>',
        'P-User-Database: <aaa://evil>',
        'Path: <sip:evil;lr>',
        'P-Access-Network-Info: 3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=1, IEEE-802.11;network-provided',
        'Security-Client: ipsec-3gpp;alg=hmac-sha-1-96',
        'Require: sec-agree',
        'Proxy-Require: sec-agree',
      ]),
      alice.source,
    );
    const forwarded = worker.takeOne();
    for (const name of [
      'P-Charging-Function-Addresses',
      'P-Asserted-Identity',
      'P-Associated-URI',
      'Service-Route',
      'P-User-Database',
      'Security-Client',
      'Proxy-Require',
    ])
      expect(forwarded.all(name), name).toEqual([]);
    expect(forwarded.all('P-Charging-Vector')).toHaveLength(1);
    expect(forwarded.text).not.toContain('forged');
    expect(forwarded.all('P-Visited-Network-ID')).toEqual(['"Visited Net"']);
    expect(forwarded.all('Path')).toHaveLength(1);
    expect(forwarded.all('P-Access-Network-Info')).toEqual(['3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=1']);
    expect(forwarded.all('Require')).toEqual(['path']);
  });

  it.each([
    ['integrity-protected="yes"'],
    ['Integrity-Protected=yes'],
    ['integrity-protected="yes", integrity-protected=auth-done'],
  ])('P-17 X-I3 removes %s', (claim) => {
    start();
    const text = registerText(alice).replace('response=""', `response="", ${claim}`);
    worker.receive(text, alice.source);
    const [authorization] = worker.takeOne().all('Authorization');
    expect(authorization!.toLowerCase()).not.toContain('integrity');
    expect(authorization).toContain('username="alice@ims.test"');
  });

  it('P-10 refuses a REGISTER without Contact from a stranger, one with a broken Contact, one with a broken To', () => {
    start();
    worker.receive(registerText(alice, [], ''), alice.source);
    expect(worker.takeOne().startLine).toContain('400');
    worker.receive(registerText(alice, [], '<sip:alice@[::1>'), alice.source);
    expect(worker.takeOne().startLine).toContain('400');
    worker.receive(
      request(alice, 'REGISTER', 'sip:ims.test', ['To: <urn:service:sos>', 'Contact: <sip:a@b>']),
      alice.source,
    );
    expect(worker.takeOne().startLine).toContain('400');
    expect(worker.refusals).toEqual(['missing-contact', 'bad-contact', 'bad-identity']);
  });

  it('P-10 forwards a query of a registered UE and leaves its binding alone', () => {
    start();
    const token = register(worker, alice);
    worker.receive(registerText(alice, [], ''), alice.source);
    worker.answer(worker.takeOne(), 200);
    expect(worker.takeOne().status).toBe(200);
    expect(reaches(token)).toBe(true);
  });

  it('X-I18 X-I22 asks no address outside the core, and cuts off what leads elsewhere', () => {
    start();
    for (const uri of ['sip:203.0.113.9', 'sip:127.0.8.1:5060', 'tel:+1555']) {
      worker.receive(registerText(alice).replace('REGISTER sip:ims.test', `REGISTER ${uri}`), alice.source);
      expect(worker.takeOne().status, uri).toBe(403);
    }
    expect(new Set(worker.refusals)).toEqual(new Set(['not-a-home-network']));
    const uri = 'sip:ims.test;maddr=203.0.113.9;transport=tcp?Route=%3Csip:evil%3E';
    worker.receive(registerText(alice).replace('REGISTER sip:ims.test', `REGISTER ${uri}`), alice.source);
    const forwarded = worker.takeOne();
    expect([forwarded.to, forwarded.requestUri]).toEqual([icscf, 'sip:ims.test']);
  });

  it('P-22 answers 504 when no I-CSCF answers', () => {
    start();
    worker.receive(registerText(alice), alice.source);
    worker.failSend(worker.takeOne(), 'unreachable');
    expect(worker.takeOne().status).toBe(504);
  });

  it('P-24 P-142 answers where the REGISTER came from when the UE is behind a NAT and asks for rport', () => {
    start();
    const text = registerText(alice).replace('Via: SIP/2.0/UDP 127.16.0.1:5070', 'Via: SIP/2.0/UDP 10.0.0.1:5060');
    worker.receive(text, 'udp 127.16.0.9:33333');
    worker.answer(worker.takeOne(), 403);
    const response = worker.takeOne();
    expect(response.to).toBe('udp 127.16.0.9:33333');
    expect(response.header('Via')).toContain('received=127.16.0.9');
  });

  it('P-142 C-12 answers over UDP where the UE sent from though it does not ask, whatever its Via says', () => {
    start();
    for (const sentBy of ['10.0.0.1:5060', '127.16.0.9:5060', '10.0.0.1:5060;maddr=10.0.0.2']) {
      const text = registerText(alice).replace('127.16.0.1:5070;branch', `${sentBy};branch`).replace(';rport', '');
      worker.receive(text, 'udp 127.16.0.9:33333');
      worker.answer(worker.takeOne(), 403);
      const response = worker.takeOne();
      expect(response.to, sentBy).toBe('udp 127.16.0.9:33333');
      expect(response.header('Via')).not.toContain('rport');
    }
    const broken = registerText(alice)
      .replace(';rport', '')
      .replace(/CSeq: \d+/, 'CSeq: x');
    worker.receive(broken, 'udp 127.16.0.9:33333');
    expect([worker.takeOne().to]).toEqual(['udp 127.16.0.9:33333']);
  });
});

describe('answers to REGISTER', () => {
  it('P-23 P-30 X-I15 passes the challenge on without its keys, and the second REGISTER has the same Path', () => {
    start();
    worker.receive(registerText(alice), alice.source);
    const first = worker.takeOne();
    worker.answer(first, 401, [
      'WWW-Authenticate: Digest realm="ims.test",nonce="abc",algorithm=AKAv1-MD5,qop="auth",CK="00112233445566778899aabbccddeeff",ik=ffeeddccbbaa99887766554433221100',
      'P-Charging-Vector: icid-value=reg;term-ioi=home',
    ]);
    const challenge = worker.takeOne();
    expect(challenge.header('WWW-Authenticate')).toBe(
      'Digest realm="ims.test",nonce="abc",algorithm=AKAv1-MD5,qop="auth"',
    );
    expect(challenge.header('P-Charging-Vector')).toBeNull();
    worker.receive(registerText(alice), alice.source);
    const second = worker.takeOne();
    expect(tokenOf(second)).toBe(tokenOf(first));
    expect(second.header('P-Charging-Vector')).not.toBe(first.header('P-Charging-Vector'));
  });

  it('P-23 a pending registration is forgotten after 240 s, and at once on another final answer', () => {
    start();
    worker.receive(registerText(alice), alice.source);
    const first = worker.takeOne();
    worker.answer(first, 401, ['WWW-Authenticate: Digest realm="ims.test",nonce="abc"']);
    worker.advance(241_000);
    worker.take();
    worker.receive(registerText(alice), alice.source);
    const second = worker.takeOne();
    expect(tokenOf(second)).not.toBe(tokenOf(first));
    worker.answer(second, 403);
    worker.take();
    worker.receive(registerText(alice), alice.source);
    expect(tokenOf(worker.takeOne())).not.toBe(tokenOf(second));
  });

  it('P-50 P-51 stores what the home network granted and keeps charging data from the UE', () => {
    start();
    worker.receive(registerText(alice), alice.source);
    const forwarded = worker.takeOne();
    worker.answer(forwarded, 200, [...granted(alice), `Path: ${forwarded.header('Path')}`]);
    const ok = worker.takeOne();
    expect(ok.to).toBe(alice.source);
    expect(ok.all('P-Charging-Vector')).toEqual([]);
    expect(ok.all('P-Charging-Function-Addresses')).toEqual([]);
    expect(ok.header('Service-Route')).toBe(serviceRoute);
    expect(ok.header('P-Associated-URI')).toContain('sip:alice@ims.test');
    expect(ok.header('Path')).toBe(forwarded.header('Path'));
    expect(worker.logic.registrations()).toBe(1);
    expect(worker.events).toEqual(['registered']);
    expect(reaches(tokenOf(forwarded))).toBe(true);
  });

  it('P-50 registers what To says when P-Associated-URI is missing, and finds the contact by its instance', () => {
    start();
    const contact = '<sip:alice@127.16.0.1:5070>;+sip.instance="<urn:uuid:1>"';
    worker.receive(registerText(alice, [], contact), alice.source);
    worker.answer(worker.takeOne(), 200, [
      `Service-Route: ${serviceRoute}`,
      'Contact: <sip:alice@other.name:5070>;+sip.instance="<urn:uuid:1>";expires=60',
    ]);
    worker.take();
    worker.receive(request(alice, 'MESSAGE', 'sip:bob@ims.test'), alice.source);
    expect(worker.takeOne().header('P-Asserted-Identity')).toBe('<sip:alice@ims.test>');
  });

  it('P-14 P-54 a refresh keeps token and binding; P-52 P-57 it lives for the granted time and 30 s', () => {
    start();
    const token = register(worker, alice, granted(alice, 600));
    worker.advance(500_000);
    expect(register(worker, alice, granted(alice, 600))).toBe(token);
    expect(worker.events).toEqual(['registered', 'reregistered']);
    worker.advance(625_000);
    expect(reaches(token)).toBe(true);
    worker.advance(10_000);
    expect(worker.logic.registrations()).toBe(0);
    expect(worker.events).toContain('registration-expired');
    expect(reaches(token)).toBe(false);
  });

  it('P-55 a de-registration takes the binding away', () => {
    start();
    const token = register(worker, alice);
    worker.receive(registerText(alice, ['Expires: 0'], '<sip:alice@127.16.0.1:5070>;expires=0'), alice.source);
    worker.answer(worker.takeOne(), 200);
    expect(worker.takeOne().status).toBe(200);
    expect(worker.logic.registrations()).toBe(0);
    expect(reaches(token)).toBe(false);
  });

  it('P-55 one of two contacts of a flow goes, the other stays', () => {
    start();
    const both = '<sip:alice@127.16.0.1:5070>, <sip:alice2@127.16.0.1:5070>';
    worker.receive(registerText(alice, [], both), alice.source);
    const forwarded = worker.takeOne();
    worker.answer(forwarded, 200, [
      'Contact: <sip:alice@127.16.0.1:5070>;expires=60, <sip:alice2@127.16.0.1:5070>;expires=60',
    ]);
    worker.take();
    worker.receive(registerText(alice, [], '<sip:alice@127.16.0.1:5070>;expires=0'), alice.source);
    worker.answer(worker.takeOne(), 200, ['Contact: <sip:alice2@127.16.0.1:5070>;expires=60']);
    worker.take();
    expect(reaches(tokenOf(forwarded))).toBe(true);
  });

  it('P-56 the older binding goes when the subscriber registers from another address', () => {
    start();
    const old = register(worker, alice);
    const moved = ue('alice', 'udp 127.16.0.7:5070');
    const token = register(worker, moved);
    expect(token).not.toBe(old);
    expect([reaches(old), reaches(token)]).toEqual([false, true]);
    worker.receive(request(alice, 'MESSAGE', 'sip:bob@ims.test'), alice.source);
    expect(worker.takeOne().status).toBe(403);
  });

  it('P-56 reg-id keeps a second flow of the same UE', () => {
    start();
    const flows = [ue('alice', 'udp 127.16.0.1:5070'), ue('alice', 'udp 127.16.0.2:5070')];
    const contacts = flows.map(
      (flow, i) => `<sip:alice@${flow.address}>;reg-id=${i + 1};+sip.instance="<urn:uuid:1>";expires=60`,
    );
    const tokens = flows.map((flow, i) => {
      worker.receive(registerText(flow, ['Supported: outbound'], contacts[i]), flow.source);
      const forwarded = worker.takeOne();
      worker.answer(forwarded, 200, [`Contact: ${contacts.slice(0, i + 1).join(', ')}`]);
      worker.take();
      return tokenOf(forwarded);
    });
    expect(tokens.map(reaches)).toEqual([true, true]);
  });

  it('P-56 X-I7 another subscriber at the same address takes it over, but only once the home network says so', () => {
    start();
    const token = register(worker, alice);
    const mallory = ue('mallory', alice.source);
    worker.receive(registerText(mallory), mallory.source);
    const forwarded = worker.takeOne();
    worker.answer(forwarded, 401, ['WWW-Authenticate: Digest realm="ims.test",nonce="abc"']);
    worker.take();
    expect(reaches(token)).toBe(true);
    worker.receive(registerText(mallory), mallory.source);
    worker.answer(worker.takeOne(), 200, granted(mallory));
    worker.take();
    expect(reaches(token)).toBe(false);
  });

  it('P-58 X-I8 a refused REGISTER, or a challenge to Contact *, leaves the registration as it is', () => {
    start();
    const token = register(worker, alice);
    worker.receive(registerText(alice), alice.source);
    worker.answer(worker.takeOne(), 403);
    expect(worker.takeOne().status).toBe(403);
    const attacker = ue('alice', 'udp 127.16.0.66:5070');
    worker.receive(registerText(attacker, ['Expires: 0'], '*'), attacker.source);
    worker.answer(worker.takeOne(), 401, ['WWW-Authenticate: Digest realm="ims.test",nonce="abc"']);
    expect(worker.takeOne().status).toBe(401);
    expect(reaches(token)).toBe(true);
  });

  it('P-50 another daemon on the same store knows the registration', () => {
    const store = openMemoryStore(pcscfTables);
    start({ store });
    const token = register(worker, alice);
    expectQuiet(worker);
    start({ store });
    expect(worker.logic.registrations()).toBe(1);
    expect(reaches(token)).toBe(true);
    worker.receive(request(alice, 'MESSAGE', 'sip:bob@ims.test'), alice.source);
    expect(worker.takeOne().header('Route')).toBe(serviceRoute);
  });

  it('P-50 answers 500 when the registration cannot be stored', () => {
    const store = openMemoryStore(pcscfTables);
    store.commit = () => {
      throw new Error('disk full');
    };
    start({ store });
    worker.receive(registerText(alice), alice.source);
    worker.answer(worker.takeOne(), 200, granted(alice));
    expect(worker.takeOne().status).toBe(500);
    expect(worker.refusals).toEqual(['store-failed']);
  });
});

describe('who may send what', () => {
  it('P-01 P-03 on one listener a trusted source is core, every other a UE', () => {
    start();
    worker.receive(registerText(alice), scscf);
    expect(worker.takeOne().status).toBe(403);
    expect(worker.refusals).toEqual(['register-from-core']);
  });

  it('P-01 P-03 on Gm everyone is a UE, on Mw only the trusted may send: others get 403, or nothing inside dialogs', () => {
    start({ listeners: twoListeners, trusted: ['127.0.8.0/24', '127.0.0.1/32'] });
    const local = ue('alice', 'udp 127.0.0.1:5099');
    register(worker, local);
    worker.receive(coreRequest('MESSAGE', 'sip:alice@127.0.0.1:5099'), 'udp 203.0.113.5:5060', mw);
    expect(worker.takeOne().status).toBe(403);
    worker.receive(coreRequest('BYE', 'sip:alice@127.0.0.1:5099', ['To: <sip:a@b>;tag=1']), 'udp 203.0.113.5:5060', mw);
    expect(worker.take()).toEqual([]);
    worker.receive(registerText(alice), 'udp 203.0.113.5:5060', mw);
    expect(worker.takeOne().status).toBe(403);
    expect(worker.refusals).toEqual(['untrusted-peer', 'untrusted-peer']);
  });

  it('P-04 P-05 a network whose profile asks for security gets 403 without it', () => {
    start({
      access: [
        { from: '0.0.0.0/0', security: 'ipsec-required' },
        { from: '127.16.0.0/16', security: 'none' },
        { from: '127.17.0.0/16', security: 'tls' },
      ],
    });
    for (const [source, status] of [
      ['udp 127.16.0.1:5070', 0],
      ['udp 127.17.0.1:5070', 403],
      ['tcp 127.17.0.1:5070 #3', 403],
      ['tls 127.17.0.1:5070 #4', 0],
      ['udp 127.18.0.1:5070', 403],
      ['tls 127.18.0.1:5070 #5', 403],
    ] as const) {
      worker.receive(registerText(ue('alice', source)), source);
      expect(worker.takeOne().status, source).toBe(status);
    }
  });

  it('P-04 P-70 X-I6 nothing but REGISTER and OPTIONS before registration, nor from another port or by another transport', () => {
    start();
    for (const method of ['INVITE', 'MESSAGE', 'SUBSCRIBE', 'BYE']) {
      worker.receive(request(alice, method, 'sip:bob@ims.test'), alice.source);
      expect(worker.takeOne().status, method).toBe(403);
    }
    register(worker, alice);
    for (const source of ['udp 127.16.0.1:5071', 'tcp 127.16.0.1:5070 #4', 'udp 127.16.0.2:5070']) {
      worker.receive(request(alice, 'MESSAGE', 'sip:bob@ims.test'), source);
      expect(worker.takeOne().status, source).toBe(403);
    }
    expect(new Set(worker.refusals)).toEqual(new Set(['not-registered']));
  });

  it('X-S4 C-11 says which connections a registration needs, and until when', () => {
    start();
    const stream = ue('alice', 'tls 127.16.0.1:40000 #7');
    register(worker, alice);
    expect(worker.holds).toEqual([]);
    register(worker, stream, granted(stream), 1);
    expect(worker.holds).toEqual([{ connection: 7, held: true }]);
    const moved = ue('alice', 'tls 127.16.0.1:40001 #8');
    register(worker, moved, granted(moved, 600), 1);
    expect(new Set(worker.holds.slice(1).map(({ connection, held }) => `${connection} ${held}`))).toEqual(
      new Set(['7 false', '8 true']),
    );
    worker.holds.length = 0;
    worker.advance(640_000);
    expect(worker.holds).toEqual([{ connection: 8, held: false }]);
  });

  it('P-05 a UE on a stream is its connection: another one from the same address is not registered', () => {
    start();
    const stream = ue('alice', 'tcp 127.16.0.1:40000 #7');
    register(worker, stream);
    worker.receive(request(stream, 'MESSAGE', 'sip:bob@ims.test'), 'tcp 127.16.0.1:40000 #8', 1);
    expect(worker.takeOne().status).toBe(403);
    worker.receive(request(stream, 'MESSAGE', 'sip:bob@ims.test'), stream.source, 1);
    expect(worker.takeOne().method).toBe('MESSAGE');
  });

  it('P-06 refuses what has passed this node too often', () => {
    start();
    register(worker, alice);
    const vias = Array.from({ length: 10 }, (_, i) => `Via: SIP/2.0/UDP 127.0.8.1:5060;branch=z9hG4bKl${i}`);
    const text = request(alice, 'MESSAGE', 'sip:bob@ims.test').replace(
      'Max-Forwards',
      `${vias.join('\r\n')}\r\nMax-Forwards`,
    );
    worker.receive(text, alice.source);
    expect(worker.takeOne().status).toBe(482);
  });

  it('P-145 answers OPTIONS to itself', () => {
    start();
    worker.receive(request(bob, 'OPTIONS', 'sip:127.0.8.1:5060'), bob.source);
    const ok = worker.takeOne();
    expect([ok.status, ok.header('Allow') !== null, ok.header('Supported')]).toEqual([200, true, 'path']);
  });
});
