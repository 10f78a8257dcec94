import type { Listener } from '#sip/transport/flow';
import type { TlsSettings } from '#sip/transport/tls-security';
import type { Endpoint } from './address.ts';

/**
 * The configuration as the program reads it: defaults filled in, paths absolute, addresses parsed, deeply frozen, and
 * plain data, so that it can be handed to a worker thread. What each key means stands in config/schema.
 */
export type Config = PcscfConfig | IcscfConfig | ScscfConfig | HssConfig;

/** What every daemon has. */
export interface ServiceConfig {
  readonly name: string;
  readonly management: { readonly socket: string };
  readonly log: { readonly level: LogLevel; readonly format: 'auto' | 'json' | 'pretty' };
  /** Seconds. */
  readonly drain: number;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** What the three CSCFs share. */
export interface CommonConfig extends ServiceConfig {
  readonly role: 'pcscf' | 'icscf' | 'scscf';
  readonly homeDomain: string;
  readonly workers: number;
  /** Server header of own responses. */
  readonly server?: string;
  /** One entry per socket address; an address given for gm and mw has both sides. */
  readonly listeners: readonly Listener[];
  /** Networks of core nodes, as CIDR; see CidrTable. */
  readonly trusted: readonly string[];
  /** Domains, in lower case, that are answered without DNS. */
  readonly hosts: readonly HostEntry[];
  readonly timers: TimersConfig;
  readonly transport: {
    readonly ffi: 'auto' | 'off';
    readonly reader: 'shared' | 'dedicated';
    /** Octets. */
    readonly switchToTcpAbove: number | 'auto';
    /** Seconds. */
    readonly setAside: number;
  };
  readonly dns: DnsConfig;
  readonly tls?: TlsSettings;
  readonly limits: {
    readonly streams: {
      readonly connections: number;
      readonly perSource: number;
      readonly messageSeconds: number;
      readonly idleSeconds: number;
    };
  };
  readonly overload: {
    /** Milliseconds. */
    readonly delay: number;
    readonly refusedPerSource: number;
    /** Seconds. */
    readonly penalty: number;
    readonly registersPerSource: number;
    readonly requestsPerSource: number;
  };
  readonly diameter?: DiameterConfig;
}

export interface DnsConfig {
  /** `address` or `address:port`; undefined: those of the system, empty: none. */
  readonly servers?: readonly string[];
  /** Seconds. */
  readonly budget: number;
}

export interface HostEntry {
  readonly name: string;
  readonly targets: readonly Endpoint[];
}

/** Milliseconds. */
export interface TimersConfig {
  readonly t1: number;
  readonly t2: number;
  readonly t4: number;
  readonly timerC: number;
}

export interface DiameterConfig {
  readonly originHost: string;
  readonly originRealm: string;
  /** Seconds. */
  readonly timeout: number;
  /** Seconds. */
  readonly watchdog: number;
  /** Seconds. */
  readonly reconnect: number;
  readonly peers: readonly { readonly host: string; readonly address: string; readonly port: number }[];
  readonly realms: readonly {
    readonly realm: string;
    readonly application: 'cx' | 'rx';
    readonly peers: readonly string[];
  }[];
}

export interface StoreConfig {
  readonly type: 'lmdb' | 'memory';
  readonly path: string;
}

export type RxMode = 'off' | 'optional' | 'required';
export type MediaType = 'audio' | 'video' | 'text' | 'application' | 'message' | 'image';
export type AccessSecurity = 'ipsec-required' | 'ipsec-preferred' | 'tls' | 'none';

export interface PcscfConfig extends CommonConfig {
  readonly role: 'pcscf';
  readonly visitedNetwork: string;
  readonly dns: DnsConfig & { readonly homeNetworks: readonly string[] };
  readonly timers: TimersConfig & { readonly gm: { readonly t1: number; readonly t2: number; readonly t4: number } };
  readonly access: readonly { readonly from: string; readonly security: AccessSecurity; readonly rx?: RxMode }[];
  readonly rx: { readonly mode: RxMode; readonly signalling: boolean };
  readonly policy: {
    readonly serviceRoute: 'replace' | 'strict';
    readonly media: {
      /** m-line types that may be offered; empty: all. */
      readonly types: readonly MediaType[];
      /** Names in any case. */
      readonly codecs: { readonly forbidden: readonly string[] };
    };
  };
  readonly store: StoreConfig;
}

export interface IcscfConfig extends CommonConfig {
  readonly role: 'icscf';
  readonly diameter: DiameterConfig;
  readonly scscfs: readonly {
    readonly uri: string;
    readonly capabilities: readonly number[];
    readonly priority: number;
    readonly weight: number;
  }[];
  readonly selection: { readonly tries: number; readonly responseTimeout: number };
  readonly unknownUser: 604 | 404;
}

export type AuthScheme = 'Digest-AKAv1-MD5' | 'Digest-AKAv2-MD5' | 'SIP Digest' | 'Unknown';

export interface ScscfConfig extends CommonConfig {
  readonly role: 'scscf';
  readonly uri: string;
  readonly diameter: DiameterConfig;
  readonly auth: {
    readonly defaultScheme: AuthScheme;
    readonly resyncs: number;
    readonly failures: number;
    readonly qop: boolean;
    readonly schemeSpelling: { readonly [scheme in AuthScheme]?: string };
  };
  readonly registrar: {
    readonly minExpires: number;
    readonly defaultExpires: number;
    readonly maxExpires: number;
    readonly maxContacts: number;
    readonly sarOnReRegistration: boolean;
  };
  readonly store: StoreConfig;
}

/** The lab's HSS. */
export interface HssConfig extends ServiceConfig {
  readonly role: 'hss';
  readonly domain: string;
  readonly realm: string;
  readonly listen: Endpoint;
  /** Template names to absolute paths of XML files. */
  readonly profiles: { readonly [name: string]: string };
  readonly subscribers: readonly SubscriberConfig[];
}

/** A subscriber, or with `range` many; exactly one of `impi` and `range`, exactly one of `op` and `opc`. */
export interface SubscriberConfig {
  readonly impi?: string;
  readonly impus?: readonly string[];
  readonly range?: { readonly prefix: string; readonly first: number; readonly count: number; readonly tel?: string };
  /** Hexadecimal, as are op, opc, amf and sqn. */
  readonly k: string;
  readonly op?: string;
  readonly opc?: string;
  readonly amf: string;
  readonly sqn?: string;
  readonly password?: string;
  /** Absolute path of the profile template. */
  readonly profile: string;
}

/** The configuration of one role. */
export type ConfigOf<R extends Config['role']> = Extract<Config, { role: R }>;
