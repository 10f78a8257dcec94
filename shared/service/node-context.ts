import type { DiameterClient, RequestHandler } from '#diameter/client';
import type { CxClient } from '#diameter/cx/cx-client';
import type { CommandDefinition } from '#diameter/dictionary/dictionary';
import type { AssociationPort } from '#ipsec/ipsec-backend';
import type { SipRequest } from '#sip/message/request';
import type { BranchUser, ForwardOptions, ProxyBranch } from '#sip/proxy/proxy-branch';
import type { OwnNames } from '#sip/proxy/route-processing';
import type { Reason } from '#sip/reasons';
import type { TimerWheel } from '#sip/transaction/timer-wheel';
import type { ListenerTable } from '#sip/transport/listener-table';
import type { Store } from '#store/store';
import type { CrewView } from '#workers/crew';
import type { CallOwnership } from '#workers/frame-link';
import type { Clock } from './clock.ts';
import type { CommonConfig } from './config/config-shape.ts';

/** What a node writes to its log with: fields first, then the words. */
export interface NodeLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * What a node begins by itself: requests that nobody sent to it, and word to its other workers. What comes back for a
 * request is dispatched by its Call-ID, so this worker has to claim it before it sends.
 */
export interface Originator {
  /** Sends a request that has all its header fields but Via; see `ProxyCore.originate`. */
  originate(request: SipRequest, user: BranchUser, options?: ForwardOptions): ProxyBranch;
  /** Sends an ACK of our own to a 2xx, which has all its header fields but Via. */
  acknowledge(request: SipRequest, options?: ForwardOptions): void;
  newTag(): string;
  /** A new Call-ID, claimed. Its hold is released when nothing more can come. */
  newCallId(): ClaimedCall;
  /** Claims a Call-ID that is known already: null while something of it lives in another worker. */
  claim(callId: string): ClaimedCall | null;
  /** The worker that owns a Call-ID, -1 when nobody does. */
  ownerOf(callId: string): number;
  /** Gives word to a worker of this node, which hears it as `workerMessage` of its logic; to itself in the next batch. */
  tell(worker: number, payload: string): void;
}

/** A Call-ID of which everything comes to this worker until `calls.release(hold)`. */
export interface ClaimedCall {
  readonly callId: string;
  readonly hold: number;
}

/** Everything the procedures of one node, in one worker, are given. */
export interface NodeContext<C extends CommonConfig = CommonConfig> {
  /** The configuration as it is by now. */
  readonly config: C;
  /** Names somebody who builds anew, from a new configuration, what he has made of the old one. */
  onConfig(rebuild: (next: C) => void): void;
  readonly worker: number;
  /** How many workers share the work at the moment: work with a number is `number % workers`'s. One that leaves has no share. */
  readonly workers: number;
  /** Who is there. */
  readonly crew: CrewView;
  readonly listeners: ListenerTable;
  /** The addresses and names under which this node is known. */
  readonly own: OwnNames;
  /** Keeps the Call-IDs of dialogs with this worker. */
  readonly calls: CallOwnership;
  readonly origin: Originator;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  /** Wall clock when the daemon started, milliseconds since 1970: numbers of connections noted before mean nothing. */
  readonly bootMs: number;
  readonly store: Store;
  /** For what need not survive a restart but must be seen by all workers (challenges). */
  readonly volatile: Store;
  /** Null where the configuration has no Cx. */
  readonly cx: CxClient | null;
  /** Requests of its own (Rx); null where the configuration has no Diameter. */
  readonly diameter: DiameterClient | null;
  /** The IPsec back end of the daemon; null where it has none, and no protected listeners then. */
  readonly ipsec: AssociationPort | null;
  readonly log: NodeLog;
  /** Says whether a registered UE needs a stream connection, by its number. */
  holdConnection(connection: number, held: boolean): void;
  /**
   * Lets a procedure answer the requests of one Diameter command, in this worker; peers choose no worker, so each worker
   * has to serve. What it throws is logged and answered 5012.
   */
  serveDiameter(command: CommandDefinition, handler: RequestHandler): void;
  /** Logs and counts one refusal; `reason.id` is its label. */
  refused(request: SipRequest, reason: Reason, detail: string): void;
  /** Counts one event of the node under a name of docs/metrics.md. */
  count(event: string): void;
}
