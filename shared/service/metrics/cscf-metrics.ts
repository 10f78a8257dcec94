import type { DiameterClientCounters } from '#diameter/client';
import { cxCommands } from '#diameter/dictionary/cx';
import { rxCommands } from '#diameter/dictionary/rx';
import { latencyBoundsMs } from '#diameter/request-tally';
import { methods } from '#sip/methods';
import { dropReasons, type IntakeCounts } from '#workers/intake';
import { shedOrder } from '#workers/overload';
import { type Counters, type MetricFamily, MetricLayout } from './metrics.ts';

const directions = ['in', 'out'] as const;
const transports = ['udp', 'tcp', 'tls'] as const;
const countedMethods = [...methods, 'OTHER'] as const;
/** Status codes counted by themselves; others count as 1xx to 6xx. */
const codes = [
  ...[
    '100',
    '180',
    '181',
    '182',
    '183',
    '199',
    '200',
    '202',
    '204',
    '302',
    '380',
    '400',
    '401',
    '403',
    '404',
    '405',
    '406',
    '407',
    '408',
  ],
  ...[
    '412',
    '413',
    '414',
    '415',
    '416',
    '420',
    '421',
    '422',
    '423',
    '430',
    '433',
    '439',
    '440',
    '469',
    '480',
    '481',
    '482',
    '483',
    '484',
  ],
  ...[
    '486',
    '487',
    '488',
    '489',
    '491',
    '494',
    '500',
    '501',
    '502',
    '503',
    '504',
    '505',
    '513',
    '580',
    '600',
    '603',
    '604',
    '606',
  ],
  ...['1xx', '2xx', '3xx', '4xx', '5xx', '6xx'],
];

/** In the order of their numbers. */
const shedClasses = Object.keys(shedOrder);

const messageLabels = { dir: directions, transport: transports };
const messagesHelp = 'SIP messages received (in) and sent (out), requests by method, responses by status code.';

/** The Diameter commands that CSCFs send, by their names. */
export const diameterCommands = [
  cxCommands.userAuthorization,
  cxCommands.multimediaAuth,
  cxCommands.serverAssignment,
  cxCommands.locationInfo,
  rxCommands.aa,
  rxCommands.sessionTermination,
].map(({ name }) => name);
/** Upper bounds in seconds. */
const diameterLatencies = latencyBoundsMs.map((ms) => ms / 1000);
const requestLatencies = [0.002, 0.005, 0.02, 0.05, 0.2, 0.5, 2, 5];
const setupLatencies = [0.02, 0.05, 0.2, 0.5, 1, 2, 5, 10, 30];
/** Methods whose time is told by itself. */
const timedMethods = ['REGISTER', 'INVITE', 'MESSAGE', 'SUBSCRIBE', 'BYE', 'OTHER'] as const;

/** The metrics of the three CSCFs; docs/metrics.md describes them. */
export const cscfMetrics: readonly MetricFamily[] = [
  {
    name: 'cscf_sip_messages_total',
    help: messagesHelp,
    type: 'counter',
    labels: { ...messageLabels, method: countedMethods },
  },
  { name: 'cscf_sip_messages_total', help: messagesHelp, type: 'counter', labels: { ...messageLabels, code: codes } },
  { name: 'cscf_malformed_total', help: 'Messages that could not be used.', type: 'counter', dynamic: 'reason' },
  {
    name: 'cscf_refusals_total',
    help: 'Requests refused by a procedure, by reason id.',
    type: 'counter',
    dynamic: 'reason',
  },
  { name: 'cscf_events_total', help: 'What the procedures did, by event.', type: 'counter', dynamic: 'event' },
  { name: 'cscf_internal_errors_total', help: 'Messages whose handling threw: each is a defect.', type: 'counter' },
  { name: 'cscf_worker_messages_total', help: 'SIP messages a worker received.', type: 'counter', perWorker: true },
  { name: 'cscf_worker_busy_ratio', help: 'Share of the time a thread was not idle.', type: 'gauge', perWorker: true },
  { name: 'cscf_transactions', help: 'Transactions under way.', type: 'gauge' },
  { name: 'cscf_registrations', help: 'Registered private identities.', type: 'gauge' },
  { name: 'cscf_sessions', help: 'Dialogs under way.', type: 'gauge' },
  { name: 'cscf_timers', help: 'Timers that run, of transactions and of all else.', type: 'gauge' },
  {
    name: 'cscf_shed_total',
    help: 'SIP messages refused with 503 (by shed order) or dropped unread to protect the node.',
    type: 'counter',
    labels: { class: [...shedClasses, ...dropReasons] },
  },
  { name: 'cscf_queue_messages', help: 'SIP messages that wait to be handled.', type: 'gauge', perWorker: true },
  {
    name: 'cscf_queue_delay_seconds',
    help: 'How long a new initial request would wait.',
    type: 'gauge',
    perWorker: true,
  },
  { name: 'cscf_penalised_sources', help: 'Sources that are not heard at the moment.', type: 'gauge' },
  {
    name: 'cscf_diameter_requests_total',
    help: 'Diameter requests by outcome: answered, timeout, no-peer (none, or lost).',
    type: 'counter',
    labels: { app: ['cx', 'rx'] },
    dynamic: 'result',
  },
  {
    name: 'cscf_diameter_results_total',
    help: 'Diameter requests by command and result: the code of the answer, or why there was none.',
    type: 'counter',
    labels: { command: diameterCommands },
    dynamic: 'result',
  },
  {
    name: 'cscf_diameter_request_duration_seconds',
    help: 'Time from a Diameter request to its answer, failover included.',
    type: 'histogram',
    labels: { command: diameterCommands },
    bounds: diameterLatencies,
  },
  {
    name: 'cscf_sip_request_duration_seconds',
    help: 'Time from a request to its final response.',
    type: 'histogram',
    labels: { method: timedMethods },
    bounds: requestLatencies,
  },
  {
    name: 'cscf_registration_attempts_total',
    help: 'REGISTER requests by what became of them and why.',
    type: 'counter',
    labels: { result: ['ok', 'challenged', 'refused', 'failed'] },
    dynamic: 'reason',
  },
  {
    name: 'cscf_session_attempts_total',
    help: 'Initial INVITE requests by what became of them and why.',
    type: 'counter',
    labels: { result: ['answered', 'canceled', 'refused', 'failed'] },
    dynamic: 'reason',
  },
  {
    name: 'cscf_session_setup_seconds',
    help: 'Time from an initial INVITE to its 180 (ringing) and to its 2xx (answered).',
    type: 'histogram',
    labels: { until: ['ringing', 'answered'] },
    bounds: setupLatencies,
  },
  {
    name: 'cscf_event_loop_lag_seconds',
    help: 'How late the last look at a thread was.',
    type: 'gauge',
    perWorker: true,
  },
];

