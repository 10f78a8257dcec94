import { afterEach, describe, expect, it } from 'vitest';
import { expectQuiet, type PcscfWorker, request } from '../pcscf-harness.ts';
import {
  own,
  type Phone,
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
afterEach(() => expectQuiet(worker));

/** A call to a registered phone, which it has answered. */
async function call(ue: Phone): Promise<string> {
  const { token } = await registerPhone(worker, ue);
  const lines = ['Call-ID: kept', 'Record-Route: <sip:mt@172.22.0.20:6060;lr>', 'Contact: <sip:caller@172.22.0.30>'];
  worker.receive(toPhone('INVITE', token, ue, lines), scscf);
  const [invite] = worker.take().filter(({ method }) => method === 'INVITE');
  worker.answer(invite!, 200, [`Contact: <sip:alice@${ue.address}:${ue.serverPort}>`], '', 'alice');
  worker.take();
  return token;
}

async function deregister(ue: Phone): Promise<void> {
  worker.receive(registerOf(ue, { client: null, expires: 0 }), udpSource(ue), serverUdp);
  const [forwarded] = worker.take();
  worker.answer(forwarded!, 200);
  await worker.settle();
  worker.take();
}

function bye(ue: Phone, token: string, transport: string, callId = 'kept'): string {
  return request(
    { user: 'alice', source: `${transport} x`, address: `${ue.address}:${ue.serverPort}` },
    'BYE',
    'sip:caller@172.22.0.30',
    [
      `Call-ID: ${callId}`,
      'From: <sip:alice@ims.test>;tag=alice',
      'To: <sip:caller@ims.test>;tag=caller',
      `Route: <sip:${token}@${own}:6100;lr>, <sip:mt@172.22.0.20:6060;lr>`,
    ],
  );
}

describe('a dialog that outlives the registration inside security associations', () => {
  it.each([
    ['udp', serverUdp, ''],
    ['tcp', serverTcp, ' #7'],
  ] as const)(
    'P-55 P-100 P-70 its UE ends it over %s, though it registered over UDP',
    async (transport, listener, connection) => {
      worker = startIpsec(new RecordingPort());
      const ue = phone('alice', '10.46.0.5');
      const token = await call(ue);
      await deregister(ue);
      await worker.settle();
      worker.take();
      expect(worker.logic.registrations()).toBe(0);
      worker.receive(bye(ue, token, transport), `${transport} ${ue.address}:${ue.clientPort}${connection}`, listener);
      const [sent] = worker.take();
      expect([sent!.method, sent!.to]).toEqual(['BYE', scscf]);
    },
  );

  it('P-100 X-I17 nobody else does: from another address or port, unprotected, inside the associations of another UE', async () => {
    worker = startIpsec(new RecordingPort(), { access: [{ from: '0.0.0.0/0', security: 'ipsec-preferred' }] });
    const ue = phone('alice', '10.46.0.5');
    const token = await call(ue);
    await deregister(ue);
    const other = phone('mallory', '10.46.0.6');
    await registerPhone(worker, other);
    const gone = phone('trudy', '10.46.0.7');
    await registerPhone(worker, gone);
    await deregister(gone);
    for (const [source, listener] of [
      [`udp 10.46.0.9:${ue.clientPort}`, serverUdp],
      [`udp ${ue.address}:${ue.clientPort + 1}`, serverUdp],
      [udpSource(ue), 0],
      [udpSource(other), serverUdp],
      [udpSource(gone), serverUdp],
    ] as const) {
      worker.receive(bye(ue, token, 'udp'), source, listener);
      expect(worker.takeOne().status, source).toBe(403);
    }
  });
});
