import { type Cipheriv, createCipheriv, timingSafeEqual } from 'node:crypto';

/** One authentication vector as an HSS makes it. Every field is a Buffer of its own: XRES 8, CK 16, IK 16, AK 6, AUTN 16 octets. */
export interface AkaVector {
  readonly xres: Buffer;
  readonly ck: Buffer;
  readonly ik: Buffer;
  readonly ak: Buffer;
  readonly autn: Buffer;
}

/** What a USIM makes of a challenge. `macOk` false: the network did not prove that it knows the key; the rest is then worthless. */
export interface AutnCheck {
  readonly sqn: number;
  readonly amf: number;
  readonly xres: Buffer;
  readonly ck: Buffer;
  readonly ik: Buffer;
  readonly macOk: boolean;
}

const BLOCK = 16;
const MAX_SQN = 2 ** 48 - 1;
/** AMF of a re-synchronisation: all zeros. Source: TS 33.102 6.3.3. */
const RESYNC_AMF = 0;

/**
 * OPc of a subscriber: the operator's OP tied to the subscriber's key. Both 16 octets, else RangeError.
 * Source: TS 35.206 4.1.
 */
export function opcFromOp(k: Uint8Array, op: Uint8Array): Buffer {
  requireLength('K', k, BLOCK);
  requireLength('OP', op, BLOCK);
  const encrypted = createCipheriv('aes-128-ecb', k, null).setAutoPadding(false).update(op);
  for (let i = 0; i < BLOCK; i++) encrypted[i]! ^= op[i]!;
  return encrypted;
}

/**
 * The Milenage functions of one subscriber. SQN is a number below 2^48, AMF one below 2^16. Wrong lengths and ranges are
 * the caller's mistake and throw RangeError; nonces and AUTS of peers are measured by their parsers before.
 *
 * One cipher object lives as long as the instance: ECB without padding keeps no state between blocks, and the blocks that
 * do not depend on one another go through it in one call (making a cipher costs more than all the AES of a vector).
 * Source: TS 35.206 4.1.
 */
export class Milenage {
  readonly #opc: Buffer;
  readonly #cipher: Cipheriv;
  readonly #block = Buffer.alloc(BLOCK);
  readonly #blocks = Buffer.alloc(4 * BLOCK);

  constructor(k: Uint8Array, opc: Uint8Array) {
    requireLength('K', k, BLOCK);
    requireLength('OPc', opc, BLOCK);
    this.#opc = Buffer.from(opc);
    this.#cipher = createCipheriv('aes-128-ecb', k, null).setAutoPadding(false);
  }

  /** The vector for RAND (16 octets). Source: TS 33.102 6.3.2. */
  generateVector(rand: Uint8Array, sqn: number, amf: number): AkaVector {
    const temp = this.#temp(rand);
    const blocks = this.#blocks;
    this.#putIn1(blocks, 0, temp, sqn, amf);
    this.#putIn(blocks, BLOCK, temp, 0, 1);
    this.#putIn(blocks, 2 * BLOCK, temp, 4, 2);
    this.#putIn(blocks, 3 * BLOCK, temp, 8, 4);
    const out = this.#encrypt(blocks);
    const ak = Buffer.from(out.subarray(BLOCK, BLOCK + 6));
    const autn = Buffer.allocUnsafe(BLOCK);
    autn.writeUIntBE(sqn, 0, 6);
    for (let i = 0; i < 6; i++) autn[i]! ^= ak[i]!;
    autn.writeUInt16BE(amf, 6);
    out.copy(autn, 8, 0, 8);
    return {
      xres: Buffer.from(out.subarray(BLOCK + 8, 2 * BLOCK)),
      ck: Buffer.from(out.subarray(2 * BLOCK, 3 * BLOCK)),
      ik: Buffer.from(out.subarray(3 * BLOCK, 4 * BLOCK)),
      ak,
      autn,
    };
  }

  /** SQN of the USIM out of AUTS (14 octets), null when its MAC-S is wrong. Source: TS 33.102 6.3.5. */
  resynchronise(rand: Uint8Array, auts: Uint8Array): number | null {
    if (auts.length !== 14) return null;
    const temp = this.#temp(rand);
    const ak = this.#f5Star(temp);
    const sqn = unmask(auts, ak);
    const macS = this.#f1Block(temp, sqn, RESYNC_AMF).subarray(8);
    return timingSafeEqual(macS, auts.subarray(6)) ? sqn : null;
  }

  /** USIM: what AUTN (16 octets) tells and the answer to it. Freshness of SQN is the caller's rule. Source: TS 33.102 6.3.3. */
  verifyAutn(rand: Uint8Array, autn: Uint8Array): AutnCheck {
    requireLength('AUTN', autn, BLOCK);
    const temp = this.#temp(rand);
    const { res, ck, ik, ak } = this.#f2345(temp);
    const sqn = unmask(autn, ak);
    const amf = autn[6]! * 256 + autn[7]!;
    const macA = this.#f1Block(temp, sqn, amf).subarray(0, 8);
    return { sqn, amf, xres: res, ck, ik, macOk: timingSafeEqual(macA, autn.subarray(8)) };
  }

