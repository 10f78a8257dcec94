import type { Server } from 'node:http';
import { isIPv6 } from 'node:net';
import { workerOfSession } from '#diameter/session-id';
import type { Listener } from '#sip/transport/flow';
import type { StreamLimits } from '#sip/transport/stream-limits';
import { createGenerations } from '#store/store';
import { endThread, forgetThread } from '#store/write-lock';
import type { IntakeOptions } from '#workers/intake';
import { TransportSide } from '#workers/transport-side';
import type { Remains, Workers } from '#workers/worker-control';
import { startWorkers } from '#workers/worker-pool';
import { CidrTable } from './cidr.ts';
import type { CommonConfig, DiameterConfig, StoreConfig } from './config/config-shape.ts';
import { type DiameterSide, openPeers } from './diameter-side.ts';
import { type IpsecGuard, openIpsecGuard, withoutProtected } from './ipsec-guard.ts';
import { LogLimiter } from './log-limiter.ts';
import { cscfLayout } from './metrics/cscf-metrics.ts';
import { Metrics } from './metrics/metrics.ts';
import { readProcess } from './metrics/process-metrics.ts';
import { type Follower, prepareNode } from './node-reload.ts';
import type { NodeRole, NodeWorkerData } from './node-role.ts';
import type { LiveStatus, OverloadStatus } from './node-status.ts';
import { connectionLimit, openFileLimit } from './open-files.ts';
import type { RunningNode, ServiceContext } from './service.ts';
import { type StoreTables, shareStore } from './shared-store.ts';
import { streamLog } from './stream-log.ts';
import { statusEveryMs, type WorkerAnswer, type WorkerLeft } from './worker-answer.ts';

const drainPollMs = 50;
const noTables: StoreTables = { shared: [], own: [] };
/** How much longer than Timer C a quiet connection is kept, so that no transaction on it is cut off. */
const idleBeyondTimerCMs = 15_000;

/**
 * Starts a CSCF: sockets and Diameter connections on this thread, its workers behind them.
 *
 * `module`: URL of the role's worker module. `tables`: of its store, as the workers open it. `urgentOf`: see NodeRole. Throws what the parts throw (a port in use, a store that cannot be opened).
 */
