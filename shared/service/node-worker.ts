import { getHeapStatistics } from 'node:v8';
import { DiameterClient } from '#diameter/client';
import { CxClient } from '#diameter/cx/cx-client';
import { cxFeatures } from '#diameter/cx/cx-requests';
import { cxDictionary } from '#diameter/dictionary/cx';
import { rxDictionary } from '#diameter/dictionary/rx';
import { tagOf } from '#sip/header/name-addr';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { NodeLogic } from '#sip/proxy/node-logic';
import { OwnNames } from '#sip/proxy/route-processing';
import { coreReasons, type Reason } from '#sip/reasons';
import type { TimerProfile } from '#sip/transaction/timers';
import type { Flow, Listener } from '#sip/transport/flow';
import { ListenerTable } from '#sip/transport/listener-table';
import { openLmdbStore } from '#store/lmdb-store';
import { openMemoryStore } from '#store/memory-store';
import type { Store } from '#store/store';
import type { TransportPort } from '#workers/frame-link';
import type { IntakeCounts } from '#workers/intake';
import type { Standing } from '#workers/overload';
import type { WorkerContext, WorkerInstance, WorkerModule } from '#workers/worker-module';
import { WorkerSide, type WorkerTrace } from '#workers/worker-side';
import { CidrTable } from './cidr.ts';
import { systemClock } from './clock.ts';
import type { CommonConfig, StoreConfig } from './config-shape.ts';
import {
  BusyMeter,
  cscfLayout,
  DiameterOutcomes,
  LagMeter,
  RequestCounters,
  ShedCounters,
  SipMessageCounters,
} from './cscf-metrics.ts';
import { DiameterResults } from './diameter-metrics.ts';
import { EventFeed } from './event-feed.ts';
import { createLogger, type Logger } from './log.ts';
import { LogLimiter } from './log-limiter.ts';
import { Counters } from './metrics.ts';
import { nextHops, setHosts } from './next-hops.ts';
import type { NodeContext } from './node-context.ts';
import { originator } from './originator.ts';
import { guardedHandler } from './serve-diameter.ts';
import { lmdbOptions, type StoreTables } from './shared-store.ts';
import { type ConfigureRequest, statusEveryMs, type WorkerAnswer, type WorkerLeft } from './worker-answer.ts';
import { readQuestion } from './worker-question.ts';

/** What the daemon hands to each of its workers; plain data and shared memory. */
export interface NodeWorkerData<C extends CommonConfig> {
  readonly config: C;
  /** How often that has changed. */
  readonly revision: number;
  /** Blocks of counters, by worker. */
  readonly metrics: readonly SharedArrayBuffer[];
  /** Generation counters of the store. */
  readonly generations: Int32Array;
  /** Wall clock at the start of the daemon, milliseconds since 1970. */
  readonly bootMs: number;
  /** How many hear what happens. */
  readonly watchers: Int32Array;
  /** Which IPsec back end serves, null: none. */
  readonly ipsec: 'kernel' | 'userspace' | null;
}

/** What one role gives to its workers. */
export interface NodeRole<C extends CommonConfig> {
  /** Tables of its store; none: it keeps nothing. */
  readonly tables: StoreTables;
  readonly store: (config: C) => StoreConfig | null;
  /** `host:port` names beside those of the listeners (port 0: without one). */
  readonly names: (config: C) => readonly string[];
  /** Domains beside the home domain that the DNS is asked for even when a UE chose them; none when left out. */
  readonly homeNetworks?: (config: C) => readonly string[];
  readonly profileOf: (config: C) => (listener: Listener, address: string) => TimerProfile;
  readonly proxyRequire: readonly string[];
  /** Whether the text of a request is a call for help though it names no emergency service; see IntakeUser. */
  readonly urgentOf?: (config: C) => (text: string) => boolean;
  /** The trace of a worker where somebody asks for one. */
  readonly openTrace: (node: string) => WorkerTrace | null;
  readonly create: (context: NodeContext<C>) => NodeLogic & {
    connectionClosed?(connection: number): void;
    /** A Diameter peer has restarted and forgotten its sessions. */
    peerRestarted?(host: string): void;
    /** Where the answer goes to what came to a protected port by this flow. Requirement P-81. */
    answerFlow?(flow: Flow): Flow;
    /** Whether a registered UE sends by this flow; a node that registers nobody leaves it out. */
    isRegistered?(flow: Flow): boolean;
    /** Another worker has left, and may have left something behind that only workers know. */
    workerLeft?(): void;
    /** Word of a worker of this node: what it gave to `origin.tell`. */
    workerMessage?(payload: string): void;
    /** Does what the control side asks for; plain data both ways. */
    control?(request: unknown): unknown;
    registrations?(): number;
    /** Sets of security associations in the store. */
    associationSets?(): number;
    sessions?(): number;
    stop?(): void;
  };
}

