import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { keysOf } from '#ipsec/key-derivation';

const ck = Buffer.from('0123456789abcdef1032547698badcfe', 'hex');
const ik = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const hex = (integrity: Parameters<typeof keysOf>[0], encryption: Parameters<typeof keysOf>[1]) => {
  const keys = keysOf(integrity, encryption, ck, ik);
  return [keys.integrityKey.toString('hex'), keys.encryptionKey.toString('hex')];
};

describe('P-33 keys of an association', () => {
  it('P-33 hmac-md5-96 takes IK, and a null cipher no key', () => {
    expect(hex('hmac-md5-96', 'null')).toEqual(['00112233445566778899aabbccddeeff', '']);
  });

  it('P-33 hmac-sha-1-96 takes IK and 32 zero bits', () => {
    expect(hex('hmac-sha-1-96', 'null')).toEqual(['00112233445566778899aabbccddeeff00000000', '']);
  });

  it('P-33 aes-cbc takes CK', () => {
    expect(hex('hmac-sha-1-96', 'aes-cbc')[1]).toBe('0123456789abcdef1032547698badcfe');
  });

  it('P-33 des-ede3-cbc takes both halves of CK and the first again', () => {
    expect(hex('hmac-md5-96', 'des-ede3-cbc')[1]).toBe('0123456789abcdef1032547698badcfe0123456789abcdef');
  });

  it('P-33 aes-gmac takes IK and the salt of function code 58', () => {
    const input = Buffer.from('584145535f474d41435f53414c54000d', 'hex');
    const derived = createHmac('sha256', Buffer.concat([ck, ik]))
      .update(input)
      .digest('hex');
    expect(hex('aes-gmac', 'null')).toEqual([`${ik.toString('hex')}${derived.slice(-8)}`, '']);
  });

  it('P-33 aes-gcm takes CK and the salt of function code 59, and no integrity key', () => {
    const input = Buffer.from('594145535f47434d5f53414c54000c', 'hex');
    const derived = createHmac('sha256', Buffer.concat([ck, ik]))
      .update(input)
      .digest('hex');
    expect(hex('null', 'aes-gcm')).toEqual(['', `${ck.toString('hex')}${derived.slice(-8)}`]);
  });

  it('P-33 refuses keys of another length', () => {
    expect(() => keysOf('hmac-md5-96', 'null', ck.subarray(1), ik)).toThrow(RangeError);
  });

  it('X-I15 gives copies: wiping them leaves CK and IK as they were', () => {
    keysOf('hmac-md5-96', 'aes-cbc', ck, ik).integrityKey.fill(0);
    expect(ik.toString('hex')).toBe('00112233445566778899aabbccddeeff');
  });
});
