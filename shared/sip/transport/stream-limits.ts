/** Bounds of the stream side. */
export interface StreamLimits {
  /**
   * Nothing heard or sent for this long ends a connection that no registration needs; above Timer C (185 s), so no
   * transaction is cut off.
   */
  readonly idleMs: number;
  /** A message, or a TLS handshake, that has begun must be complete within this time. */
  readonly messageMs: number;
  /** An accepted connection that has not brought one message within this time ends. */
  readonly silentMs: number;
  /** Reaching a peer takes no longer than this, its TLS handshake included. */
  readonly connectMs: number;
  /** Accepted from one address. */
  readonly connectionsPerSource: number;
  /** Both ways, all listeners. */
  readonly connections: number;
  /** Bytes that may wait for a slow reader before its connection is ended. */
  readonly writeBytes: number;
  /** Messages that may wait for a connection to open. */
  readonly waitingMessages: number;
  readonly pongsPerSecond: number;
}

/** Source: C-11, C-14; X-S4, X-S17. */
export const defaultStreamLimits: StreamLimits = Object.freeze({
  idleMs: 200_000,
  messageMs: 10_000,
  silentMs: 32_000,
  connectMs: 3_000,
  connectionsPerSource: 64,
  connections: 4096,
  writeBytes: 1024 * 1024,
  waitingMessages: 64,
  pongsPerSecond: 10,
});
