import { channel } from 'node:diagnostics_channel';
import { Milenage, opcFromOp } from '#sip/auth/milenage';

/** What a USIM makes of a challenge. */
export type UsimAnswer =
  | { readonly kind: 'accepted'; readonly res: Buffer; readonly ck: Buffer; readonly ik: Buffer; readonly sqn: number }
  /** The sequence number is not fresh: AUTS tells the network ours. */
  | { readonly kind: 'resynchronise'; readonly auts: Buffer }
  /** The network does not know our key. */
  | { readonly kind: 'rejected' };

/** Where cards tell the keys that they agree on, for tests that look whether anybody else does: `UsimKeys`. */
export const usimKeysChannel = 'cscf:lab:usim:keys';

export interface UsimKeys {
  readonly ck: Buffer;
  readonly ik: Buffer;
}

const agreed = channel(usimKeysChannel);
const IND_VALUES = 32;
/** Largest jump of SEQ. Source: TS 33.102 C.2.1, C.3. */
const MAX_SEQ_STEP = 2 ** 28;

/** The USIM's side of AKA: checks the network's MAC and the freshness of SQN. Source: TS 33.102 6.3.3, 6.3.5, C.2. */
export class Usim {
  readonly #milenage: Milenage;
  /** By IND: the highest SEQ that was accepted. */
  readonly #accepted = new Array<number>(IND_VALUES).fill(0);
  #highestSqn = 0;

  /** `sqn`: the highest one accepted in an earlier life; 0: a blank card, which takes any first one. */
  constructor(milenage: Milenage, sqn = 0) {
    this.#milenage = milenage;
    this.sqn = sqn;
  }

  /** SQN_MS. */
  get sqn(): number {
    return this.#highestSqn;
  }

  set sqn(sqn: number) {
    this.#highestSqn = sqn;
    this.#accepted.fill(Math.floor(sqn / IND_VALUES));
  }

  answer(rand: Uint8Array, autn: Uint8Array): UsimAnswer {
    const { macOk, sqn, xres, ck, ik } = this.#milenage.verifyAutn(rand, autn);
    if (!macOk) return { kind: 'rejected' };
    const seq = Math.floor(sqn / IND_VALUES);
    const ind = sqn % IND_VALUES;
    const highest = Math.floor(this.#highestSqn / IND_VALUES);
    const jumped = this.#highestSqn > 0 && seq - highest > MAX_SEQ_STEP;
    if (seq <= this.#accepted[ind]! || jumped) {
      return { kind: 'resynchronise', auts: this.#milenage.buildAuts(rand, this.#highestSqn) };
    }
    this.#accepted[ind] = seq;
    if (sqn > this.#highestSqn) this.#highestSqn = sqn;
    if (agreed.hasSubscribers) agreed.publish({ ck, ik } satisfies UsimKeys);
    return { kind: 'accepted', res: xres, ck, ik, sqn };
  }
}

/** A USIM from hexadecimal texts; `op` or `opc`. */
export function usimOf(keys: {
  readonly k: string;
  readonly op?: string | undefined;
  readonly opc?: string | undefined;
  /** The highest sequence number accepted so far. */
  readonly seen?: number;
}): Usim {
  const k = Buffer.from(keys.k, 'hex');
  const opc = keys.opc === undefined ? opcFromOp(k, Buffer.from(keys.op ?? '', 'hex')) : Buffer.from(keys.opc, 'hex');
  return new Usim(new Milenage(k, opc), keys.seen ?? 0);
}
