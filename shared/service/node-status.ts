import type { ScalingRules } from '#workers/scaling';
import type { LiveConfig, ReloadReport } from './config/live-config.ts';
import type { Role } from './config/schema.ts';
import type { EventHub, NodeEvent } from './event-feed.ts';

/** One thread that handles messages. */
export interface WorkerStatus {
  readonly worker: number;
  /** SIP messages received since the start. */
  readonly messages: number;
  /** Share of the last seconds it was not idle, 0 to 1. */
  readonly busy: number;
  /**
   * `busy`: it has not taken anything for a while and gets no new calls; `leaving`: it gets none either, and goes when those
   * it has are over.
   */
  readonly state: 'starting' | 'serving' | 'busy' | 'leaving' | 'ended';
  /** How often it died and was replaced. */
  readonly restarts: number;
  /** SIP messages refused or dropped: too much to do, or their source under penalty. */
  readonly shed: number;
}

/** A Diameter peer. */
export interface PeerStatus {
  readonly host: string;
  /** `address:port`. */
  readonly address: string;
  /** State of the peer machine, as RFC 6733 5.6 names it. */
  readonly state: string;
  /** The same for people: what it waits for or why it is down. */
  readonly words: string;
  /** What went wrong last, also when all is well again. */
  readonly lastError?: string;
  /** When the connection was opened, ISO 8601. */
  readonly connectedSince?: string;
  /** How long it takes to answer, smoothed, milliseconds. */
  readonly roundTripMs?: number;
  /** Requests of ours that await its answer. */
  readonly outstanding?: number;
  /** Requests since the start: `sent` ones that it answered, `received` ones that we answered. */
  readonly requests?: readonly {
    readonly direction: 'sent' | 'received';
    /** Command code. */
    readonly command: number;
    /** `2001`, `experimental 5001`, `lost`. */
    readonly result: string;
    readonly count: number;
  }[];
}

/** How a node stands with more to do than it can, at the last look (once a second). */
export interface OverloadStatus {
  /** SIP messages that wait, and how long a new request would wait in the worst worker, milliseconds. */
  readonly waiting: number;
  readonly delayMs: number;
  /** Sources that are not heard at the moment. */
  readonly penalisedSources: number;
  /** What was refused or dropped since the start, by class (docs/metrics.md). */
  readonly shed: Readonly<Record<string, number>>;
}

/** How protected traffic is carried. */
export interface IpsecStatus {
  readonly backend: 'kernel' | 'userspace';
  /** Security associations that the host has; kernel: those of other programs of its network namespace as well. */
  readonly associations: number;
  /** Sets of four that this P-CSCF keeps, one for each agreement with a UE. */
  readonly sets: number;
  /** Packets refused since the start, by cause. */
  readonly dropped: Readonly<Record<'plain' | 'integrity' | 'replay' | 'mismatch' | 'unknown', number>>;
}

/** What a node tells of itself at this moment. */
export interface LiveStatus {
  readonly workers: readonly WorkerStatus[];
  /** `transport:address:port`, and what it serves. */
  readonly listeners: readonly { readonly address: string; readonly sides: readonly string[] }[];
  readonly peers: readonly PeerStatus[];
  readonly registrations: number;
  /** Left out by a node that handles no SIP. */
  readonly overload?: OverloadStatus;
  /** Left out without protected ports. */
  readonly ipsec?: IpsecStatus;
  /** Refusals and unusable messages by reason id. */
  readonly reasons: Readonly<Record<string, number>>;
}

/** The whole status, as the management interface gives it. */
export interface NodeStatus extends LiveStatus {
  readonly role: Role;
  readonly name: string;
  readonly version: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  /** False from the moment it drains. */
  readonly serving: boolean;
}

/** One metric of docs/metrics.md with its value. */
export interface StatRow {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Ends a worker, or keeps it busy; gives whether that is enabled. Throws RangeError when there is no such worker. */
export type TestTrigger = (worker: number, what: 'crash' | 'busy', ms: number) => boolean;

/** Lets a Diameter peer of the configuration alone, and in again; false: there is none of that name. */
export interface PeerSwitch {
  disable(host: string): boolean;
  enable(host: string): boolean;
}

/** How many workers there may be, and changes it. */
export interface WorkerControl {
  /** Bounds and rules; `min` and `max` are the same where the number stays. */
  readonly scaling: Readonly<ScalingRules>;
  /** How many take new work. */
  readonly serving: number;
  /** So many are to take new work; fulfilled when those that come serve. Rejects with RangeError beyond the bounds. */
  scale(count: number): Promise<void>;
}

/** What the management interface is about: the daemon frame implements it around what the node tells and does. */
export interface ManagedNode {
  status(): NodeStatus;
  readonly live: LiveConfig;
  readonly events: EventHub;
  /** The newest lines of the log, oldest first. */
  recentLog(limit: number): Promise<readonly NodeEvent[]>;
  /** Every series that has counted. */
  stats(): readonly StatRow[];
  /** Ends the daemon as SIGTERM does, after the answer has gone out. */
  drain(): void;
  /** Does what SIGHUP does, and tells what became of it. */
  reload(): Promise<ReloadReport>;
  /** Only there when the environment asks for it: CSCF_TEST_TRIGGER=1. */
  readonly trigger?: TestTrigger | undefined;
  /** Who may be told to leave Diameter peers alone; left out by a node without any. */
  readonly peers?: PeerSwitch | undefined;
  /** Left out where there are no workers. */
  readonly workers?: WorkerControl | undefined;
  /** Asks a worker of the node to do something that all of them can; left out where there are no workers. */
  readonly ask?: ((request: unknown) => Promise<unknown>) | undefined;
  /** Asks every worker that serves; the answers, in the order of the workers. */
  readonly askAll?: ((request: unknown) => Promise<readonly unknown[]>) | undefined;
}
