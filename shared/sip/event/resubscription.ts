/** How a subscriber goes about what fails. Seconds. */
export interface SubscriberPolicy {
  /** First wait after a failure; it doubles with each one more. */
  readonly retrySeconds: number;
  readonly maxRetrySeconds: number;
  /** Failures in a row after which it gives up. */
  readonly maxFailures: number;
}

export const defaultSubscriberPolicy: SubscriberPolicy = Object.freeze({
  retrySeconds: 30,
  maxRetrySeconds: 3600,
  maxFailures: 10,
});

/** How long after 64*T1 without its first NOTIFY a subscription counts as failed. Source: RFC 6665 4.1.2.4 (Timer N). */
export const firstNotifyMs = 32_000;

/** A subscription that lived longer than this was no failure, however it ended. */
export const soundLifeMs = 60_000;

/**
 * How long after it was granted a subscription of so many seconds is refreshed, seconds: 600 before its end, of short ones
 * after half their time. Source: TS 24.229 5.1.1.3, 5.2.3; requirement P-61.
 */
export function refreshAfterSeconds(seconds: number): number {
  return seconds > 1200 ? seconds - 600 : seconds / 2;
}

/** Wait before the next try, seconds; `failures` in a row so far, none: at once. */
export function backoffSeconds(failures: number, policy: SubscriberPolicy): number {
  return failures === 0 ? 0 : Math.min(policy.retrySeconds * 2 ** (failures - 1), policy.maxRetrySeconds);
}

/**
 * What to do when the notifier has ended a subscription: begin a new one after so many seconds, or never (null). Of what
 * tells no time only deactivated and timeout are begun anew.
 *
 * Source: RFC 6665 4.1.3; requirements C-31, P-65.
 */
export function secondsAfterEnd(reason: string, retryAfter: number): number | null {
  switch (reason) {
    case 'deactivated':
    case 'timeout':
      return 0;
    case 'rejected':
    case 'noresource':
    case 'invariant':
      return null;
    default:
      // probation, giveup, none, or one we do not know.
      return retryAfter < 0 ? null : retryAfter;
  }
}

/** Answers to a SUBSCRIBE that will be no other next time. Source: RFC 3261 21; RFC 6665 4.1.2. */
const lasting: ReadonlySet<number> = new Set([400, 405, 406, 413, 414, 415, 416, 420, 421, 489, 493, 501, 505, 513]);

/** Whether trying again makes no sense after this answer to a SUBSCRIBE. */
export function isLasting(status: number): boolean {
  return status >= 600 || lasting.has(status);
}

/** Answers to a refresh after which there is no subscription any more. Source: RFC 6665 4.1.2.2, RFC 5057 5.1. */
const ending: ReadonlySet<number> = new Set([404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604]);

/** Whether a refresh that was answered like this has lost its subscription. */
export function isLost(status: number): boolean {
  return ending.has(status);
}
