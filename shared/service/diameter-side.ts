import { cxApplication } from '#diameter/dictionary/cx';
import { type ApplicationDefinition, VENDOR_ETSI } from '#diameter/dictionary/dictionary';
import { rxApplication } from '#diameter/dictionary/rx';
import type { PeerEventReport } from '#diameter/peer/peer';
import type { LivePeerOptions } from '#diameter/peer/peer-settings';
import { PeerTable } from '#diameter/peer/peer-table';
import type { TlsSettings } from '#sip/transport/tls-security';
import type { TransportSide } from '#workers/transport-side';
import type { Clock } from './clock.ts';
import type { DiameterConfig } from './config/config-shape.ts';
import { type DiameterSecurity, openDiameterSecurity } from './diameter-security.ts';
import { EarlyRequests } from './early-requests.ts';
import type { Logger } from './log.ts';
import { LogLimiter } from './log-limiter.ts';
import type { PeerStatus } from './node-status.ts';

export interface DiameterSideOptions {
  /** What the role speaks with its peers. */
  readonly application: 'cx' | 'rx';
  /** Requests for it are for us, as those for our own realm. */
  readonly homeDomain: string;
  readonly tls?: TlsSettings | undefined;
  readonly log: Logger;
  readonly clock: Clock;
  /** A peer has restarted and forgotten its sessions. */
  readonly restarted?: (peer: string) => void;
}

/** The connections to Diameter peers of a node, on its main thread. */
export interface DiameterSide {
  /** Listens and begins to connect; rejects when an address cannot be had. */
  start(): Promise<void>;
  status(): PeerStatus[];
  /**
   * Gets ready for other peers, routes and times, so that taking them over cannot fail. Throws SipError ERR_SIP_TLS when
   * the first peer with TLS comes and the certificates cannot be used.
   */
  prepare(next: DiameterConfig): Promise<() => void>;
  /** Leaves a peer of the configuration alone until `enable`; false: there is none of that name. */
  disable(host: string): boolean;
  enable(host: string): boolean;
  /** Reads the certificates anew. Gives whether they are in use; without TLS there is nothing to do. */
  reload(): Promise<boolean>;
  /** Says farewell to the peers. */
  stop(): Promise<void>;
}

const applications: Readonly<Record<'cx' | 'rx', ApplicationDefinition>> = { cx: cxApplication, rx: rxApplication };

/**
 * Makes the peers of a node and connects them with its workers. Throws SipError ERR_SIP_TLS when a peer or listener is to
 * have TLS and the certificates cannot be used. Source: requirements D-03, D-10, D-20.
 */
export async function openPeers(
  config: DiameterConfig,
  transport: Pick<TransportSide, 'attachDiameter' | 'onDiameter' | 'onDiameterFailed'>,
  options: DiameterSideOptions,
): Promise<DiameterSide> {
  const { log, clock } = options;
  const strangers = new LogLimiter({ log, clock });
  let current = config;
  let security: DiameterSecurity | undefined;
  const secure = async ({ peers, listen }: DiameterConfig) => {
    const wantsTls = peers.some(({ tls }) => tls) || listen.some(({ tls }) => tls);
    if (!wantsTls || options.tls === undefined) return;
    security ??= await openDiameterSecurity(options.tls, (words) => log.info({ reason: 'diameter-tls' }, words));
  };
  await secure(config);
  const table: PeerTable = new PeerTable(
    {
      onAnswer: (message) => transport.onDiameter(message),
      onRequest: (message) => transport.onDiameter(message),
      onLost: (hopByHop) => transport.onDiameterFailed(hopByHop, 'peer-lost'),
      onEvent(report) {
        logEvent(report, log, strangers);
        if (early.holds && isSettled(table)) early.end();
      },
      onRestarted(peer) {
        log.info({ peer }, 'the peer has restarted: its sessions are forgotten');
        options.restarted?.(peer);
      },
    },
    tableOptions(config, options, security),
  );
  const early = new EarlyRequests({
    send: (message, route) => table.send(message, route),
    failed: (hopByHop) => transport.onDiameterFailed(hopByHop, 'no-peer'),
  });
  transport.attachDiameter({
    send: (message, route) => early.send(message, route),
    answer: (message) => void table.answer(message),
  });
  return {
    async start() {
      for (const { address, port, tls } of config.listen) await table.listen(port, address, tls);
      if (config.peers.some(({ connect }) => connect)) early.begin();
      table.start();
    },
    status: () => table.status().map((peer) => peerStatus(peer, current)),
    async prepare(next) {
      await secure(next);
      return () => {
        current = next;
        table.configure(liveOptions(next, security));
      };
    },
    disable: (host) => table.disable(host),
    enable: (host) => table.enable(host),
    reload: async () => (await security?.reload()) ?? true,
    async stop() {
      early.end();
      await table.stop();
      security?.close();
    },
  };
}

