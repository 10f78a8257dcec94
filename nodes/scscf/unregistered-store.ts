import { CachedReader } from '#store/cached-reader';
import { openRecord, RecordReader, RecordWriter } from '#store/records';
import { isKey, type Store } from '#store/store';
import type { ChargingAddresses } from './registration.ts';
import type { Services, UserServices } from './services.ts';

/** Profiles of users who are not registered, by the identity they were asked for; of a wildcard its text. */
export const UNREGISTERED = 'unregistered';
/** Nothing, by `<private identity> <key of UNREGISTERED>`. */
const UNREGISTERED_IMPIS = 'unregistered-impis';

/** The tables that the profiles of unregistered users need. */
export const unregisteredTables: readonly string[] = [UNREGISTERED, UNREGISTERED_IMPIS];

/** What the HSS gave for an identity that nobody is registered with. */
export interface UnregisteredUser {
  /** '' where the HSS named none. */
  readonly impi: string;
  readonly charging: ChargingAddresses;
  /** The profile as it came. */
  readonly profile: Buffer;
}

/** The same, ready for use. */
export interface UnregisteredServices {
  readonly charging: ChargingAddresses;
  readonly services: UserServices;
}

const RECORD_TYPE = 7;
const RECORD_VERSION = 1;
const capacity = 1024;
const maxOfOne = 256;
const mark = Buffer.alloc(1);

/** The profiles of users who are not registered, seen alike by all workers. Requirement S-84. */
export class UnregisteredStore {
  readonly #store: Store;
  readonly #cached: CachedReader<UnregisteredServices>;

  constructor(store: Store, services: Services) {
    this.#store = store;
    this.#cached = new CachedReader(
      store,
      UNREGISTERED,
      (octets) => {
        const user = decodeUnregistered(octets);
        const read = user === null ? null : services.read(user.profile);
        return user === null || read === null ? null : { charging: user.charging, services: read };
      },
      capacity,
    );
  }

  get(key: string): UnregisteredServices | null {
    return this.#cached.get(key);
  }

  /** Keeps a profile until `expiresAtMs`. */
  put(key: string, user: UnregisteredUser, expiresAtMs: number): void {
    const record = new RecordWriter(RECORD_TYPE, RECORD_VERSION)
      .string(user.impi)
      .string(user.charging.ccf)
      .string(user.charging.ecf)
      .bytes(user.profile)
      .finish();
    if (!isKey(key)) return;
    this.remove(key);
    this.#store.put(UNREGISTERED, key, record, expiresAtMs);
    const name = `${user.impi} ${key}`;
    if (user.impi !== '' && isKey(name)) this.#store.put(UNREGISTERED_IMPIS, name, mark);
  }

  /** Removes one profile; gives what it was. */
  remove(key: string): UnregisteredUser | null {
    const octets = this.#store.get(UNREGISTERED, key);
    if (octets === null) return null;
    this.#store.remove(UNREGISTERED, key);
    const user = decodeUnregistered(octets);
    if (user !== null && user.impi !== '') this.#store.remove(UNREGISTERED_IMPIS, `${user.impi} ${key}`);
    return user;
  }

  /** Removes the profiles of a private identity; gives how many there were. */
  removeOf(impi: string): number {
    const prefix = `${impi} `;
    const found = isKey(prefix) ? this.#store.range(UNREGISTERED_IMPIS, prefix, maxOfOne) : [];
    for (const { key } of found) {
      this.#store.remove(UNREGISTERED, key.slice(prefix.length));
      this.#store.remove(UNREGISTERED_IMPIS, key);
    }
    return found.length;
  }
}

function decodeUnregistered(octets: Buffer): UnregisteredUser | null {
  const reader = openRecord(octets, RECORD_TYPE, RECORD_VERSION);
  if (!(reader instanceof RecordReader)) return null;
  const impi = reader.string();
  const charging = { ccf: reader.string(), ecf: reader.string() };
  const profile = reader.bytes();
  return reader.damaged ? null : { impi, charging, profile };
}
