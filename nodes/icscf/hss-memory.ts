import type { RequestFailure } from '#diameter/client';
import type { CxAnswer } from '#diameter/cx/cx-results';

/**
 * Which HSS has a user, where a redirect agent or relay stands before several: the next requests for him name it, so that
 * nobody has to look it up again. A host that the realm table leads to by itself is not kept.
 *
 * Source: TS 29.228 6.1, 8.2; requirement I-29.
 */
export class HssMemory {
  readonly #entries = new Map<string, { readonly host: string; readonly untilMs: number }>();
  readonly #now: () => number;
  #routed: ReadonlySet<string> = new Set();

  /** `now`: monotonic milliseconds. `routed`: hosts that requests go to anyway. */
  constructor(now: () => number, routed: readonly string[]) {
    this.#now = now;
    this.follow(routed);
  }

  /** Requests go to other hosts anyway from now on. */
  follow(routed: readonly string[]): void {
    this.#routed = new Set(routed.map((host) => host.toLowerCase()));
  }

  /** Destination-Host for a request about a public identity; nothing where none is known. */
  destinationOf(impu: string): { readonly destinationHost?: string } {
    const entry = this.#entries.size === 0 ? undefined : this.#entries.get(impu);
    return entry !== undefined && entry.untilMs > this.#now() ? { destinationHost: entry.host } : {};
  }

  /** Takes note of who answered, or that nobody did. */
  note(impu: string, outcome: CxAnswer | RequestFailure): void {
    const host = outcome.failure === undefined ? outcome.originHost : '';
    const isWorthIt = host !== '' && !this.#routed.has(host.toLowerCase()) && outcome.failure === undefined;
    if (!isWorthIt || !isOfHss(outcome)) {
      if (this.#entries.size > 0) this.#entries.delete(impu);
      return;
    }
    const now = this.#now();
    for (const [key, entry] of this.#entries) {
      if (entry.untilMs > now && this.#entries.size < maxEntries) break;
      this.#entries.delete(key);
    }
    this.#entries.delete(impu);
    this.#entries.set(impu, { host, untilMs: now + lifeMs });
  }
}

/** Whether an answer is that of the HSS: what a node on the way says (3xxx) tells nothing of who has the user. */
function isOfHss({ result }: CxAnswer): boolean {
  return result.kind === 'experimental' || result.code < 3000 || result.code >= 4000;
}

const lifeMs = 60_000;
const maxEntries = 100_000;
