import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Ue } from '#lab/ue/ue';
import { usimOf } from '#lab/ue/usim';
import { Cgroups } from '../../bench/load/cgroup.ts';
import { type CscfRole, cscfRoles } from '../../bench/load/core-network.ts';
import { usageOf } from '../../bench/load/process-usage.ts';
import { branchOf, fieldOf } from '../../bench/load/sip-text.ts';
import type { WireEvents } from '../../bench/load/wire.ts';
import { ChaosLoad, type ChaosLoadOptions } from '../chaos/chaos-load.ts';
import { ChaosNetwork, type ChaosNetworkOptions } from '../chaos/chaos-network.ts';
import { sleep } from '../chaos/disturbances.ts';
import { SeededRandom } from '../chaos/seeded-random.ts';

const t1Ms = 250;
const clockProgram = new URL('./x-r-clock.ts', import.meta.url).href;
let network: ChaosNetwork;
let load: ChaosLoad;
const cleaning: (() => void)[] = [];
afterEach(async () => {
  await load?.close();
  await network?.stop();
  for (const clean of cleaning.splice(0)) clean();
});

async function start(
  options: Partial<ChaosNetworkOptions> = {},
  more: Partial<ChaosLoadOptions> = {},
): Promise<readonly number[]> {
  network = await ChaosNetwork.start({ workers: 1, t1Ms, diameterTimeout: 1, ...options });
  const of = { users: 40, registrations: 10, calls: 5, messages: 10, holdMs: 2_500, t1Ms, ...more };
  load = new ChaosLoad(network, of, new SeededRandom(5));
  await load.prepare();
  load.start();
  return cscfRoles.map((role) => network.pid(role));
}

/** Ends the load; everybody must be there and every call have ended well. */
async function allIsWell(pids: readonly number[]): Promise<void> {
  load.stop();
  await load.settle();
  expect(load.calls.lost).toEqual([]);
  expect(load.calls.ended).toBe(load.calls.confirmed);
  expect(load.calls.confirmed).toBeGreaterThan(0);
  const listed = await network.registered();
  expect(load.phones.filter(({ user }) => !listed.has(user))).toEqual([]);
  expect(await load.sweep()).toEqual([]);
  expect(network.died).toEqual([]);
  expect(cscfRoles.map((role) => network.pid(role))).toEqual(pids);
  for (const role of cscfRoles) expect(network.log(role)).not.toContain('"reason":"internal"');
}

/** All that failed so far, by cause. */
function failures(): string[] {
  const { board, calls } = load;
  const kinds = ['register', 'renewal', 'message'] as const;
  return [...kinds.flatMap((kind) => [...board.tally.of(kind).failures.keys()]), ...calls.refused.keys()];
}

describe('the HSS', () => {
  it.each([
    ['stands still', 'SIGSTOP'],
    ['is gone', 'SIGKILL'],
  ] as const)(
    'X-R4 I-27 that %s: with a cache of locations new calls and messages to registered users go on',
    async (_words, signal) => {
      const change = (role: CscfRole, content: Record<string, unknown>) => {
        if (role === 'icscf') content.locationCache = 2;
      };
      const pids = await start({ change }, { registrations: 0, users: 24 });
      // Each of them has been called once.
      expect(await load.sweep()).toEqual([]);
      const before = load.calls.confirmed;
      if (signal === 'SIGKILL') await network.kill('hss');
      else network.signal('hss', signal);
      await sleep(7_000);
      expect(load.calls.confirmed - before).toBeGreaterThan(10);
      if (signal === 'SIGKILL') await network.launch('hss');
      else network.signal('hss', 'SIGCONT');
      await Promise.all([network.connected('icscf'), network.connected('scscf')]);
      expect(failures()).toEqual([]);
      await allIsWell(pids);
    },
    60_000,
  );

  it('X-R5 that answers now and then, and slowly, holds up no event loop, and all is normal soon after', async () => {
    const pids = await start();
    let worstLag = 0;
    for (let round = 0; round < 6; round++) {
      network.signal('hss', 'SIGSTOP');
      await sleep(700);
      network.signal('hss', 'SIGCONT');
      await sleep(400);
      for (const role of ['icscf', 'scscf'] as const) worstLag = Math.max(worstLag, await lagOf(role));
    }
    // 50 ms where nobody else uses the machine.
    expect(worstLag).toBeLessThan(0.4);
    await Promise.all([network.connected('icscf'), network.connected('scscf')]);
    for (const role of ['icscf', 'scscf'] as const) {
      // No connection is given up for an answer that is late.
      expect(connections(role), role).toBe(1);
      await expect
        .poll(async () => (await network.status(role)).peers[0]!.outstanding ?? 0, { timeout: 5_000 })
        .toBeLessThan(10);
    }
    await allIsWell(pids);
  }, 60_000);
});

