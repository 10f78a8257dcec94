import { it } from 'vitest';
import type { AssociationPort } from '#ipsec/ipsec-backend';
import {
  akaChallenge,
  grantedTo,
  type Phone,
  phone,
  plainSource,
  type RecordingPort,
  registerOf,
  serverUdp,
  startIpsec,
  udpSource,
} from './ipsec-harness.ts';

const done = Promise.resolve();
const none = {
  add: () => done,
  remove: () => done,
  extend: () => done,
  list: async () => [],
} as unknown as RecordingPort & AssociationPort;

it('cost', async () => {
  const plain = startIpsec(null, { access: [{ from: '0.0.0.0/0', security: 'none' }], ipsec: undefined } as never);
  const secured = startIpsec(none);
  let n = 0;
  const one = async (ipsec: boolean) => {
    const worker = ipsec ? secured : plain;
    n++;
    const ue: Phone = phone(`u${n}`, `10.46.${(n >> 8) & 255}.${n & 255}`);
    worker.receive(registerOf(ue, ipsec ? {} : { client: null, require: false }), plainSource(ue), 0);
    worker.answer(worker.takeOne(), 401, [akaChallenge]);
    await worker.settle();
    const answer = worker.takeOne();
    if (answer.status !== 401) throw new Error(String(answer.status));
    const verify = ipsec ? answer.header('Security-Server')! : undefined;
    if (ipsec) worker.receive(registerOf(ue, { verify: verify!, response: 'r' }), udpSource(ue), serverUdp);
    else worker.receive(registerOf(ue, { client: null, require: false, response: 'r' }), plainSource(ue), 0);
    worker.answer(worker.takeOne(), 200, grantedTo(ue));
    await worker.settle();
    const ok = worker.takeOne();
    if (ok.status !== 200) throw new Error(String(ok.status));
  };
  const cpu = async (ipsec: boolean, rounds: number) => {
    const before = process.cpuUsage();
    for (let i = 0; i < rounds; i++) await one(ipsec);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / rounds;
  };
  for (let r = 0; r < 6; r++) {
    const a = await cpu(false, 600);
    const b = await cpu(true, 600);
    console.log(`plain ${a.toFixed(0)} us, agreement ${b.toFixed(0)} us, more ${(b - a).toFixed(0)}`);
  }
}, 120_000);
