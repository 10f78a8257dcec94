import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasPorts } from '#ipsec/esp-inner-ports';
import type { EspPayload } from '#ipsec/esp-receiver';
import { transformOf } from '#ipsec/esp-transform';
import { keysOf } from '#ipsec/key-derivation';
import { allPairs, endsOf, sealed, testCk, testIk } from './esp-algorithms.ts';

const nameOf = ({ integrity, encryption }: (typeof allPairs)[number]) => `${integrity} with ${encryption}`;
const pairs = allPairs.map((pair) => [nameOf(pair), pair] as const);
const octets = (bytes: Uint8Array) => Buffer.from(bytes);

describe('P-33 P-35 ESP in transport mode', () => {
  it.each(pairs)('P-33 P-35 %s opens what it sealed, whatever the length', (_name, pair) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(6, 17), (bytes, protocol) => {
        const { sender, receiver } = endsOf(pair);
        const packet = sealed(sender, octets(bytes), protocol);
        expect(packet.length).toBe(sender.lengthOf(bytes.length));
        expect(packet.readUInt32BE(0)).toBe(4711);
        expect(packet.readUInt32BE(4)).toBe(1);
        expect(receiver.open(packet)).toEqual({ protocol, bytes: octets(bytes) });
      }),
      { numRuns: 60 },
    );
  });

  it.each(pairs)('X-I12 %s refuses a packet with any bit changed', (_name, pair) => {
    const { sender } = endsOf(pair, { firstSequence: 6 });
    const packet = sealed(sender, Buffer.from('REGISTER sip:ims.example SIP/2.0'));
    for (let bit = 32; bit < packet.length * 8; bit++) {
      const wrong = Buffer.from(packet);
      wrong[bit >> 3]! ^= 1 << (bit & 7);
      expect(endsOf(pair).receiver.open(wrong)).toBe('integrity');
    }
  });

  it.each(pairs)('X-I12 %s refuses what was sealed with another IK', (_name, pair) => {
    // Of aes-gcm the key is CK, but the salt comes from both.
    const { sender, receiver } = endsOf(pair, { ik: Buffer.alloc(16, 7) });
    expect(receiver.open(sealed(sender, Buffer.from('hello there')))).toBe('integrity');
  });

  it.each(pairs)('X-I12 %s takes any octets without an exception', (_name, pair) => {
    const { sender, receiver } = endsOf(pair);
    const good = sealed(sender, Buffer.from('hello there'));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(good.length), (bytes, cut) => {
        for (const packet of [octets(bytes), good.subarray(0, cut), Buffer.concat([good.subarray(0, cut), bytes])]) {
          if (packet.equals(good)) continue;
          expect(typeof receiver.open(packet)).toBe('string');
        }
      }),
      { numRuns: 300 },
    );
  });

  it('P-33 P-35 makes of a null cipher what RFC 4303 says, octet by octet', () => {
    const { sender } = endsOf({ integrity: 'hmac-sha-1-96', encryption: 'null' });
    const packet = sealed(sender, Buffer.from('abcde'));
    const covered = Buffer.from(`${'00001267'}${'00000001'}${'6162636465'}${'01'}${'01'}${'11'}`, 'hex');
    const key = keysOf('hmac-sha-1-96', 'null', testCk, testIk).integrityKey;
    expect(packet.subarray(0, -12).toString('hex')).toBe(covered.toString('hex'));
    expect(packet.subarray(-12)).toEqual(createHmac('sha1', key).update(covered).digest().subarray(0, 12));
  });

  it('P-33 never uses an IV twice', () => {
    for (const pair of allPairs.filter(({ encryption }) => encryption !== 'null')) {
      const { sender } = endsOf(pair);
      const bytes = pair.encryption === 'aes-cbc' ? 16 : 8;
      const seen = new Set(
        Array.from({ length: 2000 }, () => sealed(sender, Buffer.alloc(4)).toString('latin1', 8, 8 + bytes)),
      );
      expect(seen.size).toBe(2000);
    }
  });

  it('X-I12 refuses padding that does not count', () => {
    const key = keysOf('hmac-md5-96', 'null', testCk, testIk).integrityKey;
    const open = (trailer: string) => {
      const body = Buffer.from(`0000126700000001${trailer}`, 'hex');
      const icv = createHmac('md5', key).update(body).digest().subarray(0, 12);
      return endsOf({ integrity: 'hmac-md5-96', encryption: 'null' }).receiver.open(Buffer.concat([body, icv]));
    };
    expect(open('6161010203040511'.replace('0511', '0411'))).toMatchObject({ protocol: 17, bytes: Buffer.from('aa') });
    expect(open('6161010203050411')).toBe('padding');
    expect(open('6161010203000411')).toBe('padding');
    expect(open('616101020304ff11')).toBe('padding');
    expect(open('0102030405060711')).toBe('padding');
  });

  it('P-35 seals nothing where there is no room, nor after the last sequence number', () => {
    const { sender } = endsOf({ integrity: 'hmac-sha-1-96', encryption: 'aes-cbc' }, { firstSequence: 0xfffffffd });
    expect(sender.seal(17, Buffer.alloc(20), Buffer.alloc(50))).toBe(0);
    expect(sealed(sender, Buffer.alloc(1)).readUInt32BE(4)).toBe(0xfffffffe);
    expect(sealed(sender, Buffer.alloc(1)).readUInt32BE(4)).toBe(0xffffffff);
    expect(sealed(sender, Buffer.alloc(1)).length).toBe(0);
  });

  it.each([
    ['null', 'null'],
    ['aes-gmac', 'aes-cbc'],
    ['hmac-sha-1-96', 'aes-gcm'],
  ] as const)('P-32 refuses %s with %s', (integrity, encryption) => {
    const keys = keysOf(integrity, encryption, testCk, testIk);
    expect(() => transformOf({ integrity, encryption, ...keys })).toThrow(
      expect.objectContaining({ code: 'ERR_IPSEC_UNSUPPORTED' }),
    );
  });

  it('P-33 refuses a key of another length', () => {
    const keys = { integrityKey: Buffer.alloc(16), encryptionKey: Buffer.alloc(0) };
    expect(() => transformOf({ integrity: 'hmac-sha-1-96', encryption: 'null', ...keys })).toThrow(
      expect.objectContaining({ code: 'ERR_IPSEC_UNSUPPORTED' }),
    );
  });
});

