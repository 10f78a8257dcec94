import type { EncryptionAlgorithm, IntegrityAlgorithm } from '#ipsec/security-association';
import type { Listener } from '#sip/transport/flow';
import type { TlsSettings } from '#sip/transport/tls-security';
import type { ScalingRules } from '#workers/scaling';
import type { Endpoint } from './address.ts';

/**
 * The configuration as the program reads it: defaults filled in, paths absolute, addresses parsed, deeply frozen, and
 * plain data, so that it can be handed to a worker thread. What each key means stands in config/schema.
 */
export type Config = PcscfConfig | IcscfConfig | ScscfConfig | HssConfig | PcrfConfig;

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

export type RxMode = 'off' | 'optional' | 'required';
export type MediaType = 'audio' | 'video' | 'text' | 'application' | 'message' | 'image';
/** Which calls have their media go through a relay. */
export type AnchorMode = 'off' | 'nat' | 'always';
export type AccessSecurity = 'ipsec-required' | 'ipsec-preferred' | 'tls' | 'none';

/** Session timers (RFC 4028); seconds. */
export interface SessionTimerConfig {
  readonly insert: 'supporting' | 'all' | 'none';
  readonly defaultSeconds: number;
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

export type IpsecBackendChoice = 'auto' | 'kernel' | 'userspace';

/** The protected ports; `listeners` has them too, as listeners with `protection`. */
export interface IpsecConfig {
  readonly backend: IpsecBackendChoice;
  readonly addresses: readonly string[];
  readonly serverPorts: readonly number[];
  /** The server port of each is `sentByPort` of its listener. */
  readonly clientPorts: readonly number[];
  /** The preferred one first. */
  readonly algorithms: readonly { readonly alg: IntegrityAlgorithm; readonly ealg: EncryptionAlgorithm }[];
  /** Packets. */
  readonly replay: number;
  readonly strictContact: boolean;
  /** Secret that keys in the store are sealed with; left out: they are not stored. */
  readonly storeKey?: string;
}

/** How the PCRF is asked; see config/schema/pcscf.schema.json. */
export interface RxConfig {
  readonly mode: RxMode;
  readonly signalling: boolean;
  readonly report: readonly ('charging' | 'ip-can' | 'location')[];
  readonly earlyMedia: boolean;
  readonly omitSourcePorts: boolean;
  readonly applicationIdentifier: string;
  readonly namesService: boolean;
  readonly describeSignalling: boolean;
  readonly calledStationId?: string;
  readonly features?: number;
  readonly requestType: boolean;
  readonly ipv6PrefixLength: number;
}

/** What becomes of emergency calls. */
export interface EmergencyConfig {
  /** As dialled. */
  readonly numbers: readonly string[];
  readonly onNumber: 'redirect' | 'handle';
  readonly anonymous: 'on' | 'off';
  readonly ecscf?: string;
  readonly psap?: string;
  /** Besides INVITE. */
  readonly methods: readonly string[];
}

export interface PcscfConfig extends CommonConfig {
  readonly role: 'pcscf';
  readonly visitedNetwork: string;
  readonly dns: DnsConfig & { readonly homeNetworks: readonly string[] };
  readonly timers: TimersConfig & { readonly gm: { readonly t1: number; readonly t2: number; readonly t4: number } };
  readonly access: readonly {
    readonly from: string;
    readonly security: AccessSecurity;
    readonly rx?: RxMode;
    readonly anchor?: AnchorMode;
  }[];
  readonly rx: RxConfig;
  /** There where an access profile asks for IPsec and the configuration has the section. */
  readonly ipsec?: IpsecConfig;
  readonly regEvent: {
    readonly subscribe: boolean;
    /** Seconds. */
    readonly expires: number;
    readonly sessions: 'release' | 'keep';
    /** Per second and worker. */
    readonly rate: number;
  };
  readonly emergency: EmergencyConfig;
  readonly media: {
    readonly anchor: AnchorMode;
    readonly rtpengine: readonly Endpoint[];
    /** Milliseconds. */
    readonly timeout: number;
    readonly onFailure: 'continue' | 'refuse';
    readonly interfaces?: { readonly ue: string; readonly core: string };
  };
  readonly policy: {
    /** Without an answer; 0: any number. */
    readonly callsPerUe: number;
    readonly serviceRoute: 'replace' | 'strict';
    /** Whose Route counts inside dialogs. */
    readonly route: 'loose' | 'strict';
    /** Values of Privacy. */
    readonly withholdIdentity: readonly ('id' | 'user' | 'header')[];
    readonly media: {
      /** m-line types that may be offered; empty: all. */
      readonly types: readonly MediaType[];
      /** Names in any case. */
      readonly codecs: { readonly forbidden: readonly string[] };
    };
  };
  readonly sessionTimer: SessionTimerConfig;
  readonly store: StoreConfig;
}

/** How telephone numbers are routed. */
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

/** Ways out of the home network. */
export interface RoutesConfig {
  readonly ibcf?: string;
  readonly ecscf?: string;
  /** Lower case. */
  readonly trustedDomains: readonly string[];
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
  readonly selection: { readonly tries: number; readonly responseTimeout: number; readonly restoration: boolean };
  /** Seconds. */
  readonly locationCache: number;
  readonly numbers: NumbersConfig;
  readonly routes: RoutesConfig;
  readonly unknownUser: 604 | 404;
}

export type AuthScheme = 'Digest-AKAv1-MD5' | 'Digest-AKAv2-MD5' | 'SIP Digest' | 'Unknown';

export interface ScscfConfig extends CommonConfig {
  readonly role: 'scscf';
  readonly uri: string;
  readonly numbers: NumbersConfig;
  readonly routes: RoutesConfig;
  /** Services users may ask for; left out: all. */
  readonly allowedServices?: readonly string[];
  readonly diameter: DiameterConfig;
  readonly auth: {
    readonly defaultScheme: AuthScheme;
    readonly resyncs: number;
    readonly failures: number;
    readonly qop: boolean;
    readonly schemeSpelling: { readonly [scheme in AuthScheme]?: string };
    /** Protected REGISTERs, or seconds, after which a user has to authenticate again; left out: never. */
    readonly reauthentication: { readonly refreshes?: number; readonly seconds?: number };
  };
  readonly registrar: {
    readonly minExpires: number;
    readonly defaultExpires: number;
    readonly maxExpires: number;
    readonly maxContacts: number;
    readonly sarOnReRegistration: boolean;
    readonly requirePath: boolean;
    readonly storeServerName: boolean;
    /** What becomes of the sessions of a registration that the network ends, or that runs out. */
    readonly sessions: 'release' | 'keep';
  };
  readonly sessionTimer: SessionTimerConfig;
  readonly media: {
    /** `contact`: a contact is called only with media of the family of its own address. */
    readonly addressFamily: 'any' | 'contact';
    /** What SubscribedMediaProfileId of a service profile means. */
    readonly profiles: readonly { readonly id: number; readonly types: readonly MediaType[] }[];
  };
  /** Subscriptions to registrations; seconds. */
  readonly regEvent: {
    readonly minExpires: number;
    readonly defaultExpires: number;
    readonly maxExpires: number;
    /** SIP URIs of servers that may watch everybody. */
    readonly watchers: readonly string[];
  };
  readonly services: ServicesConfig;
  readonly sharedIfcSets: readonly SharedFilterSetConfig[];
  readonly store: StoreConfig;
}

/** How application servers are asked. */
export interface ServicesConfig {
  /** Seconds without any response after which the session goes on without the server. */
  readonly continuedTimeout: number;
  /** Seconds without any response after which the session ends. */
  readonly terminatedTimeout: number;
  readonly recordRoute: 'ends' | 'always';
  /** Application servers that one side may send a request to. */
  readonly maxServers: number;
  /** Seconds that the profile of an unregistered user is kept. */
  readonly unregisteredProfile: number;
}

/** Filter criteria that profiles name by number. */
export interface SharedFilterSetConfig {
  readonly id: number;
  readonly criteria: readonly {
    readonly priority: number;
    readonly serverName: string;
    readonly defaultHandling: 'SESSION_CONTINUED' | 'SESSION_TERMINATED';
    readonly serviceInfo: string;
    readonly includeRegisterRequest: boolean;
    readonly includeRegisterResponse: boolean;
    readonly profilePart: 'registered' | 'unregistered' | 'both';
    readonly conditionTypeCnf: boolean;
    readonly spts: readonly SharedTriggerConfig[];
  }[];
}

/** An SPT; exactly one of method, requestUri, sessionCase, header and line. */
export interface SharedTriggerConfig {
  readonly groups: readonly number[];
  readonly negated: boolean;
  readonly method?: string;
  readonly registrationTypes: readonly number[];
  readonly requestUri?: string;
  readonly sessionCase?: number;
  readonly header?: string;
  readonly line?: string;
  readonly content?: string;
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
  /** What an S-CSCF must and should be able to do, for subscribers without a word of their own. */
  readonly capabilities?: CapabilitiesConfig;
  readonly charging?: ChargingConfig;
  /** SIP URIs of the S-CSCFs that may serve; empty: any. */
  readonly servers: readonly string[];
  readonly keepServerName: boolean;
  readonly enforce: boolean;
}

/** Server-Capabilities of a subscriber. */
export interface CapabilitiesConfig {
  readonly mandatory: readonly number[];
  readonly optional: readonly number[];
  /** SIP URIs of S-CSCFs to choose from. */
  readonly servers: readonly string[];
}

/** Charging-Information of a subscriber. */
export interface ChargingConfig {
  readonly primaryCcf?: string;
  readonly secondaryCcf?: string;
  readonly primaryEcf?: string;
  readonly secondaryEcf?: string;
}

/** A public identity with what is particular about it. */
export interface IdentityConfig {
  readonly identity: string;
  /** Left out: as the template of its profile says. */
  readonly barred?: boolean;
  /** Absolute path of the template of its service profile; left out: that of the subscriber. */
  readonly profile?: string;
  readonly displayName?: string;
  readonly aliasGroup?: string;
  /** A public service identity. */
  readonly service: boolean;
  /** SIP URI of the application server that a service identity leads to directly. */
  readonly applicationServer?: string;
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
  /** Implicit registration sets; left out: one set of `impus`. */
  readonly sets?: readonly (readonly IdentityConfig[])[];
  /** Subscribers with the same one share an IMS subscription. */
  readonly subscription?: string;
  /** Where they may roam; left out: everywhere. */
  readonly visitedNetworks?: readonly string[];
  /** What `Unknown` stands for; left out: SIP Digest with a password, else AKA. */
  readonly scheme?: 'Digest-AKAv1-MD5' | 'SIP Digest';
  readonly capabilities?: CapabilitiesConfig;
  readonly charging?: ChargingConfig;
  /** Left out: as the filters of the profile say. */
  readonly unregisteredServices?: boolean;
}

/** The lab's PCRF. */
export interface PcrfConfig extends ServiceConfig {
  readonly role: 'pcrf';
  readonly realm: string;
  readonly listen: Endpoint;
  /** The first that matches counts. */
  readonly rules: readonly PcrfRuleConfig[];
  readonly enforce: boolean;
}

/** What is done with AARs that match; all that `match` names has to fit, nothing named fits all. */
export interface PcrfRuleConfig {
  readonly name: string;
  readonly match: {
    /** CIDR that the Framed address is in. */
    readonly address?: string;
    /** Subscription-Id-Data, or its beginning and `*`. */
    readonly subscription?: string;
    readonly media?: 'audio' | 'video' | 'data' | 'application' | 'control' | 'text' | 'message' | 'other';
    /** Name in any case. */
    readonly codec?: string;
    /** Service-URN, or its beginning and `*`. */
    readonly serviceUrn?: string;
    /** bit/s, of either way. */
    readonly bandwidthAbove?: number;
  };
  /** `silent`: no answer at all. */
  readonly action: 'accept' | 'reject' | 'silent';
  /** Milliseconds until the answer. */
  readonly delay: number;
  /** There where the action is `reject`. */
  readonly reject?: RejectionConfig;
}

/** How an AAR is refused. */
export interface RejectionConfig {
  readonly code: number;
  /** In Experimental-Result instead of Result-Code. */
  readonly experimental: boolean;
  /** Retry-Interval, seconds. */
  readonly retryAfter?: number;
  /** Bandwidths of Acceptable-Service-Info, bit/s. */
  readonly acceptable?: { readonly uplink: number; readonly downlink: number };
}

/** The configuration of one role. */
export type ConfigOf<R extends Config['role']> = Extract<Config, { role: R }>;
