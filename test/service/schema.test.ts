import { describe, expect, it } from 'vitest';
import { loadConfig } from '#service/config/config';
import type { HssConfig } from '#service/config/hss-config';
import type { IcscfConfig } from '#service/config/icscf-config';
import type { PcrfConfig } from '#service/config/pcrf-config';
import type { PcscfConfig } from '#service/config/pcscf-config';
import { loadSchema, type Role, roles, type Schema } from '#service/config/schema';
import type { ScscfConfig } from '#service/config/scscf-config';
import { writeFiles } from './config-files.ts';

/** Every optional key must be there: what the type has and a sample lacks is a compile error, and so is the reverse. */
type Complete<T> = T extends readonly (infer E)[]
  ? readonly Complete<E>[]
  : T extends object
    ? { [K in keyof T]-?: Complete<Exclude<T[K], undefined>> }
    : T;

const service = {
  management: { socket: '/s', http: { listen: { transport: 'tcp', address: '127.0.0.1', port: 1 }, token: 't' } },
  log: { level: 'info', format: 'auto' },
  drain: 5,
} as const;
const listener = {
  index: 0,
  sides: ['mw'],
  transport: 'udp',
  address: '127.0.0.1',
  port: 1,
  sentBy: '127.0.0.1:1',
  protection: 'server',
  closed: true,
  sentByPort: 1,
} as const;
const diameter = {
  originHost: 'a',
  originRealm: 'b',
  timeout: 5,
  failovers: 2,
  watchdog: 30,
  reconnect: 5,
  reconnectCap: 30,
  acceptUnknown: false,
  redirect: 'known',
  ignoreUnknownM: [{ vendor: 10415, code: 1 }],
  cx: { realm: 'h', announce: ['sifc'], dialect: '3gpp' },
  listen: [{ address: '127.0.0.1', port: 3868, tls: false }],
  peers: [{ host: 'h', address: '127.0.0.1', port: 3868, connect: true, tls: false, anyDestination: false }],
  realms: [{ realm: 'r', application: 'cx', peers: [{ host: 'h', priority: 0, weight: 1 }] }],
  defaultRoute: [{ host: 'h', priority: 0, weight: 1 }],
} as const;
const common = {
  ...service,
  name: 'n',
  homeDomain: 'd',
  workers: 1,
  scaling: {
    min: 1,
    max: 2,
    scaleUp: { load: 70, cycles: 3, window: 5 },
    scaleDown: { load: 20, cycles: 60 },
    drain: 60,
  },
  metrics: { listen: { transport: 'tcp', address: '127.0.0.1', port: 1 } },
  server: 's',
  listeners: [listener],
  trusted: ['127.0.0.0/8'],
  hosts: [{ name: 'h', targets: [] }],
  transport: { ffi: 'auto', reader: 'shared', switchToTcpAbove: 1300, setAside: 30 },
  dns: { servers: ['127.0.0.1'], budget: 2 },
  tls: {
    certificate: '/c',
    key: '/k',
    ca: '/a',
    serverNames: [{ name: 'n', certificate: '/c', key: '/k' }],
    clientCertificates: 'off',
    verify: true,
    minVersion: 'TLSv1.2',
  },
  limits: { streams: { connections: 1, perSource: 1, messageSeconds: 1, idleSeconds: 1 } },
  overload: { delay: 1, refusedPerSource: 1, penalty: 1, registersPerSource: 1, requestsPerSource: 1 },
  diameter,
} as const;
const timers = { t1: 1, t2: 1, t4: 1, timerC: 1 } as const;
const store = {
  type: 'lmdb',
  path: '/p',
  flush: false,
  redis: { url: 'u', prefix: 'p', sync: 'register', syncTimeout: 1, alarmAbove: 1 },
} as const;

const numbers = {
  enum: { suffix: 's', timeout: 1, servers: ['s'] },
  bgcf: 'b',
  dialPlan: [{ prefix: '0', replace: '+', length: 0, context: 'c' }],
} as const;
const routes = { ibcf: 'i', ecscf: 'e', trustedDomains: ['d'] } as const;

