import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '#service/config';
import { diffConfig } from '#service/config-diff';
import { LiveConfig } from '#service/live-config';
import { loadSchema } from '#service/schema';

let folder: string;
let file: string;
const first = `role: icscf
homeDomain: ims.test # ours
listeners: { mw: ["udp:127.0.0.1:4060"] }
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
    rewrite('udp:127.0.0.1:4060', 'udp:127.0.0.1:4070');
    expect(await live.reload()).toEqual({
      applied: ['trusted', 'timers.t1'],
      needsRestart: ['listeners.mw'],
      rejected: [],
    });
    expect(heard).toEqual([['trusted', 'timers.t1']]);
    expect(live.current.timers.t1).toBe(600);
    expect(live.current.trusted).toEqual(['127.0.0.0/8', '10.0.0.0/8']);
    expect(live.current.listeners[0]!.port).toBe(4060);
    expect(Object.isFrozen(live.current.timers)).toBe(true);
    expect(await live.reload()).toEqual({ applied: [], needsRestart: ['listeners.mw'], rejected: [] });
    expect(heard).toHaveLength(1);
  });

  it('with a mistake changes nothing and says where it is', async () => {
    const { live, heard } = running();
    rewrite('t1: 500', 't1: 600\n  , t2: fast');
    rewrite('trusted', 'trustd');
    const { applied, rejected } = await live.reload();
    expect(applied).toEqual([]);
    expect(rejected.map(({ path, line }) => `${line} ${path}`)).toEqual(['4 trustd', '6 timers.t2']);
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