/** Answered transactions take this much memory at most, less where the heap is small. */
const mostKeptOctets = 64 * 1024 * 1024;

const allow = [
  'INVITE',
  'ACK',
  'CANCEL',
  'BYE',
  'PRACK',
  'UPDATE',
  'MESSAGE',
  'SUBSCRIBE',
  'NOTIFY',
  'REFER',
  'INFO',
  'PUBLISH',
  'OPTIONS',
  'REGISTER',
];

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
    return build(role, data, worker, port, ownership, log, feed, store, volatile);
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
  role: NodeRole<C>,
  data: NodeWorkerData<C>,
  worker: WorkerContext,
  port: TransportPort,
  ownership: Parameters<WorkerModule['createInbox']>[1],
  log: Logger,
  feed: EventFeed,
  store: Store,
  volatile: Store,
): WorkerInstance {
  const { config } = data;
  const counters = new Counters(cscfLayout, data.metrics[worker.worker]!);
  const messages = new SipMessageCounters(counters);
  const requests = new RequestCounters(counters);
  const meter = new BusyMeter();
  const lag = new LagMeter(statusEveryMs);
  const limiter = new LogLimiter({ log, clock: systemClock });
  const ids = {
    malformed: cscfLayout.id('cscf_malformed_total'),
    refusals: cscfLayout.id('cscf_refusals_total'),
    events: cscfLayout.id('cscf_events_total'),
    errors: cscfLayout.id('cscf_internal_errors_total'),
    busy: cscfLayout.id('cscf_worker_busy_ratio'),
    lag: cscfLayout.id('cscf_event_loop_lag_seconds'),
    transactions: cscfLayout.id('cscf_transactions'),
    registrations: cscfLayout.id('cscf_registrations'),
    sessions: cscfLayout.id('cscf_sessions'),
    timers: cscfLayout.id('cscf_timers'),
  };
  const listeners = new ListenerTable(config.listeners);
  const own = new OwnNames(ownNames(config.listeners, role.names(config)));
  let current = config;
  let { revision } = data;
  const rebuilds: ((next: C) => void)[] = [];
  let trusted = trustedNetworks(config);
  let profileOf = role.profileOf(config);
  let isUrgent = role.urgentOf?.(config);
  const resolver = nextHops(config, listeners, role.homeNetworks?.(config) ?? []);
  const configure = (next: C) => {
    current = next;
    listeners.replace(next.listeners);
    own.add(ownNames(next.listeners, role.names(next)));
    if (client !== null && next.diameter !== undefined) client.timeoutMs = next.diameter.timeout * 1000;
    log.level = next.log.level;
    trusted = trustedNetworks(next);
    profileOf = role.profileOf(next);
    isUrgent = role.urgentOf?.(next);
    setHosts(resolver, next.hosts);
    for (const rebuild of rebuilds) rebuild(next);
  };
  const shed = new ShedCounters(counters);
  const trace = role.openTrace(config.role);
  const counted = countingPort(port, messages, trace);
  // Of this worker, not of the daemon: one that takes the place of another must not give out its Session-Ids again.
  const startSeconds = Math.floor(systemClock.wallMs() / 1000);
  const client = diameterClient(config, worker.worker, startSeconds, counted, (error) => {
    counters.add(ids.errors);
    limiter.warn('internal', '', { reason: 'internal', err: error }, 'a Diameter message was not handled: a defect');
  });
  const outcomes = client === null ? null : new DiameterOutcomes(counters, client.counters);
  const results = client === null ? null : new DiameterResults(counters, client.tally);
  let logic: ReturnType<NodeRole<C>['create']> | undefined;

  const reportRefusal = (request: SipRequest, reason: Reason, detail: string) => {
    counters.addDynamic(ids.refusals, reason.id);
    limiter.warn(reason.id, request.flow?.address ?? '', () => refusalFields(request, reason, detail), 'refused');
  };
  const reportShed = (counts: IntakeCounts) => {
    const refused = shed.take(counts);
    if (refused === 0) return;
    const fields = { refused, waiting: counts.waiting, delayMs: Math.round(counts.delayMs) };
    limiter.warn(coreReasons.overload.id, '', fields, 'more to do than can be done: requests were refused with 503');
  };
  const standingOf = (flow: Flow): Standing => {
    // A listener of Gm alone has no core nodes behind it, whatever their address.
    const isCore = listeners.all[flow.listener]?.sides.includes('mw') && trusted.find(flow.address) === true;
    if (isCore) return 'core';
    return logic?.isRegistered?.(flow) ? 'known' : 'stranger';
  };
  const answerFlow = (flow: Flow): Flow => {
    if (listeners.all[flow.listener]?.protection === undefined) return flow;
    return logic?.answerFlow?.(flow) ?? flow;
  };
  const side = new WorkerSide(
    counted,
    ownership,
    {
      worker: worker.worker,
      name: config.name,
      own,
      resolver,
      setAsideMs: config.transport.setAside * 1000,
      switchToTcpAbove: config.transport.switchToTcpAbove,
      profileOf: (listener, address) => profileOf(listener, address),
      timerCMs: () => current.timers.timerC,
      proxyRequire: role.proxyRequire,
      allow,
      server: config.server ?? '',
      isStranger: (flow) => standingOf(flow) === 'stranger',
      ...(data.ipsec === null ? {} : { answerFlow }),
      keptOctets: Math.min(mostKeptOctets, getHeapStatistics().heap_size_limit / 4),
      now: () => systemClock.nowMs(),
    },
    {
      trace,
      received(message, flow) {
        if (message.kind === 'request') messages.request('in', flow.transport, message.method);
        else messages.response('in', flow.transport, message.status);
      },
      rejected(reason, detail, answered, message, flow) {
        counters.addDynamic(ids.malformed, reason.id);
        const fields = () => ({ detail, answered, callId: message?.headers.get(Header['Call-ID']) ?? undefined });
        limiter.warn(reason.id, flow.address, fields, answered ? 'refused a message' : 'dropped a message');
      },
      answered(request, status, afterMs, reason) {
        requests.answered(request.method, isInDialog(request), status, afterMs, reason?.id ?? null);
      },
      ringing: (request, afterMs) => requests.ringing(isInDialog(request), afterMs),
      failed(error, request) {
        counters.add(ids.errors);
        const fields = { reason: 'internal', err: error, callId: request?.headers.get(Header['Call-ID']) ?? undefined };
        limiter.warn('internal', request?.flow?.address ?? '', fields, 'a message was not handled: a defect');
      },
      batchDone() {
        try {
          store.commit();
          if (volatile !== store) volatile.commit();
        } catch (error) {
          log.error(
            { reason: 'store-failed', err: error },
            'the store does not take writes; they are kept and tried again',
          );
        }
      },
    },
    (wheel) => {
      const context: NodeContext<C> = {
        get config() {
          return current;
        },
        onConfig: (rebuild) => void rebuilds.push(rebuild),
        worker: worker.worker,
        get workers() {
          return worker.crew.serving;
        },
        crew: worker.crew,
        listeners,
        own,
        calls: ownership,
        origin: originator(() => side.core, ownership, port),
        wheel,
        clock: systemClock,
        bootMs: data.bootMs,
        store,
        volatile,
        cx: client === null ? null : cxClient(client, config),
        diameter: client,
        log,
        ipsec: data.ipsec === null ? null : (port.associations ?? null),
        holdConnection: (connection, held) => port.holdConnection(connection, held),
        serveDiameter(command, handler) {
          client?.handle(command, guardedHandler(command, handler, { log, failed: () => counters.add(ids.errors) }));
        },
        refused: reportRefusal,
        count(event) {
          counters.addDynamic(ids.events, event);
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
  const endClock = side.stop.bind(side);
  return Object.assign(side, {
    ...(data.ipsec === null ? {} : { answerFlow }),
    ...(isUrgent === undefined ? {} : { isUrgent: (text: string) => isUrgent?.(text) === true }),
    standingOf,
    penalised(flow: Flow) {
      const fields = { port: flow.port, transport: flow.transport };
      limiter.warn(
        'source-penalised',
        flow.address,
        fields,
        'what it sends is malformed or refused: not heard for now',
      );
    },
    stop() {
      logic?.stop?.();
      endClock();
      side.endBatch();
      // Nobody is busy, waits or talks here any more; what was counted stays.
      for (const [id, { family }] of cscfLayout.series.entries()) if (family.type === 'gauge') counters.set(id, 0);
    },
    control(request: unknown): unknown {
      if (request === 'drain') side.core.drain();
      if (isConfigure<C>(request)) {
        configure(request.config);
        revision = request.revision;
        return null;
      }
      if (isWordOfLeaving(request)) {
        logic?.workerLeft?.();
        return null;
      }
      const question = readQuestion(request);
      if (question?.command === 'log.recent') return feed.recent(question.limit);
      if (question?.command === 'store.tables') {
        return [...role.tables.shared, ...role.tables.own].map((table) => ({ table, records: store.count(table) }));
      }
      if (request !== 'status') return request === 'drain' ? null : (logic?.control?.(request) ?? null);
      const registrations = logic?.registrations?.() ?? 0;
      const { servers, clients } = side.layer.counts;
      counters.set(ids.busy, meter.sample());
      counters.set(ids.lag, lag.sample(systemClock.nowMs()) / 1000);
      counters.set(ids.transactions, servers + clients);
      counters.set(ids.timers, side.wheel.size);
      // Every worker sees the registrations of all: one of them tells.
      if (worker.worker === 0) counters.set(ids.registrations, registrations);
      const sessions = logic?.sessions?.() ?? 0;
      counters.set(ids.sessions, sessions);
      outcomes?.take();
      results?.take();
      if (side.intake !== null) reportShed(side.intake.counts());
      limiter.tick();
      const answer: WorkerAnswer = {
        revision,
        pending: side.layer.pendingServers,
        diameter: client?.pendingRequests ?? 0,
        registrations,
        associationSets: logic?.associationSets?.() ?? 0,
        sessions,
      };
      return answer;
    },
  });
}

function trustedNetworks({ trusted }: CommonConfig): CidrTable<true> {
  return new CidrTable(trusted.map((network) => [network, true] as const));
}

/** Whether the main thread hands over a new configuration. */
function isConfigure<C>(request: unknown): request is ConfigureRequest<C> {
  return typeof request === 'object' && request !== null && (request as { command?: unknown }).command === 'configure';
}

function isWordOfLeaving(request: unknown): boolean {
  return typeof request === 'object' && request !== null && (request as Partial<WorkerLeft>).command === 'left';
}

/** Whether an INVITE is sent inside a dialog; of other methods nobody asks. */
function isInDialog({ method, headers }: SipRequest): boolean {
  return method === 'INVITE' && tagOf(headers.get(Header.To) ?? '') !== '';
}

function refusalFields(request: SipRequest, reason: Reason, detail: string): Record<string, unknown> {
  return {
    method: request.method,
    requestUri: request.requestUri,
    callId: request.headers.get(Header['Call-ID']),
    from: request.headers.get(Header.From),
    status: reason.status,
    words: reason.text,
    ...(detail === '' ? {} : { detail }),
  };
}

/** Every `host:port` under which Route and Request-URI may name this node. */
function ownNames(listeners: readonly Listener[], more: readonly string[]): string[] {
  const names = [...more];
  for (const listener of listeners) {
    const host = listener.address.includes(':') ? `[${listener.address}]` : listener.address;
    names.push(`${host}:${listener.port}`, listener.sentBy);
  }
  return names;
}

function diameterClient(
  config: CommonConfig,
  worker: number,
  bootSeconds: number,
  port: TransportPort,
  failed: (error: unknown) => void,
): DiameterClient | null {
  const { diameter } = config;
  if (diameter === undefined) return null;
  return new DiameterClient(
    {
      send: (message, route) => port.diameterRequest(message, route),
      answer: (message) => port.diameterAnswer(message),
    },
    {
      worker,
      identity: { originHost: diameter.originHost, originRealm: diameter.originRealm },
      dictionary: config.role === 'pcscf' ? rxDictionary : cxDictionary,
      bootSeconds,
      timeoutMs: diameter.timeout * 1000,
      ignoreUnknownMandatory: (diameter.ignoreUnknownM ?? []).map(({ code, vendor }) => `${vendor}:${code}`),
      failed,
    },
  );
}

function cxClient(client: DiameterClient, config: CommonConfig): CxClient {
  const { realm, announce, dialect } = config.diameter!.cx;
  const features = announce.reduce((bits, name) => bits | cxFeatures[name], 0);
  return new CxClient(client, { homeRealm: realm, features, dialect });
}

/** The port of the transport side, with what goes out counted. */
function countingPort(port: TransportPort, messages: SipMessageCounters, trace: WorkerTrace | null): TransportPort {
  return {
    sip(text, target, token) {
      if (text.charCodeAt(0) === 83 && text.startsWith('SIP/2.0 ')) {
        const status = (text.charCodeAt(8) - 48) * 100 + (text.charCodeAt(9) - 48) * 10 + text.charCodeAt(10) - 48;
        messages.response('out', target.transport, status);
      } else messages.request('out', target.transport, text.slice(0, text.indexOf(' ')));
      port.sip(text, target, token);
    },
    closeConnection: (connection) => port.closeConnection(connection),
    holdConnection: (connection, held) => port.holdConnection(connection, held),
    diameterRequest(message, route) {
      trace?.diameter('out', message);
      port.diameterRequest(message, route);
    },
    diameterAnswer(message) {
      trace?.diameter('out', message);
      port.diameterAnswer(message);
    },
    worker: (to, kind, payload) => port.worker(to, kind, payload),
    associations: port.associations ?? null,
  };
}
