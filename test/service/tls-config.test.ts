import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CertificateFiles, hasOpenssl, makeAuthority, makeCertificate } from '#lab/network/certificates';
import type { PcscfConfig } from '#service/config/pcscf-config';
import { brief, load, problemsOf, smallPcscf } from './config-files.ts';

const noOpenssl = !hasOpenssl();
if (noOpenssl) console.log('openssl is not installed: the tests of the tls section are skipped');

let folder: string;
let one: CertificateFiles;
let two: CertificateFiles;
beforeAll(() => {
  if (noOpenssl) return;
  folder = mkdtempSync(join(tmpdir(), 'cscf-tls-config-'));
  const authority = makeAuthority(folder);
  one = makeCertificate(authority, 'one', ['DNS:one.test']);
  two = makeCertificate(authority, 'two', ['DNS:two.test']);
});
afterAll(() => {
  if (!noOpenssl) rmSync(folder, { recursive: true, force: true });
});

const withTls = (section: object) => `${smallPcscf}tls: ${JSON.stringify(section)}\n`;

describe.skipIf(noOpenssl)('the tls section', () => {
  it('C-10 gives its defaults', () => {
    const { tls } = load(withTls(one)) as PcscfConfig;
    expect(tls).toEqual({
      ...one,
      serverNames: [],
      clientCertificates: 'optional',
      verify: true,
      minVersion: 'TLSv1.2',
    });
  });

  it('C-10 tells which file cannot be used, where, and what to do', () => {
    const problems = (section: object) => brief(problemsOf(withTls(section)));
    expect(problems({ ...one, key: two.key })).toEqual([
      expect.stringMatching(/^6:\d+ tls\.key: .*two\.key is not the key of the certificate .*one\.pem \| the first/),
    ]);
    expect(problems({ ...one, certificate: one.key })).toEqual([
      expect.stringMatching(/^6:\d+ tls\.certificate: .* holds no certificate in PEM \| it begins with/),
    ]);
    expect(problems({ ...one, ca: one.key })).toEqual([
      expect.stringMatching(/^6:\d+ tls\.ca: .* holds no certificate/),
    ]);
    const named = { ...one, serverNames: [{ name: 'two.test', ...two, key: join(folder, 'none.key') }] };
    expect(problems(named)).toEqual([
      expect.stringMatching(/^6:\d+ tls\.serverNames\.0\.key: there is no file .*none\.key \|/),
    ]);
  });
});
