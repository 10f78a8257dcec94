import { expect } from 'vitest';
import type { AssociationPort, IpsecError } from '#ipsec/ipsec-backend';
import type { InstalledAssociation, SecurityAssociation } from '#ipsec/security-association';
import type { PcscfConfig } from '#service/config/pcscf-config';
import type { SentMessage } from '../../worker-harness.ts';
import { type PcscfOptions, type PcscfWorker, request, startPcscf } from '../pcscf-harness.ts';

/** Writes down what it is asked to install and remove: the place of the kernel. */
export class RecordingPort implements AssociationPort {
  readonly added: (readonly SecurityAssociation[])[] = [];
  readonly removed: InstalledAssociation[] = [];
  readonly extended: { readonly spis: readonly number[]; readonly seconds: number }[] = [];
  /** What is installed, by destination and SPI. */
  readonly installed = new Map<string, InstalledAssociation>();
  /** Adding fails with this. */
  failure: IpsecError | null = null;
  /** Adding is done when this is. */
  gate: Promise<void> = Promise.resolve();

  async add(associations: readonly SecurityAssociation[]): Promise<void> {
    await this.gate;
    if (this.failure !== null) throw this.failure;
    this.added.push(associations);
    for (const association of associations) this.installed.set(nameOf(association), association);
  }

  async remove(associations: readonly InstalledAssociation[]): Promise<void> {
    for (const association of associations) {
      if (this.installed.delete(nameOf(association))) this.removed.push(association);
    }
  }

  async extend(associations: readonly InstalledAssociation[], seconds: number): Promise<void> {
    this.extended.push({ spis: associations.map(({ spi }) => spi), seconds });
  }

  async list(): Promise<readonly InstalledAssociation[]> {
    return [...this.installed.values()];
  }
}

function nameOf({ destination, spi }: InstalledAssociation): string {
  return `${destination.address} ${spi}`;
}

export const own = '172.22.0.21';
/** Plain ports first, then one server port and three client ports. */
export const protectedListeners = [
  `gm+mw udp:${own}:5060`,
  `gm+mw tcp:${own}:5060`,
  `gm udp:${own}:6100 server`,
  `gm tcp:${own}:6100 server`,
  ...[5100, 5102, 5104].flatMap((port) => [`gm udp:${own}:${port} client 6100`, `gm tcp:${own}:${port} client 6100`]),
];
/** Indices of the server port among them. */
export const serverUdp = 2;
export const serverTcp = 3;

/** Index of the listener of a client port. */
export function clientListener(transport: 'udp' | 'tcp', port: number): number {
  return protectedListeners.indexOf(`gm ${transport}:${own}:${port} client 6100`);
}

export const scscf = 'udp 172.22.0.20:6060';

export const ipsecConfig: NonNullable<PcscfConfig['ipsec']> = {
  backend: 'auto',
  addresses: [own],
  serverPorts: [6100],
  clientPorts: [5100, 5102, 5104],
  algorithms: [
    { alg: 'hmac-sha-1-96', ealg: 'aes-cbc' },
    { alg: 'hmac-sha-1-96', ealg: 'null' },
    { alg: 'hmac-md5-96', ealg: 'null' },
  ],
  replay: 64,
  strictContact: false,
};

export function startIpsec(port: RecordingPort | null, options: PcscfOptions = {}): PcscfWorker {
  return startPcscf({
    listeners: protectedListeners,
    trusted: ['172.22.0.0/24'],
    access: [{ from: '0.0.0.0/0', security: 'ipsec-required' }],
    ipsec: ipsecConfig,
    ...(port === null ? {} : { associations: port }),
    ...options,
  });
}

/** A phone: a SIM at an address. Its ports and SPIs are new with each `offer`. */
export interface Phone {
  readonly impi: string;
  readonly address: string;
  clientPort: number;
  serverPort: number;
  clientSpi: number;
  serverSpi: number;
  callId: string;
  cseq: number;
}

let serial = 0;

export function phone(user: string, address: string): Phone {
  const number = ++serial;
  return {
    impi: `${user}@ims.test`,
    address,
    clientPort: 50600,
    serverPort: 50601,
    clientSpi: 10_000 + number,
    serverSpi: 20_000 + number,
    callId: `reg-${number}`,
    cseq: 0,
  };
}

/** Takes ports and SPIs for another set, as a phone that authenticates anew does. */
export function renew(ue: Phone): void {
  ue.clientPort += 2;
  ue.clientSpi += 1000;
  ue.serverSpi += 1000;
}

/** What a phone offers: the list of security.md, all with the same SPIs and ports. */
export function securityClient(ue: Phone, algorithms: readonly string[] = offered): string {
  const rest = `prot=esp;mod=trans;spi-c=${ue.clientSpi};spi-s=${ue.serverSpi};port-c=${ue.clientPort};port-s=${ue.serverPort}`;
  return algorithms.map((pair) => `ipsec-3gpp;${pair};${rest}`).join(', ');
}

const offered = [
  'alg=hmac-md5-96;ealg=des-ede3-cbc',
  'alg=hmac-md5-96;ealg=aes-cbc',
  'alg=hmac-md5-96;ealg=null',
  'alg=hmac-sha-1-96;ealg=des-ede3-cbc',
  'alg=hmac-sha-1-96;ealg=aes-cbc',
  'alg=hmac-sha-1-96;ealg=null',
];

