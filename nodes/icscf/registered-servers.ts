import { flatText } from '#sip/parser/latin1';

/** A private identity that registers one public identity. */
export interface RegisteringUser {
  readonly impi: string;
  readonly impu: string;
}

interface Server {
  readonly scscf: string;
  readonly learnedMs: number;
}

const maxUsers = 50_000;
const keptMs = 3_600_000;

/**
 * Which S-CSCF has accepted the registration of a user within the last hour. Its refreshes go there while no HSS can say
 * whether they may: the S-CSCF knows the user, and asks for proof as ever. Requirement X-R4.
 */
export class RegisteredServers {
  readonly #byUser = new Map<string, Server>();
  readonly #now: () => number;

  /** `now`: monotonic milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  accepted(user: RegisteringUser, scscf: string): void {
    const now = this.#now();
    for (const [key, { learnedMs }] of this.#byUser) {
      if (learnedMs + keptMs > now && this.#byUser.size < maxUsers) break;
      this.#byUser.delete(key);
    }
    const key = keyOf(user);
    // The oldest stands first.
    this.#byUser.delete(key);
    this.#byUser.set(key, { scscf, learnedMs: now });
  }

  left(user: RegisteringUser): void {
    this.#byUser.delete(keyOf(user));
  }

  serverOf(user: RegisteringUser): string | null {
    const server = this.#byUser.get(keyOf(user));
    return server !== undefined && server.learnedMs + keptMs > this.#now() ? server.scscf : null;
  }
}

function keyOf({ impi, impu }: RegisteringUser): string {
  return flatText(`${impi} ${impu}`);
}
