import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** PEM files, absolute paths. */
export interface TlsFiles {
  /** Certificate and the chain to its authority. */
  readonly certificate: string;
  readonly key: string;
  /** Authorities that peers are checked against; left out: those that Node.js trusts. */
  readonly ca?: string;
  /** Further certificates, for peers that ask for a server name. */
  readonly serverNames: readonly { readonly name: string; readonly certificate: string; readonly key: string }[];
  readonly minVersion: TlsVersion;
}

/** Certificates and keys that fit together, ready for use. */
export interface TlsMaterial {
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  /** By server name, lower case. */
  readonly byName: ReadonlyMap<string, SecureContext>;
  /** Whom the certificate is for and until when, for the log. */
  readonly words: string;
  /** What is wrong with it although it can be used. */
  readonly warnings: readonly string[];
}

/** Why files cannot be used. */
export interface TlsFault {
  /** Which of TlsFiles: `['serverNames', '0', 'key']`. */
  readonly path: readonly string[];
  readonly fault: string;
  readonly suggestion: string;
}

const soonMs = 14 * 24 * 3600 * 1000;

/**
 * Reads certificates and keys and checks that they belong together. What is wrong is a value with the file in it.
 *
 * Source: RFC 5280 6; requirement C-10.
 */
export function readTlsFiles(files: TlsFiles, nowMs = Date.now()): TlsMaterial | TlsFault {
  const { minVersion } = files;
  const ca = files.ca === undefined ? undefined : readPem(files.ca, ['ca']);
  if (typeof ca === 'object') return ca;
  if (ca !== undefined) {
    const authority = parseCertificate(ca, files.ca!, ['ca']);
    if ('fault' in authority) return authority;
  }
  const own = readPair(files.certificate, files.key, []);
  if ('fault' in own) return own;
  const common = { minVersion, ...(ca === undefined ? {} : { ca }) };
  const options = { ...common, cert: own.cert, key: own.key };
  const byName = new Map<string, SecureContext>();
  const warnings = warningsOf(own, files.certificate, nowMs);
  for (const [i, { name, certificate, key }] of files.serverNames.entries()) {
    const pair = readPair(certificate, key, ['serverNames', String(i)]);
    if ('fault' in pair) return pair;
    const context = contextOf({ ...common, cert: pair.cert, key: pair.key }, ['serverNames', String(i), 'certificate']);
    if ('fault' in context) return context;
    byName.set(name.toLowerCase(), context);
    warnings.push(...warningsOf(pair, certificate, nowMs));
  }
  const context = contextOf(options, ['certificate']);
  if ('fault' in context) return context;
  const until = own.parsed.validToDate.toISOString().slice(0, 10);
  const names = own.parsed.subjectAltName ?? own.parsed.subject.replaceAll('\n', ', ');
  return { options, context, byName, words: `${names}, valid until ${until}`, warnings };
}

interface Pair {
  readonly cert: string;
  readonly key: string;
  readonly parsed: X509Certificate;
}

function readPair(certificate: string, key: string, path: readonly string[]): Pair | TlsFault {
  const cert = readPem(certificate, [...path, 'certificate']);
  if (typeof cert === 'object') return cert;
  const keyText = readPem(key, [...path, 'key']);
  if (typeof keyText === 'object') return keyText;
  const parsed = parseCertificate(cert, certificate, [...path, 'certificate']);
  if ('fault' in parsed) return parsed;
  let secret: KeyObject;
  try {
    secret = createPrivateKey(keyText);
  } catch {
    const encrypted = keyText.includes('ENCRYPTED');
    return {
      path: [...path, 'key'],
      fault: encrypted ? `${key} is locked with a passphrase` : `${key} holds no private key in PEM`,
      suggestion: encrypted
        ? 'unlock it: openssl pkey -in FILE -out NEW, readable for this user only'
        : 'it begins with -----BEGIN PRIVATE KEY-----',
    };
  }
  if (!parsed.checkPrivateKey(secret)) {
    return {
      path: [...path, 'key'],
      fault: `${key} is not the key of the certificate ${certificate}`,
      suggestion: 'the first certificate of the file must be that of the key; the chain follows it',
    };
  }
  return { cert, key: keyText, parsed };
}

function readPem(file: string, path: readonly string[]): string | TlsFault {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const missing = code === 'ENOENT';
    return {
      path,
      fault: missing ? `there is no file ${file}` : `${file} cannot be read (${code})`,
      suggestion: missing
        ? 'the path is relative to the configuration file'
        : 'give the user that runs this the right to read it',
    };
  }
}

function parseCertificate(pem: string, file: string, path: readonly string[]): X509Certificate | TlsFault {
  try {
    return new X509Certificate(pem);
  } catch {
    const fault = `${file} holds no certificate in PEM`;
    return { path, fault, suggestion: 'it begins with -----BEGIN CERTIFICATE-----; openssl x509 shows what it is' };
  }
}

function contextOf(options: SecureContextOptions, path: readonly string[]): SecureContext | TlsFault {
  try {
    return createSecureContext(options);
  } catch (error) {
    const { message } = error as Error;
    return { path, fault: `OpenSSL does not take it: ${message}`, suggestion: 'is its key type or length too weak?' };
  }
}

function warningsOf({ parsed }: Pair, file: string, nowMs: number): string[] {
  const end = parsed.validToDate;
  const day = end.toISOString().slice(0, 10);
  if (end.getTime() < nowMs) return [`${file} has expired on ${day}: peers that verify will refuse it`];
  if (parsed.validFromDate.getTime() > nowMs) return [`${file} is not valid yet`];
  return end.getTime() - nowMs < soonMs ? [`${file} expires on ${day}`] : [];
}
