import { randomOctets } from '../random-octets.ts';

const maxTries = 1000;

/**
 * A Call-ID for a request or dialog that this node begins. `claim` says whether what comes back for it will reach this
 * worker, and keeps it so (the caller releases it when nothing more can come); it is asked until it agrees.
 *
 * Null when no Call-ID was granted: every other worker owns what was tried, which does not happen in practice.
 * Source: RFC 3261 8.1.1.4.
 */
export function newCallId(claim: (callId: string) => boolean): string | null {
  for (let i = 0; i < maxTries; i++) {
    const callId = randomOctets(16).toString('hex');
    if (claim(callId)) return callId;
  }
  return null;
}
