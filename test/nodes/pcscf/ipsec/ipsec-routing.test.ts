import { afterEach, describe, expect, it } from 'vitest';
import { pcscfTables } from '#nodes/pcscf/registrations';
import { openMemoryStore } from '#store/memory-store';
import { expectQuiet, type PcscfOptions, type PcscfWorker, request } from '../pcscf-harness.ts';
import {
  akaChallenge,
  challenge,
  clientListener,
  grantedTo,
  ipsecConfig,
  own,
  type Phone,
  parameter,
  phone,
  RecordingPort,
  registerOf,
  registerPhone,
  scscf,
  serverTcp,
  serverUdp,
  startIpsec,
  toPhone,
  udpSource,
} from './ipsec-harness.ts';

let worker: PcscfWorker;
const start = (options?: PcscfOptions) => (worker = startIpsec(new RecordingPort(), options));
afterEach(() => expectQuiet(worker));

const alice = () => phone('alice', '10.46.0.5');

function fromPhone(ue: Phone, method: string, lines: readonly string[] = [], transport = 'udp', body = ''): string {
  const source = `${transport} ${ue.address}:${ue.clientPort}`;
  return request(
    { user: 'alice', source, address: `${ue.address}:${ue.serverPort}` },
    method,
    'sip:bob@ims.test',
    lines,
    body,
  );
}

/** The request that left, of those that were sent since. */
function sentRequest(method: string) {
  return worker.take().find((message) => message.method === method)!;
}

const largeBody = 'x'.repeat(1500);

describe('requests of a UE', () => {
  it('P-40 P-70 P-73 P-76 go on by UDP and TCP alike, without the agreement; Record-Route names the protected server port', async () => {
    start();
    const ue = alice();
    const { server } = await registerPhone(worker, ue);
    for (const [source, listener, transport] of [
      [udpSource(ue), serverUdp, 'udp'],
      [`tcp ${ue.address}:${ue.clientPort} #5`, serverTcp, 'tcp'],
    ] as const) {
      const lines = [
        `Security-Verify: ${server}`,
        'Require: sec-agree',
        'Proxy-Require: sec-agree',
        'Route: <sip:172.22.0.21:6100;lr>, <sip:orig@172.22.0.20:6060;lr>',
      ];
      worker.receive(fromPhone(ue, 'INVITE', lines, transport), source, listener);
      const invite = sentRequest('INVITE');
      expect(invite.to).toBe(scscf);
      for (const name of ['Security-Verify', 'Require', 'Proxy-Require']) expect(invite.all(name)).toEqual([]);
      expect(invite.header('Route')).toBe('<sip:orig@172.22.0.20:6060;lr>');
      expect(invite.header('P-Asserted-Identity')).toBe('<sip:alice@ims.test>');
      expect(invite.header('Record-Route')).toMatch(
        /^<sip:([\w-]{12})@172\.22\.0\.21:5060;lr>, <sip:\1@172\.22\.0\.21:6100;lr>$/,
      );
      worker.answer(invite, 486);
    }
  });

  it('P-73 a wrong Security-Verify refuses no request but REGISTER', async () => {
    start();
    const ue = alice();
    await registerPhone(worker, ue);
    worker.receive(fromPhone(ue, 'MESSAGE', ['Security-Verify: ipsec-3gpp;alg=x']), udpSource(ue), serverUdp);
    expect(sentRequest('MESSAGE').all('Security-Verify')).toEqual([]);
  });

  it('P-70 X-I6 are refused from a port that is not of the set, and unprotected', async () => {
    start({ access: [{ from: '0.0.0.0/0', security: 'ipsec-preferred' }] });
    const ue = alice();
    await registerPhone(worker, ue);
    for (const [source, listener] of [
      [`udp ${ue.address}:${ue.clientPort + 1}`, serverUdp],
      [`udp 10.46.0.6:${ue.clientPort}`, serverUdp],
      [udpSource(ue), 0],
    ] as const) {
      worker.receive(fromPhone(ue, 'MESSAGE'), source, listener);
      expect(worker.takeOne().status).toBe(403);
    }
  });
});

