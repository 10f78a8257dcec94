import { afterEach, describe, expect, it } from 'vitest';
import { IpsecError } from '#ipsec/ipsec-backend';
import { pcscfTables } from '#nodes/pcscf/registrations';
import { openMemoryStore } from '#store/memory-store';
import { expectQuiet, type PcscfOptions, type PcscfWorker, request } from '../pcscf-harness.ts';
import {
  akaChallenge,
  answerChallenge,
  challenge,
  ck,
  clientListener,
  grantedTo,
  ik,
  ipsecConfig,
  own,
  type Phone,
  parameter,
  phone,
  plainSource,
  RecordingPort,
  registerOf,
  registerPhone,
  renew,
  securityClient,
  serverTcp,
  serverUdp,
  startIpsec,
  toPhone,
  udpSource,
} from './ipsec-harness.ts';

let worker: PcscfWorker;
let port: RecordingPort;
const start = (options?: PcscfOptions) => {
  port = new RecordingPort();
  worker = startIpsec(port, options);
};
afterEach(() => expectQuiet(worker));

const alice = () => phone('alice', '10.46.0.5');

/** What a REGISTER is answered with at once. */
function answerTo(text: string, source: string, listener = 0) {
  worker.receive(text, source, listener);
  return worker.takeOne();
}

/** A request that a phone sends by its set. */
function message(ue: Phone, lines: readonly string[] = [], method = 'MESSAGE') {
  return request(
    { user: 'alice', source: udpSource(ue), address: `${ue.address}:${ue.serverPort}` },
    method,
    'sip:bob@ims.test',
    lines,
  );
}

/** Whether a request of the core gets to a phone; gives the port of ours that it left from, 0 when not. */
function reach(token: string, ue: Phone): number {
  worker.take();
  worker.receive(toPhone('MESSAGE', token, ue), 'udp 172.22.0.20:6060');
  const sent = worker.take().find(({ method }) => method === 'MESSAGE');
  return [5100, 5102, 5104].find((candidate) => sent?.target.listener === clientListener('udp', candidate)) ?? 0;
}

