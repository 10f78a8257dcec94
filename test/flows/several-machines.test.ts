import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Daemon } from '#lab/network/daemon';
import { callManagement } from '#manage/management-client';
import { freePort } from '../free-port.ts';
import { hasRedis, RedisServer } from '../store/redis.ts';
import { callAndRelease, TransportLab, until } from './transport-lab.ts';

const none = !hasRedis();
const root = fileURLToPath(new URL('../../', import.meta.url));
let folder: string;
let redis: RedisServer;
let lab: TransportLab;
let sibling: Daemon;

beforeAll(async () => {
  if (none) return;
  folder = mkdtempSync(join(tmpdir(), 'cscf-machines-'));
  redis = await RedisServer.start(folder);
  const port = await freePort();
  const uri = `sip:127.0.0.1:${port}`;
  lab = await TransportLab.start({
    change({ icscf, scscf }) {
      const store = (name: string) => ({ type: 'redis', path: join(folder, name), redis: { url: redis.url } });
      const first = (icscf.scscfs as object[])[0]!;
      icscf.scscfs = [first, { uri, capabilities: [], priority: 2 }];
      const other = {
        ...scscf,
        name: 'scscf2.ims.test',
        uri,
        listeners: { mw: [`udp:127.0.0.1:${port}`, `tcp:127.0.0.1:${port}`] },
        store: store('second'),
        management: { socket: join(folder, 'second.sock') },
        diameter: { ...(scscf.diameter as object), originHost: 'scscf2.ims.test' },
      };
      writeFileSync(join(folder, 'second.yaml'), JSON.stringify(other));
      scscf.store = store('first');
    },
  });
  sibling = new Daemon({
    name: 'scscf2',
    command: [join(root, 'bin/scscf'), '--config', join(folder, 'second.yaml')],
    env: process.env,
    logFile: join(folder, 'second.log'),
  });
  await sibling.ready;
  await until('the sibling is connected with the HSS', async () =>
    ((await second('status')) as { peers: { state: string }[] }).peers.every(({ state }) => state.startsWith('open-')),
  );
}, 60_000);
afterAll(async () => {
  if (none) return;
  await lab?.stop();
  await sibling?.stop();
  await redis?.down();
  rmSync(folder, { recursive: true, force: true });
});

const second = (method: string, params: Record<string, unknown> = {}) =>
  callManagement(join(folder, 'second.sock'), method, params);

describe.skipIf(none)('two S-CSCFs on one Redis', () => {
  it('I-25 S-42 X-R2 the one that is left serves the users of the one that died, and what it learns is shared', async () => {
    const [alice, bob] = [await lab.phone(1), await lab.phone(2)];
    await callAndRelease(alice, bob);
    await expect
      .poll(async () => ((await second('registrations.list')) as { rows: { id: string }[] }).rows.map(({ id }) => id))
      .toEqual(['sip:user000001@ims.test', 'sip:user000002@ims.test']);

    process.kill(lab.pid('scscf'), 'SIGKILL');
    // Who registers now is served by the sibling; who is called is found there though the HSS names the dead one.
    const carol = await lab.phone(3);
    await callAndRelease(carol, alice);
    // A registration that the dead one had goes on at the sibling.
    const outcome = await alice.ue.register();
    expect(outcome).toMatchObject({ registered: true });
    await callAndRelease(alice, carol);
    expect(await second('registrations.show', { id: 'sip:user000002@ims.test' })).toMatchObject({
      id: 'sip:user000002@ims.test',
    });
  }, 60_000);

  it('X-R7 serve on while Redis is away, with an alarm, and share what changed once it is back', async () => {
    await redis.down();
    await expect.poll(() => readFileSync(join(folder, 'second.log'), 'utf8')).toContain('"reason":"redis-away"');
    const dave = await lab.phone(4);
    const erin = await lab.phone(5);
    await callAndRelease(dave, erin);
    await redis.up();
    await expect
      .poll(() => readFileSync(join(folder, 'second.log'), 'utf8').split('connected to Redis').length, {
        timeout: 10_000,
      })
      .toBe(3);
    await callAndRelease(erin, dave);
  }, 60_000);
});

describe.skipIf(none)('two P-CSCFs on one Redis', () => {
  it('P-59 X-R2 another machine that takes over the address serves the phones, which register nothing anew', async () => {
    const machines = mkdtempSync(join(tmpdir(), 'cscf-edges-'));
    const shared = await RedisServer.start(machines);
    const store = (name: string) => ({ type: 'redis', path: join(machines, name), redis: { url: shared.url } });
    const edge = await TransportLab.start({
      change({ pcscf }) {
        const other = { ...pcscf, name: 'pcscf2.ims.test', store: store('second') };
        writeFileSync(
          join(machines, 'second.yaml'),
          JSON.stringify({ ...other, management: { socket: join(machines, 'second.sock') } }),
        );
        pcscf.store = store('first');
      },
    });
    let second: Daemon | undefined;
    try {
      const [alice, bob] = [await edge.phone(1), await edge.phone(2)];
      await callAndRelease(alice, bob);
      process.kill(edge.pid('pcscf'), 'SIGKILL');
      second = new Daemon({
        name: 'pcscf2',
        command: [join(root, 'bin/pcscf'), '--config', join(machines, 'second.yaml')],
        env: process.env,
        logFile: join(machines, 'second.log'),
      });
      await second.ready;
      await callAndRelease(bob, alice);
      await callAndRelease(alice, bob);
    } finally {
      await edge.stop();
      await second?.stop();
      await shared.down();
      rmSync(machines, { recursive: true, force: true });
    }
  }, 60_000);
});
