import type { CallOwnership } from '#workers/frame-link';

/**
 * Which S-CSCF has just challenged a user: HSSs that pick the server anew until SAR stores it would otherwise send the
 * answer to another one. The Call-ID stays with this worker meanwhile. Requirement I-17.
 */
export class ChallengeMemory {
  readonly #entries = new Map<string, { readonly scscf: string; readonly hold: number; readonly untilMs: number }>();
  readonly #now: () => number;
  readonly #calls: CallOwnership;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number, calls: CallOwnership) {
    this.#now = now;
    this.#calls = calls;
  }

  get(impi: string, callId: string): string | null {
    const entry = this.#entries.get(keyOf(impi, callId));
    return entry !== undefined && entry.untilMs > this.#now() ? entry.scscf : null;
  }

  set(impi: string, callId: string, scscf: string): void {
    const now = this.#now();
    for (const [key, entry] of this.#entries) {
      if (entry.untilMs > now && this.#entries.size < maxEntries) break;
      this.#remove(key);
    }
    const key = keyOf(impi, callId);
    this.#remove(key);
    this.#entries.set(key, { scscf, hold: this.#calls.retain(callId), untilMs: now + lifeMs });
  }

  delete(impi: string, callId: string): void {
    this.#remove(keyOf(impi, callId));
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#calls.release(entry.hold);
  }
}

/** As long as a challenge may be answered (reg-await-auth). Source: TS 24.229 7.8. */
const lifeMs = 240_000;
const maxEntries = 100_000;

function keyOf(impi: string, callId: string): string {
  return `${impi} ${callId}`;
}