describe('the unprotected REGISTER', () => {
  it('P-05 P-11 421 with Require for who offers no agreement where IPsec is required', () => {
    start();
    const answer = answerTo(registerOf(alice(), { client: null }), 'udp 10.46.0.5:5060');
    expect([answer.status, answer.header('Require')]).toEqual([421, 'sec-agree']);
    expect(worker.refusals).toEqual(['security-agreement-required']);
  });

  it('P-11 P-13 494 with our list for who insists and offers nothing, or nothing that may be used', () => {
    start();
    const ue = alice();
    for (const client of [null, securityClient(ue, ['alg=hmac-md5-96;ealg=des-ede3-cbc']), 'tls;q=0.1']) {
      const answer = answerTo(registerOf(ue, { client, require: true }), plainSource(ue));
      expect(answer.status).toBe(494);
      expect(answer.header('Security-Server')).toBe(
        'ipsec-3gpp;q=0.75;prot=esp;mod=trans;alg=hmac-sha-1-96;ealg=aes-cbc, ' +
          'ipsec-3gpp;q=0.5;prot=esp;mod=trans;alg=hmac-sha-1-96;ealg=null, ' +
          'ipsec-3gpp;q=0.25;prot=esp;mod=trans;alg=hmac-md5-96;ealg=null',
      );
    }
    expect(new Set(worker.refusals)).toEqual(new Set(['no-common-algorithm']));
    expect(port.added).toEqual([]);
  });

  it('P-05 the four profiles: what an offer, and no offer, leads to', () => {
    start({
      access: [
        { from: '10.1.0.0/16', security: 'ipsec-required' },
        { from: '10.2.0.0/16', security: 'ipsec-preferred' },
        { from: '10.3.0.0/16', security: 'tls' },
        { from: '10.4.0.0/16', security: 'none' },
      ],
    });
    const outcome = (address: string, offers: boolean, transport = 'udp') => {
      const ue = phone('alice', address);
      const text = registerOf(ue, { ...(offers ? {} : { client: null }), require: false });
      const sent = answerTo(text, `${transport} ${address}:5060${transport === 'udp' ? '' : ' #9'}`);
      if (sent.method === '') return sent.status;
      expect(sent.all('Security-Client')).toEqual([]);
      return /integrity-protected="(\w+)"/.exec(sent.header('Authorization')!)?.[1] ?? 'forwarded';
    };
    expect([outcome('10.1.0.1', true), outcome('10.1.0.2', false)]).toEqual(['no', 421]);
    expect([outcome('10.2.0.1', true), outcome('10.2.0.2', false)]).toEqual(['no', 'forwarded']);
    expect([outcome('10.3.0.1', true), outcome('10.3.0.2', false, 'tls')]).toEqual([403, 'forwarded']);
    expect([outcome('10.4.0.1', true), outcome('10.4.0.2', false)]).toEqual(['forwarded', 'forwarded']);
  });

  it('P-04 nothing but REGISTER and OPTIONS passes the unprotected port where IPsec is required', () => {
    start();
    const ue = alice();
    for (const method of ['INVITE', 'MESSAGE', 'SUBSCRIBE', 'BYE', 'ACK']) {
      worker.receive(message(ue, [], method), plainSource(ue));
      expect(worker.take().map(({ status }) => status)).toEqual(method === 'ACK' ? [] : [403]);
    }
    const options = request(
      { user: 'alice', source: plainSource(ue), address: '10.46.0.5:5060' },
      'OPTIONS',
      `sip:${own}:5060`,
    );
    expect(answerTo(options, plainSource(ue)).status).toBe(200);
  });

  it('P-16 P-17 X-I3 goes on without the agreement, with exactly one claim of integrity, which is ours', () => {
    start();
    const ue = alice();
    const text = registerOf(ue).replace('response=""', 'response="",Integrity-Protected=yes,integrity-protected="yes"');
    const forwarded = answerTo(text, plainSource(ue));
    expect(forwarded.all('Security-Client')).toEqual([]);
    expect(forwarded.all('Proxy-Require')).toEqual([]);
    expect(forwarded.all('Require')).toEqual(['path']);
    expect(
      forwarded
        .header('Authorization')!
        .toLowerCase()
        .match(/integrity-protected/g),
    ).toHaveLength(1);
    expect(forwarded.header('Authorization')).toMatch(/, integrity-protected="no"$/);
  });

  it('P-17 without Authorization none is made up', () => {
    start();
    const ue = alice();
    const text = registerOf(ue).replace(/Authorization: .*\r\n/, '');
    expect(answerTo(text, plainSource(ue)).all('Authorization')).toEqual([]);
  });

  it('P-39 503 with Retry-After where IPsec is required and the host cannot do it; where it is preferred it goes without', () => {
    worker = startIpsec(null, {
      access: [
        { from: '10.1.0.0/16', security: 'ipsec-required' },
        { from: '10.2.0.0/16', security: 'ipsec-preferred' },
      ],
    });
    const refused = answerTo(registerOf(phone('alice', '10.1.0.1')), 'udp 10.1.0.1:5060');
    expect(refused.status).toBe(503);
    expect(Number(refused.header('Retry-After'))).toBeGreaterThan(0);
    const text = registerOf(phone('alice', '10.2.0.1'), { require: false });
    const forwarded = answerTo(text, 'udp 10.2.0.1:5060');
    expect(forwarded.header('Authorization')).not.toContain('integrity');
  });
});

