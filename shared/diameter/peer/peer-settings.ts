import type { Server, TLSSocket } from 'node:tls';
import { type Clock, systemClock } from '../clock.ts';
import type { ApplicationDefinition } from '../dictionary/dictionary.ts';
import { resultCodes } from '../errors.ts';
import type { DiameterIdentity } from '../identity.ts';
import type { LocalCapabilities } from './capabilities.ts';
import type { RealmPeer, RealmRoute } from './realm-table.ts';

/** A peer of the configuration. */
export interface PeerConfig {
  /** Its Origin-Host. */
  readonly host: string;
  /** Where to connect to; left out: the peer connects to us. */
  readonly address?: string | undefined;
  /** Default 3868. */
  readonly port?: number | undefined;
  /** Whether we talk to it over TLS only, whoever connects. */
  readonly tls?: boolean | undefined;
  /** Whether its requests are for us whatever destination they name. */
  readonly anyDestination?: boolean | undefined;
  /** It is not called again once it is lost: what a redirect answer named. */
  readonly once?: boolean | undefined;
}

/** TLS with peers, as the owner of the certificates gives it. */
export interface PeerSecurity {
  /** Begins to connect; a certificate that is not for `host` ends it. */
  connect(address: string, port: number, host: string): TLSSocket;
  /** Makes a server that asks peers for their certificate. */
  createServer(): Server;
  /** Whether what the other side of an accepted connection showed is good for `host`. */
  proves(socket: TLSSocket, host: string): boolean;
  /** An error of a socket or handshake in plain words. */
  words(error: NodeJS.ErrnoException): string;
}

/**
 * What becomes of a redirect answer (3006): `known` follows it to peers of the configuration and to those connected,
 * `connect` to others as well, `ignore` hands it to who asked.
 */
export type RedirectPolicy = 'known' | 'connect' | 'ignore';

