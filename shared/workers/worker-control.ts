import type { Worker } from 'node:worker_threads';
import type { AssociationPort } from '#ipsec/ipsec-backend';
import type { IntakeOptions } from './intake.ts';
import type { ScalingRules } from './scaling.ts';

export interface WorkersOptions {
  /** How many there are at first, 1 to 64: the first on this thread, the others in threads of their own. */
  readonly workers: number;
  /** Between which bounds that may change while running; left out: it stays as it is. */
  readonly scaling?: ScalingRules;
  /** Length of a cycle of `scaling`, milliseconds; a second when left out. */
  readonly cycleMs?: number;
  /** What a worker that leaves still has to do, but for what keeps its Call-IDs. */
  readonly remains?: (worker: number) => Promise<Remains>;
  /** The number of workers that take new work was changed. `load`: percent, null when somebody asked for it. */
  readonly onScale?: (workers: number, load: number | null) => void;
  /** A worker has left: its number means nobody now. What it may have left behind is for the others. */
  readonly onLeft?: (worker: number) => void;
  /** `dedicated`: with two workers and more, all of them have their own threads and this one only reads; default shared. */
  readonly reader?: 'shared' | 'dedicated';
  /** URL of the module that exports `createInbox`. */
  readonly module: string;
  /** Given to each worker; plain data when there are several. */
  readonly config: unknown;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  readonly ringBytes?: number;
  /** How each worker protects itself from more than it can do; `defaultIntake` for what is left out. */
  readonly intake?: Partial<IntakeOptions>;
  /** What `IntakeUser.isUrgent` says, for what a full ring has no room for; asked of whoever sent it. */
  readonly isUrgent?: (text: string) => boolean;
  /** The IPsec back end that serves all workers; left out: none. */
  readonly associations?: AssociationPort | null;
  /** Fetch frames by a 1 ms timer while busy instead of one wake each: fewer wakes, 1 ms later; default false. */
  readonly coalesce?: boolean;
  /** Which worker a Diameter request of a peer is for, -1: any. */
  readonly ownerOfRequest?: (message: Buffer) => number;
  /** Ends a thread at a moment when that does no harm (a store it writes to); default: at once. */
  readonly endThread?: (thread: Worker) => Promise<unknown>;
  /** A thread is gone, whatever the reason. */
  readonly onThreadExit?: (threadId: number) => void;
  /** A worker thread has ended though it was not told to; it is being replaced. */
  readonly onCrash?: (worker: number, error: Error) => void;
}

/** What a worker has to do. */
export interface Remains {
  /** Requests that await an answer, of its own or of others. */
  readonly pending: number;
  /** Calls it has a part of. Others go on with them in its place, knowing less of them. */
  readonly sessions: number;
}

export interface WorkerCounts {
  /** SIP messages handed to this worker. */
  readonly messages: number;
  /** SIP messages answered 503 or dropped: too much to do, or their source under penalty. */
  readonly shed: number;
  /** Frames lost because not even the list behind the ring had room. */
  readonly dropped: number;
  readonly restarts: number;
  readonly backlogBytes: number;
  /** `leaving`: gets no new calls, and goes when those it has are over. */
  readonly state: 'starting' | 'serving' | 'busy' | 'leaving' | 'ended';
}

/** The worker side as the daemon sees it, whatever the number of workers. */
export interface Workers {
  /** Numbers of those that are there, ascending. */
  readonly numbers: readonly number[];
  /** What bounds their number, and changes it. */
  readonly scaling: Readonly<ScalingRules>;
  /** How many take new work. */
  readonly serving: number;
  /**
   * So many are to take new work. Fulfilled when those that come serve; those that go do so when their calls are over.
   * Rejects with RangeError beyond the bounds, and with the error of a worker that cannot start.
   */
  scale(count: number): Promise<void>;
  /** Changes the bounds, but for `max`, and what they go by. */
  setScaling(rules: ScalingRules): void;
  /**
   * An exception that nobody caught: makes the worker of this thread anew if it came from there, and from nowhere else.
   * False: it did not, and nothing is known of how the rest stands.
   */
  recover(error: unknown): boolean;
  counts(worker: number): WorkerCounts;
  /** Asks a worker's `control`; rejects with its error or after the timeout. */
  ask(worker: number, request: unknown, timeoutMs?: number): Promise<unknown>;
  /** For tests of resilience, only where CSCF_TEST_TRIGGER is 1: ends a worker, or keeps it busy. False: not enabled. */
  trigger(worker: number, what: 'crash' | 'busy', ms?: number): boolean;
  /** Lets the workers finish what they have been handed (at most `drainMs`) and ends them. */
  stop(drainMs?: number): Promise<void>;
}