describe('the challenge', () => {
  it('P-30 P-35 P-36 P-38 P-81 goes on, without its keys, when the associations stand: back where the REGISTER came from', async () => {
    start();
    const ue = alice();
    let open = () => {};
    port.gate = new Promise((resolve) => (open = resolve));
    worker.receive(registerOf(ue), plainSource(ue));
    worker.answer(worker.takeOne(), 401, [akaChallenge]);
    await worker.settle();
    expect(worker.take()).toEqual([]);
    expect(port.installed.size).toBe(0);
    open();
    await worker.settle();
    const answer = worker.takeOne();
    expect([answer.status, answer.to]).toEqual([401, plainSource(ue)]);
    expect(answer.header('WWW-Authenticate')).toBe(
      `Digest realm="ims.test",nonce="${'n'.repeat(43)}=",algorithm=AKAv1-MD5,qop="auth"`,
    );
    const server = answer.header('Security-Server')!;
    expect(answer.all('Security-Server')).toEqual([
      `ipsec-3gpp;q=0.1;prot=esp;mod=trans;spi-c=${parameter(server, 'spi-c')};spi-s=${parameter(server, 'spi-s')};` +
        `port-c=${parameter(server, 'port-c')};port-s=6100;alg=hmac-sha-1-96;ealg=aes-cbc`,
    ]);
    expect([5100, 5102, 5104]).toContain(parameter(server, 'port-c'));
    const [added] = port.added;
    expect(added!.map(({ spi }) => spi)).toEqual([
      parameter(server, 'spi-s'),
      ue.clientSpi,
      ue.serverSpi,
      parameter(server, 'spi-c'),
    ]);
    expect(added![0]).toMatchObject({
      direction: 'in',
      source: { address: '10.46.0.5', port: 50600 },
      destination: { address: own, port: 6100 },
      integrity: 'hmac-sha-1-96',
      encryption: 'aes-cbc',
      encryptionKey: Buffer.from(ck, 'hex'),
      firstSequence: 0,
    });
    expect(added![0]!.lifetimeSeconds).toBeGreaterThanOrEqual(240);
  });

  it('P-30 X-I15 no key reaches a message, the log, the trace or the store, in hexadecimal, base64 or octets', async () => {
    const store = openMemoryStore(pcscfTables);
    const seen: string[] = [];
    start({
      store,
      ipsec: { ...ipsecConfig, storeKey: 'a secret of the operator' },
      trace: { sip: (dir, text) => void (dir === 'out' && seen.push(text)), diameter: () => {} },
    });
    const ue = alice();
    await registerPhone(worker, ue);
    port.failure = new IpsecError('ERR_IPSEC_EXISTS', 'an association with this SPI exists');
    const other = phone('carol', '10.46.0.6');
    await challenge(worker, other);
    const dump = pcscfTables.flatMap((table) =>
      store.range(table, '', 1000).map(({ value }) => value.toString('latin1')),
    );
    expect(dump.length).toBeGreaterThan(5);
    const logged = worker.logged.map(({ fields, message: words }) => JSON.stringify(fields) + words);
    expect(logged.length).toBeGreaterThan(0);
    for (const key of [ck, ik]) {
      const octets = Buffer.from(key, 'hex');
      for (const form of [key, key.toUpperCase(), octets.toString('base64').slice(0, 20), octets.toString('latin1')]) {
        for (const text of [...seen, ...dump, ...logged]) expect(text.includes(form)).toBe(false);
      }
    }
  });

  it('P-31 500 and no registration under way when the keys are missing or broken', async () => {
    start();
    for (const broken of [`,ik="${ik}"`, `,ck="${ck}"`, `,ck="${ck}"`.replace('00', '0g')]) {
      const ue = alice();
      worker.receive(registerOf(ue), plainSource(ue));
      const line = broken.includes('0g')
        ? akaChallenge.replace(ck, ck.replace('00', '0g'))
        : akaChallenge.replace(broken, '');
      worker.answer(worker.takeOne(), 401, [line]);
      await worker.settle();
      const answer = worker.takeOne();
      expect(answer.status).toBe(500);
      expect(answer.text).not.toContain(ik);
      expect(answer.text).not.toContain(ck);
    }
    expect(port.added).toEqual([]);
    expect(new Set(worker.refusals)).toEqual(new Set(['keys-missing']));
  });

  it('P-31 a challenge that is not of AKA goes on without associations and Security-Server', async () => {
    start();
    const ue = alice();
    worker.receive(registerOf(ue), plainSource(ue));
    worker.answer(worker.takeOne(), 401, [
      'WWW-Authenticate: Digest realm="ims.test",nonce="x",algorithm=MD5,qop="auth"',
    ]);
    await worker.settle();
    const answer = worker.takeOne();
    expect([answer.status, answer.header('Security-Server')]).toEqual([401, null]);
    expect(port.added).toEqual([]);
  });

  it('P-39 503 with Retry-After and an alarm when the host refuses; nothing is left, and the next REGISTER starts over', async () => {
    start();
    const ue = alice();
    port.failure = new IpsecError('ERR_IPSEC_DENIED', 'EPERM: CAP_NET_ADMIN is missing');
    const { answer } = await challenge(worker, ue);
    expect([answer.status, answer.header('Security-Server')]).toEqual([503, null]);
    expect(Number(answer.header('Retry-After'))).toBeGreaterThan(0);
    expect(worker.logged.filter(({ level }) => level === 'error').map(({ fields }) => fields)).toEqual([
      expect.objectContaining({ reason: 'ipsec-failed', impi: ue.impi, err: port.failure }),
    ]);
    expect(worker.events).toEqual(['association-failed']);
    port.failure = null;
    await registerPhone(worker, ue);
    expect(worker.logic.registrations()).toBe(1);
  });

  it('P-37 a set that nobody answers lives for four minutes', async () => {
    start();
    const ue = alice();
    await challenge(worker, ue);
    worker.advance(239_000);
    await worker.settle();
    expect(port.installed.size).toBe(4);
    worker.advance(3_000);
    await worker.settle();
    expect(port.installed.size).toBe(0);
    expect(worker.events).toEqual(['association-set-up', 'association-unanswered']);
    worker.take();
    expect(answerTo(registerOf(ue, { verify: 'x' }), udpSource(ue), serverUdp).status).toBe(403);
  });

  it('P-37 X-I9 another unprotected REGISTER of the same contact replaces the set, even with the same SPIs', async () => {
    start();
    const ue = alice();
    const first = (await challenge(worker, ue)).answer.header('Security-Server')!;
    const second = (await challenge(worker, ue)).answer.header('Security-Server')!;
    expect(port.removed.map(({ spi }) => spi)).toContain(parameter(first, 'spi-s'));
    expect(port.installed.size).toBe(4);
    renew(ue);
    await challenge(worker, ue);
    expect(port.installed.size).toBe(4);
    expect(port.removed.map(({ spi }) => spi)).toContain(parameter(second, 'spi-s'));
  });

  it('P-34 X-I13 SPIs of ours are never those of the UE, and no two sets share one', async () => {
    start();
    const spis = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const server = (await challenge(worker, phone(`u${i}`, `10.46.1.${i}`))).answer.header('Security-Server')!;
      for (const name of ['spi-c', 'spi-s']) {
        const spi = parameter(server, name);
        expect(spi).toBeGreaterThanOrEqual(256);
        expect(spis.has(spi)).toBe(false);
        spis.add(spi);
      }
    }
  });

  it('X-I13 another UE at the same address with the ports or SPIs of a set gets 403, and the set stays', async () => {
    start();
    const ue = alice();
    const { token } = await registerPhone(worker, ue);
    const before = [...port.installed.values()];
    const samePorts = phone('mallory', ue.address);
    const sameSpi = { ...phone('mallory', ue.address), clientPort: 40_000, clientSpi: ue.serverSpi };
    for (const mallory of [samePorts, sameSpi]) {
      const { answer } = await challenge(worker, mallory);
      expect(answer.status).toBe(403);
    }
    expect(worker.refusals).toEqual(['association-in-use', 'association-in-use']);
    expect([...port.installed.values()]).toEqual(before);
    expect(reach(token, ue)).toBeGreaterThan(0);
  });

  it('X-I13 with a second server port that other UE gets the other one', async () => {
    const second = [
      `gm udp:${own}:6200 server`,
      `gm tcp:${own}:6200 server`,
      `gm udp:${own}:5200 client 6200`,
      `gm udp:${own}:5202 client 6200`,
    ];
    const base = [`gm+mw udp:${own}:5060`, `gm udp:${own}:6100 server`, `gm udp:${own}:5100 client 6100`];
    start({ listeners: [...base, ...second], ipsec: { ...ipsecConfig, serverPorts: [6100, 6200] } });
    const ue = alice();
    await challenge(worker, ue);
    const server = (await challenge(worker, phone('mallory', ue.address))).answer.header('Security-Server')!;
    expect(parameter(server, 'port-s')).toBe(6200);
    expect([5200, 5202]).toContain(parameter(server, 'port-c'));
  });
});

