import type { Via } from '#sip/header/via';
import type { JournalEntry } from '#sip/message/journal';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import type { NodeLogic } from '#sip/proxy/node-logic';
import { ProxyCore } from '#sip/proxy/proxy-core';
import type { OwnNames } from '#sip/proxy/route-processing';
import type { Reason } from '#sip/reasons';
import { type ResolverOptions, resolveTarget } from '#sip/resolver/resolve-target';
import { defaultSetAsideMs, TargetHealth } from '#sip/resolver/target-health';
import { TimerWheel } from '#sip/transaction/timer-wheel';
import type { TimerProfile } from '#sip/transaction/timers';
import { TransactionLayer } from '#sip/transaction/transaction-layer';
import type { Flow, Listener } from '#sip/transport/flow';
import type { CallOwnership, SendFailure, TransportPort, WorkerInbox } from './frame-link.ts';
import type { IntakeView } from './intake.ts';

/** Who takes Diameter messages of this worker (shared/diameter's client). */
export interface DiameterInbox {
  onMessage(message: Buffer): void;
  onFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void;
}

/** Where a worker reports every message while somebody traces. */
export interface WorkerTrace {
  /** `journal`: what this node changed on a message that it sends on. */
  sip(dir: 'in' | 'out', text: string, peer: Flow, journal: readonly JournalEntry[]): void;
  diameter(dir: 'in' | 'out', message: Buffer): void;
}

/** What the world outside the protocol hears of a worker: its log, counters and store. */
export interface WorkerEvents {
  /** Null: nobody traces, and edits are not journalled. */
  readonly trace: WorkerTrace | null;
  received(message: SipRequest | SipResponse, flow: Flow): void;
  /** Refused or dropped before any procedure saw it. */
  rejected(reason: Reason, detail: string, answered: boolean, message: SipRequest | null, flow: Flow): void;
  /** An exception: in a procedure (`request`), or while a frame was read (null). */
  failed(error: unknown, request: SipRequest | null): void;
  /** As `ProxyCoreOptions` say. */
  answered?(request: SipRequest, status: number, afterMs: number, reason: Reason | null): void;
  ringing?(request: SipRequest, afterMs: number): void;
  /** A wake's work is done: the place to commit the store. */
  batchDone(): void;
}

export interface WorkerSideOptions {
  readonly worker: number;
  readonly name: string;
  readonly own: OwnNames;
  readonly resolver: ResolverOptions;
  readonly profileOf: (listener: Listener, address: string) => TimerProfile;
  /** Timer C by now, milliseconds. */
  readonly timerCMs: () => number;
  readonly proxyRequire: readonly string[];
  readonly allow: readonly string[];
  /** Server header of responses of our own, '' for none. */
  readonly server?: string;
  /** How long a next hop that failed is passed over, milliseconds; 30 s when left out. */
  readonly setAsideMs?: number;
  /** Octets above which requests go by TCP where they may, see StreamSwitch; never when left out or 0. */
  readonly switchToTcpAbove?: number | 'auto';
  /** Whether nothing is known of who sends by a flow; nobody is a stranger when left out. */
  readonly isStranger?: (flow: Flow) => boolean;
  /** Octets that answered transactions may take; 64 MiB when left out. */
  readonly keptOctets?: number;
  /** Where answers to what came to a protected port go; see TransactionLayerOptions. */
  readonly answerFlow?: (flow: Flow) => Flow;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/**
 * Everything that handles messages, in one thread: frames in, transactions, the node's procedures, frames out.
 * One catch per message keeps a bad one from the process.
 */
export class WorkerSide implements WorkerInbox {
  readonly wheel: TimerWheel;
  readonly core: ProxyCore;
  readonly layer: TransactionLayer;
  /** What stands before this worker, once it is connected. */
  intake: IntakeView | null = null;
  readonly #events: WorkerEvents;
  readonly #diameter: DiameterInbox | null;
  readonly #now: () => number;
  #alarm: NodeJS.Timeout | null = null;
  #isStopped = false;
  #onWorkerMessage: ((from: number, kind: number, payload: string) => void) | null = null;
  #onConnectionClosed: ((connection: number) => void) | null = null;
  #onPeerRestarted: ((host: string) => void) | null = null;

