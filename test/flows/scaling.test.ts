import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkerStatus } from '#service/node-status';
import { running } from '../lab/pcrf/pcrf-client.ts';
import { type CscfRole, type Pair, Phone, ResilientLab, sleep, until } from './resilient-lab.ts';

const cscfs: readonly CscfRole[] = ['pcscf', 'icscf', 'scscf'];
/** Seconds a worker that leaves has for its calls. */
const drain = 4;
/** How soon a dead worker is to be replaced. */
const replacedMs = 500;
/** Others may have the processors just then. */
const busyMachine = { retry: 2, timeout: 40_000 };

interface Listing {
  readonly serving: number;
  readonly workers: readonly WorkerStatus[];
}

describe('workers that come and go', () => {
  let lab: ResilientLab;
  beforeAll(async () => {
    lab = await ResilientLab.start({ workers: { min: 1, max: 3, drain }, reader: 'dedicated' });
  }, 40_000);
  afterAll(() => lab?.stop());

  const scale = (count: number) =>
    Promise.all(cscfs.map((role) => lab.manage(role, 'workers.scale', { count }))) as Promise<Listing[]>;
  const there = (role: CscfRole) => lab.manage(role, 'workers.list') as Promise<Listing>;

  test('X-R14 from 1 to 3 and back under registrations and calls: nothing fails, and calls of before go on', async () => {
    const phones = await Promise.all([2, 3, 4, 5, 6, 7].map((number) => Phone.openByTcp(lab.config, number)));
    for (const phone of phones) await phone.register();
    let isOn = true;
    let done = 0;
    const failures: string[] = [];
    const keepOn = async (work: () => Promise<void>) => {
      while (isOn) {
        try {
          await work();
          done++;
        } catch (error) {
          failures.push(String(error));
        }
      }
    };
    const [a, b, c, d, e, f] = phones as [Phone, Phone, Phone, Phone, Phone, Phone];
    const callOf = async (from: Phone, to: Phone) => {
      const pair = await lab.call(from, to);
      await sleep(100);
      await lab.release(pair);
    };
    const traffic = [
      keepOn(() => callOf(a, b)),
      keepOn(() => callOf(b, a)),
      keepOn(() => callOf(c, d)),
      keepOn(() => e.register()),
      keepOn(() => f.register()),
    ];

    const kept: Pair[] = [await lab.call(lab.alice, lab.bob)];
    expect((await scale(3)).map(({ serving, workers }) => [serving, workers.length])).toEqual([
      [3, 3],
      [3, 3],
      [3, 3],
    ]);
    const owners = new Set<number>();
    while (owners.size < 3) {
      const pair = await lab.call(lab.bob, lab.alice);
      owners.add(lab.owner('pcscf', pair.out.callId));
      kept.push(pair);
    }
    const back = await scale(1);
    expect(back.map(({ serving }) => serving)).toEqual([1, 1, 1]);
    // Half of the calls end while their workers leave, the others when those are gone.
    const early = kept.splice(0, Math.ceil(kept.length / 2));
    for (const pair of early) await lab.release(pair);
    for (const role of cscfs) {
      await until(`one worker is left of the ${role}`, async () => (await there(role)).workers.length === 1);
    }
    for (const pair of kept) await lab.release(pair);
    await sleep(500);
    isOn = false;
    await Promise.all(traffic);
    for (const phone of phones) await phone.ue.close();
    expect(failures).toEqual([]);
    expect(done).toBeGreaterThan(50);
    for (const role of cscfs) expect(lab.log(role)).not.toMatch(/"reason":"(?:internal|worker-crashed)"/);
  }, 60_000);

  test('refuses what its configuration does not allow, in words', async () => {
    await expect(lab.manage('scscf', 'workers.scale', { count: 4 })).rejects.toThrow(
      '4 workers: the configuration allows 1 to 3',
    );
  });

  test.each(cscfs)(
    `X-R1 a dead worker of the %s has a successor within ${replacedMs} ms`,
    busyMachine,
    async (role) => {
      await lab.manage(role, 'workers.scale', { count: 2 });
      // The spare thread is loaded by then.
      await sleep(2_500);
      const { restarts } = (await there(role)).workers[1]!;
      expect(await replacementMs(lab, role, 1, restarts)).toBeLessThan(replacedMs);
      await lab.callBothWays();
    },
  );
});

