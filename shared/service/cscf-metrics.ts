import type { DiameterClientCounters } from '#diameter/client';
import { cxCommands } from '#diameter/dictionary/cx';
import { rxCommands } from '#diameter/dictionary/rx';
import { latencyBoundsMs } from '#diameter/request-tally';
import { dropReasons, type IntakeCounts } from '#workers/intake';
import { shedOrder } from '#workers/overload';
import { type Counters, type MetricFamily, MetricLayout } from './metrics.ts';

const directions = ['in', 'out'] as const;
const transports = ['udp', 'tcp', 'tls'] as const;
const methods = [
  'REGISTER',
  'INVITE',
  'ACK',
  'CANCEL',
  'BYE',
  'PRACK',
  'UPDATE',
  'MESSAGE',
  'SUBSCRIBE',
  'NOTIFY',
  'PUBLISH',
  'INFO',
  'REFER',
  'OPTIONS',
  'OTHER',
] as const;
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
/** Upper bounds of latencies in seconds, as labels. */
export const diameterLatencies = [...latencyBoundsMs.map((ms) => String(ms / 1000)), '+Inf'];

/** The metrics of the three CSCFs; docs/metrics.md describes them. */
export const cscfMetrics: readonly MetricFamily[] = [
  {
    name: 'cscf_sip_messages_total',
    help: messagesHelp,
    type: 'counter',
    labels: { ...messageLabels, method: methods },
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
  { name: 'cscf_worker_messages_total', help: 'SIP messages a worker received.', type: 'counter' },
  { name: 'cscf_worker_busy_ratio', help: 'Share of the time a thread was not idle.', type: 'gauge' },
  { name: 'cscf_transactions', help: 'Transactions under way.', type: 'gauge' },
  { name: 'cscf_registrations', help: 'Registered private identities.', type: 'gauge' },
  { name: 'cscf_sessions', help: 'Dialogs under way.', type: 'gauge' },
  {
    name: 'cscf_shed_total',
    help: 'SIP messages refused with 503 (by shed order) or dropped unread to protect the node.',
    type: 'counter',
    labels: { class: [...shedClasses, ...dropReasons] },
  },
  { name: 'cscf_queue_messages', help: 'SIP messages that wait to be handled.', type: 'gauge' },
  { name: 'cscf_queue_delay_seconds', help: 'How long a new initial request would wait.', type: 'gauge' },
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
    name: 'cscf_diameter_seconds_bucket',
    help: 'Diameter answers that took no longer than le seconds.',
    type: 'counter',
    labels: { command: diameterCommands, le: diameterLatencies },
  },
  {
    name: 'cscf_diameter_seconds_sum',
    help: 'Time that all Diameter answers together took.',
    type: 'counter',
    labels: { command: diameterCommands },
  },
  {
    name: 'cscf_diameter_seconds_count',
    help: 'Diameter answers.',
    type: 'counter',
    labels: { command: diameterCommands },
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
  readonly #methods = new Map<string, number>(methods.map((method, i) => [method, i]));
  /** Place of each status code 100 to 699 within its row. */
  readonly #codes = new Uint8Array(700);
  readonly #workerMessages = cscfLayout.id('cscf_worker_messages_total');

  constructor(counters: Counters) {
    this.#counters = counters;
    const rows = directions.flatMap((dir) => transports.map((transport) => ({ dir, transport })));
    this.#methodBase = Int32Array.from(rows, (row) =>
      cscfLayout.id('cscf_sip_messages_total', { ...row, method: methods[0] }),
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
    const place = this.#methods.get(method) ?? methods.length - 1;
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
