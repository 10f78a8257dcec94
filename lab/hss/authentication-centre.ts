import { randomBytes } from 'node:crypto';
import type { AuthDataItem } from '#diameter/cx/cx-results';
import type { SequenceState, SubscriptionState } from './subscriber-state.ts';
import type { PrivateIdentity } from './subscriber-table.ts';

const IND_VALUES = 32;
/** SEQ has 43 bits. */
const MAX_SEQ = 2 ** 43 - 1;
const CLOCK_STEP_MS = 100;
/** How far ahead a USIM takes a sequence number. Source: TS 33.102 C.2.2, C.3.2 (delta). */
const MAX_AHEAD = 2 ** 28;

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

  /** The next `count` sequence numbers of a USIM, each given out only once; moves the state. */
  reserve(user: PrivateIdentity, state: SubscriptionState, count: number): number[] {
    const sequence = state.sequences[user.impi] ?? this.#first(user);
    state.sequences[user.impi] = sequence;
    const now = this.#clockSeq();
    return Array.from({ length: count }, () => {
      sequence.seq = Math.min(Math.max(sequence.seq + 1, now + sequence.offset), MAX_SEQ);
      sequence.ind = (sequence.ind + 1) % IND_VALUES;
      return sequence.seq * IND_VALUES + sequence.ind;
    });
  }

  /** One vector with a number of `reserve`. Source: TS 33.102 6.3.2. */
  akaVector(
    user: PrivateIdentity,
    sqn: number,
    scheme: string,
    itemNumber: number,
  ): Partial<AuthDataItem> & { itemNumber: number } {
    for (;;) {
      const rand = randomBytes(16);
      const { xres, ck, ik, autn } = user.milenage.generateVector(rand, sqn, user.amf);
      // Test tools that keep RES in a C string end at its first zero octet.
      if (!xres.includes(0)) return { itemNumber, scheme, rand, autn, xres, ck, ik };
    }
  }

  /**
   * SQN of the USIM out of RAND and AUTS, 30 octets, of a synchronisation failure; null when MAC-S is wrong: the USIM has
   * other keys than we. Source: TS 33.102 6.3.3, 6.3.5.
   */
  sequenceOf(user: PrivateIdentity, randAndAuts: Buffer): number | null {
    return user.milenage.resynchronise(randAndAuts.subarray(0, 16), randAndAuts.subarray(16));
  }

  /**
   * Follows the USIM, unless the next number is one that it takes anyway: going back then would give out numbers twice.
   * Source: TS 33.102 6.3.5 steps 2 to 5.
   */
  resynchronise(user: PrivateIdentity, state: SubscriptionState, sqn: number): void {
    const seq = Math.floor(sqn / IND_VALUES);
    const sequence = state.sequences[user.impi];
    if (sequence !== undefined) {
      const ahead = Math.max(sequence.seq + 1, this.#clockSeq() + sequence.offset) - seq;
      if (ahead > 0 && ahead <= MAX_AHEAD) return;
    }
    state.sequences[user.impi] = { seq, ind: sqn % IND_VALUES, offset: seq - this.#clockSeq() };
  }

  /** The state before the first number: the configured one is the next. */
  #first(user: PrivateIdentity): SequenceState {
    const { firstSqn } = user;
    if (firstSqn === undefined) return { seq: 0, ind: 0, offset: 0 };
    const seq = Math.floor(firstSqn / IND_VALUES) - 1;
    const ind = (firstSqn + IND_VALUES - 1) % IND_VALUES;
    return { seq, ind, offset: seq + 1 - this.#clockSeq() };
  }

  #clockSeq(): number {
    return Math.floor(this.#wallMs() / CLOCK_STEP_MS);
  }
}
