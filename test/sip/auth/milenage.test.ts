import { describe, expect, it } from 'vitest';
import { Milenage, opcFromOp } from '#sip/auth/milenage';
import { MILENAGE_SETS } from './milenage-sets.ts';

const hex = (text: string) => Buffer.from(text, 'hex');

describe('Milenage', () => {
  it.each(MILENAGE_SETS)('S-06 computes f1 to f5* of test set $name (TS 35.208 4.3)', (set) => {
    const opc = opcFromOp(hex(set.k), hex(set.op));
    expect(opc.toString('hex')).toBe(set.opc);
    const milenage = new Milenage(hex(set.k), opc);
    const rand = hex(set.rand);
    const sqn = Number.parseInt(set.sqn, 16);
    const amf = Number.parseInt(set.amf, 16);
    const { res, ck, ik, ak } = milenage.f2345(rand);
    expect({
      f1: milenage.f1(rand, sqn, amf).toString('hex'),
      f1Star: milenage.f1Star(rand, sqn, amf).toString('hex'),
      f2: res.toString('hex'),
      f3: ck.toString('hex'),
      f4: ik.toString('hex'),
      f5: ak.toString('hex'),
      f5Star: milenage.f5Star(rand).toString('hex'),
    }).toEqual({ f1: set.f1, f1Star: set.f1Star, f2: set.f2, f3: set.f3, f4: set.f4, f5: set.f5, f5Star: set.f5Star });
  });

  it.each(MILENAGE_SETS)('S-06 makes the vector of set $name, and the USIM accepts it', (set) => {
    const milenage = new Milenage(hex(set.k), hex(set.opc));
    const rand = hex(set.rand);
    const sqn = Number.parseInt(set.sqn, 16);
    const amf = Number.parseInt(set.amf, 16);
    const vector = milenage.generateVector(rand, sqn, amf);
    expect(vector.xres.toString('hex')).toBe(set.f2);
    expect(vector.ck.toString('hex')).toBe(set.f3);
    expect(vector.ik.toString('hex')).toBe(set.f4);
    expect(vector.ak.toString('hex')).toBe(set.f5);
    const concealed = (BigInt(`0x${set.sqn}`) ^ BigInt(`0x${set.f5}`)).toString(16).padStart(12, '0');
    expect(vector.autn.toString('hex')).toBe(concealed + set.amf + set.f1);

    const check = milenage.verifyAutn(rand, vector.autn);
    expect(check.macOk).toBe(true);
    expect(check.sqn).toBe(sqn);
    expect(check.amf).toBe(amf);
    expect(check.xres).toEqual(vector.xres);
    expect(check.ck).toEqual(vector.ck);
    expect(check.ik).toEqual(vector.ik);
  });

  it('S-12 takes the SQN out of an AUTS and refuses one with any octet changed', () => {
    for (const set of MILENAGE_SETS) {
      const milenage = new Milenage(hex(set.k), hex(set.opc));
      const rand = hex(set.rand);
      const auts = milenage.buildAuts(rand, 0x010203040506);
      expect(auts.length).toBe(14);
      expect(milenage.resynchronise(rand, auts)).toBe(0x010203040506);
      for (let i = 0; i < auts.length; i++) {
        const changed = Buffer.from(auts);
        changed[i]! ^= 1;
        expect(milenage.resynchronise(rand, changed)).toBeNull();
      }
      expect(milenage.resynchronise(rand, auts.subarray(0, 13))).toBeNull();
    }
  });

  it('S-06 tells a changed AUTN by its MAC', () => {
    const set = MILENAGE_SETS[0]!;
    const milenage = new Milenage(hex(set.k), hex(set.opc));
    const { autn } = milenage.generateVector(hex(set.rand), 1, 0x8000);
    for (let i = 0; i < autn.length; i++) {
      const changed = Buffer.from(autn);
      changed[i]! ^= 0x80;
      expect(milenage.verifyAutn(hex(set.rand), changed).macOk).toBe(false);
    }
  });

  it('S-06 keeps no state between vectors', () => {
    const set = MILENAGE_SETS[2]!;
    const milenage = new Milenage(hex(set.k), hex(set.opc));
    const first = milenage.generateVector(hex(set.rand), 5, 0);
    milenage.generateVector(hex(MILENAGE_SETS[0]!.rand), 2 ** 48 - 1, 0xffff);
    milenage.buildAuts(hex(set.rand), 7);
    expect(milenage.generateVector(hex(set.rand), 5, 0)).toEqual(first);
    expect(first.xres.toString('hex')).toBe(set.f2);
  });

  it('S-06 refuses wrong lengths and ranges in words', () => {
    const set = MILENAGE_SETS[0]!;
    const milenage = new Milenage(hex(set.k), hex(set.opc));
    expect(() => new Milenage(Buffer.alloc(15), hex(set.opc))).toThrow('K has 15 octets');
    expect(() => opcFromOp(hex(set.k), Buffer.alloc(17))).toThrow('OP has 17 octets');
    expect(() => milenage.generateVector(Buffer.alloc(3), 0, 0)).toThrow('RAND has 3 octets');
    expect(() => milenage.generateVector(hex(set.rand), 2 ** 48, 0)).toThrow('SQN');
    expect(() => milenage.generateVector(hex(set.rand), 0, 0x10000)).toThrow('AMF');
    expect(() => milenage.verifyAutn(hex(set.rand), Buffer.alloc(15))).toThrow('AUTN');
    expect(() => milenage.buildAuts(hex(set.rand), -1)).toThrow('SQN');
  });
});
