import { getHeapStatistics } from 'node:v8';
import { methods } from '#sip/methods';
import type { Flow } from '#sip/transport/flow';
import { openLmdbStore } from '#store/lmdb-store';
import { openMemoryStore } from '#store/memory-store';
import type { Store } from '#store/store';
import type { TransportPort } from '#workers/frame-link';
import type { Standing } from '#workers/overload';
import type { WorkerContext, WorkerInstance, WorkerModule } from '#workers/worker-module';
import { type WorkerEvents, WorkerSide, type WorkerSideOptions } from '#workers/worker-side';
import { systemClock } from './clock.ts';
import type { CommonConfig, StoreConfig } from './config/config-shape.ts';
import { countingPort } from './counting-port.ts';
import { EventFeed } from './event-feed.ts';
import { LiveSettings } from './live-settings.ts';
import { createLogger, type Logger } from './log.ts';
import type { NodeContext } from './node-context.ts';
import type { NodeRole, NodeWorkerData } from './node-role.ts';
import { originator } from './originator.ts';
import { guardedHandler } from './serve-diameter.ts';
import { lmdbOptions, type StoreTables } from './shared-store.ts';
import type { ConfigureRequest, WorkerAnswer, WorkerLeft } from './worker-answer.ts';
import { openCxClient, openDiameterClient } from './worker-diameter.ts';
import { readQuestion } from './worker-question.ts';
import { WorkerReports } from './worker-reports.ts';

/** Answered transactions take this much memory at most, less where the heap is small. */
const mostKeptOctets = 64 * 1024 * 1024;

/** What the procedures of a worker write to: `volatile` is lost with the process. */
interface Stores {
  readonly store: Store;
  readonly volatile: Store;
}

/** What a worker is given by its thread. */
interface Ground<C extends CommonConfig> {
  readonly role: NodeRole<C>;
  readonly data: NodeWorkerData<C>;
  readonly worker: WorkerContext;
  readonly port: TransportPort;
  readonly ownership: Parameters<WorkerModule['createInbox']>[1];
}

/** Makes the `createInbox` of a role's worker module: SIP core, Diameter client, store, log and counters around its logic. */
export function nodeWorker<C extends CommonConfig>(role: NodeRole<C>): WorkerModule['createInbox'] {
  return async (port, ownership, worker) => {
    const data = worker.config as NodeWorkerData<C>;
    const { config } = data;
    const feed = new EventFeed(data.watchers);
    const base = { role: config.name, worker: worker.worker };
    const log = createLogger({ ...config.log, base, tap: (line) => feed.line(line) });
    const tables = [...role.tables.shared, ...role.tables.own];
    const store = await kept(worker, 'store', () =>
      openStore(role.store(config), role.tables, data.generations, config.name),
    );
    // One worker needs no shared memory for what may be lost with the process.
    const isOnly = worker.crew.places === 1;
    const volatile = isOnly ? await kept(worker, 'volatile', () => openMemoryStore(tables)) : store;
    return build({ role, data, worker, port, ownership }, { store, volatile }, log, feed);
  };
}

/**
 * Loads the store's library, which takes longer than all else when a worker begins. Where it does not load,
 * `openLmdbStore` says so.
 */
export async function prepareStore(): Promise<void> {
  await import('lmdb').catch(() => {});
}

/** What a worker before this one has opened in the same thread, which goes on with it; else it is made. */
async function kept<T>({ kept }: WorkerContext, name: string, make: () => T | Promise<T>): Promise<T> {
  const known = kept.get(name) as T | undefined;
  if (known !== undefined) return known;
  const made = await make();
  kept.set(name, made);
  return made;
}

async function openStore(
  config: StoreConfig | null,
  tables: StoreTables,
  generations: Int32Array,
  node: string,
): Promise<Store> {
  if (config === null || config.type === 'memory') return openMemoryStore([...tables.shared, ...tables.own]);
  return openLmdbStore(lmdbOptions(config, tables, generations, node));
}

