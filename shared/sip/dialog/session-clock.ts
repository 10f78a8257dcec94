import type { SessionAgreement } from './session-timer.ts';

/**
 * The running timer of one session: plain data with its next deadline. The caller arms a timer for `sessionDue`, asks
 * again when it rings, and makes a new one at each refresh. Times are those of one clock, milliseconds.
 */
export interface SessionClock {
  readonly seconds: number;
  /** Ours to refresh, the peer's, or (of a proxy) somebody else's. */
  readonly role: 'refresher' | 'peer' | 'observer';
  /** When it was agreed or refreshed last. */
  readonly sinceMs: number;
  /** A refresh is on its way: only the end is left. */
  refreshing: boolean;
}

/** What happens next with a session, and when. */
export interface SessionDue {
  /** Send a refresh; send BYE; (a proxy) the session has run out. */
  readonly action: 'refresh' | 'release' | 'expire';
  readonly atMs: number;
}

/** How long a proxy waits beyond the end for a refresh that is under way: 64*T1. */
export const observerGraceMs = 32_000;

/** The clock of an end: `uac` when we sent the request that agreed the timer, else `uas`. */
export function endClock(agreement: SessionAgreement, self: 'uac' | 'uas', nowMs: number): SessionClock {
  const role = agreement.refresher === self ? 'refresher' : 'peer';
  return { seconds: agreement.seconds, role, sinceMs: nowMs, refreshing: false };
}

/** The clock of a proxy. */
export function observerClock(agreement: SessionAgreement, nowMs: number): SessionClock {
  return { seconds: agreement.seconds, role: 'observer', sinceMs: nowMs, refreshing: false };
}

/**
 * The next deadline. A refresher refreshes after half the interval; both ends send BYE when 32 seconds, or a third of
 * the interval if that is less, are left; a proxy waits a little beyond the end.
 *
 * Source: RFC 4028 8.3, 10; requirements P-80, S-130.
 */
export function sessionDue(clock: SessionClock): SessionDue {
  const { seconds, role, sinceMs } = clock;
  if (role === 'observer') return { action: 'expire', atMs: sinceMs + seconds * 1000 + observerGraceMs };
  if (role === 'refresher' && !clock.refreshing) return { action: 'refresh', atMs: sinceMs + seconds * 500 };
  return { action: 'release', atMs: sinceMs + (seconds - Math.min(32, seconds / 3)) * 1000 };
}