function tableOptions(
  config: DiameterConfig,
  { application, homeDomain }: DiameterSideOptions,
  security: DiameterSecurity | undefined,
): ConstructorParameters<typeof PeerTable>[1] {
  return {
    identity: { originHost: config.originHost, originRealm: config.originRealm },
    applications: [applications[application]],
    // Rx has AVPs of ETSI's in its messages.
    supportedVendors: application === 'rx' ? [VENDOR_ETSI] : [],
    servedRealms: [homeDomain],
    acceptUnknown: config.acceptUnknown,
    productName: 'ims-cscf-suite',
    ...liveOptions(config, security),
  };
}

/** What a reload may change. */
function liveOptions(config: DiameterConfig, security: DiameterSecurity | undefined): LivePeerOptions {
  return {
    peers: config.peers.map(({ host, address, connect, port, tls, anyDestination }) => ({
      host,
      port,
      tls,
      anyDestination,
      address: connect ? address : undefined,
    })),
    realms: config.realms.map(({ peers, realm, ...row }) => ({
      realm,
      application: applications[row.application].id,
      peers,
    })),
    defaultPeers: config.defaultRoute,
    redirect: config.redirect,
    failovers: config.failovers,
    requestTimeoutMs: config.timeout * 1000,
    reconnectMs: config.reconnect * 1000,
    reconnectCapMs: config.reconnectCap * 1000,
    watchdogMs: config.watchdog * 1000,
    security,
  };
}

/** Whether a peer is connected, or calling all of them has failed once. */
function isSettled(table: PeerTable): boolean {
  const peers = table.status();
  return (
    peers.some(({ state }) => state.startsWith('open-')) || peers.every(({ lastError }) => lastError !== undefined)
  );
}

/** What happens to peers is told each time; of connections that are turned away there may be a flood. */
function logEvent({ peer, refused, state, words }: PeerEventReport, log: Logger, strangers: LogLimiter): void {
  if (refused === true || peer === '') strangers.warn('diameter-refused', peer, {}, words);
  else log.info({ peer, state }, words);
}

function peerStatus(peer: ReturnType<PeerTable['status']>[number], config: DiameterConfig): PeerStatus {
  const { host, lastError, connectedSinceMs, roundTripMs } = peer;
  const configured = config.peers.find((candidate) => candidate.host === host);
  const address = configured === undefined ? '' : `${configured.address}:${configured.port}`;
  const waiting = configured?.connect === false ? 'waits for the peer to connect' : 'connecting';
  return {
    host,
    address: peer.remote ?? address,
    state: peer.state,
    words: peer.words === '' ? waiting : peer.words,
    ...(lastError === undefined ? {} : { lastError }),
    ...(connectedSinceMs === undefined ? {} : { connectedSince: new Date(connectedSinceMs).toISOString() }),
    ...(roundTripMs === undefined ? {} : { roundTripMs: Math.round(roundTripMs * 100) / 100 }),
    outstanding: peer.outstanding,
    requests: peer.counts.map((count) => ({ ...count })),
  };
}
