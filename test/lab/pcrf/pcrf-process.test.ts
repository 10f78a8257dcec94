import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { PortFinder } from '#lab/network/free-ports';
import type { ListedSessions, PcrfFindings, ShownSession } from '#lab/pcrf/pcrf-methods';
import { exitOf, lab, runLab } from '../hss/hss-process.ts';
import { aar, answered, audio, connectRx, service, type TestPcscf, video } from './pcrf-client.ts';

const processes: ChildProcess[] = [];
const clients: TestPcscf[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const child of processes.splice(0)) child.kill('SIGKILL');
});

/** A configuration at a port that was free a moment ago. */
async function writeConfig(rules: readonly object[] = []): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'pcrf-test-'));
  const port = await new PortFinder('127.0.0.1').take(0);
  const file = join(folder, 'pcrf.yaml');
  const management = { socket: join(folder, 'pcrf.sock') };
  writeFileSync(
    file,
    JSON.stringify({ role: 'pcrf', realm: 'epc.test', listen: `tcp:127.0.0.1:${port}`, rules, management }),
  );
  return file;
}

/** Starts `bin/lab pcrf` and connects a P-CSCF to it. */
async function start(config: string, ...more: string[]) {
  const child = spawn(lab, ['pcrf', '--config', config, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  processes.push(child);
  let output = '';
  const waiting = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
    for (const look of waiting) look();
  });
  const line = (part: string) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = output
          .split('\n')
          .slice(0, -1)
          .find((each) => each.includes(part));
        if (found !== undefined) resolve(found);
      };
      waiting.add(look);
      look();
      child.once('exit', (code) => reject(new Error(`ended with ${code}: ${output}`)));
    });
  const ready = await line('ready ');
  const pcscf = await connectRx(Number(/listen=tcp:127\.0\.0\.1:([0-9]+)/.exec(ready)![1]));
  clients.push(pcscf);
  return { child, ready, line, pcscf, ask: (...words: string[]) => runLab('pcrf', ...words, '--config', config) };
}

const events = { reAuth: () => undefined, aborted: () => undefined, lost: () => undefined };
const required = { mode: 'required' } as const;

