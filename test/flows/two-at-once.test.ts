import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Daemon } from '#lab/network/daemon';
import { callManagement } from '#manage/management-client';
import type { TraceSink } from '#manage/trace-recorder';
import { Header } from '#sip/message/header-names';
import { openLmdbStore } from '#store/lmdb-store';
import { freePort } from '../free-port.ts';
import { hasRedis, RedisServer } from '../store/redis.ts';
import { CutLink } from './cut-link.ts';
import { callAndRelease, type LabPhone, TransportLab, until } from './transport-lab.ts';

const none = !hasRedis();
const root = fileURLToPath(new URL('../../', import.meta.url));
/** How long Redis is away; the row asks for 60, which is for a run by hand. */
const awaySeconds = Number(process.env.CSCF_REDIS_AWAY_SECONDS ?? 4);
const cutSeconds = Number(process.env.CSCF_CUT_SECONDS ?? 1);
let folder: string;
let redis: RedisServer;
/** From each S-CSCF to Redis. */
let links: readonly [CutLink, CutLink];
let lab: TransportLab;
let gm: number;
let secondUri: string;
const others: Daemon[] = [];

/** The S-CSCFs and the P-CSCFs before them: a phone at the first P-CSCF is served by the first S-CSCF. */
type Place = 0 | 1;

const socketOf = (role: 'scscf' | 'pcscf', place: Place) =>
  place === 0 ? join(lab.folder, `${role}.sock`) : join(folder, `${role}.sock`);
const ask = (role: 'scscf' | 'pcscf', place: Place, method: string, params: Record<string, unknown> = {}) =>
  callManagement(socketOf(role, place), method, params);
const logOf = (place: Place) => (place === 0 ? lab.log('scscf') : readFileSync(join(folder, 'scscf.log'), 'utf8'));

/** The contacts of a user as an S-CSCF knows them, null when nobody is registered. */
async function contacts(place: Place, impu: string): Promise<string[] | null> {
  const { rows } = (await ask('scscf', place, 'registrations.list', { filter: impu, limit: 100 })) as {
    rows: { contacts: string[] }[];
  };
  return rows.length === 0 ? null : rows.flatMap((row) => row.contacts).sort();
}

async function counted(name: string): Promise<number> {
  let sum = 0;
  for (const place of [0, 1] as const) {
    const rows = (await ask('scscf', place, 'stats.get', { prefix: 'cscf_events_total' })) as {
      labels: Record<string, string>;
      value: number;
    }[];
    for (const { labels, value } of rows) if (labels.event === name) sum += value;
  }
  return sum;
}

/** A phone, and the NOTIFYs of its subscription, each once. */
interface Watching {
  readonly phone: LabPhone;
  readonly documents: string[];
  /** Call-ID of its subscription; those of phones before it may come to its address as well. */
  dialog: string;
}

async function open(place: Place, user: number | string, password = ''): Promise<Watching> {
  const proxy = place === 0 ? {} : { proxy: { address: '127.0.0.1', port: gm } };
  const named =
    typeof user === 'number' ? {} : { impu: 'sip:grace@ims.test', credentials: { impi: `${user}@ims.test`, password } };
  const heard: Omit<Watching, 'phone'> = { documents: [], dialog: '' };
  const trace: TraceSink = {
    sip(dir, text) {
      if (dir !== 'in' || heard.dialog === '' || !text.startsWith('NOTIFY ') || !text.includes(heard.dialog)) return;
      if (!heard.documents.includes(text)) heard.documents.push(text);
    },
    diameter() {},
  };
  const phone = await lab.open(typeof user === 'number' ? user : 0, { refresh: false, trace, ...proxy, ...named });
  return Object.assign(heard, { phone });
}

/** Of two first REGISTERs at once the HSS takes one (5005); the other phone tries again. */
async function register({ phone }: Watching, expires?: number): Promise<void> {
  let outcome = await phone.ue.register(expires);
  for (let i = 0; i < 3 && !outcome.registered && outcome.words.includes('5005'); i++) {
    outcome = await phone.ue.register(expires);
  }
  if (!outcome.registered) throw new Error(`REGISTER was answered ${outcome.status} ${outcome.words}`);
}

async function subscribe(watching: Watching): Promise<void> {
  const response = await watching.phone.ue.subscribeToRegistration();
  expect(response.status).toBe(200);
  watching.dialog = response.headers.get(Header['Call-ID'])!;
  // The first NOTIFY may have come before that was known.
  await until('the first NOTIFYs', async () => {
    await register(watching);
    return watching.documents.length > 0;
  });
}

