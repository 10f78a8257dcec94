import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pcscfTables } from '#nodes/pcscf/registrations';
import { openLmdbStore } from '#store/lmdb-store';
import { createGenerations } from '#store/store';
import {
  akaChallenge,
  grantedTo,
  ipsecConfig,
  phone,
  plainSource,
  RecordingPort,
  registerOf,
  serverUdp,
  startIpsec,
  udpSource,
} from './ipsec-harness.ts';

const store = () =>
  openLmdbStore({ path: mkdtempSync(join(tmpdir(), 'p6-')), tables: pcscfTables, generations: createGenerations() });
const tick = () => new Promise((r) => setImmediate(r));
const n = 2000;
let spent = 0;
const timed = async (f: () => void) => {
  const c = process.cpuUsage();
  f();
  await tick();
  const d = process.cpuUsage(c);
  spent += d.user + d.system;
};
for (let round = 0; round < 3; round++) {
  const w = startIpsec(null, {
    store: await store(),
    ipsec: undefined as never,
    access: [{ from: '0.0.0.0/0', security: 'none' }],
  });
  spent = 0;
  for (let i = 0; i < n; i++) {
    const u = phone(`u${i}`, `10.46.${i >> 8}.${i & 255}`);
    let t = registerOf(u);
    await timed(() => w.receive(t, plainSource(u)));
    let m = w.takeOne();
    await timed(() => w.answer(m, 401, [akaChallenge]));
    w.take();
    t = registerOf(u);
    await timed(() => w.receive(t, plainSource(u)));
    m = w.takeOne();
    const g = grantedTo(u);
    await timed(() => w.answer(m, 200, g));
    w.take();
  }
  const a = spent / n;
  const port = new RecordingPort();
  port.add = async () => {};
  const v = startIpsec(port, { store: await store(), ipsec: { ...ipsecConfig, storeKey: 'a secret of the operator' } });
  spent = 0;
  for (let i = 0; i < n; i++) {
    const u = phone(`u${i}`, `10.46.${i >> 8}.${i & 255}`);
    let t = registerOf(u);
    await timed(() => v.receive(t, plainSource(u)));
    let m = v.takeOne();
    await timed(() => v.answer(m, 401, [akaChallenge]));
    const verify = v.takeOne().header('Security-Server')!;
    t = registerOf(u, { verify, response: 'r' });
    await timed(() => v.receive(t, udpSource(u), serverUdp));
    m = v.takeOne();
    const g = grantedTo(u);
    await timed(() => v.answer(m, 200, g));
    v.take();
  }
  const b = spent / n;
  console.log(`plain ${a.toFixed(0)} us, ipsec ${b.toFixed(0)} us, added ${(b - a).toFixed(0)} us`);
  w.stop();
  v.stop();
}
process.exit(0);