export async function startNode<C extends CommonConfig>(
  written: C,
  context: ServiceContext,
  module: string,
  tables: StoreTables = noTables,
  urgentOf?: NodeRole<C>['urgentOf'],
): Promise<RunningNode> {
  const { log, clock } = context;
  const ipsec = await openIpsecGuard(written, context);
  const config = ipsec === null ? withoutProtected(written) : written;
  const metrics = new Metrics(cscfLayout);
  const places = Array.from({ length: mostWorkers(config) }, (_, worker) => worker);
  let trusted = trustedOf(config);
  let isUrgent = urgentOf?.(config);
  const transport = new TransportSide({
    listeners: config.listeners,
    udp: config.transport.ffi === 'off' ? 'dgram' : 'auto',
    streamLimits: streamLimitsOf(config, context),
    tls: config.tls,
    isCore: ({ sides }, address) => sides.includes('mw') && trusted.find(address) === true,
    report: streamLog(log, new LogLimiter({ log, clock })),
    nowMs: () => clock.nowMs(),
  });
  const peers = config.diameter === undefined ? null : await openDiameter(config, config.diameter, transport, context);
  const generations = createGenerations();
  const shared = await shareStore(storeOf(config), tables, generations, config.name, log);
  // A worker that is replaced begins with the configuration of that time.
  const data: { -readonly [K in keyof NodeWorkerData<C>]: NodeWorkerData<C>[K] } = {
    config,
    revision: 0,
    metrics: places.map((worker) => metrics.block(worker)),
    generations,
    bootMs: Math.round(clock.wallMs()),
    ipsec: ipsec?.backend.kind ?? null,
    watchers: context.watchers,
  };
  const workers: Workers = await startWorkers(transport, {
    workers: config.workers,
    ...(config.scaling === undefined ? {} : { scaling: config.scaling }),
    module,
    config: data,
    nowMs: () => clock.nowMs(),
    intake: intakeOf(config),
    ...(isUrgent === undefined ? {} : { isUrgent: (text) => isUrgent?.(text) === true }),
    reader: config.transport.reader,
    associations: ipsec?.backend ?? null,
    ownerOfRequest: (message) => workerOfSession(message, config.diameter?.originHost ?? ''),
    endThread: (thread) => endThread(generations, thread),
    onThreadExit: (threadId) => forgetThread(generations, threadId),
    onCrash: (worker, error) =>
      log.error(
        { reason: 'worker-crashed', worker, err: error },
        'a worker died: a new one takes its place, unless it was leaving',
      ),
    onScale: (count, load) =>
      log.info({ workers: count, ...(load === null ? {} : { load: Math.round(load) }) }, 'number of workers changed'),
    onLeft: (worker) => {
      const word: WorkerLeft = { command: 'left', worker };
      log.info({ worker }, 'a worker has left');
      void askEvery(workers, word);
    },
    remains: async (worker): Promise<Remains> => {
      const { pending, diameter, sessions } = (await workers.ask(worker, 'status')) as WorkerAnswer;
      return { pending: pending + diameter, sessions };
    },
  });
  await transport.open();
  await peers?.start();
  logCertificates(config, transport, context);
  log.info({ udp: transport.udpImplementation, workers: workers.serving }, 'serving');

  const follower: Follower<C> = {
    data,
    transport,
    peers,
    workers,
    streamLimits: (next) => streamLimitsOf(next, context),
    follow(next) {
      trusted = trustedOf(next);
      isUrgent = urgentOf?.(next);
      if (next.scaling !== undefined) workers.setScaling(next.scaling);
    },
  };
  context.live.onPrepare((changed, _keys, raw) => {
    const asWritten = changed as unknown as C;
    return prepareNode(follower, ipsec === null ? withoutProtected(asWritten) : asWritten, raw);
  });
  const live = new LiveState(data, workers, metrics, peers, ipsec);
  const scraped = await openMetrics(config, context, metrics, live);
  return {
    listeners: config.listeners.map(listenerName),
    peers: config.diameter?.peers.map((peer) => peer.host) ?? [],
    status: () => live.status(),
    ...(peers === null ? {} : { peerSwitch: peers }),
    stats: () => metrics.values().filter(({ value }) => value !== 0),
    trigger: (worker, what, ms) => workers.trigger(worker, what, ms),
    ask: (request) => askOne(workers, request),
    askAll: (request) => askEvery(workers, request),
    workers,
    recover: (error) => workers.recover(error),
    ...(config.tls === undefined ? {} : { reload: () => reloadCertificates(transport, peers, context) }),
    async drain(seconds) {
      live.stop();
      scraped?.close();
      await askEvery(workers, 'drain');
      const until = clock.nowMs() + seconds * 1000;
      while (clock.nowMs() < until && (await pendingRequests(workers)) > 0) {
        await new Promise((resolve) => setTimeout(resolve, drainPollMs));
      }
      await workers.stop();
      await peers?.stop();
      await transport.close();
      await shared?.close();
      await ipsec?.close();
    },
  };
}

/** How many workers there can be. */
function mostWorkers({ workers, scaling }: CommonConfig): number {
  return Math.max(workers, scaling?.max ?? 0);
}

/** The store of a role that has one. */
function storeOf(config: CommonConfig): StoreConfig | null {
  return 'store' in config ? (config.store as StoreConfig) : null;
}

function trustedOf(config: CommonConfig): CidrTable<true> {
  return new CidrTable(config.trusted.map((network) => [network, true] as const));
}