  constructor(
    port: TransportPort,
    ownership: CallOwnership,
    options: WorkerSideOptions,
    events: WorkerEvents,
    createLogic: (wheel: TimerWheel) => NodeLogic,
    diameter: DiameterInbox | null,
  ) {
    this.#events = events;
    this.#diameter = diameter;
    this.#now = options.now;
    this.wheel = new TimerWheel(options.now, (atMs) => this.#setAlarm(atMs));
    this.core = new ProxyCore(
      {
        name: options.name,
        own: options.own,
        wheel: this.wheel,
        get timerCMs() {
          return options.timerCMs();
        },
        proxyRequire: options.proxyRequire,
        allow: options.allow,
        server: options.server ?? '',
        resolve: (uri, side, guarded) => resolveTarget(uri, side, options.resolver, guarded),
        health: new TargetHealth({ now: options.now, setAsideMs: options.setAsideMs ?? defaultSetAsideMs }),
        ...(options.isStranger === undefined ? {} : { isStranger: options.isStranger }),
        finished: ({ flow, method }, status) => {
          if (flow !== null) this.intake?.finished(flow, method, status);
        },
        answered: (request, status, afterMs, reason) => events.answered?.(request, status, afterMs, reason),
        ringing: (request, afterMs) => events.ringing?.(request, afterMs),
        failed: (error, request) => events.failed(error, request),
      },
      createLogic(this.wheel),
    );
    this.layer = new TransactionLayer(
      {
        worker: options.worker,
        wheel: this.wheel,
        listeners: options.resolver.listeners.all,
        profileOf: options.profileOf,
        send(text, target, token, message) {
          events.trace?.sip('out', text, target, message?.headers.journal?.entries ?? []);
          port.sip(text, target, token);
        },
        traced: events.trace !== null,
        switchToTcpAbove: options.switchToTcpAbove ?? 0,
        server: options.server ?? '',
        ...(options.keptOctets === undefined ? {} : { keptOctets: options.keptOctets }),
        ...(options.answerFlow === undefined ? {} : { answerFlow: options.answerFlow }),
        retain: (callId) => ownership.retain(callId),
        release: (hold) => ownership.release(hold),
        rejected: (reason, detail, answered, message, flow) => {
          this.intake?.malformed(flow);
          events.rejected(reason, detail, answered, message, flow);
        },
        received: (message, flow) => events.received(message, flow),
      },
      this.core,
    );
    this.core.attach(this.layer);
  }

  connectIntake(intake: IntakeView): void {
    this.intake = intake;
  }

  /** Whether a request's server transaction is here. */
  holds(via: Via, method: string): boolean {
    return this.layer.holds(via, method);
  }

  /** Hears messages of other workers. */
  onWorkerMessage(listener: (from: number, kind: number, payload: string) => void): void {
    this.#onWorkerMessage = listener;
  }

  onConnectionClosed(listener: (connection: number) => void): void {
    this.#onConnectionClosed = listener;
  }

  /** Hears of Diameter peers (their Origin-Host) that have restarted. */
  onPeerRestarted(listener: (host: string) => void): void {
    this.#onPeerRestarted = listener;
  }

  beginBatch(): void {
    try {
      this.wheel.advance();
    } catch (error) {
      this.#events.failed(error, null);
    }
  }

  endBatch(): void {
    this.#events.batchDone();
  }

  sip(text: string, flow: Flow): void {
    this.#events.trace?.sip('in', text, flow, []);
    try {
      this.layer.receive(text, flow);
    } catch (error) {
      this.#events.failed(error, null);
    }
  }

  sendFailed(token: number, failure: SendFailure): void {
    this.#guarded(() => this.layer.sendFailed(token, failure));
  }

  connectionClosed(connection: number): void {
    this.#guarded(() => this.#onConnectionClosed?.(connection));
  }

  diameter(message: Buffer): void {
    this.#events.trace?.diameter('in', message);
    this.#guarded(() => this.#diameter?.onMessage(message));
  }

  diameterFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void {
    this.#guarded(() => this.#diameter?.onFailed(hopByHop, reason));
  }

  peerRestarted(host: string): void {
    this.#guarded(() => this.#onPeerRestarted?.(host));
  }

  workerMessage(from: number, kind: number, payload: string): void {
    this.#guarded(() => this.#onWorkerMessage?.(from, kind, payload));
  }

  /** Ends the clock of this worker; nothing is sent any more. */
  stop(): void {
    this.#isStopped = true;
    if (this.#alarm !== null) clearTimeout(this.#alarm);
    this.#alarm = null;
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#events.failed(error, null);
    }
  }

  #setAlarm(atMs: number): void {
    if (this.#isStopped) return;
    if (this.#alarm !== null) clearTimeout(this.#alarm);
    this.#alarm = setTimeout(() => this.#ring(), Math.max(0, Math.ceil(atMs - this.#now())));
  }

  #ring(): void {
    this.#alarm = null;
    this.#guarded(() => this.wheel.ring());
    this.#events.batchDone();
  }
}
