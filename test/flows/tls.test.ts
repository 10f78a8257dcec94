import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasOpenssl, makeAuthority, makeCertificate } from '#lab/network/certificates';
import type { LabRole } from '#lab/network/lab-config';
import { callAndRelease, TransportLab, until, write } from './transport-lab.ts';

const noOpenssl = !hasOpenssl();
if (noOpenssl) console.log('openssl is not installed: the tests of TLS are skipped');

let lab: TransportLab;

/** Runs `bin/lab ue` with these words. */
async function runLabUe(...words: string[]): Promise<{ exitCode: number | null; output: string }> {
  const program = fileURLToPath(new URL('../../bin/lab', import.meta.url));
  const child = spawn(program, ['ue', ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, output };
}

/** Connections that are established at a local port. */
function accepted(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const established = new RegExp(`^ *\\d+: [0-9A-F]{8}:${hex} [0-9A-F]{8}:[0-9A-F]{4} 01 `);
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .filter((line) => established.test(line)).length;
}

describe.skipIf(noOpenssl)('phones that use TLS', () => {
  beforeAll(async () => {
    lab = await TransportLab.start({
      tls: true,
      change({ pcscf }) {
        pcscf.access = [
          { from: '0.0.0.0/0', security: 'none' },
          { from: '127.0.5.0/24', security: 'tls' },
        ];
      },
    });
  }, 30_000);
  afterAll(() => lab.stop());

  it('P-05 C-10 register, call and write each other, also with one on UDP', async () => {
    const one = await lab.phone(1, { ...lab.byTls, address: '127.0.5.1' });
    const two = await lab.phone(2, { ...lab.byTls, address: '127.0.5.2' });
    const plain = await lab.phone(3);
    await callAndRelease(one, two);
    await callAndRelease(two, one);
    await write(one, two, 'hello two');
    await callAndRelease(one, plain);
    await callAndRelease(plain, two);
    await write(plain, one, 'hello one');
  });

  it('P-04 P-05 have to where their network says so', async () => {
    for (const transport of ['udp', 'tcp'] as const) {
      const { ue } = await lab.open(4, { transport, address: '127.0.5.4' });
      expect(await ue.register()).toMatchObject({ status: 403, words: expect.stringContaining('access-not-secured') });
    }
  });

  it('C-10 register, call and write by bin/lab ue --tls', async () => {
    const { ports, tls } = lab.config;
    const proxy = `127.0.0.1:${ports.gmTls}`;
    const answering = await lab.phone(9, lab.byTls);
    const trusting = ['--user', 'user000010', '--tls', '--ca', tls!.ca, '--proxy', proxy];
    const call = await runLabUe('call', answering.ue.impu, '--seconds', '0.1', ...trusting);
    expect(call).toMatchObject({ exitCode: 0, output: expect.stringContaining('answered') });
    const message = await runLabUe('message', answering.ue.impu, 'by TLS', ...trusting);
    expect(message).toMatchObject({ exitCode: 0, output: expect.stringContaining('delivered: 200') });
    expect(answering.texts).toEqual(['by TLS']);
    const careful = await runLabUe('register', '--user', 'user000010', '--tls', '--proxy', proxy);
    expect(careful.exitCode).toBe(1);
    expect(careful.output).toMatch(/no secure connection with .*: unknown CA: .*; name the authority with --ca FILE/);
    const careless = await runLabUe('register', '--user', 'user000010', '--tls', '--insecure', '--proxy', proxy);
    expect(careless).toMatchObject({ exitCode: 0 });
  }, 30_000);

  it('P-05 are their connection: nothing that comes by another one is theirs', async () => {
    const phone = await lab.phone(5, { ...lab.byTls, address: '127.0.5.5' });
    const other = await lab.open(5, { ...lab.byTls, address: '127.0.5.5' });
    const refused = await other.ue.message(phone.ue.impu, 'not me');
    expect(refused).toMatchObject({ status: 403, words: expect.stringContaining('not-registered') });
    expect(await phone.ue.message(phone.ue.impu, 'me')).toMatchObject({ status: 200 });
  });

  it('C-10 do not talk to a P-CSCF whose certificate is by another CA, or for another name', async () => {
    const folder = join(lab.folder, 'other');
    mkdirSync(folder);
    const { ca } = makeAuthority(folder);
    const strange = await lab.open(6, { transport: 'tls', tls: { ca: readFileSync(ca, 'latin1') } });
    expect(await strange.ue.register()).toMatchObject({ status: 503 });
    expect(strange.insecure).toEqual(['unknown CA: nobody we trust has signed the certificate of the peer']);
    const named = await lab.open(6, { transport: 'tls', tls: { ...lab.byTls.tls, name: 'other.test' } });
    expect(await named.ue.register()).toMatchObject({ status: 503 });
    expect(named.insecure).toEqual(['the certificate is for ims.test, pcscf.ims.test, 127.0.0.1, wanted other.test']);
    await until('the refusal is logged', () => lab.log('pcscf').includes('tls-handshake-failed'));
    const careless = await lab.open(6, { transport: 'tls', tls: { insecure: true } });
    expect(await careless.ue.register()).toMatchObject({ registered: true });
  });

  it('C-10 keep their connection when the certificate changes, and new ones get the new one', async () => {
    const phone = await lab.phone(7, lab.byTls);
    const { certificate, key, ca } = lab.config.tls!;
    const authority = { folder: lab.folder, ca, caKey: join(lab.folder, 'lab-ca.key') };
    const renewed = makeCertificate(authority, 'renewed', ['DNS:ims.test', 'DNS:renewed.test', 'IP:127.0.0.1']);
    copyFileSync(renewed.key, key);
    copyFileSync(renewed.certificate, certificate);
    await until('new certificates are in use', () => lab.log('pcscf').includes('new certificates are in use'));
    expect(lab.log('pcscf')).toContain('renewed.test');
    const probe = connect({ host: '127.0.0.1', port: lab.config.ports.gmTls, ca: readFileSync(ca) });
    await new Promise((resolve) => probe.once('secureConnect', resolve));
    expect(probe.getPeerCertificate().subjectaltname).toContain('DNS:renewed.test');
    probe.destroy();
    const other = await lab.phone(8, { ...lab.byTls, tls: { ...lab.byTls.tls, name: 'renewed.test' } });
    await callAndRelease(phone, other);
    await callAndRelease(other, phone);
  });
});

describe.skipIf(noOpenssl).each([1, 2])(
  'a core that uses TLS, with certificates on both sides (%i workers)',
  (workers) => {
    beforeAll(async () => {
      lab = await TransportLab.start({
        tls: true,
        change(contents, config) {
          const { address, ports, tls } = config;
          const roles: [Exclude<LabRole, 'hss'>, number][] = [
            ['pcscf', ports.mw],
            ['icscf', ports.icscf],
            ['scscf', ports.scscf],
          ];
          for (const [role, port] of roles) {
            Object.assign(contents[role].listeners as object, { mw: [`tls:${address}:${port}`] });
            contents[role].tls = { ...tls, clientCertificates: 'required' };
            contents[role].workers = workers;
          }
          const hosts = { 'ims.test': [`tls:${address}:${ports.icscf}`] };
          contents.pcscf.hosts = hosts;
          contents.scscf.hosts = hosts;
          contents.scscf.uri = `sip:${address}:${ports.scscf};transport=tls`;
          contents.icscf.scscfs = [{ uri: contents.scscf.uri, capabilities: [], priority: 1 }];
        },
      });
    }, 30_000);
    afterAll(() => lab.stop());

    it('C-10 C-11 registers phones and carries calls, and uses the connections there are (RFC 5923)', async () => {
      const one = await lab.phone(1);
      const two = await lab.phone(2, { transport: 'tcp' });
      for (let i = 0; i < 3; i++) {
        await callAndRelease(one, two);
        await callAndRelease(two, one);
      }
      await write(two, one, 'hello');
      for (const role of ['pcscf', 'icscf', 'scscf'] as const)
        expect(lab.log(role)).not.toContain('no secure connection');
      // Whoever spoke first has connected: nobody connects back to the P-CSCF, nor the S-CSCF to the I-CSCF, nor
      // anybody to himself: what the S-CSCF has between its own users passes once.
      const { mw, icscf, scscf } = lab.config.ports;
      expect([mw, icscf, scscf].map(accepted)).toEqual([0, 1, 2]);
    });

    it('C-10 ends a connection that shows no certificate', async () => {
      const socket = connect({ host: '127.0.0.1', port: lab.config.ports.icscf, rejectUnauthorized: false });
      socket.on('error', () => {});
      await new Promise((resolve) => socket.resume().once('close', resolve));
      await until('it is logged why', () => lab.log('icscf').includes('the peer shows no certificate'));
    });
  },
);