/** Serves the metrics where the configuration wants them. */
async function openMetrics(
  { metrics: wanted, name, role }: CommonConfig,
  { log, version }: ServiceContext,
  metrics: Metrics,
  live: LiveState,
): Promise<Server | null> {
  if (wanted === undefined) return null;
  const [{ serveMetrics }, { metricsText }] = await Promise.all([
    import('./metrics/metrics-server.ts'),
    import('./metrics/metrics-text.ts'),
  ]);
  const { address, port } = wanted.listen;
  const text = () => metricsText(metrics, { role, node: name }, readProcess(version, live.status()));
  const server = await serveMetrics(wanted.listen, text);
  log.info({ address, port }, 'metrics');
  return server;
}

/** Asks all workers; one that does not answer, since it is being replaced, is left out. */
async function askEvery(workers: Workers, request: unknown): Promise<readonly unknown[]> {
  const outcomes = await Promise.allSettled(workers.numbers.map((worker) => workers.ask(worker, request)));
  return outcomes.filter((outcome) => outcome.status === 'fulfilled').map(({ value }) => value as unknown);
}

/** Asks one worker after the other until one answers: the first may just be replaced. */
async function askOne(workers: Workers, request: unknown): Promise<unknown> {
  let failure: unknown;
  for (const worker of workers.numbers) {
    try {
      return await workers.ask(worker, request);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** The bounds of the stream connections, within what the process may open. */
function streamLimitsOf(config: CommonConfig, { log }: ServiceContext): Partial<StreamLimits> {
  const { connections: wanted, perSource, messageSeconds, idleSeconds } = config.limits.streams;
  const files = openFileLimit();
  const connections = connectionLimit(wanted, files, {
    workers: mostWorkers(config),
    peers: config.diameter?.peers.length ?? 0,
    listeners: config.listeners.length,
  });
  if (connections < wanted) {
    const fields = { reason: 'connections-limited', wanted, connections, files };
    log.warn(fields, 'the process may not open enough files for limits.streams.connections; raise ulimit -n');
  }
  return {
    connections,
    connectionsPerSource: perSource,
    messageMs: messageSeconds * 1000,
    idleMs: Math.max(idleSeconds * 1000, config.timers.timerC + idleBeyondTimerCMs),
  };
}

function logCertificates({ tls }: CommonConfig, transport: TransportSide, context: ServiceContext): void {
  const { certificates } = transport;
  const { log } = context;
  if (tls === undefined || certificates === null) return;
  log.info({ certificate: certificates.certificate, clientCertificates: tls.clientCertificates }, 'TLS');
  warnOfDates(transport, context);
  if (!tls.verify) {
    log.warn({ reason: 'tls-unverified' }, 'tls.verify is off: whoever answers is believed, for labs only');
  }
}

function warnOfDates({ certificates }: TransportSide, { log }: ServiceContext): void {
  for (const words of certificates?.warnings ?? []) log.warn({ reason: 'certificate-dated' }, words);
}

async function reloadCertificates(
  transport: TransportSide,
  peers: DiameterSide | null,
  context: ServiceContext,
): Promise<boolean> {
  // Both, whatever the other says: they may have files of their own.
  const [bySip, byPeers] = await Promise.all([transport.reloadCertificates(), peers?.reload() ?? true]);
  if (bySip) warnOfDates(transport, context);
  return bySip && byPeers;
}

/** How the workers protect themselves. */
function intakeOf({ overload }: CommonConfig): Partial<IntakeOptions> {
  const { delay, penalty, refusedPerSource, registersPerSource, requestsPerSource } = overload;
  return {
    delayMs: delay,
    penaltyMs: penalty * 1000,
    junkPerSource: refusedPerSource,
    registersPerSource,
    requestsPerSource,
  };
}

function openDiameter(
  config: CommonConfig,
  diameter: DiameterConfig,
  transport: TransportSide,
  { log, clock }: ServiceContext,
): Promise<DiameterSide> {
  const { homeDomain, role, tls } = config;
  return openPeers(diameter, transport, {
    application: role === 'pcscf' ? 'rx' : 'cx',
    homeDomain,
    tls,
    log,
    clock,
    restarted: (peer) => transport.onPeerRestarted(peer),
  });
}

async function pendingRequests(workers: Workers): Promise<number> {
  let pending = 0;
  for (const worker of workers.numbers) {
    const answer = (await workers.ask(worker, 'status').catch(() => null)) as WorkerAnswer | null;
    pending += answer?.pending ?? 0;
  }
  return pending;
}

/** `transport:address:port`, IPv6 in brackets. */
function listenerName(listener: Listener): string {
  const host = isIPv6(listener.address) ? `[${listener.address}]` : listener.address;
  return `${listener.transport}:${host}:${listener.port}`;
}

/** What the daemon can tell of itself at once: counters are read from shared memory, workers are asked now and then. */
class LiveState {
  readonly #data: { readonly config: CommonConfig; readonly revision: number };
  readonly #workers: Workers;
  readonly #metrics: Metrics;
  readonly #peers: DiameterSide | null;
  readonly #ipsec: IpsecGuard | null;
  readonly #answers: (WorkerAnswer | null)[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(
    data: { readonly config: CommonConfig; readonly revision: number },
    workers: Workers,
    metrics: Metrics,
    peers: DiameterSide | null,
    ipsec: IpsecGuard | null,
  ) {
    this.#ipsec = ipsec;
    this.#data = data;
    this.#workers = workers;
    this.#metrics = metrics;
    this.#peers = peers;
    this.#timer = setInterval(() => this.#ask(), statusEveryMs).unref();
    this.#ask();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  status(): LiveStatus {
    return {
      workers: this.#workers.numbers.map((worker) => {
        const counts = this.#workers.counts(worker);
        return {
          worker,
          messages: this.#metrics.sum('cscf_worker_messages_total', {}, worker),
          busy: this.#metrics.sum('cscf_worker_busy_ratio', {}, worker),
          state: counts.state,
          restarts: counts.restarts,
          shed: counts.shed,
        };
      }),
      listeners: this.#data.config.listeners
        .filter(({ closed }) => closed !== true)
        .map((listener) => ({ address: listenerName(listener), sides: listener.sides })),
      peers: this.#peers?.status() ?? [],
      registrations: this.#most('registrations'),
      overload: this.#overload(),
      ...(this.#ipsec === null ? {} : { ipsec: this.#ipsec.status(this.#most('associationSets')) }),
      reasons: {
        ...Object.fromEntries(this.#metrics.by('cscf_refusals_total', 'reason')),
        ...Object.fromEntries(this.#metrics.by('cscf_malformed_total', 'reason')),
      },
    };
  }

  /** What all workers see alike, as far as each has looked. */
  #most(what: 'registrations' | 'associationSets'): number {
    return this.#answers.reduce((most, answer) => Math.max(most, answer?.[what] ?? 0), 0);
  }

  #overload(): OverloadStatus {
    const delays = this.#workers.numbers.map((worker) => this.#metrics.sum('cscf_queue_delay_seconds', {}, worker));
    return {
      waiting: this.#metrics.sum('cscf_queue_messages'),
      delayMs: Math.round(Math.max(...delays) * 1000),
      penalisedSources: this.#metrics.sum('cscf_penalised_sources'),
      shed: Object.fromEntries(this.#metrics.by('cscf_shed_total', 'class')),
    };
  }

  #ask(): void {
    for (const worker of this.#workers.numbers) {
      this.#workers
        .ask(worker, 'status', statusEveryMs)
        .then((answer) => {
          this.#answers[worker] = answer as WorkerAnswer;
          // It began just when the configuration changed.
          const { config, revision } = this.#data;
          if (this.#answers[worker].revision < revision)
            return this.#workers.ask(worker, { command: 'configure', config, revision });
        })
        .catch(() => {});
    }
  }
}
