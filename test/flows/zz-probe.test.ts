import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CscfRole, Phone, ResilientLab, sleep } from './resilient-lab.ts';
import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { hostileDatagrams } from './hostile-datagrams.ts';

let lab: ResilientLab;
beforeAll(async () => { lab = await ResilientLab.start({ workers: 2 }); });
afterAll(() => lab?.stop());

test.each(['pcscf', 'icscf', 'scscf'] as CscfRole[])('%s', async (role) => {
  const carol = await Phone.openByTcp(lab.config, 9);
  await carol.register();
  for (const w of [0, 1]) {
    const times: number[] = [];
    await lab.trigger(role, w, 'crash');
    for (let i = 0; i < 4; i++) {
      const t = performance.now();
      await lab.release(i % 2 ? await lab.call(lab.alice, lab.bob) : await lab.call(carol, lab.alice));
      times.push(Math.round(performance.now() - t));
    }
    console.log(role, w, times.join(' '));
    await sleep(1200);
  }
  await carol.ue.close();
}, 60000);

test('torture', async () => {
  const dir = '../shared/torture/rfc4475';
  const files = existsSync(dir) ? readdirSync(dir).map((f) => readFileSync(`${dir}/${f}`)) : [];
  const socket = createSocket('udp4');
  const { ports, address } = lab.config;
  const list = [...files, ...hostileDatagrams(4000)];
  for (const d of list) { for (const port of [ports.gm, ports.mw, ports.icscf, ports.scscf]) socket.send(d, port, address); await sleep(0); }
  await lab.callBothWays();
  for (const role of ['pcscf', 'icscf', 'scscf'] as CscfRole[]) {
    const s = await lab.status(role);
    console.log(role, JSON.stringify(s.reasons), s.workers.map((w) => w.restarts));
    const bad = lab.log(role).split('\n').filter((l) => /"internal"|worker-crashed/.test(l)).slice(0, 12);
    console.log(bad.join('\n').slice(0, 5000));
  }
  socket.close();
}, 60000);