/** The layout of every CSCF thread. */
export const cscfLayout = new MetricLayout(cscfMetrics);

/**
 * Counts SIP messages by method or code without building a label: the places are looked up once.
 */
export class SipMessageCounters {
  readonly #counters: Counters;
  readonly #methodBase: Int32Array;
  readonly #codeBase: Int32Array;
  readonly #methods = new Map<string, number>(countedMethods.map((method, i) => [method, i]));
  /** Place of each status code 100 to 699 within its row. */
  readonly #codes = new Uint8Array(700);
  readonly #workerMessages = cscfLayout.id('cscf_worker_messages_total');

  constructor(counters: Counters) {
    this.#counters = counters;
    const rows = directions.flatMap((dir) => transports.map((transport) => ({ dir, transport })));
    this.#methodBase = Int32Array.from(rows, (row) =>
      cscfLayout.id('cscf_sip_messages_total', { ...row, method: countedMethods[0] }),
    );
    this.#codeBase = Int32Array.from(rows, (row) =>
      cscfLayout.id('cscf_sip_messages_total', { ...row, code: codes[0]! }),
    );
    for (let code = 100; code < 700; code++) {
      const single = codes.indexOf(String(code));
      this.#codes[code] = single >= 0 ? single : codes.indexOf(`${Math.trunc(code / 100)}xx`);
    }
  }

  request(dir: 'in' | 'out', transport: (typeof transports)[number], method: string): void {
    const place = this.#methods.get(method) ?? countedMethods.length - 1;
    this.#counters.add(this.#methodBase[row(dir, transport)]! + place);
    if (dir === 'in') this.#counters.add(this.#workerMessages);
  }

  response(dir: 'in' | 'out', transport: (typeof transports)[number], code: number): void {
    const known = code >= 100 && code < 700 ? code : 600;
    this.#counters.add(this.#codeBase[row(dir, transport)]! + this.#codes[known]!);
    if (dir === 'in') this.#counters.add(this.#workerMessages);
  }
}

function row(dir: 'in' | 'out', transport: (typeof transports)[number]): number {
  const column = transport === 'udp' ? 0 : transport === 'tcp' ? 1 : 2;
  return dir === 'in' ? column : 3 + column;
}

/** Brings what a Diameter client has counted over into the metrics. */
export class DiameterOutcomes {
  readonly #counters: Counters;
  readonly #client: Readonly<DiameterClientCounters>;
  readonly #head = cscfLayout.id('cscf_diameter_requests_total', { app: 'cx' });
  #taken = { answered: 0, timeout: 0, 'no-peer': 0 };

  constructor(counters: Counters, client: Readonly<DiameterClientCounters>) {
    this.#counters = counters;
    this.#client = client;
  }

