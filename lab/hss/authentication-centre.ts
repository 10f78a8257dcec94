import { randomBytes } from 'node:crypto';
import type { AuthDataItem } from '#diameter/cx/cx-results';
import type { SubscriberState } from './subscriber-state.ts';
import type { Subscriber } from './subscriber-table.ts';

const IND_VALUES = 32;
/** SEQ has 43 bits. */
const MAX_SEQ = 2 ** 43 - 1;
const CLOCK_STEP_MS = 100;

/**
 * Makes authentication vectors. Sequence numbers follow the wall clock in steps of 0.1 s, so that they never go back,
 * even if all state is lost; a USIM that is elsewhere pulls its subscriber's offset along when it resynchronises.
 *
 * Source: TS 33.102 6.3, C.1.1.3, C.3 (entirely time-based).
 */
export class AuthenticationCentre {
  readonly #wallMs: () => number;

  /** `wallMs`: milliseconds since 1970. */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** The next vector; moves the state's sequence number. */
  akaVector(
    subscriber: Subscriber,
    state: SubscriberState,
    scheme: string,
    itemNumber: number,
  ): Partial<AuthDataItem> & { itemNumber: number } {
    const sqn = this.#nextSqn(subscriber, state);
    for (;;) {
      const rand = randomBytes(16);
      const { xres, ck, ik, autn } = subscriber.milenage.generateVector(rand, sqn, subscriber.amf);
      // Test tools that keep RES in a C string end at its first zero octet.
      if (!xres.includes(0)) return { itemNumber, scheme, rand, autn, xres, ck, ik };
    }
  }

  /**
   * Takes RAND and AUTS, 30 octets, of a synchronisation failure; false when the USIM did not make them.
   * Source: TS 33.102 6.3.5.
   */
  resynchronise(subscriber: Subscriber, state: SubscriberState, randAndAuts: Buffer): boolean {
    const sqn = subscriber.milenage.resynchronise(randAndAuts.subarray(0, 16), randAndAuts.subarray(16));
    if (sqn === null) return false;
    state.seq = Math.floor(sqn / IND_VALUES);
    state.ind = sqn % IND_VALUES;
    state.seqOffset = state.seq - this.#clockSeq();
    return true;
  }

  #nextSqn(subscriber: Subscriber, state: SubscriberState): number {
    const { firstSqn } = subscriber;
    const now = this.#clockSeq();
    if (state.seq === 0 && firstSqn !== undefined) {
      state.seq = Math.floor(firstSqn / IND_VALUES);
      state.ind = firstSqn % IND_VALUES;
      state.seqOffset = state.seq - now;
    } else {
      state.seq = Math.min(Math.max(state.seq + 1, now + state.seqOffset), MAX_SEQ);
      state.ind = (state.ind + 1) % IND_VALUES;
    }
    return state.seq * IND_VALUES + state.ind;
  }

  #clockSeq(): number {
    return Math.floor(this.#wallMs() / CLOCK_STEP_MS);
  }
}