const pcscf = {
  ...common,
  role: 'pcscf',
  visitedNetwork: 'v',
  dns: { ...common.dns, homeNetworks: ['d'] },
  timers: { ...timers, gm: { t1: 1, t2: 1, t4: 1 } },
  access: [{ from: 'f', security: 'none', rx: 'off', anchor: 'nat' }],
  rx: {
    mode: 'off',
    signalling: true,
    report: [],
    earlyMedia: true,
    preliminary: false,
    omitSourcePorts: false,
    applicationIdentifier: 'IMS Services',
    namesService: true,
    describeSignalling: false,
    calledStationId: 'ims',
    features: 1,
    requestType: false,
    ipv6PrefixLength: 128,
  },
  ipsec: {
    backend: 'auto',
    addresses: ['a'],
    serverPorts: [1],
    clientPorts: [2],
    algorithms: [{ alg: 'hmac-sha-1-96', ealg: 'null' }],
    replay: 64,
    strictContact: false,
    storeKey: 's',
  },
  regEvent: { subscribe: true, expires: 600_000, sessions: 'release', rate: 100 },
  emergency: {
    numbers: ['112'],
    onNumber: 'redirect',
    anonymous: 'off',
    ecscf: 'sip:e',
    psap: 'sip:p',
    methods: ['MESSAGE'],
  },
  media: {
    anchor: 'nat',
    rtpengine: [{ transport: 'udp', address: 'a', port: 1 }],
    timeout: 1000,
    onFailure: 'refuse',
    interfaces: { ue: 'u', core: 'c' },
  },
  policy: {
    callsPerUe: 64,
    serviceRoute: 'replace',
    route: 'strict',
    withholdIdentity: ['id'],
    media: { types: ['audio'], codecs: { forbidden: ['c'] } },
  },
  sessionTimer: { insert: 'all', defaultSeconds: 1800, minSeconds: 90, maxSeconds: 86400 },
  store,
} as const satisfies Complete<PcscfConfig>;
const icscf = {
  ...common,
  role: 'icscf',
  timers,
  scscfs: [{ uri: 'u', capabilities: [1], priority: 1, weight: 1 }],
  selection: { tries: 3, responseTimeout: 10, restoration: true },
  locationCache: 0,
  numbers,
  routes,
  unknownUser: 604,
} as const satisfies Complete<IcscfConfig>;
const scscf = {
  ...common,
  role: 'scscf',
  uri: 'u',
  numbers,
  routes,
  allowedServices: ['u'],
  timers,
  auth: {
    defaultScheme: 'SIP Digest',
    resyncs: 2,
    failures: 2,
    qop: true,
    schemeSpelling: { 'Digest-AKAv1-MD5': 'a', 'Digest-AKAv2-MD5': 'b', 'SIP Digest': 'c', Unknown: 'd' },
    reauthentication: { refreshes: 1, seconds: 1 },
  },
  registrar: {
    minExpires: 1,
    defaultExpires: 1,
    maxExpires: 1,
    maxContacts: 1,
    sarOnReRegistration: false,
    requirePath: true,
    storeServerName: true,
    sessions: 'keep',
  },
  sessionTimer: { insert: 'all', defaultSeconds: 1800, minSeconds: 90, maxSeconds: 86400 },
  media: { addressFamily: 'any', profiles: [{ id: 1, types: ['audio'] }] },
  regEvent: { minExpires: 1, defaultExpires: 1, maxExpires: 1, watchers: ['u'] },
  services: {
    continuedTimeout: 2,
    terminatedTimeout: 4,
    recordRoute: 'ends',
    maxServers: 20,
    unregisteredProfile: 3600,
  },
  sharedIfcSets: [
    {
      id: 1,
      criteria: [
        {
          priority: 1,
          serverName: 's',
          defaultHandling: 'SESSION_CONTINUED',
          serviceInfo: 's',
          includeRegisterRequest: false,
          includeRegisterResponse: false,
          profilePart: 'both',
          conditionTypeCnf: false,
          spts: [
            {
              groups: [0],
              negated: false,
              method: 'm',
              registrationTypes: [0],
              requestUri: 'u',
              sessionCase: 0,
              header: 'h',
              line: 'l',
              content: 'c',
            },
          ],
        },
      ],
    },
  ],
  store,
} as const satisfies Complete<ScscfConfig>;
const hss = {
  ...service,
  role: 'hss',
  name: 'n',
  domain: 'd',
  realm: 'r',
  listen: { transport: 'tcp', address: '127.0.0.1', port: 3868 },
  profiles: {},
  subscribers: [
    {
      impi: 'i',
      impus: ['u'],
      range: { prefix: 'p', first: 0, count: 1, tel: 't' },
      k: 'k',
      op: 'o',
      opc: 'o',
      amf: 'a',
      sqn: 's',
      password: 'p',
      profile: 'p',
      sets: [
        [
          {
            identity: 'i',
            barred: true,
            profile: 'p',
            displayName: 'd',
            aliasGroup: 'a',
            service: true,
            applicationServer: 's',
          },
        ],
      ],
      subscription: 's',
      visitedNetworks: ['v'],
      scheme: 'SIP Digest',
      capabilities: { mandatory: [1], optional: [1], servers: ['s'] },
      charging: { primaryCcf: 'c', secondaryCcf: 'c', primaryEcf: 'e', secondaryEcf: 'e' },
      unregisteredServices: true,
    },
  ],
  capabilities: { mandatory: [1], optional: [1], servers: ['s'] },
  charging: { primaryCcf: 'c', secondaryCcf: 'c', primaryEcf: 'e', secondaryEcf: 'e' },
  servers: ['s'],
  keepServerName: true,
  enforce: false,
} as const satisfies Complete<HssConfig>;

