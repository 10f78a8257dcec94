import type { NodeLogic } from '#sip/proxy/node-logic';
import type { TimerProfile } from '#sip/transaction/timers';
import type { Flow, Listener } from '#sip/transport/flow';
import type { WorkerTrace } from '#workers/worker-side';
import type { CommonConfig, StoreConfig } from './config/config-shape.ts';
import type { NodeContext } from './node-context.ts';
import type { StoreTables } from './shared-store.ts';

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