  /** USIM: AUTS (14 octets) that tells the network our SQN. Source: TS 33.102 6.3.3. */
  buildAuts(rand: Uint8Array, sqnMs: number): Buffer {
    const temp = this.#temp(rand);
    const auts = Buffer.allocUnsafe(14);
    requireRange('SQN', sqnMs, MAX_SQN);
    auts.writeUIntBE(sqnMs, 0, 6);
    const ak = this.#f5Star(temp);
    for (let i = 0; i < 6; i++) auts[i]! ^= ak[i]!;
    this.#f1Block(temp, sqnMs, RESYNC_AMF).copy(auts, 6, 8);
    return auts;
  }

  /** f1: MAC-A, 8 octets. */
  f1(rand: Uint8Array, sqn: number, amf: number): Buffer {
    return this.#f1Block(this.#temp(rand), sqn, amf).subarray(0, 8);
  }

  /** f1*: MAC-S, 8 octets. */
  f1Star(rand: Uint8Array, sqn: number, amf: number): Buffer {
    return this.#f1Block(this.#temp(rand), sqn, amf).subarray(8);
  }

  /** f2 to f5 in one go: RES 8, CK 16, IK 16, AK 6 octets. */
  f2345(rand: Uint8Array): { res: Buffer; ck: Buffer; ik: Buffer; ak: Buffer } {
    return this.#f2345(this.#temp(rand));
  }

  /** f5*: AK of a re-synchronisation, 6 octets. */
  f5Star(rand: Uint8Array): Buffer {
    return this.#f5Star(this.#temp(rand));
  }

  #f2345(temp: Buffer): { res: Buffer; ck: Buffer; ik: Buffer; ak: Buffer } {
    const blocks = this.#blocks.subarray(0, 3 * BLOCK);
    this.#putIn(blocks, 0, temp, 0, 1);
    this.#putIn(blocks, BLOCK, temp, 4, 2);
    this.#putIn(blocks, 2 * BLOCK, temp, 8, 4);
    const out = this.#encrypt(blocks);
    return {
      res: out.subarray(8, BLOCK),
      ck: out.subarray(BLOCK, 2 * BLOCK),
      ik: out.subarray(2 * BLOCK),
      ak: out.subarray(0, 6),
    };
  }

  #f5Star(temp: Buffer): Buffer {
    this.#putIn(this.#block, 0, temp, 12, 8);
    return this.#encrypt(this.#block).subarray(0, 6);
  }

  /** OUT1: MAC-A in the first half, MAC-S in the second. */
  #f1Block(temp: Buffer, sqn: number, amf: number): Buffer {
    this.#putIn1(this.#block, 0, temp, sqn, amf);
    return this.#encrypt(this.#block);
  }

  /** TEMP = E(RAND xor OPc), which every function starts from. */
  #temp(rand: Uint8Array): Buffer {
    requireLength('RAND', rand, BLOCK);
    const block = this.#block;
    for (let i = 0; i < BLOCK; i++) block[i] = rand[i]! ^ this.#opc[i]!;
    return this.#cipher.update(block);
  }

  /** Input of OUT1: TEMP xor rot(IN1 xor OPc, 64), c1 being zero. */
  #putIn1(target: Buffer, at: number, temp: Buffer, sqn: number, amf: number): void {
    requireRange('SQN', sqn, MAX_SQN);
    requireRange('AMF', amf, 0xffff);
    const opc = this.#opc;
    target.writeUIntBE(sqn, at, 6);
    target.writeUInt16BE(amf, at + 6);
    // Both halves of IN1 are the same, so the rotation by 64 bits only shows in OPc.
    for (let i = 0; i < 8; i++) {
      const in1 = target[at + i]!;
      target[at + i] = in1 ^ opc[i + 8]! ^ temp[i]!;
      target[at + i + 8] = in1 ^ opc[i]! ^ temp[i + 8]!;
    }
  }

  /** Input of OUT2 to OUT5: rot(TEMP xor OPc, octets) xor c. */
  #putIn(target: Buffer, at: number, temp: Buffer, octets: number, c: number): void {
    for (let i = 0; i < BLOCK; i++) {
      const from = (i + octets) & 15;
      target[at + i] = temp[from]! ^ this.#opc[from]!;
    }
    target[at + 15]! ^= c;
  }

  #encrypt(blocks: Buffer): Buffer {
    const out = this.#cipher.update(blocks);
    for (let i = 0; i < out.length; i++) out[i]! ^= this.#opc[i & 15]!;
    return out;
  }
}

/** SQN out of the first six octets of AUTN or AUTS. */
function unmask(masked: Uint8Array, ak: Uint8Array): number {
  let sqn = 0;
  for (let i = 0; i < 6; i++) sqn = sqn * 256 + (masked[i]! ^ ak[i]!);
  return sqn;
}

function requireLength(what: string, value: Uint8Array, octets: number): void {
  if (value.length !== octets) throw new RangeError(`${what} has ${value.length} octets, not ${octets}`);
}

function requireRange(what: string, value: number, highest: number): void {
  if (!Number.isInteger(value) || value < 0 || value > highest)
    throw new RangeError(`${what} ${value} is out of range`);
}
