import { workerOfSessionId } from '#diameter/session-id';
import { reasons } from '#ims/reasons';
import type { PcscfState } from './pcscf-state.ts';
import type { RxSide } from './rx.ts';
import { RxRecovery } from './rx-recovery.ts';
import { releaseSessionsOf, serviceUnavailable } from './session-release.ts';
import { SignallingSessions } from './signalling-session.ts';

/** The Rx sessions of registrations, null where none are to be: `rx.signalling`. Requirements P-121, P-128. */
export function openSignalling(state: PcscfState, rx: RxSide | null): SignallingSessions | null {
  const { context } = state;
  const { config, crew, listeners, log, origin, store, volatile, worker, clock } = context;
  // Also while rx.mode is off everywhere: it may be turned on.
  if (rx === null || !config.rx.signalling) return null;
  return new SignallingSessions({
    rx,
    store,
    volatile,
    clock,
    worker,
    isThere: (other) => crew.has(other),
    listeners: listeners.all,
    binding: (token) => state.registrations.byToken(token),
    tell: (other, word) => origin.tell(other, word),
    marked(isLost) {
      context.count(isLost ? 'rx-bearer-lost' : 'rx-bearer-recovered');
    },
    bearerGone(token) {
      const release = { ...serviceUnavailable, reason: reasons.bearerReleased, unreachable: 'ue' as const };
      releaseSessionsOf(state, token, release);
    },
    log,
  });
}

/** Ends what Rx sessions the run before has left, null where no PCRF is known. Requirement P-129. */
export function openRecovery(state: PcscfState): RxRecovery | null {
  const { rx, signalling, registrations, context } = state;
  const { log, wheel, worker } = context;
  if (rx === null) return null;
  return new RxRecovery({
    records: rx.records,
    port: rx.client,
    wheel,
    isLive: (sessionId) => rx.sessions.find(sessionId) !== undefined,
    isMine(sessionId) {
      const maker = Math.max(0, workerOfSessionId(sessionId));
      // A session of one that is there is that one's own, even when it leaves.
      return context.crew.has(maker) ? maker === worker : maker % context.workers === worker;
    },
    ended(token) {
      const binding = registrations.byToken(token);
      if (binding === null) signalling?.unbound(token);
      else void signalling?.bound(binding);
    },
    log,
  });
}