describe('the protected REGISTER', () => {
  it('P-40 P-41 P-42 goes on with integrity-protected="yes", the same Path, and nothing of the agreement', async () => {
    start();
    const ue = alice();
    const { forwarded, answer } = await challenge(worker, ue);
    const verify = answer.header('Security-Server')!.replaceAll(';', ' ; ');
    const second = answerTo(registerOf(ue, { verify, response: 'r' }), udpSource(ue), serverUdp);
    expect(second.header('Path')).toBe(forwarded.header('Path'));
    expect(second.header('Authorization')).toMatch(/, integrity-protected="yes"$/);
    for (const name of ['Security-Client', 'Security-Verify', 'Proxy-Require']) expect(second.all(name)).toEqual([]);
    expect(second.all('Require')).toEqual(['path']);
    expect(second.header('P-Charging-Vector')).not.toBe(forwarded.header('P-Charging-Vector'));
    expect(second.header('P-Visited-Network-ID')).toBe('"Visited Net"');
  });

  it('P-40 by TCP after UDP it is the same registration', async () => {
    start();
    const ue = alice();
    const { forwarded, answer } = await challenge(worker, ue);
    const verify = answer.header('Security-Server')!;
    const text = registerOf(ue, { verify, transport: 'tcp' });
    const second = answerTo(text, `tcp ${ue.address}:${ue.clientPort} #7`, serverTcp);
    expect(second.header('Path')).toBe(forwarded.header('Path'));
    worker.answer(second, 200, grantedTo(ue));
    await worker.settle();
    const ok = worker.takeOne();
    expect([ok.status, ok.target.connection]).toEqual([200, 7]);
    expect(worker.holds).toEqual([{ connection: 7, held: true }]);
  });

  it('P-40 403 by a protected port without a set', () => {
    start();
    const ue = alice();
    expect(answerTo(registerOf(ue), udpSource(ue), serverUdp).status).toBe(403);
    expect(worker.refusals).toEqual(['no-security-association']);
  });

  it('P-40 P-44 X-I7 403 for another private identity; the set stays as it is', async () => {
    start();
    const ue = alice();
    const { token } = await registerPhone(worker, ue);
    const answer = answerTo(registerOf(ue, { impi: 'mallory@ims.test' }), udpSource(ue), serverUdp);
    expect(answer.status).toBe(403);
    expect(worker.refusals).toEqual(['not-your-association']);
    expect(reach(token, ue)).toBeGreaterThan(0);
  });

  it('P-44 another public identity of the same private one is registered by the same set', async () => {
    start();
    const ue = alice();
    const { token } = await registerPhone(worker, ue);
    worker.receive(registerOf(ue, { user: 'alice2', client: null }), udpSource(ue), serverUdp);
    const forwarded = worker.takeOne();
    expect(forwarded.header('Authorization')).toContain('integrity-protected="yes"');
    worker.answer(forwarded, 200, grantedTo(ue, 7200, 'alice2'));
    await worker.settle();
    expect(worker.takeOne().status).toBe(200);
    const path = forwarded.header('Path')!;
    const second = path.slice('<sip:'.length, path.indexOf('@'));
    expect(second).not.toBe(token);
    expect(worker.logic.registrations()).toBe(2);
    expect([reach(token, ue) > 0, reach(second, ue) > 0]).toEqual([true, true]);
    // With another set of the UE both move to it, and it takes both to end it.
    renew(ue);
    const server = await reauthenticate(ue);
    worker.advance(130_000);
    await worker.settle();
    expect(reach(token, ue)).toBe(parameter(server, 'port-c'));
    expect(reach(second, ue)).toBe(parameter(server, 'port-c'));
  });

  it.each([
    ['P-41 X-I11 without Security-Verify', (_ue: Phone, _server: string) => ({})],
    [
      'P-41 X-I11 with another Security-Verify',
      (_ue: Phone, server: string) => ({ verify: server.replace('aes-cbc', 'null') }),
    ],
    [
      'P-41 X-I11 with a shorter Security-Client',
      (ue: Phone, verify: string) => ({ verify, client: securityClient(ue, ['alg=hmac-sha-1-96;ealg=aes-cbc']) }),
    ],
    [
      'P-41 X-I11 with other ports in Security-Client',
      (ue: Phone, verify: string) => ({ verify, client: securityClient({ ...ue, serverPort: 1234 }) }),
    ],
    ['P-41 X-I11 without Security-Client', (_ue: Phone, verify: string) => ({ verify, client: null })],
  ])('%s it is 494, and the temporary set is over', async (_what, parts) => {
    start();
    const ue = alice();
    const { answer } = await challenge(worker, ue);
    const server = answer.header('Security-Server')!;
    const refused = answerTo(registerOf(ue, parts(ue, server)), udpSource(ue), serverUdp);
    expect(refused.status).toBe(494);
    expect(refused.header('Security-Server')).toContain('alg=hmac-sha-1-96;ealg=aes-cbc');
    expect(worker.refusals).toEqual(['security-agreement-changed']);
    // As it should have been, too late; the answer before may still be sent again by the set.
    expect(answerTo(registerOf(ue, { verify: server }), udpSource(ue), serverUdp).status).toBe(403);
    worker.advance(130_000);
    await worker.settle();
    expect(port.installed.size).toBe(0);
    expect(worker.logic.registrations()).toBe(0);
  });

  it('P-43 a Via or Contact at another place is told, and refused where the policy is strict', async () => {
    const elsewhere = [
      { contact: '<sip:alice@10.46.0.5:9999>' },
      { contact: '<sip:alice@10.99.0.1:50601>' },
      { via: '10.99.0.1:50601' },
    ];
    start();
    const ue = alice();
    const { answer } = await challenge(worker, ue);
    const verify = answer.header('Security-Server')!;
    for (const parts of elsewhere) {
      expect(answerTo(registerOf(ue, { verify, ...parts }), udpSource(ue), serverUdp).method).toBe('REGISTER');
    }
    expect(
      answerTo(registerOf(ue, { verify, contact: '<sip:alice@10.46.0.5>' }), udpSource(ue), serverUdp).method,
    ).toBe('REGISTER');
    expect(worker.events.filter((event) => event === 'contact-elsewhere')).toHaveLength(3);
    expectQuiet(worker);

    start({ ipsec: { ...ipsecConfig, strictContact: true } });
    const strict = alice();
    const again = (await challenge(worker, strict)).answer.header('Security-Server')!;
    for (const parts of elsewhere) {
      const refused = answerTo(registerOf(strict, { verify: again, ...parts }), udpSource(strict), serverUdp);
      expect(refused.status).toBe(403);
    }
    await answerChallenge(worker, strict, again);
  });
});

