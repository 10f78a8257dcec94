import { newCallId } from '#sip/dialog/call-id';
import type { ProxyCore } from '#sip/proxy/proxy-core';
import type { WorkerOwnership } from '#workers/dispatch';
import type { TransportPort } from '#workers/frame-link';
import type { ClaimedCall, Originator } from './node-context.ts';

/**
 * What originates requests in one worker. `core`: asked for late, since it is made after its logic.
 * Source: RFC 3261 8.1.1.4.
 */
export function originator(
  core: () => Pick<ProxyCore, 'originate' | 'acknowledge' | 'newTag'>,
  ownership: Pick<WorkerOwnership, 'claim' | 'retain' | 'release' | 'ownerOf'>,
  port: Pick<TransportPort, 'worker'>,
): Originator {
  const claim = (callId: string): ClaimedCall | null => {
    if (!ownership.claim(callId)) return null;
    // Counted twice for a moment, to have the hold.
    const hold = ownership.retain(callId);
    ownership.release(hold);
    return { callId, hold };
  };
  return {
    originate: (request, user, options) => core().originate(request, user, options),
    acknowledge: (request, options) => core().acknowledge(request, options),
    newTag: () => core().newTag(),
    newCallId() {
      let claimed: ClaimedCall | null = null;
      newCallId((callId) => {
        claimed = claim(callId);
        return claimed !== null;
      });
      if (claimed === null) throw new Error('other workers own every Call-ID there is');
      return claimed;
    },
    claim,
    ownerOf: (callId) => ownership.ownerOf(callId),
    tell: (worker, payload) => port.worker(worker, 0, payload),
  };
}