/** How often a node has connected to its HSS. */
function connections(role: CscfRole): number {
  return network.log(role).split('"msg":"connected to').length - 1;
}

async function lagOf(role: CscfRole): Promise<number> {
  const rows = (await network.ask(role, 'stats.get', { prefix: 'cscf_event_loop_lag' })) as { value: number }[];
  return Math.max(0, ...rows.map(({ value }) => value));
}

describe('the wall clock', () => {
  it('X-R9 is set 2 hours and a month ahead and 2 hours back: no registration ends early, none lives longer', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cscf-clock-'));
    cleaning.push(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, 'ahead');
    writeFileSync(file, '0');
    const pids = await start({
      workers: 2,
      env: { NODE_OPTIONS: `--import=${clockProgram}`, CSCF_TEST_CLOCK: file },
      change(role, content) {
        if (role === 'scscf') content.registrar = { minExpires: 3 };
      },
    });
    const shortLived = await openUe('000077');
    for (const aheadMs of [7_200_000, 31 * 86_400_000, -7_200_000]) {
      writeFileSync(file, String(aheadMs));
      await sleep(1_500);
      expect((await network.registered()).size).toBe(40);
      // A worker that takes the place of another goes by the same clock.
      await network.ask('scscf', 'test.trigger', { worker: 1, what: 'crash' });
      await sleep(1_000);
      expect((await network.registered()).size).toBe(40);
    }
    // The clock is 2 hours behind when this one is made and runs out.
    expect(await shortLived.register(4)).toMatchObject({ registered: true });
    await expect.poll(async () => (await network.registered()).has('user000077')).toBe(true);
    await shortLived.close();
    await expect
      .poll(async () => (await network.registered()).has('user000077'), { timeout: 25_000, interval: 500 })
      .toBe(false);
    const years = new Set([...network.log('scscf').matchAll(/"time":"(\d{4}-\d\d)/g)].map(([, month]) => month));
    expect(years.size, 'the log shows that the clock was moved').toBeGreaterThan(1);
    await allIsWell(pids);
  }, 90_000);
});

async function openUe(digits: string): Promise<Ue> {
  const { domain, address, ports, range } = network.config;
  const impi = `user${digits}@${domain}`;
  const ue = await Ue.open({
    domain,
    impu: `sip:${impi}`,
    credentials: { impi, usim: usimOf(range!) },
    proxy: { address, port: ports.gm },
  });
  cleaning.push(() => void ue.close());
  return ue;
}

describe('a reload', () => {
  it('X-R12 twice a second under load is not noticed by anybody, and a broken file is refused with its line', async () => {
    const pids = await start();
    for (let round = 0; round < 16; round++) {
      const role = cscfRoles[round % 3]!;
      network.rewrite(role, (content) => {
        content.trusted = round % 2 === 0 ? ['127.0.0.0/8', '10.0.0.0/8'] : ['127.0.0.0/8'];
        content.log = { level: round % 4 < 2 ? 'info' : 'warn' };
      });
      if (round % 2 === 0) network.signal(role, 'SIGHUP');
      else expect(await network.ask(role, 'config.reload')).toMatchObject({ rejected: [] });
      await sleep(500);
    }
    network.rewrite('pcscf', (content) => (content.timers = { t1: 'soon' }));
    expect(await network.ask('pcscf', 'config.reload')).toMatchObject({
      applied: [],
      rejected: [{ path: 'timers.t1', line: expect.any(Number) }],
    });
    await sleep(500);
    expect(failures()).toEqual([]);
    await allIsWell(pids);
  }, 60_000);
});

describe('a node that stands still', () => {
  it('X-R14 for three seconds, each in its turn: no call is lost, and no peer is taken for dead', async () => {
    const pids = await start();
    for (const role of cscfRoles) {
      await sleep(1_500);
      network.signal(role, 'SIGSTOP');
      await sleep(3_000);
      network.signal(role, 'SIGCONT');
      await sleep(1_500);
      for (const each of ['icscf', 'scscf'] as const) expect(connections(each), `${each}, ${role} stopped`).toBe(1);
      expect(load.calls.lost, role).toEqual([]);
    }
    await allIsWell(pids);
  }, 90_000);
});

describe('a node that gets little of the CPU', () => {
  it('X-R14 a tenth of one for seconds, each in its turn: no final answer is followed by another, no peer is taken for dead', async ({
    skip,
  }) => {
    const name = `cscf-starved-${process.pid}`;
    const possible = Cgroups.create(name, { cpuPercent: 10 });
    if (typeof possible === 'string') {
      skip(possible);
      return;
    }
    possible.remove();
    const finals = new FinalAnswers();
    const pids = await start(
      {},
      { registrations: 30, messages: 30, calls: 10, through: (open, events) => open(finals.noting(events)) },
    );
    await sleep(1_000);
    for (const role of cscfRoles) {
      const groups = Cgroups.create(`${name}-${role}`, { cpuPercent: 10 });
      if (typeof groups === 'string') throw new Error(groups);
      cleaning.push(() => groups.remove());
      groups.adopt(role, network.pid(role));
      const before = usageOf(network.pid(role)).cpuUs;
      await sleep(4_000);
      // It was starved indeed.
      expect(usageOf(network.pid(role)).cpuUs - before).toBeLessThan(800_000);
      groups.lift();
      await sleep(1_500);
    }
    expect(finals.count).toBeGreaterThan(500);
    expect(finals.contradictions.join('\n')).toBe('');
    for (const each of ['icscf', 'scscf'] as const) expect(connections(each), each).toBe(1);
    for (const role of cscfRoles) expect(network.log(role)).not.toMatch(/"msg":"lost /);
    await allIsWell(pids);
    expect(finals.contradictions.join('\n')).toBe('');
  }, 90_000);
});

/** The final answers that phones got, by the branch and method of their requests. */
class FinalAnswers {
  readonly contradictions: string[] = [];
  readonly #first = new Map<string, string>();

  get count(): number {
    return this.#first.size;
  }

  noting(events: WireEvents): WireEvents {
    return {
      ...events,
      message: (text) => {
        if (text.startsWith('SIP/2.0 ') && !text.startsWith('SIP/2.0 1')) this.#note(text);
        events.message(text);
      },
    };
  }

  #note(text: string): void {
    const key = `${branchOf(text)} ${fieldOf(text, 'CSeq')}`;
    // Who is refused for overload is told anew for how long, without a transaction.
    const answer = `${text.slice(8, 11)} ${fieldOf(text, 'To')}`;
    const first = this.#first.get(key);
    if (first === undefined) this.#first.set(key, answer);
    else if (first !== answer) this.contradictions.push(`${key}: ${first}, then ${answer}`);
  }
}

/** A file system of some megabytes; null where this user may not mount one. */
function smallDisk(folder: string, size: string): ((size: string) => void) | null {
  const mount = (...words: string[]) => execFileSync('mount', words, { stdio: 'ignore' });
  try {
    mount('-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder);
  } catch {
    return null;
  }
  cleaning.unshift(() => execFileSync('umount', ['-l', folder], { stdio: 'ignore' }));
  return (next) => mount('-o', `remount,size=${next}`, folder);
}

describe('a full disk', () => {
  it('X-R10 under the stores is an alarm: calls go on, and registrations when there is room again', async ({
    skip,
  }) => {
    let grow: ((size: string) => void) | null = null;
    const store = mkdtempSync(join(tmpdir(), 'cscf-small-'));
    cleaning.push(() => rmSync(store, { recursive: true, force: true }));
    const pids = await (async () => {
      const started = start(
        {
          change(role, content) {
            if (role !== 'scscf') return;
            grow = smallDisk(store, '1m');
            content.store = { type: 'lmdb', path: grow === null ? store : join(store, 'scscf') };
          },
        },
        { registrations: 0 },
      );
      return started;
    })();
    if (grow === null) {
      skip('this user may not mount a small file system: the disk cannot be full');
      return;
    }
    // What is left of the disk goes to somebody else.
    try {
      for (let i = 0; ; i++) writeFileSync(join(store, `other${i}`), Buffer.alloc(16_384, 1));
    } catch {
      expect(readdirSync(store).length).toBeGreaterThan(1);
    }
    const newcomers: Ue[] = [];
    for (let number = 500; number < 560; number++) {
      const ue = await openUe(`000${number}`);
      newcomers.push(ue);
      if (!(await ue.register()).registered) break;
    }
    expect(network.log('scscf')).toMatch(/"reason":"store-failed"|ERR_STORE_WRITE/);
    expect((await network.status('scscf')).serving).toBe(true);
    await sleep(3_000);
    expect(load.calls.lost).toEqual([]);
    (grow as (size: string) => void)('64m');
    expect(await newcomers.at(-1)!.register()).toMatchObject({ registered: true });
    await allIsWell(pids);
  }, 60_000);
});