describe('responses to a UE', () => {
  it('P-81 over UDP leave from the client port to the server port of the UE, whatever Via and rport say', async () => {
    start();
    const ue = alice();
    const { server } = await registerPhone(worker, ue);
    for (const via of [`${ue.address}:${ue.clientPort};rport`, `${ue.address}:9;rport`, `${ue.address}`]) {
      const line = `Via: SIP/2.0/UDP ${via};branch=z9hG4bKvia${via.length}`;
      worker.receive(fromPhone(ue, 'INVITE', [line]), udpSource(ue), serverUdp);
      const sent = worker.take();
      const trying = sent.find(({ status }) => status === 100);
      const invite = sent.find(({ method }) => method === 'INVITE')!;
      worker.answer(invite, 486);
      const [busy] = worker.take().filter(({ status }) => status === 486);
      for (const response of [trying, busy].filter((message) => message !== undefined)) {
        expect(response.to).toBe(`udp ${ue.address}:${ue.serverPort}`);
        expect(response.target.listener).toBe(clientListener('udp', parameter(server, 'port-c')));
      }
    }
  });

  it('P-81 over TCP go back by the connection', async () => {
    start();
    const ue = alice();
    await registerPhone(worker, ue);
    const source = `tcp ${ue.address}:${ue.clientPort} #8`;
    worker.receive(fromPhone(ue, 'MESSAGE', [], 'tcp'), source, serverTcp);
    worker.answer(sentRequest('MESSAGE'), 200);
    const [response] = worker.take().filter(({ status }) => status === 200);
    expect([response!.target.connection, response!.target.listener]).toEqual([8, serverTcp]);
  });
});

