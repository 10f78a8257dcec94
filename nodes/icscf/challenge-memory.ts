/**
 * Which S-CSCF has just challenged a user: HSSs that pick the server anew until SAR stores it would otherwise send the
 * answer to another one. Requirement I-17.
 */
export class ChallengeMemory {
  readonly #entries = new Map<string, { readonly scscf: string; readonly untilMs: number }>();
  readonly #now: () => number;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get(impi: string, callId: string): string | null {
    const entry = this.#entries.get(keyOf(impi, callId));
    return entry !== undefined && entry.untilMs > this.#now() ? entry.scscf : null;
  }

  set(impi: string, callId: string, scscf: string): void {
    const now = this.#now();
    for (const [key, entry] of this.#entries) {
      if (entry.untilMs > now && this.#entries.size < maxEntries) break;
      this.#entries.delete(key);
    }
    const key = keyOf(impi, callId);
    this.#entries.delete(key);
    this.#entries.set(key, { scscf, untilMs: now + lifeMs });
  }

  delete(impi: string, callId: string): void {
    this.#entries.delete(keyOf(impi, callId));
  }
}

/** As long as a challenge may be answered (reg-await-auth). Source: TS 24.229 7.8. */
const lifeMs = 240_000;
const maxEntries = 100_000;

function keyOf(impi: string, callId: string): string {
  return `${impi} ${callId}`;
}
