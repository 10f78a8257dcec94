import type { Endpoint } from './address.ts';
import type { ServiceConfig } from './config-shape.ts';

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
