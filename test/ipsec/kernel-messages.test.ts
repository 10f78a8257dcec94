import { describe, expect, it } from 'vitest';
import type { IpsecError } from '#ipsec/ipsec-backend';
import { ipsecErrorOf } from '#ipsec/kernel/kernel-fault';
import { decodeAnswers, encodeAttribute, encodeRequest, findAttribute } from '#ipsec/kernel/netlink-message';
import { kernelAlgorithms } from '#ipsec/kernel/xfrm-algorithms';
import {
  addAssociation,
  countAssociations,
  decodeAssociation,
  decodeCount,
  deleteAssociation,
  extendAssociation,
  getAssociation,
} from '#ipsec/kernel/xfrm-association';
import { decodeGuard, deleteGuard, setGuard } from '#ipsec/kernel/xfrm-policy';
import { decodeAddress, encodeAddress } from '#ipsec/kernel/xfrm-structures';
import type { SecurityAssociation } from '#ipsec/security-association';

/*
 * Bodies are what iproute2 6.1 sends for the same orders, read off by strace. Where ours differs on purpose, the row says so.
 */

const tag = 0x494d5300;
const ik = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
const ck = Buffer.from('0f0e0d0c0b0a09080706050403020100', 'hex');
const none = Buffer.alloc(0);
const name = { source: '10.0.0.2', destination: '10.0.0.1', spi: 0x12345678 };
const guardIn = { direction: 'in', local: { address: '10.0.0.1', port: 5063 }, protocol: 17, tag } as const;
const guardOut = { direction: 'out', local: { address: '2001:db8::1', port: 5062 }, protocol: 6, tag } as const;

const inbound: SecurityAssociation = {
  direction: 'in',
  source: { address: '10.0.0.2', port: 45061 },
  destination: { address: '10.0.0.1', port: 5063 },
  spi: 0x12345678,
  integrity: 'hmac-sha-1-96',
  encryption: 'aes-cbc',
  integrityKey: Buffer.concat([ik, Buffer.alloc(4)]),
  encryptionKey: ck,
  lifetimeSeconds: 240,
  firstSequence: 0,
};

/** Octets in hexadecimal; `z12` stands for twelve of zero. */
function octets(text: string): string {
  return text
    .split(/\s+/)
    .map((word) => (word.startsWith('z') ? '00'.repeat(Number(word.slice(1))) : word))
    .join('');
}

function added(change: Partial<SecurityAssociation>, window = 64): string {
  const association = { ...inbound, ...change };
  return addAssociation({ kind: 'add', association, tag, window }).body.toString('hex');
}

const unlimited = 'ff'.repeat(32);
/** Selector (with the tag as its user), identity, source, limits, tag and family of what most rows add. */
const head = octets(
  `0a000001 z12 0a000002 z12 13c7ffffb005ffff02002020 z8 00534d49 0a000001 z12 12345678 32000000 0a000002 z12
   ${unlimited} z8 f0 z72 534d49 02 z11`,
);
/** Behind the width (in words) iproute2 leaves the bitmap out; ours is whole. */
const window64 = octets('24001700 02000000 z16 40000000 z8');

