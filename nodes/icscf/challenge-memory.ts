import type { CallOwnership } from '#workers/frame-link';
import { RecentMap } from './recent-map.ts';

interface Challenge {
  readonly scscf: string;
  readonly hold: number;
}

/**
 * Which S-CSCF has just challenged a user: HSSs that pick the server anew until SAR stores it would otherwise send the
 * answer to another one. The Call-ID stays with this worker meanwhile. Requirement I-17.
 */
export class ChallengeMemory {
  readonly #challenges: RecentMap<Challenge>;
  readonly #calls: CallOwnership;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number, calls: CallOwnership) {
    this.#challenges = new RecentMap({ now, lifeMs, most: maxEntries, left: ({ hold }) => calls.release(hold) });
    this.#calls = calls;
  }

  get(impi: string, callId: string): string | null {
    return this.#challenges.get(keyOf(impi, callId))?.scscf ?? null;
  }

  set(impi: string, callId: string, scscf: string): void {
    this.#challenges.set(keyOf(impi, callId), { scscf, hold: this.#calls.retain(callId) });
  }

  delete(impi: string, callId: string): void {
    this.#challenges.delete(keyOf(impi, callId));
  }
}

/** As long as a challenge may be answered (reg-await-auth). Source: TS 24.229 7.8. */
const lifeMs = 240_000;
const maxEntries = 100_000;

function keyOf(impi: string, callId: string): string {
  return `${impi} ${callId}`;
}
