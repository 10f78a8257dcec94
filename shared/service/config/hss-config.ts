import type { Endpoint } from './address.ts';
import type { ServiceConfig } from './config-shape.ts';

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
