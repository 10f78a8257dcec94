import type { LocationInfoAnswer } from '#diameter/cx/cx-results';
import { RecentMap } from './recent-map.ts';

/** Who is looked for: the called user, or the one a request out of the blue is originated for. */
export interface LocatedUser {
  readonly impu: string;
  readonly originating: boolean;
}

interface Entry {
  readonly answer: LocationInfoAnswer;
  /** Until then the HSS is not asked. */
  untilMs: number;
}

/**
 * Where users were found of late, so that several requests for one user in a row ask the HSS once. Only what leads to an
 * S-CSCF is kept, for seconds; for an hour it counts where no HSS answers. Requirements I-27, X-R4.
 */
export class LocationCache {
  readonly #entries: RecentMap<Entry>;
  readonly #now: () => number;
  #lifeMs: number;

  /** `now`: monotonic milliseconds. `lifeMs`: 0 where the HSS is asked each time. */
  constructor(now: () => number, lifeMs: number) {
    this.#entries = new RecentMap({ now, lifeMs: outageMs, most: maxEntries });
    this.#now = now;
    this.#lifeMs = lifeMs;
  }

  get(user: LocatedUser): LocationInfoAnswer | null {
    const entry = this.#entries.get(keyOf(user));
    return entry !== undefined && entry.untilMs > this.#now() ? entry.answer : null;
  }

  set(user: LocatedUser, answer: LocationInfoAnswer): void {
    this.#entries.set(keyOf(user), { answer, untilMs: this.#now() + this.#lifeMs });
  }

  /** The HSS does not answer: where the user was last, however long ago within reason. It is not asked again at once. */
  inOutage(user: LocatedUser): LocationInfoAnswer | null {
    const entry = this.#entries.get(keyOf(user));
    if (entry === undefined) return null;
    entry.untilMs = this.#now() + Math.max(this.#lifeMs, silentMs);
    return entry.answer;
  }

  /** What is known of a user may not be true any more: the HSS shall say. */
  doubt(impu: string): void {
    if (this.#entries.size === 0) return;
    for (const originating of [false, true]) {
      const entry = this.#entries.get(keyOf({ impu, originating }));
      if (entry !== undefined) entry.untilMs = 0;
    }
  }

  /** How long what it learns from now on saves asking the HSS, milliseconds; 0: not at all. */
  keepFor(lifeMs: number): void {
    this.#lifeMs = lifeMs;
    if (lifeMs === 0) for (const entry of this.#entries.values()) entry.untilMs = 0;
  }

  /** What is known of a user is not true any more. */
  forget(impu: string): void {
    if (this.#entries.size === 0) return;
    this.#entries.delete(keyOf({ impu, originating: false }));
    this.#entries.delete(keyOf({ impu, originating: true }));
  }
}

const maxEntries = 50_000;
const outageMs = 3_600_000;
/** An HSS that was silent is not asked about the same user again for this long. */
const silentMs = 2_000;

function keyOf({ impu, originating }: LocatedUser): string {
  return `${originating ? 'o' : 't'}${impu}`;
}
