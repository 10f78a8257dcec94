import type { Flow } from './flow.ts';
import type { TransportFailure } from './transport-failure.ts';

/** What the stream side tells; one read brings one batch. */
export interface StreamHandlers {
  beginBatch(): void;
  endBatch(): void;
  message(text: string, flow: Flow): void;
  /** A connection is gone, whoever ended it. */
  closed(connection: number): void;
  /** May be called from inside `send`. A token may be told of after its message was answered. */
  failed(token: number, failure: TransportFailure): void;
  /** Something for the log. */
  report?(event: StreamEvent): void;
}

/** What happens to connections that somebody who runs the node wants to know of. */
export type StreamEvent =
  /** A TLS handshake failed; `domain`: whom we wanted to reach, '' for an accepted connection. */
  | { readonly kind: 'handshake-failed'; readonly address: string; readonly domain: string; readonly words: string }
  /** A connection was not taken: its address has too many, or all together are too many. */
  | { readonly kind: 'refused'; readonly address: string; readonly cause: 'source' | 'total' }
  /** A connection without a registered UE was ended to make room for one of the core. */
  | { readonly kind: 'displaced'; readonly address: string }
  /** Four fifths of the connections there may be are open; once, until it is less than seven tenths. */
  | { readonly kind: 'crowded'; readonly open: number; readonly limit: number }
  /** Certificate files have changed and are in use for new connections. */
  | { readonly kind: 'certificates-renewed'; readonly words: string }
  /** Certificate files have changed and cannot be used: the ones before stay in use. */
  | { readonly kind: 'certificates-unusable'; readonly words: string };

/** Counters of the stream side, for metrics. */
export interface StreamCounts {
  accepted: number;
  connected: number;
  refusedOverCap: number;
  displaced: number;
  handshakesFailed: number;
  broken: number;
  timedOut: number;
  overrun: number;
}
