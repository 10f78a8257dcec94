import type { PeerState } from './peer-state.ts';
import type { CommandCount } from './peer-statistics.ts';

/** One peer as an administrator sees it. Source: requirement D-20. */
export interface PeerStatus {
  readonly host: string;
  readonly state: PeerState | 'suspect';
  /** What happened last, in plain words; '' while nothing has. */
  readonly words: string;
  /** What went wrong last, also when all is well again. */
  readonly lastError: string | undefined;
  readonly remote: string | undefined;
  readonly realm: string | undefined;
  readonly productName: string | undefined;
  /** Milliseconds since 1970. */
  readonly connectedSinceMs: number | undefined;
  /** Smoothed. */
  readonly roundTripMs: number | undefined;
  readonly applications: readonly number[];
  /** Requests of ours that await an answer. */
  readonly outstanding: number;
  /** Requests of the peer that await ours. */
  readonly asked: number;
  readonly counts: readonly CommandCount[];
}
