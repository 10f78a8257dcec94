import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '#service/config/config';
import { diffConfig } from '#service/config/config-diff';
import { LiveConfig } from '#service/config/live-config';
import { loadSchema } from '#service/config/schema';

let folder: string;
let file: string;
const first = `role: icscf
homeDomain: ims.test # ours
listeners: { mw: ["udp:127.0.0.1:4060"] }
workers: 1
trusted: [127.0.0.0/8]
timers: { t1: 500 }
diameter:
  originHost: icscf.ims.test
  originRealm: ims.test
  peers: [{ host: hss.ims.test, address: 127.0.0.1, port: 3868 }]
scscfs: [{ uri: "sip:127.0.0.1:6060" }]
`;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cscf-live-'));
  file = join(folder, 'icscf.yaml');
  writeFileSync(file, first);
});
afterEach(() => rmSync(folder, { recursive: true }));

function running(sets: readonly string[] = []) {
  const options = { file, role: 'icscf', sets } as const;
  const live = new LiveConfig({ ...options, loaded: loadConfig(options) });
  const heard: string[][] = [];
  live.onChange((_next, changed) => void heard.push([...changed]));
  return { live, heard };
}

const rewrite = (from: string, to: string) => writeFileSync(file, readFileSync(file, 'utf8').replace(from, to));

describe('a new configuration', () => {
  it('takes over live keys together and says what needs a restart', async () => {
    const { live, heard } = running();
    rewrite('t1: 500', 't1: 600');
    rewrite('[127.0.0.0/8]', '[127.0.0.0/8, 10.0.0.0/8]');
    rewrite('workers: 1', 'workers: 2');
    expect(await live.reload()).toEqual({
      applied: ['trusted', 'timers.t1'],
      needsRestart: ['workers'],
      rejected: [],
    });
    expect(heard).toEqual([['trusted', 'timers.t1']]);
    expect(live.current.timers.t1).toBe(600);
    expect(live.current.trusted).toEqual(['127.0.0.0/8', '10.0.0.0/8']);
    expect(live.current.workers).toBe(1);
    expect(Object.isFrozen(live.current.timers)).toBe(true);
    expect(await live.reload()).toEqual({ applied: [], needsRestart: ['workers'], rejected: [] });
    expect(heard).toHaveLength(1);
  });

  it('with a mistake changes nothing and says where it is', async () => {
    const { live, heard } = running();
    rewrite('t1: 500', 't1: 600\n  , t2: fast');
    rewrite('trusted', 'trustd');
    const { applied, rejected } = await live.reload();
    expect(applied).toEqual([]);
    expect(rejected.map(({ path, line }) => `${line} ${path}`)).toEqual(['5 trustd', '7 timers.t2']);
    expect(rejected[0]!.suggestion).toContain('trusted');
    writeFileSync(file, 'role: [');
    expect((await live.reload()).rejected).toHaveLength(1);
    rmSync(file);
    expect((await live.reload()).rejected[0]!.message).toContain('no such file');
    expect(live.current.timers.t1).toBe(500);
    expect(heard).toEqual([]);
  });

  it('that is only wrong between two keys is refused as well', async () => {
    const { live } = running();
    rewrite('t1: 500', 't1: 5000, t2: 4000');
    expect((await live.reload()).rejected.map(({ path }) => path)).toEqual(['timers.t1']);
    expect(live.current.timers.t1).toBe(500);
  });
});

describe('keys set while running', () => {
  it('count at once, stay over a reload, and are written into the file on demand, comments kept', async () => {
    const { live, heard } = running();
    expect(await live.set({ 'timers.t1': 700, 'log.level': 'debug' })).toEqual({
      applied: ['timers.t1', 'log.level'],
      needsRestart: [],
      rejected: [],
    });
    rewrite('t1: 500', 't1: 600');
    expect((await live.reload()).applied).toEqual([]);
    expect(live.get('timers.t1')).toBe(700);
    expect(live.get('timers.none')).toBeUndefined();
    expect(live.get('__proto__')).toBeUndefined();
    expect(live.diff().map(({ path, before, after }) => [path.join('.'), before, after])).toEqual([
      ['timers.t1', 700, 600],
      ['log.level', 'debug', 'info'],
    ]);
    expect(await live.persist()).toEqual(['timers.t1', 'log.level']);
    expect(live.diff()).toEqual([]);
    expect(readFileSync(file, 'utf8')).toContain('homeDomain: ims.test # ours\n');
    expect(readdirSync(folder)).toEqual(['icscf.yaml']);
    expect(running().live.current.timers.t1).toBe(700);
    expect(await live.persist()).toEqual([]);
    expect(heard).toHaveLength(1);
  });

  it('are refused where they need a restart, do not exist or do not fit, all of a call together', async () => {
    const { live, heard } = running();
    const rejected = async (values: Record<string, unknown>) =>
      (await live.set(values)).rejected.map(({ path, message }) => `${path}: ${message}`);
    expect(await rejected({ 'timers.t1': 600, workers: 2 })).toEqual(['workers: this key needs a restart']);
    expect(await rejected({ 'timers.t9': 600 })).toEqual(['timers.t9: there is no such key']);
    expect(await rejected({ '__proto__.x': 1 })).toEqual(['__proto__.x: there is no such key']);
    expect(await rejected({ 'timers.t1': 'soon' })).toHaveLength(1);
    expect(await rejected({ 'timers.t1': -1 })).toHaveLength(1);
    expect(live.current.timers.t1).toBe(500);
    expect(heard).toEqual([]);
    expect((await live.set({ 'timers.t1': 600 })).applied).toEqual(['timers.t1']);
  });

  it('do not write a file that would be no configuration', async () => {
    const { live } = running();
    await live.set({ 'timers.t1': 700 });
    rewrite('homeDomain: ims.test', 'homeDomian: ims.test');
    await expect(live.persist()).rejects.toMatchObject({ code: 'ERR_CONFIG' });
    expect(readdirSync(folder)).toEqual(['icscf.yaml']);
    expect(readFileSync(file, 'utf8')).not.toContain('700');
  });

  it('are set one call after the other', async () => {
    const { live } = running();
    const reports = await Promise.all([1, 2, 3].map((n) => live.set({ 'timers.t1': 500 + n })));
    expect(reports.map(({ applied }) => applied)).toEqual([['timers.t1'], ['timers.t1'], ['timers.t1']]);
    expect(live.current.timers.t1).toBe(503);
  });
});

