import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ResilientLab } from '../flows/resilient-lab.ts';
import { freePort } from '../free-port.ts';

const hasSipp = spawnSync('sipp', ['-v']).error === undefined;
if (!hasSipp) console.log('sipp is not installed (Debian: sip-tester): its tests are skipped');

const scenarios = fileURLToPath(new URL('../fixtures/sipp/', import.meta.url));

describe.skipIf(!hasSipp)('SIPp as the phone (skipped where it is not installed)', () => {
  let lab: ResilientLab;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cscf-sipp-'));
    lab = await ResilientLab.start({ workers: 1, defaultScheme: 'Digest-AKAv1-MD5' });
  });

  afterAll(async () => {
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs a scenario for some calls; gives the exit code (0: all went well) and what it printed of errors. */
  function sipp(scenario: string, port: number, calls: number, keys: Record<string, string>, transport = 'u1') {
    const child = spawn(
      'sipp',
      [
        `127.0.0.1:${lab.config.ports.gm}`,
        ...['-sf', join(scenarios, `${scenario}.xml`), '-i', '127.0.0.1', '-p', String(port), '-t', transport],
        ...['-au', `${keys.user ?? ''}@${lab.config.domain}`],
        ...['-m', String(calls), '-r', '20', '-nostdin', '-timeout', '15s', '-timeout_error'],
        ...Object.entries({ domain: lab.config.domain, ...keys }).flatMap(([key, value]) => ['-key', key, value]),
      ],
      { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    return new Promise<{ exitCode: number | null; errors: string }>((resolve) => {
      child.once('close', (exitCode) => resolve({ exitCode, errors: errors.slice(-600) }));
    });
  }

  it('S-10 P-50 registers two phones with AKAv1-MD5, and they talk', async () => {
    const [caller, callee] = [await freePort(), await freePort()];
    expect(await sipp('register', caller, 1, { user: 'user000101' })).toMatchObject({ exitCode: 0 });
    expect(await sipp('register', callee, 1, { user: 'user000102' })).toMatchObject({ exitCode: 0 });
    const answering = sipp('answer', callee, 5, {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await sipp('call', caller, 5, { user: 'user000101', peer: 'user000102' })).toMatchObject({ exitCode: 0 });
    expect(await answering).toMatchObject({ exitCode: 0 });
  });

  it('registers a phone over TCP', async () => {
    const port = await freePort();
    expect(await sipp('register', port, 1, { user: 'user000103' }, 't1')).toMatchObject({ exitCode: 0 });
  });
});
