import { expect } from 'vitest';
import type { AssociationPort } from '#ipsec/ipsec-backend';
import { profileOf } from '#nodes/pcscf/access';
import { createPcscf, type Pcscf } from '#nodes/pcscf/pcscf';
import { pcscfTables } from '#nodes/pcscf/registrations';
import type { PcscfConfig } from '#service/config/pcscf-config';
import type { DnsLocator } from '#sip/resolver/dns-locator';
import { openMemoryStore } from '#store/memory-store';
import type { Store } from '#store/store';
import type { TransportPort } from '#workers/frame-link';
import type { DiameterInbox, WorkerTrace } from '#workers/worker-side';
import { type SentMessage, sip, startWorker, type WorkerHarness } from '../worker-harness.ts';

export type PcscfWorker = WorkerHarness<Pcscf>;

export interface PcscfOptions {
  /** Whose sessions get a session timer; nobody's when left out. */
  readonly sessionTimers?: PcscfConfig['sessionTimer']['insert'];
  readonly listeners?: readonly string[];
  readonly trusted?: readonly string[];
  readonly access?: PcscfConfig['access'];
  readonly serviceRoute?: 'replace' | 'strict';
  readonly route?: 'loose' | 'strict';
  readonly withholdIdentity?: PcscfConfig['policy']['withholdIdentity'];
  readonly media?: PcscfConfig['policy']['media'];
  readonly rx?: Partial<PcscfConfig['rx']>;
  readonly regEvent?: Partial<PcscfConfig['regEvent']>;
  readonly emergency?: Partial<PcscfConfig['emergency']>;
  readonly callsPerUe?: number;
  /** Makes its Diameter client. */
  readonly diameter?: (port: TransportPort) => DiameterInbox;
  /** The section `ipsec`; protected listeners are among `listeners`. */
  readonly ipsec?: PcscfConfig['ipsec'];
  /** Where security associations are installed. */
  readonly associations?: AssociationPort;
  readonly switchToTcpAbove?: number;
  /** Whatever else is to be otherwise. */
  readonly config?: Partial<PcscfConfig>;
  /** Names of other nodes, and of this one, as WorkerOptions say. */
  readonly hosts?: { readonly [name: string]: readonly string[] };
  readonly own?: readonly string[];
  readonly store?: Store;
  readonly wallStartMs?: number;
  readonly trace?: WorkerTrace;
  /** Answers the names that the DNS is asked for, each as one address of UDP port 5060; null: there is no such name. */
  readonly dns?: (host: string) => string | null;
  readonly homeNetworks?: readonly string[];
}

const noEmergency: PcscfConfig['emergency'] = { numbers: [], onNumber: 'redirect', anonymous: 'off', methods: [] };

const noRx: PcscfConfig['rx'] = {
  mode: 'off',
  signalling: false,
  report: [],
  earlyMedia: true,
  preliminary: false,
  omitSourcePorts: false,
  applicationIdentifier: 'IMS Services',
  namesService: true,
  describeSignalling: false,
  requestType: false,
  ipv6PrefixLength: 128,
};

/** Gm and Mw on one address, as in the bench. */
export const oneListener = ['gm+mw udp:127.0.8.1:5060', 'gm+mw tcp:127.0.8.1:5060'];
/** Gm and Mw apart, as in the lab. */
export const twoListeners = [
  'gm udp:127.0.0.1:5060',
  'gm tcp:127.0.0.1:5060',
  'mw udp:127.0.0.1:5070',
  'mw tcp:127.0.0.1:5070',
];
/** Index of the Mw listener among `twoListeners`. */
export const mw = 2;

export const icscf = 'udp 127.0.8.2:4060';
export const scscf = 'udp 127.0.8.3:6060';
export const serviceRoute = '<sip:orig@127.0.8.3:6060;lr>';

export function startPcscf(options: PcscfOptions = {}): PcscfWorker {
  const listeners = options.listeners ?? oneListener;
  const store = options.store ?? openMemoryStore(pcscfTables);
  let config: PcscfConfig | undefined;
  const worker = startWorker({
    listeners,
    name: options.config?.name ?? 'pcscf.ims.test',
    hosts: options.hosts ?? (options.dns === undefined ? { 'ims.test': ['udp:127.0.8.2:4060'] } : {}),
    ...(options.own === undefined ? {} : { own: options.own }),
    ...(options.dns === undefined ? {} : { dns: dnsOf(options.dns) }),
    knownNames: ['ims.test', ...(options.homeNetworks ?? [])],
    proxyRequire: ['sec-agree', 'privacy'],
    profileOf: (listener, address) => profileOf(config!)(listener, address),
    ...(options.wallStartMs === undefined ? {} : { wallStartMs: options.wallStartMs }),
    ...(options.trace === undefined ? {} : { trace: options.trace }),
    ...(options.associations === undefined ? {} : { ipsec: options.associations }),
    ...(options.switchToTcpAbove === undefined ? {} : { switchToTcpAbove: options.switchToTcpAbove }),
    ...(options.diameter === undefined ? {} : { diameter: options.diameter }),
    createLogic: (parts) => {
      config = {
        role: 'pcscf',
        name: 'pcscf.ims.test',
        homeDomain: 'ims.test',
        visitedNetwork: 'Visited Net',
        management: { socket: '/nowhere' },
        log: { level: 'info', format: 'json' },
        drain: 5,
        workers: 1,
        listeners: parts.listeners.all,
        trusted: options.trusted ?? ['127.0.8.0/24'],
        hosts: [],
        timers: { t1: 500, t2: 4000, t4: 5000, timerC: 185_000, gm: { t1: 2000, t2: 16_000, t4: 17_000 } },
        transport: { ffi: 'off', reader: 'shared', switchToTcpAbove: 1300, setAside: 30 },
        dns: { budget: 2, homeNetworks: [] },
        limits: { streams: { connections: 100, perSource: 10, messageSeconds: 10, idleSeconds: 200 } },
        overload: { delay: 150, refusedPerSource: 10, penalty: 3, registersPerSource: 0, requestsPerSource: 0 },
        access: options.access ?? [{ from: '0.0.0.0/0', security: 'none' }],
        ...(options.ipsec === undefined ? {} : { ipsec: options.ipsec }),
        rx: { ...noRx, ...options.rx },
        regEvent: { subscribe: false, expires: 600_000, sessions: 'release', rate: 100, ...options.regEvent },
        emergency: { ...noEmergency, ...options.emergency },
        media: { anchor: 'off', rtpengine: [], timeout: 1000, onFailure: 'continue' },
        policy: {
          callsPerUe: options.callsPerUe ?? 0,
          serviceRoute: options.serviceRoute ?? 'replace',
          route: options.route ?? 'strict',
          withholdIdentity: options.withholdIdentity ?? ['id'],
          media: options.media ?? { types: [], codecs: { forbidden: [] } },
        },
        sessionTimer: {
          insert: options.sessionTimers ?? 'none',
          defaultSeconds: 1800,
          minSeconds: 90,
          maxSeconds: 7200,
        },
        store: { type: 'memory', path: '', flush: false },
        ...options.config,
      };
      return createPcscf({ ...parts, config, store, volatile: store, cx: null });
    },
  });
  return worker;
}