  /** Adds what happened since the last time. */
  take(): void {
    const { answers, timeouts, failedSends } = this.#client;
    const now = { answered: answers, timeout: timeouts, 'no-peer': failedSends };
    for (const outcome of ['answered', 'timeout', 'no-peer'] as const) {
      const more = now[outcome] - this.#taken[outcome];
      if (more > 0) this.#counters.addDynamic(this.#head, outcome, more);
    }
    this.#taken = now;
  }
}

/** Counts what became of requests and how long they took. */
export class RequestCounters {
  readonly #counters: Counters;
  readonly #durations = new Map(
    timedMethods.map((method) => [
      method as string,
      cscfLayout.histogram('cscf_sip_request_duration_seconds', { method }),
    ]),
  );
  readonly #registrations = placesByResult('cscf_registration_attempts_total', [
    'ok',
    'challenged',
    'refused',
    'failed',
  ]);
  readonly #sessions = placesByResult('cscf_session_attempts_total', ['answered', 'canceled', 'refused', 'failed']);
  readonly #ringing = cscfLayout.histogram('cscf_session_setup_seconds', { until: 'ringing' });
  readonly #answered = cscfLayout.histogram('cscf_session_setup_seconds', { until: 'answered' });

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** `reason`: id of why we refused, null when the answer is somebody else's. */
  answered(method: string, inDialog: boolean, status: number, afterMs: number, reason: string | null): void {
    const counters = this.#counters;
    counters.observe(this.#durations.get(method) ?? this.#durations.get('OTHER')!, afterMs / 1000);
    if (method === 'REGISTER') {
      const challenged = status === 401 || status === 407;
      const result = status < 300 ? 'ok' : challenged ? 'challenged' : status < 500 ? 'refused' : 'failed';
      counters.addDynamic(this.#registrations.get(result)!, reason ?? sipReasons[status]!);
    } else if (method === 'INVITE' && !inDialog) {
      const result = status < 300 ? 'answered' : status === 487 ? 'canceled' : isFailure(status) ? 'failed' : 'refused';
      counters.addDynamic(this.#sessions.get(result)!, reason ?? sipReasons[status]!);
      if (status < 300) counters.observe(this.#answered, afterMs / 1000);
    }
  }

  ringing(inDialog: boolean, afterMs: number): void {
    if (!inDialog) this.#counters.observe(this.#ringing, afterMs / 1000);
  }
}

/** The label of an answer that is not ours. */
const sipReasons = Array.from({ length: 700 }, (_, status) => `sip-${status}`);

/** Whether a call failed for want of the network, not of the called. */
function isFailure(status: number): boolean {
  return status === 408 || (status >= 500 && status < 600);
}

function placesByResult(name: string, results: readonly string[]): ReadonlyMap<string, number> {
  return new Map(results.map((result) => [result, cscfLayout.id(name, { result })]));
}

/** Brings what an intake has counted over into the metrics. */
export class ShedCounters {
  readonly #counters: Counters;
  readonly #refused = shedClasses.map((name) => cscfLayout.id('cscf_shed_total', { class: name }));
  readonly #dropped = dropReasons.map((name) => cscfLayout.id('cscf_shed_total', { class: name }));
  readonly #waiting = cscfLayout.id('cscf_queue_messages');
  readonly #delay = cscfLayout.id('cscf_queue_delay_seconds');
  readonly #penalties = cscfLayout.id('cscf_penalised_sources');
  readonly #taken: number[] = new Array(shedClasses.length + dropReasons.length).fill(0);

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Adds what happened since the last time; gives how many requests were refused. */
  take(counts: IntakeCounts): number {
    const refused = this.#refused.reduce((sum, id, order) => sum + this.#add(id, order, counts.refused[order]!), 0);
    this.#dropped.forEach((id, i) => {
      this.#add(id, shedClasses.length + i, counts.dropped[dropReasons[i]!]);
    });
    this.#counters.set(this.#waiting, counts.waiting);
    this.#counters.set(this.#delay, counts.delayMs / 1000);
    this.#counters.set(this.#penalties, counts.penalties);
    return refused;
  }

  #add(id: number, place: number, now: number): number {
    const more = now - this.#taken[place]!;
    this.#counters.add(id, more);
    this.#taken[place] = now;
    return more;
  }
}

/** How late a look is that should come every `everyMs`: as late as everything else in its thread. */
export class LagMeter {
  readonly #everyMs: number;
  #lastMs = -1;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Milliseconds that this look is late; 0 for the first one. */
  sample(nowMs: number): number {
    const late = this.#lastMs < 0 ? 0 : Math.max(0, nowMs - this.#lastMs - this.#everyMs);
    this.#lastMs = nowMs;
    return late;
  }
}

/** How busy the thread it is made in has been between two looks, 0 to 1. */
export class BusyMeter {
  #last = performance.eventLoopUtilization();

  sample(): number {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#last);
    this.#last = now;
    return utilization;
  }
}
