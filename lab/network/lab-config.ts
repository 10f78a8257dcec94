import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '#service/config/config';
import type { SubscriberConfig } from '#service/config/hss-config';
import { type CertificateFiles, makeAuthority, makeCertificate } from './certificates.ts';
import { PortFinder } from './free-ports.ts';

/** The nodes of the lab that run as processes of their own. */
export const labRoles = ['hss', 'icscf', 'scscf', 'pcscf'] as const;
export type LabRole = (typeof labRoles)[number];

/** Ports of the nodes, by reference point. */
export interface LabPorts {
  readonly gm: number;
  /** For TLS; in use only where the lab has that. */
  readonly gmTls: number;
  readonly mw: number;
  readonly icscf: number;
  readonly scscf: number;
  readonly hss: number;
  /** The application server; in use only where profiles name it. */
  readonly as: number;
}

export interface LabConfig {
  readonly address: string;
  readonly domain: string;
  readonly ports: LabPorts;
  /** Configuration files by role. */
  readonly files: Readonly<Record<LabRole, string>>;
  /** The two who have phones in the demonstration, with AKA. */
  readonly phones: readonly [SubscriberConfig, SubscriberConfig];
  /** Diameter names. */
  readonly names: { readonly hss: string; readonly realm: string; readonly icscf: string; readonly scscf: string };
  /** A range whose users register with SIP Digest, for other clients. */
  readonly range: SubscriberConfig | undefined;
  /** Name of the application server, `as.ims.test`; null where no profile of a subscriber names it. */
  readonly applicationServer: string | null;
  /** Certificates for TLS at Gm; null without. `ca`: PEM file of who signed. */
  readonly tls: (CertificateFiles & { readonly ca: string }) | null;
}

const defaultPorts: LabPorts = { gm: 5060, gmTls: 5061, mw: 5070, icscf: 4060, scscf: 6060, hss: 3868, as: 5090 };

/**
 * Writes configurations for a lab into a folder: each includes the one of its role in `base` and puts ports, state and
 * sockets of this lab over it. Default ports are taken where they are free, unless `freePorts` asks for others. With
 * `secure` the P-CSCF speaks TLS at Gm as well, by a certificate made in that folder.
 *
 * Throws ConfigError for a configuration that cannot be used, Error when it lacks two subscribers.
 */
export async function writeLabConfig(
  base: string,
  folder: string,
  freePorts: boolean,
  secure = false,
): Promise<LabConfig> {
  const hss = loadConfig({ file: join(base, 'hss.yaml'), role: 'hss' }).config;
  const address = '127.0.0.1';
  const ports = await choosePorts(address, freePorts);
  const [first, second] = hss.subscribers.filter((subscriber) => subscriber.impi !== undefined);
  if (first === undefined || second === undefined) {
    throw new Error(`${join(base, 'hss.yaml')} needs two subscribers with impi, for the two phones`);
  }
  const phones = [withoutPassword(first), withoutPassword(second)] as const;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const tls = secure ? makeLabCertificate(folder, hss.domain, address) : null;
  const diameter = { peers: [{ host: hss.name, address, port: ports.hss }] };
  const node = (role: LabRole) => ({
    include: join(base, `${role}.yaml`),
    management: { socket: join(folder, `${role}.sock`) },
  });
  const both = (port: number) => [`udp:${address}:${port}`, `tcp:${address}:${port}`];
  const scscfUri = `sip:${address}:${ports.scscf}`;
  const hosts = { [hss.domain]: [`udp:${address}:${ports.icscf}`] };
  const serverName = `as.${hss.domain}`;
  const contents: Record<LabRole, object> = {
    hss: {
      ...node('hss'),
      listen: `tcp:${address}:${ports.hss}`,
      subscribers: [...phones, ...hss.subscribers.filter((each) => each !== first && each !== second)],
    },
    icscf: {
      ...node('icscf'),
      listeners: { mw: both(ports.icscf) },
      diameter,
      scscfs: [{ uri: scscfUri, capabilities: [], priority: 1 }],
    },
    scscf: {
      ...node('scscf'),
      uri: scscfUri,
      listeners: { mw: both(ports.scscf) },
      hosts: { ...hosts, [serverName]: [`udp:${address}:${ports.as}`] },
      diameter,
      // The HSS chooses: AKA for the phones, SIP Digest for users with a password.
      auth: { defaultScheme: 'Unknown' },
      store: { type: 'lmdb', path: join(folder, 'scscf') },
    },
    pcscf: {
      ...node('pcscf'),
      listeners: {
        gm: [...both(ports.gm), ...(tls === null ? [] : [`tls:${address}:${ports.gmTls}`])],
        mw: both(ports.mw),
      },
      ...(tls === null ? {} : { tls }),
      hosts,
      store: { type: 'lmdb', path: join(folder, 'pcscf') },
    },
  };
  const files = {} as Record<LabRole, string>;
  for (const role of labRoles) {
    files[role] = join(folder, `${role}.yaml`);
    // Keys are secrets, even those of a lab.
    writeFileSync(files[role], `${JSON.stringify(contents[role], null, 2)}\n`, { mode: 0o600 });
  }
  const range = hss.subscribers.find((each) => each.range !== undefined && each.password !== undefined);
  const names = {
    hss: hss.name,
    realm: hss.realm,
    icscf: loadConfig({ file: files.icscf, role: 'icscf' }).config.diameter.originHost,
    scscf: loadConfig({ file: files.scscf, role: 'scscf' }).config.diameter.originHost,
  };
  const applicationServer = hss.subscribers.some((each) => usesServer(each, serverName)) ? serverName : null;
  return { address, domain: hss.domain, ports, files, phones, names, range, applicationServer, tls };
}

/** Whether a profile of a subscriber names a server by this host. */
function usesServer({ profile, sets = [] }: SubscriberConfig, host: string): boolean {
  const files = [profile, ...sets.flat().map((identity) => identity.profile ?? profile)];
  return [...new Set(files)].some((file) => {
    const text = readFileSync(file, 'utf8');
    return text.includes(`@${host}`) || text.includes(`sip:${host}`);
  });
}

/** A certificate as a P-CSCF has it: for the home domain, and for its address since labs have no DNS. */
function makeLabCertificate(folder: string, domain: string, address: string): NonNullable<LabConfig['tls']> {
  const authority = makeAuthority(folder);
  const names = [`DNS:${domain}`, `DNS:pcscf.${domain}`, `IP:${address}`];
  return { ...makeCertificate(authority, 'pcscf-tls', names), ca: authority.ca };
}

/** Without a password the HSS chooses AKA. */
function withoutPassword(subscriber: SubscriberConfig): SubscriberConfig {
  const { password: _password, ...rest } = subscriber;
  return rest;
}

async function choosePorts(address: string, free: boolean): Promise<LabPorts> {
  const finder = new PortFinder(address);
  const take = (name: keyof LabPorts) => finder.take(free ? 0 : defaultPorts[name]);
  return {
    gm: await take('gm'),
    gmTls: await take('gmTls'),
    mw: await take('mw'),
    icscf: await take('icscf'),
    scscf: await take('scscf'),
    hss: await take('hss'),
    as: await take('as'),
  };
}
