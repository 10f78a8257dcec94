import type { Store } from '#store/store';

/** Registration state of a subscriber's identities. Source: TS 29.228 3.1, 6.1.2. */
export type RegistrationState = 'not-registered' | 'registered' | 'unregistered';

/** What the HSS remembers of one subscriber. */
export interface SubscriberState {
  registration: RegistrationState;
  /** Name of the S-CSCF, empty when none is assigned. */
  serverName: string;
  /** Diameter name of that S-CSCF, for requests to it. */
  serverHost: string;
  authenticationPending: boolean;
  /** The last sequence number given out, SEQ and IND; `seq` 0: none yet. Source: TS 33.102 C.1.1.1. */
  seq: number;
  ind: number;
  /** How far this subscriber's sequence numbers are from the clock's. Source: TS 33.102 C.1.1.3 (DIF). */
  seqOffset: number;
}

/** The one table of the HSS' store. */
export const subscriberTableName = 'subscribers';

/** States by IMPI: in memory as they are used, and in the store, so that they survive the process. */
export class SubscriberStates {
  readonly #store: Store;
  readonly #states = new Map<string, SubscriberState>();
  readonly #changed = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** The state, which the caller may change and then `keep`. */
  of(impi: string): SubscriberState {
    let state = this.#states.get(impi);
    if (state === undefined) {
      const stored = this.#store.get(subscriberTableName, impi);
      state = stored === null ? fresh() : { ...fresh(), ...(JSON.parse(stored.toString('latin1')) as SubscriberState) };
      this.#states.set(impi, state);
    }
    return state;
  }

  keep(impi: string): void {
    this.#changed.add(impi);
  }

  /** How many of the known subscribers are registered. */
  get registered(): number {
    let count = 0;
    for (const state of this.#states.values()) if (state.registration === 'registered') count++;
    return count;
  }

  /** Writes what was kept since the last time. Throws ERR_STORE_WRITE; what was not written is written next time. */
  commit(): void {
    if (this.#changed.size === 0) return;
    for (const impi of this.#changed) {
      this.#store.put(subscriberTableName, impi, Buffer.from(JSON.stringify(this.#states.get(impi)), 'latin1'));
    }
    this.#changed.clear();
    this.#store.commit();
  }
}

function fresh(): SubscriberState {
  return {
    registration: 'not-registered',
    serverName: '',
    serverHost: '',
    authenticationPending: false,
    seq: 0,
    ind: 0,
    seqOffset: 0,
  };
}