function dnsOf(answer: (host: string) => string | null): Pick<DnsLocator, 'find'> {
  return {
    async find({ host }) {
      const address = answer(host);
      return address === null ? [] : [{ listener: 0, transport: 'udp', address, port: 5060, connection: 0 }];
    },
  };
}

let serial = 0;

/** A UE: one user at one source. */
export interface Ue {
  readonly user: string;
  /** `udp 127.16.0.1:5070`, perhaps with ` #3`. */
  readonly source: string;
  readonly address: string;
}

export function ue(user: string, source: string): Ue {
  return { user, source, address: source.split(' ')[1]! };
}

export const alice = ue('alice', 'udp 127.16.0.1:5070');
export const bob = ue('bob', 'udp 127.32.0.1:5070');

/** Start line and mandatory lines of a request of a UE. */
export function request(from: Ue, method: string, uri: string, lines: readonly string[] = [], body = ''): string {
  const number = ++serial;
  const has = (name: string) => lines.some((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  const defaults: [string, string][] = [
    ['Via', `SIP/2.0/${from.source.split(' ', 1)[0]!.toUpperCase()} ${from.address};branch=z9hG4bKue${number};rport`],
    ['Max-Forwards', '70'],
    ['From', `<sip:${from.user}@ims.test>;tag=${from.user}`],
    ['To', `<${uri}>`],
    ['Call-ID', `call-${number}`],
    ['CSeq', `${number} ${method}`],
    ...(method === 'INVITE' || method === 'SUBSCRIBE'
      ? ([['Contact', `<sip:${from.user}@${from.address}>`]] as [string, string][])
      : []),
  ];
  const missing = defaults.filter(([name]) => !has(name)).map(([name, value]) => `${name}: ${value}`);
  return sip([`${method} ${uri} SIP/2.0`, ...missing, ...lines], body);
}

/** A request of the core, with the S-CSCF's Via. */
export function coreRequest(method: string, uri: string, lines: readonly string[] = [], body = ''): string {
  const core: Ue = { user: 'caller', source: scscf, address: '127.0.8.3:6060' };
  return request(core, method, uri, lines, body);
}

export function registerText(from: Ue, lines: readonly string[] = [], contact?: string): string {
  return request(from, 'REGISTER', 'sip:ims.test', [
    `To: <sip:${from.user}@ims.test>`,
    ...(contact === '' ? [] : [`Contact: ${contact ?? `<sip:${from.user}@${from.address}>;expires=600000`}`]),
    `Authorization: Digest username="${from.user}@ims.test", realm="ims.test", uri="sip:ims.test", nonce="", response=""`,
    'Supported: path',
    ...lines,
  ]);
}

/** Header lines of the S-CSCF's 200 to a REGISTER. */
export function granted(from: Ue, seconds = 3600): string[] {
  return [
    `Contact: <sip:${from.user}@${from.address}>;expires=${seconds}`,
    `Service-Route: ${serviceRoute}`,
    `P-Associated-URI: <sip:${from.user}@ims.test>, <tel:+1555${from.user.length}>, <sip:${from.user}.private@ims.test>`,
    'P-Charging-Vector: icid-value="reg0a1b";orig-ioi=visited;term-ioi=home',
    'P-Charging-Function-Addresses: ccf="pcrf"',
  ];
}

/** Registers a UE; gives its token. */
export function register(
  worker: PcscfWorker,
  from: Ue,
  lines: readonly string[] = granted(from),
  listener = 0,
): string {
  worker.receive(registerText(from), from.source, listener);
  const forwarded = worker.takeOne();
  worker.answer(forwarded, 200, lines);
  expect(worker.takeOne().status).toBe(200);
  return tokenOf(forwarded);
}

/** Token in the Path of a REGISTER that left. */
export function tokenOf(forwarded: SentMessage): string {
  const path = forwarded.header('Path')!;
  return path.slice('<sip:'.length, path.indexOf('@'));
}

/** No procedure threw, no call is held for ever. */
export function expectQuiet(worker: PcscfWorker): void {
  expect(worker.failures).toEqual([]);
  worker.stop();
}