test('D-60 P-127 P-128 bin/lab pcrf lists and shows sessions, sends RAR and ASR on command, and ends with 0', async () => {
  const config = await writeConfig([{ match: { media: 'video' }, reject: {} }]);
  const { ask, child, pcscf, ready } = await start(config);
  expect(ready).toMatch(/^ready pcrf listen=tcp:127\.0\.0\.1:[0-9]+ rules=1$/);
  expect((await ask('list')).stdout).toBe('no session\n');
  const session = pcscf.sessions.open(events, required);
  await session.authorize(service());
  expect(answered(await pcscf.rx.authorize(aar(pcscf.rx.newSessionId(), [audio(), video()]))).result.code).toBe(5063);

  const list = await ask('list');
  expect(list.stdout).toContain('10.46.0.5  sip:alice@ims.test  open');
  const listed = JSON.parse((await ask('list', '--ip', '10.46.0.5', '--json')).stdout) as ListedSessions;
  expect(listed).toMatchObject({ sessions: [{ number: 1, id: session.id, media: ['1 audio'] }], more: false });
  const view = await ask('show', '1');
  expect(view.stdout).toContain('COMPONENT  MEDIA  STATUS   UP             DOWN           CODECS');
  expect(view.stdout).toContain('permit out 17 from 10.46.0.9 50010 to 10.46.0.5 49152');
  const shown = JSON.parse((await ask('show', session.id, '--json')).stdout) as ShownSession;
  expect(shown).toMatchObject({
    chargingIdentifier: 'icid-0a1b2c',
    rule: 'no rule',
    components: [{ media: 'audio', status: 'ENABLED', maxUplink: 38_000, codecs: ['amr-wb', 'amr'] }],
  });

  const rar = await ask('rar', '1', '--action', 'loss', '--action', 'recovery', '--flows', '1:1,1:2');
  expect(rar).toMatchObject({ code: 0, stderr: '' });
  expect(rar.stdout).toMatch(/^RAA 2001 SUCCESS from pcscf\.ims\.test after [0-9.]+ ms\n/);
  expect(rar.stdout).toContain('the session did not subscribe to recovery');
  const asr = await ask('asr', '--ip', '10.46.0.5', '--cause', 'ps-to-cs');
  expect(asr.code).toBe(0);
  expect(asr.stdout).toContain('the STR has come');
  expect((await ask('findings')).stdout).toBe('no findings: what peers sent is as TS 29.214 has it\n');
  expect((await ask('status')).stdout).toContain('AAR      2      0       2001: 1, x5063: 1');

  const ended = exitOf(child);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('D-60 P-127 an order that did not get 2001 ends with 1 and says why; findings are told', async () => {
  const { ask, pcscf } = await start(await writeConfig());
  await pcscf.rx.authorize(aar(pcscf.rx.newSessionId()));
  const unknown = await ask('rar', '1', '--action', 'release');
  expect(unknown.code).toBe(1);
  expect(unknown.stdout).toContain('RAA 5002 UNKNOWN_SESSION_ID: the P-CSCF does not know this session');
  expect(await ask('asr', '1')).toMatchObject({ code: 1, stderr: 'lab pcrf: there is no session 1\n' });
  expect(await ask('rar', '1', '--action', 'loss', '--flows', '1:x')).toMatchObject({ code: 1 });
  expect(await ask('asr')).toMatchObject({ code: 2, stderr: 'lab pcrf: asr needs either a session or --ip\n' });
  await pcscf.rx.terminate({ sessionId: 'pcscf.ims.test;1;1' });
  const { counts } = JSON.parse((await ask('findings', '--json')).stdout) as PcrfFindings;
  expect(counts).toEqual([{ id: 'unknown-session', message: 'STR', breach: true, count: 1 }]);
});

test('rules are read anew on command and on SIGHUP, and stay where they are wrong', async () => {
  const config = await writeConfig();
  const { ask, child, line, pcscf } = await start(config);
  const code = async () => answered(await pcscf.rx.authorize(aar(pcscf.rx.newSessionId()))).result.code;
  const rewrite = (rules: unknown) => {
    const written = JSON.parse(readFileSync(config, 'utf8')) as object;
    writeFileSync(config, JSON.stringify({ ...written, rules }));
  };
  expect(await code()).toBe(2001);
  rewrite([{ reject: { code: 5065 } }]);
  expect(await ask('reload')).toMatchObject({ code: 0, stdout: '1 rules\n' });
  expect(await code()).toBe(5065);
  rewrite([{ match: { media: 'sound' } }]);
  // The command reads the configuration as well, for the socket; one that is given asks all the same.
  const wrong = await ask('reload', '--socket', join(config, '..', 'pcrf.sock'));
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toContain('the rules stay as they are');
  expect(wrong.stderr).toContain('the text "sound" is not one of: audio, video');
  expect(await code()).toBe(5065);
  rewrite([]);
  child.kill('SIGHUP');
  await line('"rules":0');
  expect(await code()).toBe(2001);
});

test('--check says ok or what is wrong, --enforce answers breaches, a port in use is explained', async () => {
  const config = await writeConfig();
  expect(await runLab('pcrf', '--config', config, '--check')).toMatchObject({
    code: 0,
    stdout: 'ok\npcrf pcrf.epc.test, realm epc.test, 0 rules\n',
  });
  expect((await runLab('pcrf', '--config', config, '--set', 'nonsense=1')).code).toBe(2);
  const { pcscf } = await start(config, '--enforce');
  const wrong = audio({ subComponents: [{ flowNumber: 1, flowDescriptions: ['permit out 17'] }] });
  expect(answered(await pcscf.rx.authorize(aar(pcscf.rx.newSessionId(), [wrong]))).result).toMatchObject({
    kind: 'experimental',
    code: 5062,
  });
  const second = await runLab('pcrf', '--config', config);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain('is in use');
});