const pcrf = {
  ...service,
  role: 'pcrf',
  name: 'n',
  realm: 'r',
  listen: { transport: 'tcp', address: '127.0.0.1', port: 3869 },
  rules: [
    {
      name: 'n',
      match: {
        address: '10.0.0.0/8',
        subscription: 's',
        media: 'audio',
        codec: 'c',
        serviceUrn: 'u',
        bandwidthAbove: 1,
      },
      action: 'reject',
      delay: 0,
      reject: { code: 5063, experimental: true, retryAfter: 1, acceptable: { uplink: 1, downlink: 1 } },
    },
  ],
  enforce: false,
} as const satisfies Complete<PcrfConfig>;

const samples: Readonly<Record<Role, object>> = { pcscf, icscf, scscf, hss, pcrf };

/** Keys whose parsed form differs from the written one. */
const parsed = new Set(['listeners', 'hosts', 'listen', 'management', 'metrics', 'profiles', 'workers']);

function keysOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return keysOf(value[0], `${path}[]`);
  if (typeof value !== 'object' || value === null) return [];
  // What is written under `workers` is read as two keys.
  const own = Object.entries(value).filter(([key]) => path !== '' || key !== 'scaling');
  return own.flatMap(([key, child]) => [
    `${path}.${key}`,
    ...((parsed.has(key) && path === '') || key === 'rtpengine' ? [] : keysOf(child, `${path}.${key}`)),
  ]);
}

function schemaKeys(schema: Schema, path = ''): string[] {
  if (schema.items !== undefined) return schemaKeys(schema.items, `${path}[]`);
  return Object.entries(schema.properties ?? {})
    .filter(([key]) => key !== 'include')
    .flatMap(([key, child]) => [
      `${path}.${key}`,
      ...(parsed.has(key) && path === '' ? [] : schemaKeys(child, `${path}.${key}`)),
    ]);
}

describe.each([...roles])('the schema of %s', (role) => {
  it('has the keys of the type, and no others', () => {
    expect(schemaKeys(loadSchema(role)).sort()).toEqual(keysOf(samples[role]).sort());
  });

  it('describes every key, its default and whether it is taken over live', () => {
    const lacking: string[] = [];
    const visit = (schema: Schema, path: string) => {
      for (const [key, child] of Object.entries(schema.properties ?? {})) {
        const at = `${path}.${key}`;
        const required = schema.required?.includes(key) === true || key === 'listen';
        if ((child.description ?? '').length < 8) lacking.push(`${at} description`);
        if (!['live', 'restart'].includes(String(child['x-reload']))) lacking.push(`${at} x-reload`);
        if (!required && child.default === undefined && child['x-default'] === undefined) lacking.push(`${at} default`);
        visit(child, at);
      }
      if (schema.items !== undefined) visit(schema.items, `${path}[]`);
    };
    visit(loadSchema(role), role);
    expect(lacking).toEqual([]);
  });
});

describe('what loading gives', () => {
  it('has every key of the type that is not optional', () => {
    const text = `role: scscf\nhomeDomain: d\nlisteners: { mw: [udp:127.0.0.1:1] }\ndiameter: { peers: [{ host: h }] }\n`;
    const { config } = loadConfig({ file: writeFiles({ 'a.yaml': text }), role: 'scscf', env: {} });
    const optional = [
      '.server',
      '.metrics',
      '.dns.servers',
      '.diameter.listen[]',
      '.diameter.ignoreUnknownM[]',
      '.tls',
      '.store.redis',
      '.auth.schemeSpelling.',
      '.sharedIfcSets[]',
      '.media.profiles[]',
      '.numbers.enum',
      '.numbers.bgcf',
      '.numbers.dialPlan[]',
      '.routes.ibcf',
      '.routes.ecscf',
      '.allowedServices',
      '.auth.reauthentication.',
    ];
    const wanted = keysOf(scscf).filter((key) => !optional.some((start) => key.startsWith(start)));
    expect(keysOf(config).sort()).toEqual(wanted.sort());
  });
});