describe('a worker that has left', () => {
  const open = running();
  let lab: ResilientLab;
  afterAll(async () => {
    await lab?.stop();
    await open.close();
  });

  test('P-129 leaves no session with the PCRF behind: the others end it, and the call goes on', async () => {
    const pcrf = await open.pcrf({ name: 'pcrf.ims.test', realm: 'ims.test', enforce: true });
    const peers = [{ host: 'pcrf.ims.test', address: '127.0.0.1', port: pcrf.port }];
    const diameter = { reconnect: 0.2, peers };
    lab = await ResilientLab.start({
      workers: { min: 1, max: 2, drain: 1 },
      reader: 'dedicated',
      pcscf: { rx: { mode: 'required' }, diameter },
    });
    await until('both registrations have their sessions', () => pcrf.sessions.size === 2);
    await lab.manage('pcscf', 'workers.scale', { count: 2 });
    let pair = await lab.call(lab.alice, lab.bob);
    while (lab.owner('pcscf', pair.out.callId) !== 1) {
      await lab.release(pair);
      pair = await lab.call(lab.alice, lab.bob);
    }
    // What has begun a quarter of a second ago is written down.
    await sleep(500);
    const media = pcrf.sessions.list().filter(({ components }) => components.has(1));
    expect(media.length).toBe(2);
    await lab.manage('pcscf', 'workers.scale', { count: 1 });
    await until('its sessions are ended', () => pcrf.sessions.size === 2, 10_000);
    expect(pcrf.sessions.list().filter((session) => media.includes(session))).toEqual([]);
    await lab.release(pair);
    await lab.release(await lab.call(lab.bob, lab.alice));
    await until('the sessions of the call are ended', () => pcrf.sessions.size === 2);
  }, 40_000);
});

describe('the only worker', () => {
  let lab: ResilientLab;
  beforeAll(async () => {
    lab = await ResilientLab.start({ workers: 1 });
  }, 40_000);
  afterAll(() => lab?.stop());

  test.each(cscfs)(
    `X-R1 of the %s throws outside any message: within ${replacedMs} ms it is another, in the same process, and calls go on`,
    async (role) => {
      const pid = lab.pid(role);
      const before = [await lab.call(lab.alice, lab.bob), await lab.call(lab.bob, lab.alice)] as const;
      // Not sooner than the first second of the process.
      await sleep(1_000);
      for (const restarts of [0, 1]) {
        expect(await replacementMs(lab, role, 0, restarts)).toBeLessThan(replacedMs);
        await lab.callBothWays();
        await sleep(1_000);
      }
      for (const pair of before) await lab.release(pair);
      const status = await lab.status(role);
      expect([status.pid, lab.pid(role)]).toEqual([pid, pid]);
      await lab.alice.register();
      await lab.callBothWays();
    },
    40_000,
  );

  test.each(cscfs)(
    'X-R14 a %s that gets no processor for 3 s answers what came meanwhile once, and loses no peer',
    async (role) => {
      process.kill(lab.pid(role), 'SIGSTOP');
      const waking = sleep(3_000).then(() => process.kill(lab.pid(role), 'SIGCONT'));
      const pair = await lab.call(lab.alice, lab.bob);
      await waking;
      expect(lab.bob.requests('INVITE', pair.out.callId).size).toBe(1);
      expect(lab.bob.calls.filter(({ callId }) => callId === pair.out.callId)).toHaveLength(1);
      await lab.release(pair);
      for (const each of ['icscf', 'scscf'] as const) {
        const { peers } = await lab.status(each);
        expect(peers.map(({ state, lastError }) => [state.startsWith('open-'), lastError])).toEqual([
          [true, undefined],
        ]);
      }
    },
    40_000,
  );
});

/** How long it takes from the death of a worker until another one serves in its place. */
async function replacementMs(lab: ResilientLab, role: CscfRole, worker: number, restarts: number): Promise<number> {
  const startMs = performance.now();
  await lab.trigger(role, worker, 'crash');
  for (;;) {
    const found = (await lab.status(role)).workers[worker]!;
    if (found.restarts === restarts + 1 && found.state === 'serving') {
      return performance.now() - startMs;
    }
    await sleep(5);
  }
}
