import type { DiameterClient } from '#diameter/client';
import { tagOf } from '#sip/header/name-addr';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { coreReasons, type Reason } from '#sip/reasons';
import type { Flow } from '#sip/transport/flow';
import type { IntakeCounts } from '#workers/intake';
import { systemClock } from './clock.ts';
import type { Logger } from './log.ts';
import { LogLimiter } from './log-limiter.ts';
import {
  BusyMeter,
  cscfLayout,
  DiameterOutcomes,
  LagMeter,
  RequestCounters,
  ShedCounters,
  SipMessageCounters,
} from './metrics/cscf-metrics.ts';
import { DiameterResults } from './metrics/diameter-metrics.ts';
import { Counters } from './metrics/metrics.ts';
import { statusEveryMs } from './worker-answer.ts';

/** How much there is of what comes and goes, by now. */
export interface WorkerGauges {
  readonly transactions: number;
  readonly timers: number;
  /** Null: another worker tells, since all see the same ones. */
  readonly registrations: number | null;
  readonly sessions: number;
}

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

/** What a worker tells of itself: its counters in shared memory, and the lines of its log that a flood may not multiply. */
export class WorkerReports {
  readonly messages: SipMessageCounters;
  readonly #counters: Counters;
  readonly #requests: RequestCounters;
  readonly #shed: ShedCounters;
  readonly #limiter: LogLimiter;
  readonly #meter = new BusyMeter();
  readonly #lag = new LagMeter(statusEveryMs);
  #outcomes: DiameterOutcomes | null = null;
  #results: DiameterResults | null = null;

  /** `block`: of the counters of this worker. */
  constructor(block: SharedArrayBuffer, log: Logger) {
    this.#counters = new Counters(cscfLayout, block);
    this.messages = new SipMessageCounters(this.#counters);
    this.#requests = new RequestCounters(this.#counters);
    this.#shed = new ShedCounters(this.#counters);
    this.#limiter = new LogLimiter({ log, clock: systemClock });
  }

  /** Counts what becomes of the requests of a Diameter client, too. */
  follow({ counters, tally }: DiameterClient): void {
    this.#outcomes = new DiameterOutcomes(this.#counters, counters);
    this.#results = new DiameterResults(this.#counters, tally);
  }

  received(message: SipRequest | SipResponse, flow: Flow): void {
    if (message.kind === 'request') this.messages.request('in', flow.transport, message.method);
    else this.messages.response('in', flow.transport, message.status);
  }

  /** A message was refused or dropped before any procedure saw it. */
  rejected(reason: Reason, detail: string, answered: boolean, message: SipRequest | null, flow: Flow): void {
    this.#counters.addDynamic(ids.malformed, reason.id);
    const fields = () => ({ detail, answered, callId: message?.headers.get(Header['Call-ID']) ?? undefined });
    this.#limiter.warn(reason.id, flow.address, fields, answered ? 'refused a message' : 'dropped a message');
  }

  answered(request: SipRequest, status: number, afterMs: number, reason: Reason | null): void {
    this.#requests.answered(request.method, isInDialog(request), status, afterMs, reason?.id ?? null);
  }

  ringing(request: SipRequest, afterMs: number): void {
    this.#requests.ringing(isInDialog(request), afterMs);
  }

  /** A procedure refused a request. */
  refused(request: SipRequest, reason: Reason, detail: string): void {
    this.#counters.addDynamic(ids.refusals, reason.id);
    const fields = () => refusalFields(request, reason, detail);
    this.#limiter.warn(reason.id, request.flow?.address ?? '', fields, 'refused');
  }

  /** An exception in a procedure (`request`), or while a frame was read (null). */
  failed(error: unknown, request: SipRequest | null): void {
    this.countError();
    const fields = { reason: 'internal', err: error, callId: request?.headers.get(Header['Call-ID']) ?? undefined };
    const words = 'a message was not handled: a defect';
    this.#limiter.warn('internal', request?.flow?.address ?? '', fields, words);
  }

  diameterFailed(error: unknown): void {
    this.countError();
    const fields = { reason: 'internal', err: error };
    this.#limiter.warn('internal', '', fields, 'a Diameter message was not handled: a defect');
  }

  countError(): void {
    this.#counters.add(ids.errors);
  }

  count(event: string): void {
    this.#counters.addDynamic(ids.events, event);
  }

  /** A source is not heard for a while. */
  penalised({ address, port, transport }: Flow): void {
    const words = 'what it sends is malformed or refused: not heard for now';
    this.#limiter.warn('source-penalised', address, { port, transport }, words);
  }

  /** Looks how it stands, every `statusEveryMs`. `intake`: null where none sheds. */
  sample(gauges: WorkerGauges, intake: IntakeCounts | null): void {
    const counters = this.#counters;
    counters.set(ids.busy, this.#meter.sample());
    counters.set(ids.lag, this.#lag.sample(systemClock.nowMs()) / 1000);
    counters.set(ids.transactions, gauges.transactions);
    counters.set(ids.timers, gauges.timers);
    if (gauges.registrations !== null) counters.set(ids.registrations, gauges.registrations);
    counters.set(ids.sessions, gauges.sessions);
    this.#outcomes?.take();
    this.#results?.take();
    if (intake !== null) this.#reportShed(intake);
    this.#limiter.tick();
  }

  /** Nobody is busy, waits or talks here any more; what was counted stays. */
  end(): void {
    for (const [id, { family }] of cscfLayout.series.entries()) {
      if (family.type === 'gauge') this.#counters.set(id, 0);
    }
  }

  #reportShed(counts: IntakeCounts): void {
    const refused = this.#shed.take(counts);
    if (refused === 0) return;
    const fields = { refused, waiting: counts.waiting, delayMs: Math.round(counts.delayMs) };
    const words = 'more to do than can be done: requests were refused with 503';
    this.#limiter.warn(coreReasons.overload.id, '', fields, words);
  }
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
