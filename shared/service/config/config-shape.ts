import type { Listener } from '#sip/transport/flow';
import type { TlsSettings } from '#sip/transport/tls-security';
import type { ScalingRules } from '#workers/scaling';
import type { Endpoint } from './address.ts';
import type { HssConfig } from './hss-config.ts';
import type { IcscfConfig } from './icscf-config.ts';
import type { PcrfConfig } from './pcrf-config.ts';
import type { PcscfConfig } from './pcscf-config.ts';
import type { ScscfConfig } from './scscf-config.ts';

/**
 * The configuration as the program reads it: defaults filled in, paths absolute, addresses parsed, deeply frozen, and
 * plain data, so that it can be handed to a worker thread. What each key means stands in config/schema.
 */
export type Config = PcscfConfig | IcscfConfig | ScscfConfig | HssConfig | PcrfConfig;

/** The configuration of one role. */
export type ConfigOf<R extends Config['role']> = Extract<Config, { role: R }>;

/** What every daemon has. */
export interface ServiceConfig {
  readonly name: string;
  readonly management: { readonly socket: string; readonly http?: ManagementHttpConfig };
  readonly log: { readonly level: LogLevel; readonly format: 'auto' | 'json' | 'pretty' };
  /** Seconds. */
  readonly drain: number;
}

/** JSON-RPC by HTTP and WebSocket. */
export interface ManagementHttpConfig {
  readonly listen: Endpoint;
  /** Needed beyond loopback. */
  readonly token?: string;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** What the three CSCFs share. */
export interface CommonConfig extends ServiceConfig {
  readonly role: 'pcscf' | 'icscf' | 'scscf';
  readonly homeDomain: string;
  /** How many there are at first. */
  readonly workers: number;
  /** Between which bounds that changes while running; left out: it stays. */
  readonly scaling?: ScalingRules;
  /** Where `GET /metrics` is served; nowhere when left out. */
  readonly metrics?: { readonly listen: Endpoint };
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
  readonly failovers: number;
  /** Seconds. */
  readonly watchdog: number;
  /** Seconds. */
  readonly reconnect: number;
  /** Seconds. */
  readonly reconnectCap: number;
  readonly acceptUnknown: boolean;
  readonly redirect: 'known' | 'connect' | 'ignore';
  /** Unknown AVPs with the M bit that requests of peers may carry. */
  readonly ignoreUnknownM?: readonly { readonly vendor: number; readonly code: number }[];
  readonly cx: CxConfig;
  readonly listen: readonly DiameterListener[];
  readonly peers: readonly DiameterPeer[];
  readonly realms: readonly {
    readonly realm: string;
    readonly application: 'cx' | 'rx';
    readonly peers: readonly RoutedPeer[];
  }[];
  readonly defaultRoute: readonly RoutedPeer[];
}

/** Where Diameter peers connect to this node. */
export interface DiameterListener {
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
}

export interface DiameterPeer {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  /** Whether this node connects; else the peer does. */
  readonly connect: boolean;
  readonly tls: boolean;
  /** Whether its requests are for us whatever destination they name. */
  readonly anyDestination: boolean;
}

/** A peer in a route: the lowest priority first, among equals by weight. */
export interface RoutedPeer {
  readonly host: string;
  readonly priority: number;
  readonly weight: number;
}

/** How the HSS is spoken to. */
export interface CxConfig {
  /** Destination-Realm. */
  readonly realm: string;
  readonly announce: readonly ('sifc' | 'aliasind' | 'ims-restoration' | 'p-cscf-restoration')[];
  readonly dialect: '3gpp' | 'open5gs';
}

/** Where the P- and the S-CSCF keep their records. */
export interface StoreConfig {
  readonly type: 'lmdb' | 'redis' | 'memory';
  /** Of an lmdb store, and of this machine's copy of what Redis has. */
  readonly path: string;
  /** Flush every commit to the disk. */
  readonly flush: boolean;
  readonly redis?: RedisStoreConfig;
}

/** How records are shared with other machines. */
export interface RedisStoreConfig {
  readonly url: string;
  /** Nodes with the same one share their records. */
  readonly prefix: string;
  /** When a REGISTER is answered: once Redis has what it changed, or at once. */
  readonly sync: 'register' | 'batch';
  /** Seconds that a REGISTER waits at most. */
  readonly syncTimeout: number;
  readonly alarmAbove: number;
}

export type MediaType = 'audio' | 'video' | 'text' | 'application' | 'message' | 'image';

/** Session timers (RFC 4028); seconds. */
export interface SessionTimerConfig {
  readonly insert: 'supporting' | 'all' | 'none';
  readonly defaultSeconds: number;
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

/** How telephone numbers are routed, by the I- and the S-CSCF. */
export interface NumbersConfig {
  readonly enum?: { readonly suffix: string; readonly timeout: number; readonly servers?: readonly string[] };
  readonly bgcf?: string;
  readonly dialPlan: readonly {
    readonly prefix: string;
    readonly replace: string;
    /** 0: any. */
    readonly length: number;
    /** Lower case, numeric ones without separators; '' for the home domain. */
    readonly context: string;
  }[];
}

/** Ways out of the home network, for the I- and the S-CSCF. */
export interface RoutesConfig {
  readonly ibcf?: string;
  readonly ecscf?: string;
  /** Lower case. */
  readonly trustedDomains: readonly string[];
}
