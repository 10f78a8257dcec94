import { Header } from '../message/header-names.ts';
import type { SipResponse } from '../message/response.ts';

/**
 * The best of the final responses of all branches: a 6xx first, else the lowest class, within 4xx those that tell the
 * caller how to succeed.
 *
 * Gives -1 for an empty list. Source: RFC 3261 16.7 step 6; requirements C-08, S-123.
 */
export function bestResponse(finals: readonly SipResponse[]): number {
  let best = -1;
  let bestRank = Number.POSITIVE_INFINITY;
  for (let i = 0; i < finals.length; i++) {
    const rank = rankOf(finals[i]!.status);
    if (rank < bestRank) {
      best = i;
      bestRank = rank;
    }
  }
  return best;
}

/** Statuses whose content helps the caller to try again. Source: RFC 3261 16.7 step 6. */
const helpful = [401, 407, 415, 420, 484];

function rankOf(status: number): number {
  const statusClass = Math.floor(status / 100);
  if (statusClass === 6) return 0;
  if (status === 503) return 900;
  const base = statusClass * 100;
  if (statusClass !== 4) return base;
  if (helpful.includes(status)) return base;
  // Timeouts and 487 of branches we cancelled say least.
  return status === 408 || status === 487 ? base + 2 : base + 1;
}

/**
 * Adds the challenges of the other branches to a 401 or 407 that goes upstream.
 * Source: RFC 3261 16.7 step 7.
 */
export function mergeChallenges(chosen: SipResponse, finals: readonly SipResponse[]): void {
  if (chosen.status !== 401 && chosen.status !== 407) return;
  for (const other of finals) {
    if (other === chosen || (other.status !== 401 && other.status !== 407)) continue;
    for (const id of [Header['WWW-Authenticate'], Header['Proxy-Authenticate']])
      chosen.headers.copyFrom(other.headers, id);
  }
}