describe('requests to a UE', () => {
  it('P-82 P-93 P-96 go from the client port to the server port over UDP; Via and Record-Route name the server port of ours', async () => {
    start();
    const ue = alice();
    const { token, server } = await registerPhone(worker, ue);
    worker.receive(toPhone('INVITE', token, ue, ['Contact: <sip:bob@172.22.0.30>']), scscf);
    const invite = sentRequest('INVITE');
    expect(invite.to).toBe(`udp ${ue.address}:${ue.serverPort}`);
    expect(invite.target.listener).toBe(clientListener('udp', parameter(server, 'port-c')));
    expect(invite.header('Via')).toMatch(/^SIP\/2\.0\/UDP 172\.22\.0\.21:6100;branch=/);
    expect(invite.header('Record-Route')).toBe(`<sip:${token}@${own}:6100;lr>, <sip:${token}@${own}:5060;lr>`);
    // The rule: from its client port to our server port. Some phones: from their server port to our client port.
    worker.answer(invite, 180);
    worker.take();
    worker.receive(
      sentTo(invite, 200, ['Contact: <sip:alice@10.46.0.5:50601>']),
      `udp ${ue.address}:${ue.serverPort}`,
      clientListener('udp', parameter(server, 'port-c')),
    );
    expect(worker.take().map(({ status }) => status)).toContain(200);
    const to = `To: <sip:alice@ims.test>;tag=remote`;
    const bye = toPhone('BYE', token, ue, [
      to,
      `Call-ID: ${invite.header('Call-ID')}`,
      'From: <sip:caller@ims.test>;tag=caller',
    ]);
    worker.receive(bye, scscf);
    expect(sentRequest('BYE').to).toBe(`udp ${ue.address}:${ue.serverPort}`);
  });

  it('P-82 a large one goes by the connection of the UE, without one by a new one from the client port, and by UDP when that fails', async () => {
    start({ switchToTcpAbove: 1300 });
    const ue = alice();
    const { token, server } = await registerPhone(worker, ue);
    const port = parameter(server, 'port-c');
    worker.receive(toPhone('MESSAGE', token, ue, [], largeBody), scscf);
    const connecting = sentRequest('MESSAGE');
    expect([connecting.to, connecting.target.connection]).toEqual([`tcp ${ue.address}:${ue.serverPort}`, 0]);
    expect(connecting.target.listener).toBe(clientListener('tcp', port));
    expect(connecting.header('Via')).toMatch(/^SIP\/2\.0\/TCP 172\.22\.0\.21:6100;/);
    worker.failSend(connecting, 'timeout');
    const datagram = sentRequest('MESSAGE');
    expect([datagram.to, datagram.target.listener]).toEqual([
      `udp ${ue.address}:${ue.serverPort}`,
      clientListener('udp', port),
    ]);
    expect(datagram.header('Via')).toMatch(/^SIP\/2\.0\/UDP /);
    worker.answer(datagram, 200);
    worker.take();

    const other = phone('carol', '10.46.0.6');
    const { token: second } = await registerPhone(worker, other);
    worker.receive(fromPhone(other, 'MESSAGE', [], 'tcp'), `tcp ${other.address}:${other.clientPort} #11`, serverTcp);
    expect(worker.holds).toEqual([{ connection: 11, held: true }]);
    worker.take();
    worker.receive(toPhone('MESSAGE', second, other, [], largeBody), scscf);
    const reusing = sentRequest('MESSAGE');
    expect([reusing.target.transport, reusing.target.connection]).toEqual(['tcp', 11]);
    worker.answer(reusing, 200);
    worker.take();
    // A small one stays on UDP, and takes the connection when that fails.
    worker.receive(toPhone('MESSAGE', second, other), scscf);
    const small = sentRequest('MESSAGE');
    expect(small.to).toBe(`udp ${other.address}:${other.serverPort}`);
    worker.failSend(small);
    expect(sentRequest('MESSAGE').target.connection).toBe(11);
  });

  it('P-82 a UE that names TCP in its contact is reached by TCP first', async () => {
    start();
    const ue = alice();
    const { answer } = await challenge(worker, ue);
    const contact = `<sip:alice@${ue.address}:${ue.serverPort};transport=tcp>`;
    // The first REGISTER had another contact: it is the set that counts.
    const verify = answer.header('Security-Server')!;
    worker.receive(
      registerOf(ue, { verify, transport: 'tcp', contact }),
      `tcp ${ue.address}:${ue.clientPort} #3`,
      serverTcp,
    );
    const forwarded = sentRequest('REGISTER');
    worker.answer(forwarded, 200, [`Contact: ${contact};expires=7200`, ...grantedTo(ue).slice(1)]);
    await worker.settle();
    worker.take();
    const path = forwarded.header('Path')!;
    const token = path.slice('<sip:'.length, path.indexOf('@'));
    const sent: string[] = [];
    worker.receive(toPhone('MESSAGE', token, ue), scscf);
    for (let i = 0; i < 3; i++) {
      const message = sentRequest('MESSAGE');
      sent.push(`${message.to} #${message.target.connection}`);
      worker.failSend(message);
    }
    expect(sent).toEqual([
      `tcp ${ue.address}:${ue.clientPort} #3`,
      `tcp ${ue.address}:${ue.serverPort} #0`,
      `udp ${ue.address}:${ue.serverPort} #0`,
    ]);
    expect(worker.take().map(({ status }) => status)).toEqual([480]);
  });
});