function build<C extends CommonConfig>(
  ground: Ground<C>,
  stores: Stores,
  log: Logger,
  feed: EventFeed,
): WorkerInstance {
  const { role, data, worker, ownership } = ground;
  const { config } = data;
  const settings = new LiveSettings(role, config, data.revision);
  const reports = new WorkerReports(data.metrics[worker.worker]!, log);
  const trace = role.openTrace(config.role);
  const port = countingPort(ground.port, reports.messages, trace);
  // Of this worker, not of the daemon: one that takes the place of another must not give out its Session-Ids again.
  const startSeconds = Math.floor(systemClock.wallMs() / 1000);
  const failed = (error: unknown) => reports.diameterFailed(error);
  const client = openDiameterClient(config, worker.worker, startSeconds, port, failed);
  if (client !== null) reports.follow(client);
  settings.onChange((next) => {
    log.level = next.log.level;
    if (client !== null && next.diameter !== undefined) client.timeoutMs = next.diameter.timeout * 1000;
  });
  let logic: ReturnType<NodeRole<C>['create']> | undefined;

  const standingOf = (flow: Flow): Standing => {
    if (settings.isCore(flow)) return 'core';
    return logic?.isRegistered?.(flow) ? 'known' : 'stranger';
  };
  const answerFlow = (flow: Flow): Flow => (settings.isProtected(flow) ? (logic?.answerFlow?.(flow) ?? flow) : flow);
  const answering = data.ipsec === null ? {} : { answerFlow };

  const side: WorkerSide = new WorkerSide(
    port,
    ownership,
    { ...coreOptions(ground, settings), ...answering, isStranger: (flow) => standingOf(flow) === 'stranger' },
    { trace, ...coreEvents(reports, stores, log) },
    (wheel) => {
      const context: NodeContext<C> = {
        get config() {
          return settings.config;
        },
        onConfig: (rebuild) => settings.onChange(rebuild),
        worker: worker.worker,
        get workers() {
          return worker.crew.serving;
        },
        crew: worker.crew,
        listeners: settings.listeners,
        own: settings.own,
        calls: ownership,
        origin: originator(() => side.core, ownership, ground.port),
        wheel,
        clock: systemClock,
        bootMs: data.bootMs,
        ...stores,
        cx: client === null ? null : openCxClient(client, config),
        diameter: client,
        log,
        ipsec: data.ipsec === null ? null : (ground.port.associations ?? null),
        holdConnection: (connection, held) => ground.port.holdConnection(connection, held),
        serveDiameter(command, handler) {
          client?.handle(command, guardedHandler(command, handler, { log, failed: () => reports.countError() }));
        },
        refused: (request, reason, detail) => reports.refused(request, reason, detail),
        count(event) {
          reports.count(event);
          feed.event(event);
        },
      };
      logic = role.create(context);
      return logic;
    },
    client,
  );
  side.onWorkerMessage((_from, _kind, payload) => logic?.workerMessage?.(payload));
  side.onConnectionClosed((connection) => logic?.connectionClosed?.(connection));
  side.onPeerRestarted((host) => logic?.peerRestarted?.(host));

  const status = (): WorkerAnswer => {
    const registrations = logic?.registrations?.() ?? 0;
    const sessions = logic?.sessions?.() ?? 0;
    const { servers, clients } = side.layer.counts;
    const gauges = {
      transactions: servers + clients,
      timers: side.wheel.size,
      // Every worker sees the registrations of all: one of them tells.
      registrations: worker.worker === 0 ? registrations : null,
      sessions,
    };
    reports.sample(gauges, side.intake?.counts() ?? null);
    return {
      revision: settings.revision,
      pending: side.layer.pendingServers,
      diameter: client?.pendingRequests ?? 0,
      registrations,
      associationSets: logic?.associationSets?.() ?? 0,
      sessions,
    };
  };
  const endClock = side.stop.bind(side);
  return Object.assign(side, {
    ...answering,
    ...(settings.knowsUrgent ? { isUrgent: (text: string) => settings.isUrgent(text) } : {}),
    standingOf,
    penalised: (flow: Flow) => reports.penalised(flow),
    stop() {
      logic?.stop?.();
      endClock();
      side.endBatch();
      reports.end();
    },
    control(request: unknown): unknown {
      if (request === 'status') return status();
      if (request === 'drain') {
        side.core.drain();
        return null;
      }
      if (isConfigure<C>(request)) {
        settings.take(request.config, request.revision);
        return null;
      }
      if (isWordOfLeaving(request)) {
        logic?.workerLeft?.();
        return null;
      }
      const question = readQuestion(request);
      if (question?.command === 'log.recent') return feed.recent(question.limit);
      if (question?.command === 'store.tables') {
        return [...role.tables.shared, ...role.tables.own].map((table) => ({
          table,
          records: stores.store.count(table),
        }));
      }
      return logic?.control?.(request) ?? null;
    },
  });
}

/** What the SIP core of a worker goes by. */
function coreOptions<C extends CommonConfig>(
  { role, data: { config }, worker }: Ground<C>,
  settings: LiveSettings<C>,
): WorkerSideOptions {
  return {
    worker: worker.worker,
    name: config.name,
    own: settings.own,
    resolver: settings.resolver,
    setAsideMs: config.transport.setAside * 1000,
    switchToTcpAbove: config.transport.switchToTcpAbove,
    profileOf: (listener, address) => settings.profileOf(listener, address),
    timerCMs: () => settings.config.timers.timerC,
    proxyRequire: role.proxyRequire,
    allow: methods,
    server: config.server ?? '',
    keptOctets: Math.min(mostKeptOctets, getHeapStatistics().heap_size_limit / 4),
    now: () => systemClock.nowMs(),
  };
}

/** What becomes of what the SIP core tells. */
function coreEvents(reports: WorkerReports, { store, volatile }: Stores, log: Logger): Omit<WorkerEvents, 'trace'> {
  return {
    received: (message, flow) => reports.received(message, flow),
    rejected: (reason, detail, answered, message, flow) => reports.rejected(reason, detail, answered, message, flow),
    answered: (request, code, afterMs, reason) => reports.answered(request, code, afterMs, reason),
    ringing: (request, afterMs) => reports.ringing(request, afterMs),
    failed: (error, request) => reports.failed(error, request),
    batchDone() {
      try {
        store.commit();
        if (volatile !== store) volatile.commit();
      } catch (error) {
        const words = 'the store does not take writes; they are kept and tried again';
        log.error({ reason: 'store-failed', err: error }, words);
      }
    },
  };
}

/** Whether the main thread hands over a new configuration. */
function isConfigure<C>(request: unknown): request is ConfigureRequest<C> {
  return typeof request === 'object' && request !== null && (request as { command?: unknown }).command === 'configure';
}

function isWordOfLeaving(request: unknown): boolean {
  return typeof request === 'object' && request !== null && (request as Partial<WorkerLeft>).command === 'left';
}