/** Times in milliseconds; each has a default. */
export interface PeerTableOptions {
  readonly identity: DiameterIdentity;
  readonly applications: readonly ApplicationDefinition[];
  readonly peers: readonly PeerConfig[];
  readonly realms?: readonly RealmRoute[];
  /** Who gets requests of realms without a row, when no connected peer is of that realm. */
  readonly defaultPeers?: readonly RealmPeer[];
  /** Realms beside our own that requests may be for; `any` serves all. */
  readonly servedRealms?: readonly string[] | 'any';
  /** Whether a peer that is not configured may connect, or answer under another name. Default false. */
  readonly acceptUnknown?: boolean;
  readonly productName?: string;
  readonly vendorId?: number;
  /** Vendors told in CER and CEA beside those of the applications. */
  readonly supportedVendors?: readonly number[];
  readonly firmwareRevision?: number;
  /** Default: Unix seconds of the start. */
  readonly originStateId?: number;
  readonly hostIpAddresses?: readonly string[];
  /** Needed by peers and listeners that have `tls`. */
  readonly security?: PeerSecurity | undefined;
  /** Default `known`. */
  readonly redirect?: RedirectPolicy;
  /** How often one request may go to a further peer. Default 2. */
  readonly failovers?: number;
  /** Result-Codes with which an answer counts as not given while another peer is left. Default 3002, 3003, 3004. */
  readonly failoverResults?: readonly number[];
  /** After this time nobody waits for an answer, and no request goes to another peer. Default 5000. */
  readonly requestTimeoutMs?: number;
  /** Requests of ours that may await an answer on one connection. Default 16384. */
  readonly maxSent?: number;
  /** Requests of one peer that may await our answer; more are answered 3004. Default 8192. */
  readonly maxAsked?: number;
  /** Tc, default 5000, doubled after each failure in a row up to `reconnectCapMs` (default 30000). */
  readonly reconnectMs?: number;
  readonly reconnectCapMs?: number;
  /** Default 10000. */
  readonly exchangeTimeoutMs?: number;
  /** Tw, default 30000, with a jitter of 2000. */
  readonly watchdogMs?: number;
  readonly watchdogJitterMs?: number;
  /** How long a DPA is awaited, default 5000. */
  readonly disconnectTimeoutMs?: number;
  /** Default 300000. */
  readonly unwantedMs?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** What can be changed while peers are connected; read anew each time it counts. */
export type LivePeerOptions = Pick<
  PeerTableOptions,
  | 'peers'
  | 'realms'
  | 'defaultPeers'
  | 'redirect'
  | 'failovers'
  | 'requestTimeoutMs'
  | 'reconnectMs'
  | 'reconnectCapMs'
  | 'watchdogMs'
  | 'security'
>;

/** What all peers of a table share, defaults filled in. */
export interface PeerSettings {
  readonly local: LocalCapabilities;
  /** Empty: the address of each connection. */
  readonly hostIpAddresses: readonly string[];
  readonly acceptUnknown: boolean;
  readonly security: PeerSecurity | undefined;
  readonly realms: readonly RealmRoute[];
  readonly defaultPeers: readonly RealmPeer[];
  readonly servedRealms: readonly string[] | 'any';
  readonly redirect: RedirectPolicy;
  readonly failovers: number;
  readonly failoverResults: ReadonlySet<number>;
  readonly requestTimeoutMs: number;
  readonly maxSent: number;
  readonly maxAsked: number;
  readonly clock: Clock;
  /** 0 up to 1. */
  readonly random: () => number;
  readonly reconnectMs: number;
  readonly reconnectCapMs: number;
  /** From connecting, or from accepting, to the end of the capabilities exchange. */
  readonly exchangeTimeoutMs: number;
  readonly watchdogMs: number;
  readonly watchdogJitterMs: number;
  readonly disconnectTimeoutMs: number;
  /** Until the next try after a DPR with BUSY or DO_NOT_WANT_TO_TALK_TO_YOU. */
  readonly unwantedMs: number;
}

const failoverResults = [resultCodes.UNABLE_TO_DELIVER, resultCodes.REALM_NOT_SERVED, resultCodes.TOO_BUSY];

/** Whether a peer stays the same connection: it is reached, or comes in, as before. */
export function isReachedAlike(one: PeerConfig, other: PeerConfig): boolean {
  return one.address === other.address && one.port === other.port && (one.tls ?? false) === (other.tls ?? false);
}

/** Fills in the defaults. */
export function peerSettings(options: PeerTableOptions): PeerSettings {
  const { identity, servedRealms = [] } = options;
  return {
    local: {
      identity,
      applications: options.applications,
      productName: options.productName ?? 'ims-cscf-suite',
      vendorId: options.vendorId ?? 0,
      supportedVendors: options.supportedVendors ?? [],
      firmwareRevision: options.firmwareRevision ?? 1,
      originStateId: options.originStateId ?? Math.floor(Date.now() / 1000),
    },
    hostIpAddresses: options.hostIpAddresses ?? [],
    acceptUnknown: options.acceptUnknown ?? false,
    security: options.security,
    realms: options.realms ?? [],
    defaultPeers: options.defaultPeers ?? [],
    servedRealms: servedRealms === 'any' ? 'any' : [identity.originRealm, ...servedRealms],
    redirect: options.redirect ?? 'known',
    failovers: options.failovers ?? 2,
    failoverResults: new Set(options.failoverResults ?? failoverResults),
    requestTimeoutMs: options.requestTimeoutMs ?? 5_000,
    maxSent: options.maxSent ?? 16 * 1024,
    maxAsked: options.maxAsked ?? 8 * 1024,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    reconnectMs: options.reconnectMs ?? 5_000,
    reconnectCapMs: options.reconnectCapMs ?? 30_000,
    exchangeTimeoutMs: options.exchangeTimeoutMs ?? 10_000,
    watchdogMs: options.watchdogMs ?? 30_000,
    watchdogJitterMs: options.watchdogJitterMs ?? 2_000,
    disconnectTimeoutMs: options.disconnectTimeoutMs ?? 5_000,
    unwantedMs: options.unwantedMs ?? 300_000,
  };
}
