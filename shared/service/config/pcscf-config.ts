import type { EncryptionAlgorithm, IntegrityAlgorithm } from '#ipsec/security-association';
import type { Endpoint } from './address.ts';
import type {
  CommonConfig,
  DnsConfig,
  MediaType,
  SessionTimerConfig,
  StoreConfig,
  TimersConfig,
} from './config-shape.ts';

export type RxMode = 'off' | 'optional' | 'required';

/** Which calls have their media go through a relay. */
export type AnchorMode = 'off' | 'nat' | 'always';

export type AccessSecurity = 'ipsec-required' | 'ipsec-preferred' | 'tls' | 'none';

/** The configuration of a P-CSCF. */
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

/** How the PCRF is asked; see config/schema/pcscf.schema.json. */
export interface RxConfig {
  readonly mode: RxMode;
  readonly signalling: boolean;
  readonly report: readonly ('charging' | 'ip-can' | 'location')[];
  readonly earlyMedia: boolean;
  readonly preliminary: boolean;
  readonly omitSourcePorts: boolean;
  readonly applicationIdentifier: string;
  readonly namesService: boolean;
  readonly describeSignalling: boolean;
  readonly calledStationId?: string;
  readonly features?: number;
  readonly requestType: boolean;
  readonly ipv6PrefixLength: number;
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
