import type { CrewView } from './crew.ts';
import type { WorkerOwnership } from './dispatch.ts';
import type { TransportPort, WorkerInbox } from './frame-link.ts';
import type { IntakeUser, IntakeView } from './intake.ts';

/** What a worker is told of itself. */
export interface WorkerContext {
  /** 0 up to `crew.places` - 1; a replacement has the number of the worker it replaces. */
  readonly worker: number;
  /** Who else there is, by now. */
  readonly crew: CrewView;
  /** What the worker leaves to the one that takes its place in the same thread; empty in a new thread. */
  readonly kept: Map<string, unknown>;
  /** Plain data (structured clone), the same for all workers. */
  readonly config: unknown;
}

/** A worker as the pool sees it. */
export interface WorkerInstance extends WorkerInbox, IntakeUser {
  /** Given what stands before it, for telling it what became of messages, and for its counters. */
  connectIntake?(intake: IntakeView): void;
  /** Answers a question of the control side (metrics, reload); plain data both ways. */
  control?(request: unknown): unknown;
  /** Ends timers and store connections; nothing is delivered afterwards. */
  stop?(): void | Promise<void>;
}

/** What the module that a pool is given exports; it runs inline or in worker threads. */
export interface WorkerModule {
  /** Loads ahead what `createInbox` will load, in a thread that waits for its use. */
  prepare?(): Promise<unknown>;
  createInbox(
    port: TransportPort,
    ownership: WorkerOwnership,
    context: WorkerContext,
  ): WorkerInstance | Promise<WorkerInstance>;
}
