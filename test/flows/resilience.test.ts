import { createSocket } from 'node:dgram';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hostileDatagrams } from './hostile-datagrams.ts';
import { type CscfRole, type Pair, Phone, ResilientLab, sleep, until } from './resilient-lab.ts';

const cscfs: readonly CscfRole[] = ['pcscf', 'icscf', 'scscf'];
/** Shortest time that a worker is kept busy. */
const leastBusyMs = 3_000;

describe('one worker each', () => {
  let lab: ResilientLab;
  beforeAll(async () => {
    lab = await ResilientLab.start({ workers: 1, diameterTimeout: 1.5 });
  });
  afterAll(() => lab?.stop());

  test('X-R4 without the HSS a REGISTER gets 504 in time; when it is back, calls and registrations work at once', async () => {
    const pids = cscfs.map((role) => lab.pid(role));
    // Not answering at all is worse than gone: the Diameter timeout has to end the wait.
    process.kill(lab.pid('hss'), 'SIGSTOP');
    const startMs = performance.now();
    expect(await lab.alice.ue.register()).toMatchObject({ status: 504 });
    // Less than with the Diameter timeout of the default configuration, so it is ours that ended the wait.
    expect(performance.now() - startMs).toBeLessThan(4_500);
    await lab.kill('hss');
    expect(await lab.alice.ue.register()).toMatchObject({ status: 504 });

    await lab.startNode('hss');
    await Promise.all([lab.connected('icscf'), lab.connected('scscf')]);
    await lab.callBothWays();
    await lab.alice.register();
    await lab.callBothWays();
    expect(cscfs.map((role) => lab.pid(role))).toEqual(pids);
  }, 40_000);

  test.each(cscfs)(
    'X-R2 after kill -9 of the %s calls work without a new registration, and a call of before is released',
    async (role) => {
      const before = [await lab.call(lab.alice, lab.bob), await lab.call(lab.bob, lab.alice)] as const;
      await lab.kill(role);
      await lab.startNode(role);
      await lab.release(before[0]);
      await lab.release({ out: before[1].into, into: before[1].out });
      await lab.callBothWays();
    },
    40_000,
  );

  test('X-R3 after kill -9 of all nodes at once calls work without a new registration', async () => {
    const all = ['hss', ...cscfs] as const;
    const before = await lab.call(lab.alice, lab.bob);
    await Promise.all(all.map((role) => lab.kill(role)));
    await lab.startNode('hss');
    await Promise.all(cscfs.map((role) => lab.startNode(role)));
    await lab.release(before);
    await lab.callBothWays();
  }, 40_000);

  test('X-R2 a phone by TCP, whose connection ended with the P-CSCF, is reached by a new one', async () => {
    const phone = await Phone.openByTcp(lab.config, 7);
    await phone.register();
    await lab.kill('pcscf');
    await lab.startNode('pcscf');
    const pair = await lab.call(lab.bob, phone);
    await lab.release(pair);
    // Without a connection of its registration nothing proves who it is: it registers anew and is served.
    await phone.register();
    await lab.release(await lab.call(phone, lab.bob));
    await lab.release(await lab.call(lab.bob, phone));
    await phone.ue.close();
  }, 40_000);
});

describe('two workers each', () => {
  let lab: ResilientLab;
  beforeAll(async () => {
    lab = await ResilientLab.start({ workers: 2, reader: 'dedicated' });
  });
  afterAll(() => lab?.stop());

  test.each(cscfs)(
    'X-R1 a worker of the %s that dies is replaced; the daemon goes on and calls work without a new registration',
    async (role) => {
      const pid = lab.pid(role);
      const before = await lab.call(lab.alice, lab.bob);
      const worker = role === 'icscf' ? 0 : lab.owner(role, before.out.callId);
      await lab.trigger(role, worker, 'crash');
      await lab.callBothWays();
      await until('the worker is replaced', async () => {
        const { state, restarts } = (await lab.status(role)).workers[worker]!;
        return state === 'serving' && restarts === 1;
      });
      for (let i = 0; i < 2; i++) await lab.callBothWays();
      await lab.release(before);
      const status = await lab.status(role);
      expect(status.pid).toBe(pid);
      expect(status.workers.map(({ messages }) => messages > 0)).toEqual([true, true]);
    },
    40_000,
  );
});

