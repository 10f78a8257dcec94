import type { CompiledCriteria } from '#ims/filter-criteria';
import type { SessionCase } from '#ims/filter-criterion';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { ChargingAddresses, Registration } from './registration.ts';
import type { Session } from './sessions.ts';
import type { ScscfState } from './state.ts';

/** For whom services run. */
export interface ServedUser {
  /** The identity that P-Served-User names. */
  readonly impu: string;
  /** The identity of the profile that stands for it: the same one, or a wildcard. */
  readonly profileKey: string;
  /** Null: nobody is registered with the identity. */
  readonly registration: Registration | null;
  readonly charging: ChargingAddresses;
  readonly criteria: CompiledCriteria;
}

/** Sends a request on when no service is left to run, or refuses it. */
export type LeaveServices = (
  state: ScscfState,
  transaction: ProxyTransaction,
  chain: ServiceChain,
) => void | Promise<void>;

/** What is known of the application server that has the request. */
export interface ServiceHop {
  readonly link: number;
  readonly transaction: ProxyTransaction;
  readonly serverName: string;
  readonly defaultHandling: 0 | 1;
  /** It lives: it sent a provisional response beyond 100, or the request came back from it. */
  alive: boolean;
}

/**
 * One request on its way through the services of a user, from its arrival until it leaves: as it came to this node, or as
 * an application server has sent it back. Requirements S-93 to S-97.
 */
export class ServiceChain {
  readonly served: ServedUser;
  readonly sessionCase: SessionCase;
  readonly leave: LeaveServices;
  /** The criterion that fired last, -1 before the first. */
  position: number;
  /** Application servers this leg was sent to. */
  depth: number;
  /** Whether the request goes to the next application server with our Record-Route. */
  readonly recordsAtServers: boolean;
  /** Whether it has our Record-Route of this passage. */
  recorded = false;
  /** The session that the INVITE begins with our Record-Route of this passage, else null. */
  session: Session | null = null;
  /** The application server that has the request now. */
  hop: ServiceHop | null = null;
  /** Numbers of all hops, those given up included. */
  readonly links: number[] = [];

  constructor(
    served: ServedUser,
    sessionCase: SessionCase,
    leave: LeaveServices,
    returned: { readonly position: number; readonly depth: number; readonly recordsAtServers: boolean } | null = null,
  ) {
    this.served = served;
    this.sessionCase = sessionCase;
    this.leave = leave;
    this.position = returned?.position ?? -1;
    this.depth = returned?.depth ?? 0;
    this.recordsAtServers = returned?.recordsAtServers ?? true;
  }

  get registered(): boolean {
    return this.served.registration !== null;
  }
}
