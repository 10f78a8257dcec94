import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type PeerCertificate } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type Authority,
  type CertificateFiles,
  hasOpenssl,
  makeAuthority,
  makeCertificate,
} from '#lab/network/certificates';
import { callManagement } from '#manage/management-client';
import { freePort } from '../free-port.ts';
import { Child } from './child.ts';
import { smallPcscf, writeFiles } from './config-files.ts';

const noOpenssl = !hasOpenssl();
if (noOpenssl) console.log('openssl is not installed: the tests of reloaded certificates are skipped');

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'reload-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const daemons: Child[] = [];
afterEach(() => {
  for (const { process } of daemons.splice(0)) process.kill('SIGKILL');
});

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((done) => socket.close(done));
  return port;
}

interface Started {
  readonly daemon: Child;
  readonly socket: string;
}

/** A P-CSCF that serves; `gm`: its further listeners. */
async function startPcscf(name: string, gm: readonly string[], more: readonly string[] = []): Promise<Started> {
  const socket = join(folder, `${name}.sock`);
  const [phones, core] = [await freeUdpPort(), await freeUdpPort()];
  const listeners = `{gm: [${[`udp:127.0.0.1:${phones}`, ...gm].join(', ')}], mw: [udp:127.0.0.1:${core}]}`;
  const daemon = new Child(join(root, 'bin/pcscf'), [
    ...['--config', join(root, 'config/pcscf.yaml'), '--set', `listeners=${listeners}`],
    ...['--set', 'store={type: memory}', '--set', `management={socket: ${socket}}`, '--set', 'drain=0', ...more],
  ]);
  daemons.push(daemon);
  await daemon.printed('ready');
  return { daemon, socket };
}

async function expectToServeAndEnd({ daemon, socket }: Started): Promise<void> {
  expect(await callManagement(socket, 'status')).toMatchObject({ serving: true, pid: daemon.process.pid });
  daemon.process.kill('SIGTERM');
  expect((await daemon.ended).code).toBe(0);
}

describe.skipIf(noOpenssl)('SIGHUP at a P-CSCF with TLS', () => {
  let authority: Authority;
  const made = (name: string) => makeCertificate(authority, name, [`DNS:${name}.test`, 'IP:127.0.0.1']);
  let used: CertificateFiles;
  let second: CertificateFiles;
  let third: CertificateFiles;
  beforeAll(() => {
    authority = makeAuthority(folder);
    [used, second, third] = [made('first'), made('second'), made('third')];
  });

  /** Names of the certificate that a new connection is shown. */
  async function shown(port: number): Promise<string | undefined> {
    const probe = connect({ host: '127.0.0.1', port, ca: readFileSync(authority.ca) });
    await once(probe, 'secureConnect');
    const { subjectaltname }: PeerCertificate = probe.getPeerCertificate();
    probe.destroy();
    return subjectaltname;
  }

  it('C-10 has the new certificate shown to the next connection, keeps it when the next one cannot be used, and goes on', async () => {
    const port = await freePort();
    const tls = `tls={certificate: ${used.certificate}, key: ${used.key}}`;
    const started = await startPcscf('tls', [`tls:127.0.0.1:${port}`], ['--set', tls]);
    const { daemon } = started;
    expect(await shown(port)).toContain('DNS:first.test');

    copyFileSync(second.certificate, used.certificate);
    copyFileSync(second.key, used.key);
    daemon.process.kill('SIGHUP');
    await daemon.printed('"certificates reloaded"');
    expect(await shown(port)).toContain('DNS:second.test');

    copyFileSync(third.certificate, used.certificate);
    daemon.process.kill('SIGHUP');
    const output = await daemon.printed('"certificates kept"');
    const why = output.split('\n').find((line) => line.includes('"reason":"certificates-unusable"'));
    expect(why).toMatch(/"level":"error".*tls\.key: .*first\.key is not the key of the certificate/);
    expect(await shown(port)).toContain('DNS:second.test');

    copyFileSync(third.key, used.key);
    daemon.process.kill('SIGHUP');
    await expect.poll(() => shown(port)).toContain('DNS:third.test');
    await expectToServeAndEnd(started);
  }, 30_000);
});

describe('SIGHUP', () => {
  it('finds nothing new at a P-CSCF whose files are as before, which goes on', async () => {
    const started = await startPcscf('plain', []);
    started.daemon.process.kill('SIGHUP');
    await started.daemon.printed('"the configuration is as before"');
    await expectToServeAndEnd(started);
  }, 30_000);

  it('does not end a daemon that fails to reload, and the log says why', async () => {
    const config = writeFiles({ 'pcscf.yaml': smallPcscf });
    const child = new URL('./reload-child.ts', import.meta.url).pathname;
    const daemon = new Child(process.execPath, [child, '--config', config]);
    daemons.push(daemon);
    await daemon.printed('ready');
    for (let i = 0; i < 2; i++) daemon.process.kill('SIGHUP');
    expect(await daemon.printed('"reason":"reload-failed"')).toContain('a defect');
    daemon.process.kill('SIGTERM');
    expect((await daemon.ended).code).toBe(0);
  }, 30_000);
});
