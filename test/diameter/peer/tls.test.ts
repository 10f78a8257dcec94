import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Authority,
  type CertificateFiles,
  hasOpenssl,
  makeAuthority,
  makeCertificate,
} from '#lab/network/certificates';
import { type DiameterSecurity, openDiameterSecurity } from '#service/diameter-security';
import { cleanups, hss, node, toHss, until } from './peer-rig.ts';

const noOpenssl = !hasOpenssl();
if (noOpenssl) console.log('openssl is not installed: the tests of Diameter over TLS are skipped');

let folder: string;
let authority: Authority;
let hssFiles: CertificateFiles;
let scscfFiles: CertificateFiles;
beforeAll(() => {
  if (noOpenssl) return;
  folder = mkdtempSync(join(tmpdir(), 'cscf-diameter-tls-'));
  authority = makeAuthority(folder);
  hssFiles = makeCertificate(authority, 'hss', ['DNS:hss.ims.test']);
  scscfFiles = makeCertificate(authority, 'scscf', ['DNS:scscf.ims.test']);
});
afterAll(() => {
  if (!noOpenssl) rmSync(folder, { recursive: true, force: true });
});

async function security(files: CertificateFiles, options: object = {}): Promise<DiameterSecurity> {
  const opened = await openDiameterSecurity(
    {
      ...files,
      ca: authority.ca,
      serverNames: [],
      clientCertificates: 'required',
      verify: true,
      minVersion: 'TLSv1.2',
      ...options,
    },
    () => undefined,
  );
  cleanups.push(() => opened.close());
  return opened;
}

async function secureHss(options: object = {}) {
  const parts = node('hss.ims.test', { acceptUnknown: true, security: await security(hssFiles), ...options });
  const { port } = await parts.table.listen(0, '127.0.0.1', true);
  return { ...parts, port };
}

const secured = (port: number) => ({ peers: [{ host: 'hss.ims.test', address: '127.0.0.1', port, tls: true }] });

describe.skipIf(noOpenssl)('D-01 TLS with peers that ask for it (skipped without openssl)', () => {
  it('carries requests when both certificates are for the identities', async () => {
    const server = await secureHss();
    const { isUp, cx, table } = toHss(server.port, { ...secured(server.port), security: await security(scscfFiles) });
    await until(() => isUp('hss.ims.test'), 'open');
    expect(await cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ result: { code: 3007 } });
    expect(table.status()[0]?.words).toContain('connected to 127.0.0.1');
    expect(server.table.status()).toMatchObject([{ host: 'scscf.ims.test', state: 'open-responder' }]);
  });

  it('says in words that the certificate is for another host, or by an unknown authority', async () => {
    const wrong = await secureHss({ security: await security(scscfFiles) });
    const client = toHss(wrong.port, { ...secured(wrong.port), security: await security(scscfFiles) });
    const lastError = () => client.table.status()[0]?.lastError ?? '';
    await until(() => lastError() !== '', 'refused');
    expect(lastError()).toContain('the certificate is for DNS:scscf.ims.test, wanted hss.ims.test');
    const strange = makeAuthority(folder, 'strange-ca');
    const other = await secureHss({
      security: await security(makeCertificate(strange, 'hss-x', ['DNS:hss.ims.test'])),
    });
    const second = toHss(other.port, { ...secured(other.port), security: await security(scscfFiles) });
    await until(() => (second.table.status()[0]?.lastError ?? '').includes('unknown CA'), 'unknown CA');
    expect(wrong.table.status()).toEqual([]);
  });

  it('X-D7 refuses a peer whose certificate is not for its Origin-Host (3010), and one that shows none', async () => {
    const server = await secureHss();
    const impostor = toHss(server.port, { ...secured(server.port), security: await security(hssFiles) });
    await until(() => (impostor.table.status()[0]?.lastError ?? '').includes('CEA 3010'), '3010');
    expect(impostor.table.status()[0]?.lastError).toContain('the certificate is not for scscf.ims.test');
    expect(server.isUp('scscf.ims.test')).toBe(false);
    const good = toHss(server.port, { ...secured(server.port), security: await security(scscfFiles) });
    await until(() => good.isUp('hss.ims.test'), 'open');
  });

  it('takes any certificate in a lab that verifies none', async () => {
    const server = await secureHss({ security: await security(scscfFiles, { verify: false }) });
    const lax = toHss(server.port, { ...secured(server.port), security: await security(hssFiles, { verify: false }) });
    await until(() => lax.isUp('hss.ims.test'), 'open');
  });

  it('refuses a peer of ours that should use TLS and does not (5017)', async () => {
    const server = await hss(0, {
      peers: [{ host: 'scscf.ims.test', tls: true }],
      security: await security(hssFiles),
      acceptUnknown: false,
    });
    const plain = toHss(server.port);
    await until(() => (plain.table.status()[0]?.lastError ?? '').includes('CEA 5017'), '5017');
    expect(plain.table.status()[0]?.lastError).toContain('scscf.ims.test is to connect over TLS');
  });

  it('X-D3 serves on after plain text, silence and broken handshakes on its TLS listener', async () => {
    const server = await secureHss({ exchangeTimeoutMs: 200 });
    for (const octets of [Buffer.from('0100001480000101', 'hex'), Buffer.alloc(200, 0x16), Buffer.alloc(0)]) {
      const socket = connectTcp(server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(octets);
      await new Promise((resolve) => socket.once('close', resolve).resume());
    }
    const idle = Array.from({ length: 80 }, () => connectTcp(server.port, '127.0.0.1').on('error', () => undefined));
    await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('close', resolve).resume())));
    expect(server.table.counters.refusedConnections).toBeGreaterThanOrEqual(16);
    const good = toHss(server.port, { ...secured(server.port), security: await security(scscfFiles) });
    await until(() => good.isUp('hss.ims.test'), 'open');
  });

  it('calls again when the other side speaks no TLS', async () => {
    let calls = 0;
    const server = createServer((socket) => {
      calls++;
      socket.on('error', () => undefined);
      socket.end('not TLS at all, sorry');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => server.close());
    const { port } = server.address() as { port: number };
    const { table } = toHss(port, { ...secured(port), security: await security(scscfFiles) });
    await until(() => calls > 1, 'two calls');
    expect(table.status()[0]?.lastError).toContain('cannot connect to 127.0.0.1');
    expect(table.status()[0]?.lastError).toContain('the peer speaks no TLS');
  });

  it('uses new certificates after a reload, for connections from then on', async () => {
    const files = { certificate: join(folder, 'live.pem'), key: join(folder, 'live.key') };
    copyFileSync(scscfFiles.certificate, files.certificate);
    copyFileSync(scscfFiles.key, files.key);
    const changing = await security(files);
    const server = await secureHss({ security: changing });
    const client = toHss(server.port, { ...secured(server.port), security: await security(scscfFiles) });
    await until(() => (client.table.status()[0]?.lastError ?? '').includes('wanted hss.ims.test'), 'wrong name');
    copyFileSync(hssFiles.certificate, files.certificate);
    copyFileSync(hssFiles.key, files.key);
    expect(await changing.reload()).toBe(true);
    await until(() => client.isUp('hss.ims.test'), 'open with the new one');
  });

  it('is not to be had without certificates', async () => {
    expect(() => node('a.test', { peers: [{ host: 'h.test', tls: true }] })).toThrow(
      expect.objectContaining({ code: 'ERR_DIAMETER_TLS' }),
    );
    const { table } = node('a.test');
    await expect(table.listen(0, '127.0.0.1', true)).rejects.toMatchObject({ code: 'ERR_DIAMETER_TLS' });
  });
});
