import type { AssociationPort } from '#ipsec/ipsec-backend';
import type { Flow, Target } from '#sip/transport/flow';

/** Why the transport side could not deliver a message (RFC 3261 18.4). */
export type SendFailure = 'refused' | 'timeout' | 'closed' | 'unreachable' | 'too-large';

/**
 * What a worker hears: the worker side implements it.
 *
 * The transport side calls `beginBatch` once before it delivers what one wake brought, and `endBatch` after it, so
 * that timers advance and store writes go out once per wake.
 */
export interface WorkerInbox {
  /** `nowMs`: monotonic milliseconds. */
  beginBatch(nowMs: number): void;
  endBatch(): void;
  /** One SIP message, latin1, as framed by the transport. */
  sip(text: string, flow: Flow): void;
  /** A send with a token did not leave (ICMP error, connection refused, reset, timeout). */
  sendFailed(token: number, failure: SendFailure): void;
  connectionClosed(connection: number): void;
  /** One Diameter message (a copy that the receiver may keep): an answer to this worker, or a request from a peer. */
  diameter(message: Buffer): void;
  /** The request with this hop-by-hop identifier was not sent or its peer was lost. */
  diameterFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void;
  /** A Diameter peer (its Origin-Host) has restarted and forgotten its sessions. */
  peerRestarted(host: string): void;
  /** A message of another worker (`from`: its number); `kind` says which port it is for. */
  workerMessage(from: number, kind: number, payload: string): void;
}

/** What a worker asks for: the transport side (inline) or a ring toward it implements it. */
export interface TransportPort {
  /** Sends one SIP message, latin1. `token` (0: none) names the client transaction that wants to hear of a failure. */
  sip(text: string, target: Target, token: number): void;
  /** Closes a stream connection after what is queued on it has gone out. */
  closeConnection(connection: number): void;
  /** Says whether a registered UE needs a stream connection: then neither idleness nor want of room ends it. */
  holdConnection(connection: number, held: boolean): void;
  /** Sends a Diameter request; the peer is chosen by the transport side. */
  diameterRequest(message: Buffer, route: DiameterRoute): void;
  /** Sends an answer to the peer connection that the request came by. */
  diameterAnswer(message: Buffer): void;
  /** Sends a message to another worker; to itself it is delivered in the next batch. */
  worker(to: number, kind: number, payload: string): void;
  /** The IPsec back end of the daemon; absent or null where it has none. */
  readonly associations?: AssociationPort | null;
}

export interface DiameterRoute {
  readonly application: number;
  readonly realm: string;
  /** Empty string: none, the realm table decides. */
  readonly host: string;
}

/** Which Call-IDs a worker owns: held while a transaction or dialog of theirs lives (design: dispatch by buckets). */
export interface CallOwnership {
  /** Gives the hold to release later: a number, so that nobody keeps a Call-ID for it, and with it a message. */
  retain(callId: string): number;
  release(hold: number): void;
}