const versionsOf = ({ documents }: Watching) => documents.map((body) => Number(/version="(\d+)"/.exec(body)?.[1]));
/** Ports of the contacts with a state, each once. */
function portsIn(document: string, state: string): number[] {
  const found = document.matchAll(new RegExp(`<contact[^>]*state="${state}"[^>]*>\\s*<uri>[^<]*:(\\d+)`, 'g'));
  return [...new Set([...found].map(([, port]) => Number(port)))].sort();
}
/** No version is left out or comes twice, and neither does a CSeq. */
function expectOneRow(watching: Watching): void {
  const versions = versionsOf(watching);
  expect(versions).toEqual(versions.map((_, i) => versions[0]! + i));
  const cseqs = watching.documents.map((text) => Number(/^CSeq: (\d+)/m.exec(text)?.[1]));
  expect(cseqs).toEqual(cseqs.map((_, i) => cseqs[0]! + i));
}
const isAt = (texts: readonly string[] | null, { phone }: Watching) =>
  texts !== null && texts.length === 1 && texts[0]!.includes(`:${phone.ue.port}`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function cutBoth(how: 'refused' | 'silent'): Promise<void> {
  const before = [logOf(0), logOf(1)].map((log) => log.split('"reason":"redis-away"').length);
  for (const link of links) link.cut(how);
  await until(
    'both know that Redis is away',
    () => [logOf(0), logOf(1)].every((log, i) => log.split('"reason":"redis-away"').length > before[i]!),
    15_000,
  );
}

async function healBoth(): Promise<void> {
  for (const link of links) link.heal();
  await untilShared();
}

async function untilShared(): Promise<void> {
  const isConnected = (log: string) => log.lastIndexOf('connected to Redis') > log.lastIndexOf('"reason":"redis-away"');
  await until(
    'both are connected with Redis and nothing waits',
    async () => [logOf(0), logOf(1)].every(isConnected) && (await backlog(0)) + (await backlog(1)) === 0,
    15_000,
  );
}

/** Records that wait for Redis at an S-CSCF: its store, as another process sees it. */
async function backlog(place: Place): Promise<number> {
  const replica = { node: 1, tables: [], wallMs: Date.now, durableMs: 0 };
  const store = await openLmdbStore({ path: join(folder, `scscf${place}`), tables: [], replica });
  const count = store.unconfirmedCount();
  await store.close();
  return count;
}

beforeAll(async () => {
  if (none) return;
  folder = mkdtempSync(join(tmpdir(), 'cscf-two-'));
  redis = await RedisServer.start(folder);
  links = [await CutLink.open(redis.port), await CutLink.open(redis.port)];
  const [port, mw] = [await freePort(), await freePort()];
  gm = await freePort();
  const both = (port: number) => [`udp:127.0.0.1:${port}`, `tcp:127.0.0.1:${port}`];
  const uri = `sip:127.0.0.1:${port}`;
  secondUri = uri;
  lab = await TransportLab.start({
    change({ icscf, scscf, pcscf }, config) {
      const store = (name: string, url: string, more = {}) => ({
        type: 'redis',
        path: join(folder, name),
        redis: { url, ...more },
      });
      const viaLink = (place: Place) =>
        store(`scscf${place}`, `redis://127.0.0.1:${links[place].port}`, { syncTimeout: 0.5, alarmAbove: 5 });
      icscf.scscfs = [(icscf.scscfs as object[])[0]!, { uri, capabilities: [], priority: 2 }];
      scscf.registrar = { minExpires: 1 };
      const server = {
        ...scscf,
        name: 'scscf2.ims.test',
        uri,
        listeners: { mw: both(port) },
        store: viaLink(1),
        management: { socket: join(folder, 'scscf.sock') },
        diameter: { ...(scscf.diameter as object), originHost: 'scscf2.ims.test' },
      };
      const { tls: _tls, ...plain } = pcscf;
      const edge = {
        ...plain,
        name: 'pcscf2.ims.test',
        listeners: { gm: both(gm), mw: both(mw) },
        hosts: { 'ims.test': [`udp:127.0.0.1:${port}`] },
        store: store('pcscf1', redis.url),
        management: { socket: join(folder, 'pcscf.sock') },
      };
      writeFileSync(join(folder, 'scscf.yaml'), JSON.stringify(server));
      writeFileSync(join(folder, 'pcscf.yaml'), JSON.stringify(edge));
      scscf.store = viaLink(0);
      // Past the I-CSCF, which would turn to the S-CSCF that the HSS names.
      pcscf.hosts = { 'ims.test': [`udp:127.0.0.1:${config.ports.scscf}`] };
      pcscf.store = store('pcscf0', redis.url);
    },
  });
  for (const role of ['scscf', 'pcscf'] as const) {
    others.push(
      new Daemon({
        name: `${role}2`,
        command: [join(root, `bin/${role}`), '--config', join(folder, `${role}.yaml`)],
        env: process.env,
        logFile: join(folder, `${role}.log`),
      }),
    );
  }
  await Promise.all(others.map(({ ready }) => ready));
  await until('the second S-CSCF is connected with the HSS', async () =>
    ((await ask('scscf', 1, 'status')) as { peers: { state: string }[] }).peers.every(({ state }) =>
      state.startsWith('open-'),
    ),
  );
  await untilShared();
}, 60_000);
afterEach(() => links?.forEach((link) => void link.heal()));
afterAll(async () => {
  if (none) return;
  await lab?.stop();
  await Promise.all(others.map((daemon) => daemon.stop()));
  for (const link of links ?? []) link.close();
  await redis?.down();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(none)('two S-CSCFs and two P-CSCFs on one Redis, all at work', () => {
  it('I-25 S-32 S-62 a user who registers two phones at once, one at each, has both, and one row of NOTIFYs', async () => {
    const mobile = await open(0, 'grace-mobile', 'grace-secret');
    const home = await open(1, 'grace-home', 'grace-secret');
    const both = [mobile.phone.ue.port, home.phone.ue.port].sort();
    const shown = async (place: Place) => (await contacts(place, 'grace'))?.length;
    for (let round = 0; round < 4; round++) {
      await Promise.all([register(mobile), register(home)]);
      await expect.poll(() => Promise.all([shown(0), shown(1)]), { timeout: 8000 }).toEqual([2, 2]);
      if (round < 3) await Promise.all([register(mobile, 0), register(home, 0)]);
      if (round < 3) await expect.poll(() => Promise.all([shown(0), shown(1)])).toEqual([undefined, undefined]);
    }
    await subscribe(mobile);
    for (let round = 0; round < 4; round++) await Promise.all([register(mobile), register(home)]);
    // Only at the one that does not send the NOTIFYs.
    await sleep(1_500);
    const heard = mobile.documents.length;
    await register(home);
    await until('the NOTIFY of the other one', () => mobile.documents.length > heard);
    await sleep(1_500);
    expect(mobile.documents.length).toBe(heard + 1);
    expectOneRow(mobile);
    expect(portsIn(mobile.documents.at(-1)!, 'active')).toEqual(both);
  }, 30_000);

  it('S-39 S-64 a contact runs out once: one word to the HSS, one NOTIFY', async () => {
    const mobile = await open(0, 'grace-mobile', 'grace-secret');
    const home = await open(1, 'grace-home', 'grace-secret');
    const expired = await counted('expiry');
    await register(mobile);
    await subscribe(mobile);
    await register(home, 1);
    await until('it is over', () => mobile.documents.some((body) => body.includes('event="expired"')), 20_000);
    await sleep(2_500);
    expect(mobile.documents.filter((body) => body.includes('event="expired"'))).toHaveLength(1);
    expectOneRow(mobile);
    expect((await counted('expiry')) - expired).toBe(1);
    expect(await Promise.all([contacts(0, 'grace'), contacts(1, 'grace')])).toEqual([
      [expect.stringContaining(`:${mobile.phone.ue.port}`)],
      [expect.stringContaining(`:${mobile.phone.ue.port}`)],
    ]);
  }, 40_000);

  it.each(['refused', 'silent'] as const)(
    'X-R18 cut off from each other (%s), each registers a phone of a user: the last one stands at both, one row of NOTIFYs',
    async (how) => {
      const base = how === 'refused' ? 10 : 20;
      const watching = await open(0, 'grace-mobile', 'grace-secret');
      const grace = [await open(0, 'grace-home', 'grace-secret'), await open(1, 'grace-home', 'grace-secret')] as const;
      const first = [await open(0, base), await open(0, base + 1)] as const;
      const second = [await open(1, base), await open(1, base + 1)] as const;
      for (const phone of [watching, grace[0], ...first]) await register(phone);
      await subscribe(watching);
      await untilShared();
      await cutBoth(how);
      // Last at the second S-CSCF; last at the first; taken back at the first before it is made at the second.
      await register(grace[0]);
      await register(second[0]);
      await register(first[1], 0);
      await sleep(50);
      await register(grace[1]);
      await register(first[0]);
      await register(second[1]);
      const users = ['grace', `user0000${base}`, `user0000${base + 1}`];
      const last = [grace[1], first[0], second[1]];
      expect(isAt(await contacts(0, users[1]!), first[0])).toBe(true);
      expect(isAt(await contacts(1, users[1]!), second[0])).toBe(true);
      expect(await contacts(0, users[2]!)).toBe(null);
      await sleep(cutSeconds * 1000);
      await healBoth();
      for (const [i, user] of users.entries()) {
        const wanted = [last[i]!, ...(i === 0 ? [watching] : [])].map(({ phone }) => phone.ue.port).sort();
        await until(`${user} is one at both`, async () => {
          const found = await Promise.all([contacts(0, user), contacts(1, user)]);
          const ports = found.map((texts) => texts?.map((text) => Number(/:(\d+)/.exec(text)?.[1])).sort());
          return ports.every((each) => JSON.stringify(each) === JSON.stringify(wanted));
        });
        for (const place of [0, 1] as const) {
          const id = `sip:${user}@ims.test`;
          expect(await ask('scscf', place, 'profile.show', { id })).toContain('ServiceProfile');
        }
      }
      const [there, gone] = [grace[1].phone.ue.port, grace[0].phone.ue.port];
      await until('the watcher hears of the last', () => portsIn(watching.documents.at(-1)!, 'active').includes(there));
      await sleep(1_500);
      expect(portsIn(watching.documents.at(-1)!, 'active')).toEqual([watching.phone.ue.port, there].sort());
      expect(watching.documents.some((body) => portsIn(body, 'terminated').includes(gone))).toBe(true);
      expectOneRow(watching);
      await callAndRelease(second[1].phone, first[0].phone);
    },
    60_000,
  );

  it('X-R7 Redis away: who is registered is served at both, what changes waits within a bound and is sent, with alarms', async () => {
    const phones = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => open((i % 2) as Place, 40 + i)));
    for (const phone of phones.slice(0, 4)) await register(phone);
    await untilShared();
    const [one, two, three, four, five, six] = phones.map(({ phone }) => phone) as [
      LabPhone,
      LabPhone,
      LabPhone,
      LabPhone,
      LabPhone,
      LabPhone,
    ];
    await callAndRelease(one, two);
    await redis.down();
    const startMs = performance.now();
    let rounds = 0;
    do {
      await callAndRelease(two, one);
      await callAndRelease(three, four);
      for (const phone of phones) await register(phone);
      await callAndRelease(five, three);
      await callAndRelease(six, four);
      rounds++;
    } while (performance.now() - startMs < awaySeconds * 1000);
    const waiting = await Promise.all(([0, 1] as const).map((place) => backlog(place)));
    await redis.up();
    await untilShared();
    for (const place of [0, 1] as const) {
      expect(logOf(place)).toContain('"reason":"redis-away"');
      expect(logOf(place)).toContain('"reason":"redis-behind"');
      expect(waiting[place]).toBeGreaterThan(0);
      // A few records of each user, however often they changed.
      expect(waiting[place]).toBeLessThan(60);
    }
    for (const [i, { phone }] of phones.entries()) {
      const user = `user0000${40 + i}`;
      await expect
        .poll(async () => [(await contacts(0, user))?.[0], (await contacts(1, user))?.[0]])
        .toEqual([expect.stringContaining(`:${phone.ue.port}`), expect.stringContaining(`:${phone.ue.port}`)]);
    }
    await callAndRelease(six, one);
    console.log(`Redis was away for ${Math.round((performance.now() - startMs) / 1000)} s, ${rounds} rounds`, waiting);
  }, 150_000);

  it('I-25 S-62 X-R2 the one that is left goes on with the NOTIFYs of the one that died', async () => {
    const watching = await open(0, 'grace-mobile', 'grace-secret');
    await register(watching);
    await subscribe(watching);
    await untilShared();
    process.kill(lab.pid('scscf'), 'SIGKILL');
    const heard = watching.documents.length;
    const home = await open(1, 'grace-home', 'grace-secret');
    await register(home);
    await until('a NOTIFY of the other one', () => watching.documents.length > heard);
    expect(portsIn(watching.documents.at(-1)!, 'active')).toContain(home.phone.ue.port);
    // It is who the subscriber turns to from now on.
    expect(watching.documents.at(-1)).toContain(`Contact: <${secondUri}>`);
    expectOneRow(watching);
  }, 30_000);
});
