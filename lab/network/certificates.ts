import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** An authority of the lab's own, good for a month. */
export interface Authority {
  readonly folder: string;
  /** PEM file of its certificate. */
  readonly ca: string;
  readonly caKey: string;
}

/** PEM files of a certificate and its key. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

const days = '30';
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Whether the openssl program, which makes the certificates, is there. */
export function hasOpenssl(): boolean {
  try {
    openssl(['version']);
    return true;
  } catch {
    return false;
  }
}

/** Makes an authority in a folder that is there. Throws an error that says so when openssl is missing. */
export function makeAuthority(folder: string, name = 'lab-ca'): Authority {
  const ca = join(folder, `${name}.pem`);
  const caKey = join(folder, `${name}.key`);
  openssl(['req', '-x509', ...newKey, '-days', days, '-subj', `/CN=${name}`, '-keyout', caKey, '-out', ca]);
  return { folder, ca, caKey };
}

/**
 * Makes a certificate. `names`: its subjectAltName as openssl writes it, `DNS:ims.test`, `URI:sip:ims.test`,
 * `IP:127.0.0.1`.
 */
export function makeCertificate(authority: Authority, name: string, names: readonly string[]): CertificateFiles {
  const file = (ending: string) => join(authority.folder, `${name}.${ending}`);
  openssl(['req', ...newKey, '-subj', `/CN=${name}`, '-keyout', file('key'), '-out', file('csr')]);
  const extensions = [`subjectAltName=${names.join(',')}`, 'extendedKeyUsage=serverAuth,clientAuth'];
  writeFileSync(file('ext'), `${extensions.join('\n')}\n`);
  const signing = ['-CA', authority.ca, '-CAkey', authority.caKey, '-CAcreateserial', '-days', days];
  openssl(['x509', '-req', '-in', file('csr'), ...signing, '-extfile', file('ext'), '-out', file('pem')]);
  return { certificate: file('pem'), key: file('key') };
}

function openssl(words: readonly string[]): void {
  try {
    execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error(
      'certificates are made by the openssl program, and there is none here (Debian: apt install openssl)',
    );
  }
}