describe('messages of NETLINK_XFRM', () => {
  it('P-35 adds hmac-sha-1-96 with aes-cbc: selector exact, any protocol, window 64, tagged twice', () => {
    const algorithms = octets(
      `60001400 686d6163287368613129 z54 a000000060000000 ${ik.toString('hex')} 00000000
       58000200 6362632861657329 z56 80000000 ${ck.toString('hex')}`,
    );
    expect(added({})).toBe(head + algorithms + window64);
  });

  it('P-35 adds hmac-md5-96 without encryption as a cipher that does nothing', () => {
    const algorithms = octets(
      `5c001400 686d6163286d643529 z55 8000000060000000 ${ik.toString('hex')}
       48000200 656362286369706865725f6e756c6c29 z52`,
    );
    expect(added({ integrity: 'hmac-md5-96', encryption: 'null', integrityKey: ik, encryptionKey: none })).toBe(
      head + algorithms + window64,
    );
  });

  it('P-32 P-35 adds aes-gcm over IPv6, with a window of 128 and a first sequence number', () => {
    const message = added(
      {
        source: { address: '2001:db8::2', port: 45061 },
        destination: { address: '2001:db8::1', port: 5063 },
        spi: 256,
        integrity: 'null',
        encryption: 'aes-gcm',
        integrityKey: none,
        encryptionKey: Buffer.concat([ck, Buffer.from('a1a2a3a4', 'hex')]),
        lifetimeSeconds: 3600,
        firstSequence: 1_000_000,
      },
      128,
    );
    expect(message).toBe(
      octets(
        `20010db8 z11 01 20010db8 z11 02 13c7ffffb005ffff0a008080 z8 00534d49 20010db8 z11 01 00000100 32000000
         20010db8 z11 02 ${unlimited} z8 100e z71 534d49 0a z11
         60001200 726663343130362867636d286165732929 z47 a000000080000000 ${ck.toString('hex')} a1a2a3a4
         2c001700 04000000 40420f00 z12 80000000 z16`,
      ),
    );
  });

  it('P-35 marks an outgoing association with the next number', () => {
    const body = added({ direction: 'out' });
    expect(body.slice(104, 112)).toBe('01534d49');
    expect(body.slice(0, 104)).toBe(head.slice(0, 104));
  });

  it('P-52 extends with an identity and a limit, without keys', () => {
    const { type, body } = extendAssociation(name, 3840);
    expect(type).toBe(0x1a);
    // iproute2 leaves the selector's family out.
    expect(body.toString('hex')).toBe(
      octets(
        `z40 0200 z14 0a000001 z12 12345678 32000000 0a000002 z12 ${unlimited} z8 000f z74 02 z11
         48000200 656362286369706865725f6e756c6c29 z52`,
      ),
    );
  });

  it('P-39 deletes and asks by destination, SPI and source', () => {
    const expected = octets('0a000001 z12 12345678 02003200 14000d00 0a000002 z12');
    expect(deleteAssociation(name).body.toString('hex')).toBe(expected);
    expect(getAssociation(name).body.toString('hex')).toBe(expected);
  });

  it('P-35 guards a port: required ESP with the tag, whoever the peer is', () => {
    const any = 'ff'.repeat(12);
    expect(setGuard(guardIn).body.toString('hex')).toBe(
      octets(
        `0a000001 z28 13c7ffff 00000000 02002000 11 z11 ${unlimited} z80 44000500 z20 32000000 02 z19 00534d49 00000000 ${any}`,
      ),
    );
    expect(setGuard(guardOut).body.toString('hex')).toBe(
      octets(
        `z16 20010db8 z11 01 00000000 13c6ffff 0a000080 06 z11 ${unlimited} z72 01 z7
         44000500 z20 32000000 0a z19 00534d49 00000000 ${any}`,
      ),
    );
    expect(deleteGuard(guardIn).body.toString('hex')).toBe(octets('0a000001 z28 13c7ffff 00000000 02002000 11 z19'));
  });

  it('P-39 reads its own associations and guards back, and nothing else', () => {
    const { body } = addAssociation({ kind: 'add', association: inbound, tag, window: 64 });
    expect(decodeAssociation(body)).toEqual({
      source: inbound.source,
      destination: inbound.destination,
      spi: inbound.spi,
      tag,
      user: tag,
      addedAtSeconds: 0,
      hardSeconds: 240,
    });
    const larval = Buffer.from(body);
    larval.fill(0, 72, 76);
    expect(decodeAssociation(larval)).toBeNull();
    expect(decodeAssociation(body.subarray(0, 223))).toBeNull();
    for (const guard of [guardIn, guardOut]) expect(decodeGuard(setGuard(guard).body)).toEqual(guard);
    expect(decodeGuard(setGuard(guardIn).body.subarray(0, 168))).toBeNull();
    expect(decodeGuard(none)).toBeNull();
  });

  it.each(['10.0.0.1', '255.255.255.255', '::', '::1', '2001:db8::1:0:0:1', 'fd77::2', '1:2:3:4:5:6:7:8', '1::'])(
    'P-35 carries the address %s',
    (address) => {
      expect(decodeAddress(encodeAddress(address), address.includes(':') ? 10 : 2)).toBe(address);
    },
  );
});

