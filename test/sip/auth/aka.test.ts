import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { akaAlgorithmOf, akaPassword, formatAkaNonce, formatAuts, parseAkaNonce, parseAuts } from '#sip/auth/aka';
import { digestResponse } from '#sip/auth/digest';
import { Milenage } from '#sip/auth/milenage';
import { ParseFailure } from '#sip/errors';

const rand = Buffer.from('23553cbe9637a89d218ae64dae47bf35', 'hex');
const k = Buffer.from('465b5ce8b199b49faa5f0a2ee238a6bc', 'hex');
const opc = Buffer.from('cd63cb71954a9f4e48a5994e37a02baf', 'hex');

describe('digest AKA', () => {
  it('S-08 carries RAND, AUTN and server data in the nonce', () => {
    const autn = Buffer.alloc(16, 0xa5);
    const nonce = formatAkaNonce(rand, autn, Buffer.from('server'));
    expect(parseAkaNonce(nonce)).toEqual({ rand, autn, data: Buffer.from('server') });
    expect(parseAkaNonce(formatAkaNonce(rand, autn))).toEqual({ rand, autn, data: Buffer.alloc(0) });
    expect(() => formatAkaNonce(rand, Buffer.alloc(15))).toThrow(RangeError);
  });

  it.each([
    '',
    '=',
    '====',
    'AAAA',
    'A'.repeat(41),
    `${'A'.repeat(40)}*`,
    `${'A'.repeat(20)} ${'A'.repeat(23)}`,
    'A'.repeat(2000),
    `${'A'.repeat(44)}===`,
  ])('S-10 refuses the nonce %j', (nonce) => {
    expect(parseAkaNonce(nonce)).toBeInstanceOf(ParseFailure);
  });

  it('S-12 takes an AUTS of 14 octets, padded or not, and nothing else', () => {
    const auts = Buffer.from('0102030405060708090a0b0c0d0e', 'hex');
    expect(parseAuts(formatAuts(auts))).toEqual(auts);
    expect(parseAuts(formatAuts(auts).replace('=', ''))).toEqual(auts);
    for (const text of [
      '',
      'AAAA',
      formatAuts(Buffer.alloc(13)),
      formatAuts(Buffer.alloc(15)),
      'x'.repeat(100),
      '"!$%&/()=?`@@@@@@@@@',
    ]) {
      expect(parseAuts(text)).toBeInstanceOf(ParseFailure);
    }
  });

  it('S-10 a USIM and an S-CSCF with the same key agree on the response of AKAv1-MD5', () => {
    const hss = new Milenage(k, opc).generateVector(rand, 33, 0x8000);
    const nonce = parseAkaNonce(formatAkaNonce(rand, hss.autn));
    if (nonce instanceof ParseFailure) throw new Error(nonce.reason);
    const usim = new Milenage(k, opc).verifyAutn(nonce.rand, nonce.autn);
    expect(usim.macOk).toBe(true);
    const input = {
      username: 'u',
      realm: 'r',
      method: 'REGISTER',
      uri: 'sip:r',
      nonce: 'n',
      qop: 'auth',
      nc: '00000001',
      cnonce: 'c',
    } as const;
    const sent = digestResponse({ ...input, password: akaPassword('AKAv1-MD5', usim.xres, usim.ik, usim.ck) });
    expect(sent).toBe(digestResponse({ ...input, password: akaPassword('AKAv1-MD5', hss.xres, hss.ik, hss.ck) }));
    const ha1 = createHash('md5')
      .update(Buffer.concat([Buffer.from('u:r:'), hss.xres]))
      .digest('hex');
    expect(sent).toBe(digestResponse({ ...input, ha1 }));
  });

  it('S-10 AKAv2 passwords are 24 base64 characters that depend on RES, IK and CK', () => {
    const [res, ik, ck] = [Buffer.alloc(8, 1), Buffer.alloc(16, 2), Buffer.alloc(16, 3)];
    const password = akaPassword('AKAv2-MD5', res, ik, ck).toString('latin1');
    // HMAC written out with the inner and outer pads of RFC 2104.
    const key = Buffer.concat([res, ik, ck, Buffer.alloc(24)]);
    const pad = (octet: number) => Buffer.from(key.map((value) => value ^ octet));
    const md5 = (...parts: Buffer[]) => createHash('md5').update(Buffer.concat(parts)).digest();
    expect(password).toBe(md5(pad(0x5c), md5(pad(0x36), Buffer.from('http-digest-akav2-password'))).toString('base64'));
    expect(akaPassword('AKAv2-MD5', res, ck, ik).toString('latin1')).not.toBe(password);
  });

  it('S-10 knows its algorithm names in any case', () => {
    expect(akaAlgorithmOf('akaV1-md5')).toBe('AKAv1-MD5');
    expect(akaAlgorithmOf('AKAv2-MD5')).toBe('AKAv2-MD5');
    expect(akaAlgorithmOf('MD5')).toBeNull();
    expect(akaAlgorithmOf('__proto__')).toBeNull();
  });
});
