import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Listener } from './flow.ts';

/** A connection whose handshake is over. */
export interface Secured {
  readonly socket: TLSSocket;
  /**
   * Domains the certificate of the peer is for: requests to other ones must not take this connection. Null: nobody
   * verifies, any may.
   */
  readonly domains: readonly string[] | null;
}

/** A handshake that failed. */
export interface HandshakeFailure {
  /** Why, in plain words. */
  readonly words: string;
}

/**
 * Makes a connected socket secure: calls `done` once, also when the socket ends meanwhile. Whoever has begun it
 * destroys the socket after a failure, or when it takes too long.
 */
export type Securing = (raw: Socket, done: (outcome: Secured | HandshakeFailure) => void) => void;

/** What the stream transport needs for its connections by TLS. */
export interface StreamSecurity {
  /** For the accepted connections of a listener. Throws SipError when there is no certificate to show. */
  accepting(listener: Listener): Securing;
  /** For a connection of ours to a host (of a URI, lower case). */
  connecting(domain: string): Securing;
}