describe('the frame around them', () => {
  it('P-39 numbers a request and asks for its acknowledgement', () => {
    const bytes = encodeRequest({ type: 0x11, flags: 4, body: Buffer.of(1, 2, 3, 4) }, 7);
    expect(bytes.toString('hex')).toBe('1400000011000500070000000000000001020304');
  });

  it("P-39 reads a refusal with the kernel's words, and the good news behind it", () => {
    const echoed = Buffer.alloc(16);
    const words = encodeAttribute(1, Buffer.from('Requested type not found\0'));
    const refused = answer(2, 0x300, 7, Buffer.concat([errno(-93), echoed, words]));
    const done = answer(2, 0x100, 8, Buffer.concat([errno(0), echoed]));
    expect(decodeAnswers(Buffer.concat([refused, done]))).toMatchObject([
      { kind: 'ack', sequence: 7, errno: 93, text: 'Requested type not found' },
      { kind: 'ack', sequence: 8, errno: 0, text: null },
    ]);
  });

  it('P-39 reads as much as is whole', () => {
    const data = answer(0x10, 2, 1, Buffer.alloc(8));
    const end = answer(3, 0x12, 1, errno(0));
    expect(decodeAnswers(Buffer.concat([data, end])).map(({ kind, interrupted }) => [kind, interrupted])).toEqual([
      ['data', false],
      ['done', true],
    ]);
    for (let length = 0; length < data.length; length++) expect(decodeAnswers(data.subarray(0, length))).toEqual([]);
    expect(decodeAnswers(Buffer.alloc(64))).toEqual([]);
    expect(decodeAnswers(answer(2, 0x200, 1, none))).toMatchObject([{ errno: 0, text: null }]);
  });

  it('P-39 finds no attribute where lengths lie', () => {
    expect(findAttribute(Buffer.from('ffff0100', 'hex'), 1)).toBeNull();
    expect(findAttribute(Buffer.from('0000010000000100', 'hex'), 1)).toBeNull();
  });

  function answer(type: number, flags: number, sequence: number, payload: Buffer): Buffer {
    const bytes = encodeRequest({ type, flags: 0, body: payload }, sequence);
    bytes.writeUInt16LE(flags, 6);
    return bytes;
  }

  function errno(value: number): Buffer {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return bytes;
  }
});

describe('algorithms by their names in the kernel', () => {
  it.each([
    ['hmac-md5-96', 'aes-gcm'],
    ['null', 'null'],
    ['null', 'aes-cbc'],
    ['aes-gmac', 'aes-cbc'],
  ] as const)('P-32 there is no pair of %s and %s', (integrity, encryption) => {
    const pair = { ...inbound, integrity, encryption };
    expect(() => kernelAlgorithms(pair)).toThrow(expect.objectContaining({ code: 'ERR_IPSEC_UNSUPPORTED' }));
  });

  it('X-I15 refuses a key of another length without showing it', () => {
    const key = Buffer.from('c0ffee00c0ffee00c0ffee', 'hex');
    let said = '';
    try {
      kernelAlgorithms({ ...inbound, encryptionKey: key });
    } catch (error) {
      said = (error as IpsecError).message;
    }
    expect(said).toBe('the key of aes-cbc has 16 octets, not 11');
  });

  it.each([
    [1, 'ERR_IPSEC_DENIED'],
    [17, 'ERR_IPSEC_EXISTS'],
    [93, 'ERR_IPSEC_UNSUPPORTED'],
    [2, 'ERR_IPSEC_UNSUPPORTED'],
    [38, 'ERR_IPSEC_UNSUPPORTED'],
    [22, 'ERR_IPSEC_FAILED'],
  ] as const)('P-39 errno %i is %s', (errno, code) => {
    expect(ipsecErrorOf({ errno, text: 'why' }, 'no')).toMatchObject({ code, message: expect.stringMatching(/why$/) });
  });
});

describe('the number of associations', () => {
  it('P-146 is asked for without a list, and read from its attribute', () => {
    expect(countAssociations()).toEqual({ type: 0x23, flags: 4, body: Buffer.alloc(4) });
    const hashes = encodeAttribute(2, Buffer.alloc(8, 9));
    const count = encodeAttribute(1, Buffer.of(12, 1, 0, 0));
    expect(decodeCount(Buffer.concat([Buffer.alloc(4), hashes, count]))).toBe(268);
    expect([decodeCount(Buffer.alloc(4)), decodeCount(Buffer.concat([Buffer.alloc(4), hashes]))]).toEqual([0, 0]);
  });
});
