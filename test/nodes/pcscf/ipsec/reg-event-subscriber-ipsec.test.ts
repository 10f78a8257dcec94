import { afterEach, expect, it } from 'vitest';
import { coreRequest, expectQuiet, type PcscfWorker, request } from '../pcscf-harness.ts';
import { phone, RecordingPort, registerPhone, scscf, serverUdp, startIpsec, udpSource } from './ipsec-harness.ts';

let worker: PcscfWorker;
afterEach(() => expectQuiet(worker));

it('P-63 what the home network ends keeps its security associations for 64*T1, and no longer', async () => {
  const port = new RecordingPort();
  worker = startIpsec(port, { regEvent: { subscribe: true } });
  const ue = phone('alice', '172.22.1.1');
  await registerPhone(worker, ue);
  worker.take();
  while (worker.sent.length === 0) worker.advance(50);
  const subscribe = worker.takeOne();
  worker.answer(subscribe, 200, ['Expires: 600000', 'Contact: <sip:172.22.0.20:6060>'], '', 'scscf');
  const contact = `sip:alice@${ue.address}:${ue.serverPort}`;
  const gone = (aor: string) =>
    `<registration aor="${aor}" id="${aor}" state="terminated"><contact id="c" state="terminated" event="deactivated"><uri>${contact}</uri></contact></registration>`;
  const identities = ['sip:alice@ims.test', 'tel:+15550001'];
  worker.receive(
    coreRequest(
      'NOTIFY',
      /<([^>]+)>/.exec(subscribe.header('Contact')!)![1]!,
      [
        `From: ${subscribe.header('To')};tag=scscf`,
        `To: ${subscribe.header('From')}`,
        `Call-ID: ${subscribe.header('Call-ID')}`,
        'Contact: <sip:172.22.0.20:6060>',
        'Event: reg',
        'Subscription-State: terminated;reason=noresource',
      ],
      `<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="0" state="full">${identities.map(gone).join('')}</reginfo>`,
    ),
    scscf,
  );
  expect(worker.takeOne().status).toBe(200);
  expect(worker.logic.registrations()).toBe(0);
  worker.advance(127_000);
  await worker.settle();
  expect(port.installed.size).toBe(4);
  worker.advance(3_000);
  await worker.settle();
  expect(port.installed.size).toBe(0);
});

it('P-132 P-133 an emergency call goes by the association of a registered UE, and by the plain port without one', async () => {
  worker = startIpsec(new RecordingPort(), { emergency: { ecscf: 'sip:172.22.0.9', anonymous: 'on' } });
  const ue = phone('alice', '172.22.1.1');
  await registerPhone(worker, ue);
  worker.take();
  const from = { user: 'alice', source: udpSource(ue), address: `${ue.address}:${ue.serverPort}` };
  worker.receive(request(from, 'INVITE', 'urn:service:sos'), from.source, serverUdp);
  const known = worker.takeOne();
  expect(known.all('Route')).toEqual(['<sip:172.22.0.9;lr>']);
  expect(known.header('P-Asserted-Identity')).toBe('<sip:alice@ims.test>, <tel:+15550001>');
  expect(known.header('Record-Route')).toContain(':6100;lr>');
  const plain = { user: 'eve', source: 'udp 172.22.1.9:5060', address: '172.22.1.9:5060' };
  worker.receive(request(plain, 'INVITE', 'urn:service:sos'), plain.source);
  expect(worker.takeOne().all('P-Asserted-Identity')).toEqual([]);
  // Who sends to a protected port without an association is nobody.
  worker.receive(request(plain, 'INVITE', 'sip:bob@ims.test'), plain.source, serverUdp);
  expect(worker.takeOne().status).toBe(403);
});
