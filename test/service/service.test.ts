import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { callManagement } from '#manage/management-client';
import { explainStartFailure } from '#service/start-failure';
import { freePort } from '../free-port.ts';
import { Child } from './child.ts';
import { smallScscf, writeFiles } from './config-files.ts';

const fixture = new URL('../fixtures/service-fixture.ts', import.meta.url).pathname;
const cscfctl = new URL('../../shared/manage/cli/cscfctl.ts', import.meta.url).pathname;

function daemon(args: readonly string[], env: Record<string, string> = {}): Child {
  return new Child(process.execPath, [fixture, ...args], { env });
}

async function configFile(more = ''): Promise<{ file: string; port: number; socket: string }> {
  const port = await freePort();
  const text = `role: pcscf\nhomeDomain: ims.test\nlisteners: { gm: [tcp:127.0.0.1:${port}], mw: [tcp:127.0.0.1:${port}] }\nmanagement: { socket: run/m.sock }\n${more}`;
  const file = writeFiles({ 'pcscf.yaml': text });
  return { file, port, socket: join(dirname(file), 'run/m.sock') };
}

describe('a daemon', () => {
  it('says ready, answers status, drains on SIGTERM and exits 0', async () => {
    const { file, port, socket } = await configFile();
    const child = daemon(['--config', file]);
    const output = await child.printed('ready ');
    expect(output).toContain(`ready pcscf listeners=tcp:127.0.0.1:${port} peers=none\n`);
    expect(output.split('\n').filter((line) => line.startsWith('ready'))).toHaveLength(1);
    expect(await callManagement(socket, 'status')).toMatchObject({
      role: 'pcscf',
      name: 'pcscf.ims.test',
      pid: child.process.pid,
      registrations: 7,
      serving: true,
    });
    const shown = await new Child(process.execPath, [cscfctl, '--socket', socket, 'status']).ended;
    expect([shown.code, shown.stderr]).toEqual([0, '']);
    expect(shown.stdout).toMatch(/^pcscf pcscf\.ims\.test, version [\d.]+, pid \d+, up \d+ s\nregistrations 7\n/);
    expect(shown.stdout).toMatch(/no-dialog +2\n/);
    const asJson = await new Child(process.execPath, [cscfctl, 'status', '--json', '--socket', socket]).ended;
    expect(JSON.parse(asJson.stdout)).toMatchObject({ workers: [{ worker: 0, messages: 3, busy: 0.25 }] });
    child.process.kill('SIGTERM');
    expect((await child.ended).code).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });

  it('exits at once on the second signal', async () => {
    const { file } = await configFile('drain: 60\n');
    const child = daemon(['--config', file], { FIXTURE: 'hang' });
    await child.printed('ready ');
    child.process.kill('SIGINT');
    await child.printed('draining');
    child.process.kill('SIGINT');
    expect((await child.ended).code).toBe(130);
  });

  it('C-15 ends when something does not close in the drain time', async () => {
    const { file } = await configFile('drain: 0\n');
    const child = daemon(['--config', file], { FIXTURE: 'hang' });
    await child.printed('ready ');
    child.process.kill('SIGTERM');
    const { code, stdout } = await child.ended;
    expect(code).toBe(0);
    expect(stdout).toContain('drain-overrun');
  });

  it('logs a defect with its reason, masked, and exits 1', async () => {
    const { file } = await configFile();
    const { code, stdout } = await daemon(['--config', file], { FIXTURE: 'defect' }).ended;
    expect(code).toBe(1);
    expect(stdout).toContain('"reason":"unhandled-rejection"');
    expect(stdout).not.toContain('00112233');
  });

  it('says in words that a port is taken, and exits 1', async () => {
    const { file, port } = await configFile();
    const server = createServer();
    await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
    const { code, stderr } = await daemon(['--config', file]).ended;
    server.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`pcscf: cannot start: 127.0.0.1:${port} is in use by another program`);
    expect(stderr).toContain(`ss -lntup 'sport = :${port}'`);
  });

  it('--check prints ok and a summary, or every problem with exit code 2', async () => {
    const { file } = await configFile();
    const good = await daemon(['--config', file, '--check', '--set', 'workers=2']).ended;
    expect([good.code, good.stderr]).toEqual([0, '']);
    expect(good.stdout).toMatch(/^ok\npcscf pcscf\.ims\.test, home domain ims\.test, 2 workers\n/);
    const bad = await daemon(['--config', file, '--check', '--set', 'log.level=loud', '--set', 'wrokers=2']).ended;
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain('log.level: the text "loud" is not one of');
    expect(bad.stderr).toContain('did you mean workers?');
    const other = await daemon(['--config', writeFiles({ 's.yaml': smallScscf })]).ended;
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('this configures scscf, but pcscf was started');
  });

  it.each([
    [[], 'which configuration? such as: pcscf --config config/pcscf.yaml'],
    [['--confg', 'x'], 'Unknown argument: confg'],
    [['--config'], 'Not enough arguments following: config'],
    [['--config', 'a.yaml', 'stray'], 'Unknown argument: stray'],
  ])('refuses the command line %j with exit code 2', async (args, words) => {
    const { code, stderr } = await daemon(args).ended;
    expect(code).toBe(2);
    expect(stderr).toContain(words);
  });

  it('--help shows examples, --version the version', async () => {
    const help = await daemon(['--help']).ended;
    expect(help.code).toBe(0);
    expect(help.stdout).toContain('pcscf --config config/pcscf.yaml --set log.level=debug');
    expect((await daemon(['--version']).ended).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('why a daemon did not start', () => {
  it.each([
    [{ code: 'EADDRNOTAVAIL', address: '10.9.9.9', port: 5060 }, 'no address 10.9.9.9'],
    [{ code: 'EACCES', address: '0.0.0.0', port: 80 }, 'port 80 needs privileges'],
    [{ code: 'EACCES', syscall: 'mkdir', path: '/var/x' }, '/var/x: permission denied (mkdir)'],
    [{ code: 'ENOENT', path: '/no/cert.pem' }, '/no/cert.pem does not exist'],
    [new Error('outer', { cause: { code: 'EADDRINUSE', address: '::1', port: 3868 } }), '[::1]:3868 is in use'],
  ])('explains %j', (error, words) => {
    expect(explainStartFailure(error)).toContain(words);
  });

  it('has no words for what it does not know', () => {
    expect([explainStartFailure(new Error('x')), explainStartFailure(undefined), explainStartFailure('text')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});