describe('three workers each, one of them busy', () => {
  let lab: ResilientLab;
  beforeAll(async () => {
    lab = await ResilientLab.start({ workers: 3, reader: 'dedicated' });
  });
  afterAll(() => lab?.stop());

  /** Four calls, one after the other, none of them handled by `busy`. Gives how many milliseconds they took. */
  async function fourCalls(role: CscfRole, busy?: number): Promise<number> {
    const startMs = performance.now();
    for (let i = 0; i < 4; i++) {
      const [from, to] = i % 2 === 0 ? [lab.alice, lab.bob] : [lab.bob, lab.alice];
      const fresh = await lab.call(from, to);
      expect(lab.owner(role, fresh.out.callId)).not.toBe(busy);
      await lab.release(fresh);
    }
    return performance.now() - startMs;
  }

  test.each(['scscf', 'pcscf'] as const)(
    'X-R14 the others of the %s take new calls, what it owns waits for it',
    async (role) => {
      const early = await lab.ringing(lab.alice, lab.bob);
      const worker = lab.owner(role, early.callId);
      const own = await callOwnedBy(lab, role, worker);
      const busyMs = Math.max(leastBusyMs, 6 * (await fourCalls(role)));

      await lab.trigger(role, worker, 'busy', busyMs);
      const startMs = performance.now();
      const freeMs = () => startMs + busyMs - performance.now();
      const released = lab.release(own).then(() => performance.now() - startMs);
      early.hangUp();
      await fourCalls(role, worker);
      expect(freeMs()).toBeGreaterThan(500);
      expect([own.out.state, early.state]).toEqual(['releasing', 'early']);

      // The owner answers when it is free again: 200 to the BYE, 200 to the CANCEL and 487 to its INVITE.
      expect(await released).toBeGreaterThan(busyMs - 200);
      expect(await early.ended).toMatchObject({ by: 'us', status: 487 });
      expect(lab.bob.requests('BYE', own.out.callId).size).toBe(1);
      expect(lab.bob.requests('CANCEL', early.callId).size).toBe(1);
      await lab.release(await callOwnedBy(lab, role, worker));
      const { workers } = await lab.status(role);
      expect(workers.map(({ restarts }) => restarts)).toEqual([0, 0, 0]);
    },
    40_000,
  );

  test('C-23 200 broken datagrams to each port end no worker and no daemon', async () => {
    const { ports, address } = lab.config;
    const pids = cscfs.map((role) => lab.pid(role));
    const socket = createSocket('udp4');
    for (const datagram of hostileDatagrams(200)) {
      for (const port of [ports.gm, ports.mw, ports.icscf, ports.scscf]) socket.send(datagram, port, address);
      await sleep(2);
    }
    await lab.callBothWays();
    socket.close();
    const all = await Promise.all(cscfs.map((role) => lab.status(role)));
    expect(all.map(({ pid }) => pid)).toEqual(pids);
    expect(all.flatMap(({ workers }) => workers.map(({ restarts }) => restarts))).toEqual(Array(9).fill(0));
    for (const { reasons } of all) {
      expect(Object.values(reasons).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(100);
    }
    for (const role of cscfs) expect(lab.log(role)).not.toMatch(/"reason":"(?:internal|worker-crashed)"/);
  }, 40_000);
});

/** Makes calls until one is the worker's; the others are released. */
async function callOwnedBy(lab: ResilientLab, role: CscfRole, worker: number): Promise<Pair> {
  for (let tried = 0; tried < 12; tried++) {
    const pair = await lab.call(lab.alice, lab.bob);
    if (lab.owner(role, pair.out.callId) === worker) return pair;
    await lab.release(pair);
  }
  throw new Error(`none of 12 calls went to worker ${worker} of the ${role}`);
}