describe('after a restart', () => {
  it('P-59 X-R17 a UE is reached by the set that it registered by, but not by its connection of then', async () => {
    const store = openMemoryStore(pcscfTables);
    const port = new RecordingPort();
    const ipsec = { ...ipsecConfig, storeKey: 'a secret of the operator' };
    worker = startIpsec(port, { store, ipsec });
    const ue = alice();
    const { token, server } = await registerPhone(worker, ue);
    worker.receive(fromPhone(ue, 'MESSAGE', [], 'tcp'), `tcp ${ue.address}:${ue.clientPort} #4`, serverTcp);
    worker.take();
    expectQuiet(worker);

    const lost = new RecordingPort();
    worker = startIpsec(lost, { store, ipsec, wallStartMs: Date.parse('2026-11-21T12:10:00Z') });
    await worker.settle();
    expect(lost.installed.size).toBe(4);
    expect(worker.logged.map(({ fields }) => fields)).toContainEqual({ kept: 0, restored: 1, lost: 0, orphans: 0 });
    worker.receive(toPhone('MESSAGE', token, ue), scscf);
    const sent = sentRequest('MESSAGE');
    expect([sent.to, sent.target.listener]).toEqual([
      `udp ${ue.address}:${ue.serverPort}`,
      clientListener('udp', parameter(server, 'port-c')),
    ]);
    worker.failSend(sent);
    expect(worker.takeOne().status).toBe(480);
    // And the UE goes on by it.
    worker.receive(fromPhone(ue, 'MESSAGE'), udpSource(ue), serverUdp);
    expect(sentRequest('MESSAGE').to).toBe(scscf);
  });

  it('P-59 without its keys a UE is not reached, and begins anew', async () => {
    const store = openMemoryStore(pcscfTables);
    start({ store });
    const ue = alice();
    const { token } = await registerPhone(worker, ue);
    expectQuiet(worker);
    start({ store, wallStartMs: Date.parse('2026-11-21T12:10:00Z') });
    await worker.settle();
    expect(worker.logged.map(({ fields }) => fields)).toContainEqual({ reason: 'associations-lost', lost: 1 });
    worker.receive(toPhone('MESSAGE', token, ue), scscf);
    expect(worker.takeOne().status).toBe(480);
    ue.callId += 'anew';
    await registerPhone(worker, ue);
  });
});

describe('with several workers', () => {
  it('P-40 P-53 P-59 the one that answers the challenge, and the one that calls, need not be the one that set it up', async () => {
    const store = openMemoryStore(pcscfTables);
    const port = new RecordingPort();
    const others = [startIpsec(port, { store }), startIpsec(port, { store })] as const;
    worker = startIpsec(port, { store });
    const ue = alice();
    const { forwarded, answer } = await challenge(others[0], ue);
    others[1].receive(registerOf(ue, { verify: answer.header('Security-Server')! }), udpSource(ue), serverUdp);
    const second = others[1].takeOne();
    expect(second.header('Path')).toBe(forwarded.header('Path'));
    others[1].answer(second, 200, grantedTo(ue));
    await others[1].settle();
    expect(others[1].takeOne().to).toBe(`udp ${ue.address}:${ue.serverPort}`);
    const path = forwarded.header('Path')!;
    worker.receive(toPhone('MESSAGE', path.slice('<sip:'.length, path.indexOf('@')), ue), scscf);
    expect(sentRequest('MESSAGE').to).toBe(`udp ${ue.address}:${ue.serverPort}`);
    for (const other of others) expectQuiet(other);
  });
});

describe('a UE that is challenged anew by an AKA challenge', () => {
  it('P-42 has to offer something: without an offer it is 494 by its set, which stays', async () => {
    start();
    const ue = alice();
    await registerPhone(worker, ue);
    worker.receive(registerOf(ue, { client: null }), udpSource(ue), serverUdp);
    worker.answer(sentRequest('REGISTER'), 401, [akaChallenge]);
    await worker.settle();
    const answer = worker.takeOne();
    expect([answer.status, answer.to]).toEqual([494, `udp ${ue.address}:${ue.serverPort}`]);
    worker.receive(fromPhone(ue, 'MESSAGE'), udpSource(ue), serverUdp);
    expect(sentRequest('MESSAGE').to).toBe(scscf);
  });
});

/** A response of a phone to a request that it was sent. */
function sentTo(
  sent: { all(name: string): string[]; header(name: string): string | null },
  status: number,
  lines: readonly string[],
): string {
  const copy = (name: string) => sent.all(name).map((value) => `${name}: ${value}`);
  const head = [
    `SIP/2.0 ${status} OK`,
    ...copy('Via'),
    ...copy('Record-Route'),
    ...copy('From'),
    `To: ${sent.header('To')};tag=remote`,
    ...copy('Call-ID'),
    ...copy('CSeq'),
    ...lines,
  ];
  return `${head.join('\r\n')}\r\nContent-Length: 0\r\n\r\n`;
}
