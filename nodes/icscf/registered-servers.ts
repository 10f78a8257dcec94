import { RecentMap } from './recent-map.ts';

/** A private identity that registers one public identity. */
export interface RegisteringUser {
  readonly impi: string;
  readonly impu: string;
}

const maxUsers = 50_000;
const keptMs = 3_600_000;

/**
 * Which S-CSCF has accepted the registration of a user within the last hour. Its refreshes go there while no HSS can say
 * whether they may: the S-CSCF knows the user, and asks for proof as ever. Requirement X-R4.
 */
export class RegisteredServers {
  readonly #byUser: RecentMap<string>;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number) {
    this.#byUser = new RecentMap({ now, lifeMs: keptMs, most: maxUsers });
  }

  accepted(user: RegisteringUser, scscf: string): void {
    this.#byUser.set(keyOf(user), scscf);
  }

  left(user: RegisteringUser): void {
    this.#byUser.delete(keyOf(user));
  }

  serverOf(user: RegisteringUser): string | null {
    return this.#byUser.get(keyOf(user)) ?? null;
  }
}

function keyOf({ impi, impu }: RegisteringUser): string {
  return `${impi} ${impu}`;
}
