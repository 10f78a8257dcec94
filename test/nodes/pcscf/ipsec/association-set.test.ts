import { describe, expect, it } from 'vitest';
import { decodeAssociationSet, encodeAssociationSet } from '#nodes/pcscf/ipsec/association-record';
import { type AssociationSet, associationsOf } from '#nodes/pcscf/ipsec/association-set';
import { openKeySeal } from '#nodes/pcscf/ipsec/key-seal';
import { choosePort, newSpi } from '#nodes/pcscf/ipsec/spi-allocation';

const keys = { ck: Buffer.alloc(16, 0xc1), ik: Buffer.alloc(16, 0x1c) };

const set: AssociationSet = {
  id: 'abcdefghijkl',
  state: 'temporary',
  impi: 'alice@ims.test',
  aor: 'sip:alice@ims.test',
  contact: '10.46.0.5:50601',
  token: 'tttttttttttt',
  ue: { address: '10.46.0.5', clientPort: 50600, serverPort: 50601, clientSpi: 11111, serverSpi: 22222 },
  own: { address: '172.22.0.21', clientPort: 5100, serverPort: 6100, clientSpi: 70001, serverSpi: 70002 },
  pair: { alg: 'hmac-sha-1-96', ealg: 'aes-cbc' },
  client: ['ipsec-3gpp;alg=x', 'ipsec-3gpp;alg=y'],
  server: 'ipsec-3gpp;q=0.1',
  replaces: 'zzz',
  connection: 7,
  connectionAtMs: 1_700_000_000_000,
  createdAtMs: 1_700_000_000_001,
  expiresAtMs: 1_700_000_000_002,
  restores: 0,
  keys: Buffer.from('sealed'),
};

describe('the four associations', () => {
  it('P-33 P-35 are those of the table, with the keys of the algorithms', () => {
    const associations = associationsOf(set, keys, 428);
    expect(
      associations.map(({ direction, source, destination, spi }) => [
        direction,
        `${source.address}:${source.port}`,
        `${destination.address}:${destination.port}`,
        spi,
      ]),
    ).toEqual([
      ['in', '10.46.0.5:50600', '172.22.0.21:6100', 70002],
      ['out', '172.22.0.21:6100', '10.46.0.5:50600', 11111],
      ['out', '172.22.0.21:5100', '10.46.0.5:50601', 22222],
      ['in', '10.46.0.5:50601', '172.22.0.21:5100', 70001],
    ]);
    for (const association of associations) {
      expect(association.integrityKey).toEqual(Buffer.concat([keys.ik, Buffer.alloc(4)]));
      expect(association.encryptionKey).toEqual(keys.ck);
      expect(association).toMatchObject({ lifetimeSeconds: 428, firstSequence: 0, integrity: 'hmac-sha-1-96' });
    }
  });

  it('P-59 begin far ahead when they are installed anew, farther each time, and only those that go out', () => {
    const sequences = (restores: number) =>
      associationsOf({ ...set, restores }, keys, 1).map(({ firstSequence }) => firstSequence);
    expect(sequences(1)).toEqual([0, 2 ** 20, 2 ** 20, 0]);
    expect(sequences(2)).toEqual([0, 2 ** 21, 2 ** 21, 0]);
  });
});

describe('the record of a set', () => {
  it('P-59 gives back what was written', () => {
    expect(decodeAssociationSet(encodeAssociationSet(set))).toEqual(set);
  });

  it('P-59 is refused when it is cut short or of another kind', () => {
    const octets = encodeAssociationSet(set);
    expect(decodeAssociationSet(octets.subarray(0, octets.length - 3))).toBeNull();
    expect(decodeAssociationSet(Buffer.concat([Buffer.of(0x50), octets.subarray(1)]))).toBeNull();
  });
});

describe('keys in the store', () => {
  it('P-59 X-I15 are sealed: neither is to be seen, and they open only under their own name and secret', () => {
    const seal = openKeySeal('a secret of the operator');
    const sealed = seal.seal(keys, set.id);
    expect(sealed.includes(keys.ck)).toBe(false);
    expect(sealed.includes(keys.ik)).toBe(false);
    expect(seal.seal(keys, set.id).equals(sealed)).toBe(false);
    expect(openKeySeal('a secret of the operator').open(sealed, set.id)).toEqual(keys);
    expect(seal.open(sealed, 'another set')).toBeNull();
    expect(openKeySeal('another secret').open(sealed, set.id)).toBeNull();
    const flipped = Buffer.from(sealed);
    flipped[40]! ^= 1;
    expect(seal.open(flipped, set.id)).toBeNull();
  });

  it('P-59 are not kept at all without a secret', () => {
    expect(openKeySeal(undefined).seal(keys, set.id)).toHaveLength(0);
    expect(openKeySeal(undefined).open(Buffer.alloc(60), set.id)).toBeNull();
  });
});

describe('SPIs and ports', () => {
  it('P-34 an SPI is at least 256, within 2^24, of the share of its worker, and one that is free', () => {
    const drawn = new Set<number>();
    for (let i = 0; i < 500; i++) {
      const spi = newSpi(1, 3, (candidate) => drawn.has(candidate));
      expect(spi).toBeGreaterThanOrEqual(256);
      expect(spi).toBeLessThan(256 + 2 ** 24);
      expect((spi - 256) % 3).toBe(1);
      expect(drawn.has(spi)).toBe(false);
      drawn.add(spi);
    }
  });

  it('P-34 a taken SPI is passed over, and when none is found it says so', () => {
    const numbers = [5, 5, 6];
    expect(
      newSpi(
        0,
        1,
        (spi) => spi === 261,
        () => numbers.shift()!,
      ),
    ).toBe(262);
    expect(newSpi(0, 1, () => true)).toBe(-1);
  });

  it('P-34 a client port is one that the UE has not, from wherever the pool begins; else the oldest', () => {
    expect(choosePort([5062, 5064, 5066], [], 4)).toBe(5064);
    expect(choosePort([5062, 5064, 5066], [5064], 4)).toBe(5066);
    expect(choosePort([5062, 5064], [9999, 5064, 5062], 0)).toBe(5064);
  });
});