export interface RegisterParts {
  /** Value of Security-Client; null: none. */
  readonly client?: string | null;
  readonly verify?: string;
  readonly require?: boolean;
  readonly impi?: string;
  readonly user?: string;
  readonly contact?: string;
  readonly expires?: number;
  readonly transport?: 'udp' | 'tcp';
  readonly via?: string;
  readonly response?: string;
  readonly lines?: readonly string[];
}

/** A REGISTER of a phone; where it is sent from is the test's business. */
export function registerOf(ue: Phone, parts: RegisterParts = {}): string {
  const user = parts.user ?? ue.impi.split('@')[0]!;
  const transport = (parts.transport ?? 'udp').toUpperCase();
  const client = parts.client === undefined ? securityClient(ue) : parts.client;
  const number = ++ue.cseq;
  const insists = parts.require ?? client !== null;
  const credentials = `username="${parts.impi ?? ue.impi}",realm="ims.test",uri="sip:ims.test",nonce="n",response="${parts.response ?? ''}"`;
  return request(
    { user, source: `udp ${ue.address}:5060`, address: `${ue.address}:5060` },
    'REGISTER',
    'sip:ims.test',
    [
      `Via: SIP/2.0/${transport} ${parts.via ?? `${ue.address}:${ue.serverPort}`};branch=z9hG4bK${ue.callId}${number};rport`,
      `To: <sip:${user}@ims.test>`,
      `Call-ID: ${ue.callId}`,
      `CSeq: ${number} REGISTER`,
      `Contact: ${parts.contact ?? `<sip:${user}@${ue.address}:${ue.serverPort}>`};expires=${parts.expires ?? 600_000}`,
      `Authorization: Digest ${credentials}`,
      ...(client === null ? [] : [`Security-Client: ${client}`]),
      ...(parts.verify === undefined ? [] : [`Security-Verify: ${parts.verify}`]),
      ...(insists ? ['Require: sec-agree', 'Proxy-Require: sec-agree'] : []),
      'Supported: path, sec-agree',
      ...(parts.lines ?? []),
    ],
  );
}

export const ck = '00112233445566778899aabbccddeeff';
export const ik = 'ffeeddccbbaa99887766554433221100';
export const akaChallenge = `WWW-Authenticate: Digest realm="ims.test",nonce="${'n'.repeat(43)}=",algorithm=AKAv1-MD5,qop="auth",ck="${ck}",ik="${ik}"`;

export const plainSource = (ue: Phone) => `udp ${ue.address}:5060`;
export const udpSource = (ue: Phone) => `udp ${ue.address}:${ue.clientPort}`;

/** Header lines of the S-CSCF's 200 to a REGISTER of a phone. */
export function grantedTo(ue: Phone, seconds = 7200, user = ue.impi.split('@')[0]!): string[] {
  return [
    `Contact: <sip:${user}@${ue.address}:${ue.serverPort}>;expires=${seconds}`,
    `Service-Route: <sip:orig@172.22.0.20:6060;lr>`,
    `P-Associated-URI: <sip:${user}@ims.test>, <tel:+15550001>`,
    'P-Charging-Vector: icid-value="reg0a1b";orig-ioi=visited;term-ioi=home',
    'P-Charging-Function-Addresses: ccf="pcrf"',
  ];
}

/** Sends the first REGISTER and answers it with an AKA challenge; gives the 401 as it went to the phone. */
export async function challenge(worker: PcscfWorker, ue: Phone, source = plainSource(ue), listener = 0) {
  worker.receive(registerOf(ue), source, listener);
  const forwarded = worker.takeOne();
  worker.answer(forwarded, 401, [akaChallenge]);
  await worker.settle();
  return { forwarded, answer: worker.takeOne() };
}

/** A phone that is registered by a set of associations. */
export interface Registered {
  readonly token: string;
  /** Security-Server that it was given. */
  readonly server: string;
  readonly ok: SentMessage;
}

/** Registers a phone: unprotected REGISTER, challenge, protected REGISTER, 200. */
export async function registerPhone(worker: PcscfWorker, ue: Phone, seconds = 7200): Promise<Registered> {
  const { answer } = await challenge(worker, ue);
  expect(answer.status).toBe(401);
  return answerChallenge(worker, ue, answer.header('Security-Server')!, seconds);
}

/** Sends the protected REGISTER of a challenge and has it granted. */
export async function answerChallenge(worker: PcscfWorker, ue: Phone, server: string, seconds = 7200) {
  worker.receive(registerOf(ue, { verify: server, response: 'r' }), udpSource(ue), serverUdp);
  const forwarded = worker.takeOne();
  worker.answer(forwarded, 200, grantedTo(ue, seconds));
  await worker.settle();
  const ok = worker.takeOne();
  expect(ok.status).toBe(200);
  const path = forwarded.header('Path')!;
  return { token: path.slice('<sip:'.length, path.indexOf('@')), server, ok };
}

/** A number among the parameters of a Security-Server. */
export function parameter(server: string, name: string): number {
  return Number(new RegExp(`;${name}=(\\d+)`).exec(server)![1]);
}

/** A request of the core for a phone. */
export function toPhone(method: string, token: string, ue: Phone, lines: readonly string[] = [], body = ''): string {
  const core = { user: 'caller', source: scscf, address: '172.22.0.20:6060' };
  return request(
    core,
    method,
    `sip:${ue.impi.split('@')[0]}@${ue.address}:${ue.serverPort}`,
    [`Route: <sip:${token}@${own}:5060;lr>`, ...lines],
    body,
  );
}