/** A re-REGISTER by the set in use, with a challenge and its answer by a new one. Gives the new Security-Server. */
async function reauthenticate(ue: Phone): Promise<string> {
  const source = `udp ${ue.address}:${ue.clientPort - 2}`;
  worker.receive(registerOf(ue), source, serverUdp);
  const forwarded = worker.takeOne();
  expect(forwarded.header('Authorization')).toContain('integrity-protected="yes"');
  worker.answer(forwarded, 401, [akaChallenge]);
  await worker.settle();
  const answer = worker.takeOne();
  expect(answer.status).toBe(401);
  const server = answer.header('Security-Server')!;
  await answerChallenge(worker, ue, server);
  return server;
}

describe('the 200', () => {
  it('P-51 P-52 P-81 goes by the set that the REGISTER came by; the set lives for the granted time and 30 s', async () => {
    start();
    const ue = alice();
    const { server, ok } = await registerPhone(worker, ue, 7200);
    expect(ok.to).toBe(`udp 10.46.0.5:${ue.serverPort}`);
    expect(ok.target.listener).toBe(clientListener('udp', parameter(server, 'port-c')));
    expect(ok.header('P-Charging-Vector')).toBeNull();
    expect(ok.header('P-Charging-Function-Addresses')).toBeNull();
    expect(ok.header('Service-Route')).toContain('orig@');
    expect(worker.events).toEqual(['association-set-up', 'association-established', 'registered']);
    const { spis, seconds } = port.extended.at(-1)!;
    expect(spis).toHaveLength(4);
    expect(seconds).toBeGreaterThanOrEqual(7230);
    worker.advance(7_229_000);
    await worker.settle();
    expect(port.installed.size).toBe(4);
    worker.advance(5_000);
    await worker.settle();
    expect(port.installed.size).toBe(0);
    expect(worker.logic.registrations()).toBe(0);
  });

  it('P-54 a refresh without a challenge keeps the set and prolongs it', async () => {
    start();
    const ue = alice();
    const { token } = await registerPhone(worker, ue, 600);
    worker.advance(500_000);
    worker.receive(registerOf({ ...ue, clientSpi: 1, cseq: 50 }, { client: null }), udpSource(ue), serverUdp);
    worker.answer(worker.takeOne(), 200, grantedTo(ue, 600));
    await worker.settle();
    expect(worker.takeOne().status).toBe(200);
    expect(port.added).toHaveLength(1);
    worker.advance(600_000);
    await worker.settle();
    expect(reach(token, ue)).toBeGreaterThan(0);
    expect(port.installed.size).toBe(4);
  });

  it('P-34 P-38 P-53 after a new challenge requests go by the new set; the old one is received by for 64*T1 after the UE has used the new one', async () => {
    start();
    const ue = alice();
    const { token, server } = await registerPhone(worker, ue);
    const oldSource = udpSource(ue);
    const oldServerPort = ue.serverPort;
    renew(ue);
    worker.receive(registerOf(ue), oldSource, serverUdp);
    worker.answer(worker.takeOne(), 401, [akaChallenge]);
    await worker.settle();
    const answer = worker.takeOne();
    // The challenge goes by the set that carried the REGISTER.
    expect(answer.to).toBe(`udp ${ue.address}:${oldServerPort}`);
    expect(answer.target.listener).toBe(clientListener('udp', parameter(server, 'port-c')));
    const next = answer.header('Security-Server')!;
    expect(parameter(next, 'port-s')).toBe(6100);
    expect(parameter(next, 'port-c')).not.toBe(parameter(server, 'port-c'));
    expect(parameter(next, 'spi-s')).not.toBe(parameter(server, 'spi-s'));
    expect(port.installed.size).toBe(8);
    await answerChallenge(worker, ue, next);
    expect(worker.logic.registrations()).toBe(1);
    // Terminating requests use the new set, the old one is still received by.
    expect(reach(token, ue)).toBe(parameter(next, 'port-c'));
    worker.take();
    worker.advance(600_000);
    worker.take();
    worker.receive(message({ ...ue, clientPort: ue.clientPort - 2 }), oldSource, serverUdp);
    expect(worker.take().some(({ method }) => method === 'MESSAGE')).toBe(true);
    expect(port.installed.size).toBe(8);
    // The UE uses the new one.
    worker.receive(message(ue), udpSource(ue), serverUdp);
    worker.take();
    worker.advance(127_000);
    await worker.settle();
    expect(port.installed.size).toBe(8);
    worker.advance(3_000);
    await worker.settle();
    expect([...port.installed.values()].map(({ spi }) => spi)).toContain(parameter(next, 'spi-s'));
    expect(port.installed.size).toBe(4);
    worker.take();
    worker.receive(message({ ...ue, clientPort: ue.clientPort - 2 }), oldSource, serverUdp);
    expect(worker.take().map(({ status }) => status)).toContain(403);
  });

  it('P-34 over and over again there are never more than three sets, and the port changes each time', async () => {
    start();
    const ue = alice();
    let last = (await registerPhone(worker, ue)).server;
    for (let i = 0; i < 6; i++) {
      renew(ue);
      const next = await reauthenticate(ue);
      expect(parameter(next, 'port-c')).not.toBe(parameter(last, 'port-c'));
      expect(port.installed.size).toBeLessThanOrEqual(12);
      last = next;
    }
  });

  it('P-55 a de-registration is answered by the set, which lives 64*T1 longer', async () => {
    start();
    const ue = alice();
    const { token, server } = await registerPhone(worker, ue);
    worker.receive(registerOf(ue, { client: null, expires: 0 }), udpSource(ue), serverUdp);
    worker.answer(worker.takeOne(), 200);
    await worker.settle();
    const ok = worker.takeOne();
    expect([ok.status, ok.target.listener]).toEqual([200, clientListener('udp', parameter(server, 'port-c'))]);
    expect(worker.logic.registrations()).toBe(0);
    expect(reach(token, ue)).toBe(0);
    worker.take();
    worker.advance(127_000);
    await worker.settle();
    expect(port.installed.size).toBe(4);
    worker.receive(message(ue), udpSource(ue), serverUdp);
    const refused = worker.takeOne();
    expect([refused.status, refused.to]).toEqual([403, `udp ${ue.address}:${ue.serverPort}`]);
    worker.advance(3_000);
    await worker.settle();
    expect(port.installed.size).toBe(0);
  });

  it('P-56 a phone that starts anew at the same address, with the same ports, replaces its binding; the older set goes', async () => {
    start();
    const ue = alice();
    const { token: old } = await registerPhone(worker, ue);
    ue.clientSpi += 5000;
    ue.serverSpi += 5000;
    ue.callId += 'again';
    const { token } = await registerPhone(worker, ue);
    expect(worker.logic.registrations()).toBe(1);
    expect([reach(old, ue), reach(token, ue) > 0]).toEqual([0, true]);
    worker.advance(130_000);
    await worker.settle();
    expect(port.installed.size).toBe(4);
    worker.take();
    worker.receive(message(ue), udpSource(ue), serverUdp);
    expect(worker.take().map(({ method }) => method)).toContain('MESSAGE');
  });

  it('P-56 a phone that starts anew with the very SPIs it had registers all the same', async () => {
    start();
    const ue = alice();
    await registerPhone(worker, ue);
    ue.callId += 'again';
    const { token } = await registerPhone(worker, ue);
    expect(port.installed.size).toBe(4);
    expect(reach(token, ue)).toBeGreaterThan(0);
  });

  it('P-56 a phone at another address replaces its binding and set', async () => {
    start();
    const ue = alice();
    const { token: old } = await registerPhone(worker, ue);
    const moved = { ...phone('alice', '10.46.0.77') };
    const { token } = await registerPhone(worker, moved);
    expect([reach(old, ue), reach(token, moved) > 0]).toEqual([0, true]);
    worker.advance(130_000);
    await worker.settle();
    expect(port.installed.size).toBe(4);
  });

  it('P-57 X-I8 an unprotected REGISTER, or one that is refused, leaves registration and set alone', async () => {
    start();
    const ue = alice();
    const { token } = await registerPhone(worker, ue);
    const attacker = phone('alice', '10.46.0.66');
    worker.receive(
      registerOf(attacker, { contact: '*', expires: 0 })
        .replace('*;expires=0', '*')
        .replace('Supported', 'Expires: 0\r\nSupported'),
      plainSource(attacker),
    );
    worker.answer(worker.takeOne(), 401, [akaChallenge]);
    await worker.settle();
    worker.take();
    expect(reach(token, ue)).toBeGreaterThan(0);
  });

  it('P-58 another final answer goes on, and the temporary set is over', async () => {
    start();
    const ue = alice();
    const { answer } = await challenge(worker, ue);
    worker.receive(registerOf(ue, { verify: answer.header('Security-Server')! }), udpSource(ue), serverUdp);
    worker.answer(worker.takeOne(), 403);
    await worker.settle();
    const refused = worker.takeOne();
    expect([refused.status, refused.to]).toEqual([403, `udp ${ue.address}:${ue.serverPort}`]);
    worker.advance(130_000);
    await worker.settle();
    expect(port.installed.size).toBe(0);
  });

  it('P-58 a re-REGISTER that is refused leaves the registration and its set', async () => {
    start();
    const ue = alice();
    const { token } = await registerPhone(worker, ue);
    worker.receive(registerOf(ue, { client: null }), udpSource(ue), serverUdp);
    worker.answer(worker.takeOne(), 500);
    await worker.settle();
    worker.take();
    expect(reach(token, ue)).toBeGreaterThan(0);
    expect(port.installed.size).toBe(4);
  });

  it('P-38 challenged again by its temporary set, a UE is told without an agreement and has to begin anew', async () => {
    start();
    const ue = alice();
    const { answer } = await challenge(worker, ue);
    worker.receive(registerOf(ue, { verify: answer.header('Security-Server')! }), udpSource(ue), serverUdp);
    worker.answer(worker.takeOne(), 401, [akaChallenge]);
    await worker.settle();
    const again = worker.takeOne();
    expect([again.status, again.to, again.header('Security-Server')]).toEqual([
      401,
      `udp ${ue.address}:${ue.serverPort}`,
      null,
    ]);
    expect(again.text).not.toContain(ik);
    ue.callId += 'anew';
    await registerPhone(worker, ue);
  });

  it('P-05 a 2xx to an unprotected REGISTER registers nobody where IPsec is required', async () => {
    start();
    const ue = alice();
    worker.receive(registerOf(ue), plainSource(ue));
    worker.answer(worker.takeOne(), 200, grantedTo(ue));
    expect(worker.takeOne().status).toBe(403);
    expect(worker.logic.registrations()).toBe(0);
  });

  it('P-40 P-70 before the 200 nothing but the REGISTER passes by the temporary set', async () => {
    start();
    const ue = alice();
    await challenge(worker, ue);
    worker.receive(message(ue), udpSource(ue), serverUdp);
    const refused = worker.takeOne();
    expect([refused.status, refused.to]).toEqual([403, `udp ${ue.address}:${ue.serverPort}`]);
  });
});