describe('those who get ready for a new configuration', () => {
  /** One who notes what he is asked, and refuses `timers.t1` above 1000. */
  function preparing(live: ReturnType<typeof running>['live'], name: string, heard: string[]) {
    live.onPrepare((next, changed, data) => {
      heard.push(`${name} prepares ${changed.join()} ${(data.timers as { t1: number }).t1}`);
      if (name === 'second' && next.timers.t1 > 1000)
        return Promise.resolve({ path: ['timers', 't1'], message: 'too slow', suggestion: 'less' });
      return Promise.resolve({
        apply: () => void heard.push(`${name} applies ${live.current.timers.t1}`),
        withdraw: () => void heard.push(`${name} withdraws`),
      });
    });
  }

  it('are all ready before the first takes it over, after those who only hear of it', async () => {
    const { live, heard: told } = running();
    const heard: string[] = [];
    preparing(live, 'first', heard);
    live.onChange(() => void heard.push('told'));
    preparing(live, 'second', heard);
    rewrite('t1: 500', 't1: 600');
    expect((await live.reload()).applied).toEqual(['timers.t1']);
    expect(heard).toEqual([
      'first prepares timers.t1 600',
      'second prepares timers.t1 600',
      'told',
      'first applies 600',
      'second applies 600',
    ]);
    expect(told).toHaveLength(1);
  });

  it('X-R12 refuse it for all: nothing has changed, and the answer says where the key stands', async () => {
    const { live, heard: told } = running();
    const heard: string[] = [];
    for (const name of ['first', 'second', 'third']) preparing(live, name, heard);
    rewrite('t1: 500', 't1: 2000');
    const { applied, needsRestart, rejected } = await live.reload();
    expect([applied, needsRestart, told]).toEqual([[], [], []]);
    expect(rejected).toMatchObject([{ path: 'timers.t1', line: 6, message: 'too slow', suggestion: 'less' }]);
    expect(rejected[0]!.file).toContain('icscf.yaml');
    expect(heard).toEqual(['first prepares timers.t1 2000', 'second prepares timers.t1 2000', 'first withdraws']);
    expect(live.current.timers.t1).toBe(500);
    expect((await live.set({ 'timers.t1': 3000 })).rejected).toHaveLength(1);
    expect(live.get('timers.t1')).toBe(500);
    rewrite('t1: 2000', 't1: 700');
    expect((await live.reload()).applied).toEqual(['timers.t1']);
  });

  it('give back what they have prepared when another one fails', async () => {
    const { live } = running();
    const heard: string[] = [];
    preparing(live, 'first', heard);
    live.onPrepare(() => Promise.reject(new Error('a defect')));
    rewrite('t1: 500', 't1: 600');
    await expect(live.reload()).rejects.toThrow('a defect');
    expect(heard.at(-1)).toBe('first withdraws');
    expect(live.current.timers.t1).toBe(500);
  });
});

describe('where a value comes from', () => {
  it('is told of what runs: file, command line, set while running, default; what waits for a restart is as it was', async () => {
    const { live } = running(['log.level=warn']);
    const from = (key: string) => live.explain(key).map((row) => `${row.value} ${row.from.replace(/^.*\//, '')}`);
    expect(from('timers.t1')).toEqual(['500 icscf.yaml:6:15']);
    expect(from('timers.t2')).toEqual(['4000 default']);
    expect(from('log.level')).toEqual(['warn --set log.level']);
    expect(from('diameter.peers')).toContain('hss.ims.test icscf.yaml:10:19');
    expect(from('nothing')).toEqual([]);
    expect(live.explain('timers').length).toBeGreaterThan(3);
    await live.set({ 'timers.t2': 5000, 'log.level': 'debug' });
    expect([...from('timers.t2'), ...from('log.level')]).toEqual(['5000 set while running', 'debug set while running']);
    rewrite('workers: 1', '# a line more\nworkers: 2');
    await live.reload();
    expect(from('workers')).toEqual(['1 icscf.yaml:4:10']);
    expect(from('timers.t1')).toEqual(['500 icscf.yaml:7:15']);
    await live.persist();
    expect(from('timers.t2')[0]).toMatch(/^5000 icscf\.yaml:\d+:\d+$/);
    expect(from('workers')).toEqual(['1 icscf.yaml:4:10']);
  });
});

describe('the difference of two configurations', () => {
  it('is told key by key, a list as one value', () => {
    const schema = loadSchema('icscf');
    const changes = diffConfig(
      schema,
      { trusted: ['a', 'b'], timers: { t1: 1, t2: 2 }, numbers: { bgcf: 'x' } },
      { trusted: ['a'], timers: { t1: 1, t2: 3 }, server: 's' },
    );
    expect(changes.map(({ path, reload }) => `${path.join('.')} ${reload}`)).toEqual([
      'trusted live',
      'timers.t2 live',
      'numbers restart',
      'server restart',
    ]);
  });
});
