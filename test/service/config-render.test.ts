import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readCommandLine } from '#service/command-line';
import { loadConfig } from '#service/config/config';
import { renderConfig } from '#service/config/config-render';

let folder: string;
let main: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cscf-render-'));
  main = join(folder, 'scscf.yaml');
  writeFileSync(
    join(folder, 'common.yaml'),
    'homeDomain: ims.test\ntimers: { t1: 400, t2: 3000 }\ndiameter: { peers: [{ host: hss.ims.test, port: 3869 }] }\n',
  );
  writeFileSync(
    main,
    [
      'role: scscf',
      'include: common.yaml',
      'uri: "sip:127.0.0.1:6060"',
      `listeners: { mw: ["udp:127.0.0.1:\${PORT}"] }`,
      `server: "\${SERVER:-cscf/1.0 (a: b # c)}"`,
      'timers: { t2: 3500 }',
      `store: { type: redis, redis: { url: "redis://me:\${PASSWORD}@10.0.0.1:6379" } }`,
      `management: { http: { listen: "tcp:127.0.0.1:8080", token: "\${TOKEN}" } }`,
      '',
    ].join('\n'),
  );
});
afterEach(() => rmSync(folder, { recursive: true }));

const env = { PORT: '6060', PASSWORD: 'hunter22', TOKEN: 'a-token-that-nobody-knows' };

function rendered(explain: boolean): string {
  const loaded = loadConfig({ file: main, role: 'scscf', sets: ['log.level=warn', 'trusted=[10.0.0.0/8]'], env });
  return renderConfig('scscf', loaded, explain);
}

it('prints a configuration that is the same as the one it was made of, defaults written out', () => {
  const text = rendered(false);
  expect(text).not.toContain('#  ');
  const copy = join(folder, 'copy.yaml');
  const secret = text.replace('me:***@', 'me:hunter22@').replace('"***"', 'a-token-that-nobody-knows');
  writeFileSync(copy, secret.replace('token: ***', 'token: a-token-that-nobody-knows'));
  const options = { role: 'scscf', env: {} } as const;
  const before = loadConfig({ ...options, file: main, sets: ['log.level=warn', 'trusted=[10.0.0.0/8]'], env });
  expect(structuredClone(loadConfig({ ...options, file: copy }).data)).toEqual(structuredClone(before.data));
  expect(parse(text)).toMatchObject({ timers: { t1: 400, t2: 3500, t4: 5000 }, server: 'cscf/1.0 (a: b # c)' });
});

it('says with --explain where each value comes from', () => {
  const text = rendered(true);
  const line = (start: string) => {
    const found = text.split('\n').find((each) => each.trimStart().startsWith(start));
    return found
      ?.trim()
      .replaceAll(`${folder}/`, '')
      .replace(/\S*\/(?=\w+\.yaml)/g, '');
  };
  expect(line('role:')).toBe('role: scscf # scscf.yaml:1:7');
  expect(line('t1:')).toBe('t1: 400 # common.yaml:2:15, included');
  expect(line('t2:')).toBe('t2: 3500 # scscf.yaml:6:15');
  expect(line('t4:')).toBe('t4: 5000 # default');
  expect(line('- udp:')).toBe('- udp:127.0.0.1:6060 # environment variable PORT; scscf.yaml:4:19');
  expect(line('server:')).toBe('server: "cscf/1.0 (a: b # c)" # SERVER is not set; scscf.yaml:5:9');
  expect(line('level:')).toBe('level: warn # --set log.level');
  expect(line('- 10.0.0.0/8')).toBe('- 10.0.0.0/8 # --set trusted');
  expect(line('port: 3869')).toBe('port: 3869 # common.yaml:3:49, included');
  expect(line('# name:')).toBe('# name: scscf.ims.test (default: <role>.<homeDomain>)');
});

it('masks secrets, also those in URLs', () => {
  for (const text of [rendered(false), rendered(true)]) {
    expect(text).not.toMatch(/hunter22|a-token/);
    expect(text).toContain('redis://me:***@10.0.0.1:6379');
  }
});

it('is asked for by --render, --explain implies it', async () => {
  const line = (...more: string[]) => readCommandLine('scscf', ['--config', main, ...more], '1');
  expect(await line()).toMatchObject({ render: false });
  expect(await line('--render')).toMatchObject({ render: 'plain' });
  expect(await line('--render', '--explain')).toMatchObject({ render: 'explain' });
  expect(await line('--explain')).toMatchObject({ render: 'explain' });
});
