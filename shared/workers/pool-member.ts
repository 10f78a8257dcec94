import type { Flow } from '#sip/transport/flow';
import type { WorkerLoad } from './dispatch.ts';
import type { SendFailure } from './frame-link.ts';
import type { WorkerUse } from './scaling.ts';
import type { WorkerCounts } from './worker-control.ts';

/** A worker as the pool sees it: beside the sockets on the main thread, or in a thread of its own. */
export interface PoolMember extends WorkerLoad {
  /** Fulfilled when it serves, rejected when it can't. */
  start(): Promise<void>;
  /** Lets it finish what it was handed (at most `drainMs`) and ends it. */
  stop(drainMs: number): Promise<void>;
  /** One wake of the transport side begins. */
  beginBatch(nowMs: number): void;
  endBatch(): void;
  /** Whether it has no room for a message; then it has refused it, or let it go. `isOwned`: it belongs to a live call. */
  sheds(text: string, flow: Flow, isOwned: boolean): boolean;
  /** A message. `bucket`: the one that counts it as under way, -1 for none. */
  hand(text: string, flow: Flow, bucket: number): void;
  sendFailed(token: number, failure: SendFailure): void;
  unreachable(listener: number, address: string, port: number, failure: SendFailure): void;
  connectionClosed(connection: number): void;
  diameter(message: Buffer): void;
  diameterFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void;
  peerRestarted(host: string): void;
  /** A message of worker `from`. */
  workerMessage(from: number, kind: number, payload: string): void;
  /** Looks how it is, now and then. */
  look(nowMs: number): void;
  counts(): WorkerCounts;
  /** How busy it was since it was asked last. */
  use(nowMs: number): WorkerUse;
  ask(request: unknown, timeoutMs: number): Promise<unknown>;
  /** For tests of resilience: ends it, or keeps it busy. */
  trigger(what: 'crash' | 'busy', ms: number): void;
}
