import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TransportLab, until } from '../flows/transport-lab.ts';
import { freePort } from '../free-port.ts';

const missing = [
  ['sipp', '-v', 'sip-tester'],
  ['stunnel4', '-version', 'stunnel4'],
  ['openssl', 'version', 'openssl'],
].filter(([program, option]) => spawnSync(program!, [option!]).error !== undefined);
if (missing.length > 0) {
  const named = missing.map(([program, , debian]) => `${program} (Debian: ${debian})`).join(' and ');
  console.log(`${named} not installed: the test of SIPp by TLS is skipped`);
}

const scenario = fileURLToPath(new URL('../fixtures/sipp/register.xml', import.meta.url));

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const accepted = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'close').then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return accepted;
}

describe.skipIf(missing.length > 0)('SIPp as the phone, stunnel as its TLS (skipped where one is missing)', () => {
  let lab: TransportLab;
  let folder: string;
  let stunnel: ChildProcess;
  let port: number;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cscf-stunnel-'));
    lab = await TransportLab.start({
      tls: true,
      change({ scscf }) {
        scscf.auth = { defaultScheme: 'Digest-AKAv1-MD5' };
      },
    });
    port = await freePort();
    const { ports, tls } = lab.config;
    const lines = [
      'foreground = yes',
      'pid =',
      '[sip]',
      'client = yes',
      `accept = 127.0.0.1:${port}`,
      `connect = 127.0.0.1:${ports.gmTls}`,
      `CAfile = ${tls!.ca}`,
      'verifyChain = yes',
      'checkHost = ims.test',
      'sni = ims.test',
    ];
    writeFileSync(join(folder, 'stunnel.conf'), `${lines.join('\n')}\n`);
    stunnel = spawn('stunnel4', [join(folder, 'stunnel.conf')], { stdio: 'ignore' });
    await until('stunnel listens', () => accepts(port));
  }, 40_000);

  afterAll(async () => {
    stunnel?.kill();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('C-10 P-05 registers over TLS', async () => {
    const sipp = spawn(
      'sipp',
      [
        `127.0.0.1:${port}`,
        ...['-sf', scenario, '-i', '127.0.0.1', '-p', String(await freePort()), '-t', 't1', '-nostdin'],
        ...['-au', 'user000104@ims.test', '-m', '1', '-timeout', '15s', '-timeout_error'],
        ...['-key', 'user', 'user000104', '-key', 'domain', 'ims.test'],
      ],
      { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let errors = '';
    sipp.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const [exitCode] = (await once(sipp, 'close')) as [number];
    expect({ exitCode, errors: exitCode === 0 ? '' : errors.slice(-600) }).toEqual({ exitCode: 0, errors: '' });
    await until('it is counted', async () => (await lab.status('pcscf')).registrations === 1);
  }, 30_000);
});