describe('P-40 what an association may carry', () => {
  const payload = (protocol: number, length: number, source = 5100, destination = 5063): EspPayload => {
    const bytes = Buffer.alloc(Math.max(4, length));
    bytes.writeUInt16BE(source, 0);
    bytes.writeUInt16BE(destination, 2);
    return { protocol, bytes: bytes.subarray(0, length) };
  };

  it('P-40 X-I12 is UDP or TCP between its own ports', () => {
    expect(hasPorts(payload(17, 8), 5100, 5063)).toBe(true);
    expect(hasPorts(payload(6, 20), 5100, 5063)).toBe(true);
    expect(hasPorts(payload(17, 8, 5101), 5100, 5063)).toBe(false);
    expect(hasPorts(payload(17, 8, 5100, 5060), 5100, 5063)).toBe(false);
    expect(hasPorts(payload(17, 8, 5063, 5100), 5100, 5063)).toBe(false);
  });

  it('X-I12 is nothing else, and nothing cut off', () => {
    for (const protocol of [0, 1, 4, 41, 50, 59, 132, 255])
      expect(hasPorts(payload(protocol, 40), 5100, 5063)).toBe(false);
    for (const length of [0, 1, 3, 7]) expect(hasPorts(payload(17, length), 5100, 5063)).toBe(false);
    expect(hasPorts(payload(6, 19), 5100, 5063)).toBe(false);
  });
});
