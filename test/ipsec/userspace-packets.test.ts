import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IpsecError } from '#ipsec/ipsec-backend';
import { AssociationTable } from '#ipsec/userspace/association-table';
import { addressOctets, flowOf, readInbound, readOutbound, writePacket } from '#ipsec/userspace/ip-packet';
import { associationSet, portPc, portPs, portUc, portUs } from './userspace-peer.ts';

const versions = [
  ['IPv4', '10.0.0.1', '10.0.0.2'],
  ['IPv6', '2001:db8::1', '2001:db8::2'],
] as const;

/** A payload that begins with ports. */
function withPorts(source: number, destination: number, length = 30): Buffer {
  const bytes = Buffer.alloc(length, 'x');
  bytes.writeUInt16BE(source, 0);
  bytes.writeUInt16BE(destination, 2);
  return bytes;
}

function packetOf(from: string, to: string, protocol: number, payload: Buffer): Buffer {
  const packet = Buffer.alloc(70_000);
  return packet.subarray(0, writePacket(addressOctets(from), addressOctets(to), protocol, payload, packet));
}

describe('P-35 IP packets of the data path', () => {
  it.each(versions)('P-35 %s: finds the association of a packet by its addresses and ports', (_name, p, u) => {
    const table = new AssociationTable(64);
    table.add(associationSet('pcscf', p, u), 0);
    for (const protocol of [6, 17]) {
      const read = readOutbound(packetOf(p, u, protocol, withPorts(portPc, portUs)))!;
      expect(read.protocol).toBe(protocol);
      expect(read.payload).toEqual(withPorts(portPc, portUs));
      expect(table.outbound(read.flow!)?.association.spi).toBe(2002);
    }
    expect(flowOf(associationSet('pcscf', p, u)[2]!)).toBe(
      readOutbound(packetOf(p, u, 17, withPorts(portPc, portUs)))!.flow,
    );
    for (const [source, destination] of [
      [portPc, portUc],
      [portPs, portUs],
      [portUs, portPc],
    ] as const) {
      expect(table.outbound(readOutbound(packetOf(p, u, 17, withPorts(source, destination)))!.flow!)).toBeUndefined();
    }
  });

  it('P-35 takes a fragment and a header with options for no flow: it is not sent in another one', () => {
    const packet = packetOf('10.0.0.1', '10.0.0.2', 17, withPorts(portPc, portUs));
    const changed = (change: (bytes: Buffer) => void) => {
      const bytes = Buffer.from(packet);
      change(bytes);
      return readOutbound(bytes)!.flow;
    };
    expect(changed(() => {})).not.toBeNull();
    expect(changed((bytes) => bytes.writeUInt16BE(0x2000, 6))).toBeNull();
    expect(changed((bytes) => bytes.writeUInt16BE(10, 6))).toBeNull();
    expect(changed((bytes) => bytes.writeUInt8(0x46, 0))).toBeNull();
    expect(readOutbound(packetOf('10.0.0.1', '10.0.0.2', 1, withPorts(8, 0)))).toBeNull();
  });

  it('X-I12 reads any octets without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(0x45, 0x46, 0x4f, 0x60, 0x00), (octets, first) => {
        const bytes = Buffer.from(octets);
        readOutbound(bytes);
        readInbound(4, bytes, Buffer.alloc(32));
        if (bytes.length > 0) bytes[0] = first;
        readOutbound(bytes);
        const inbound = readInbound(4, bytes, Buffer.alloc(32));
        if (inbound) expect(inbound.source).toHaveLength(4);
      }),
      { numRuns: 2000 },
    );
  });

  it('writes no packet that is longer than IP can say', () => {
    expect(packetOf('10.0.0.1', '10.0.0.2', 17, Buffer.alloc(65_515)).length).toBe(65_535);
    expect(packetOf('10.0.0.1', '10.0.0.2', 17, Buffer.alloc(65_516)).length).toBe(0);
    expect(packetOf('::1', '::2', 17, Buffer.alloc(65_535)).length).toBe(65_575);
    expect(packetOf('::1', '::2', 17, Buffer.alloc(65_536)).length).toBe(0);
  });
});

describe('P-39 the associations of a data path', () => {
  const set = associationSet('pcscf', '10.0.0.1', '10.0.0.2');

  it('P-39 adds none where one is refused', () => {
    const table = new AssociationTable(64);
    table.add(set.slice(3), 0);
    expect(() => table.add(set, 0)).toThrow(IpsecError);
    expect(table.list().map(({ spi }) => spi)).toEqual([1002]);
  });

  it('P-39 X-I13 never replaces an association with the same address and SPI', () => {
    const table = new AssociationTable(64);
    table.add(set, 0);
    const other = { ...set[0]!, source: { address: '10.0.0.3', port: 9 } };
    expect(() => table.add([other], 0)).toThrow(expect.objectContaining({ code: 'ERR_IPSEC_EXISTS' }));
    expect(table.inbound('10.0.0.1', 1001)?.association.source.address).toBe('10.0.0.2');
  });

  it('P-52 lets them end, each at its time', () => {
    const table = new AssociationTable(64);
    table.add(set, 100);
    table.extend(set.slice(0, 1), 2000);
    table.expire(699);
    expect(table.list()).toHaveLength(4);
    table.expire(700);
    expect(table.list().map(({ spi }) => spi)).toEqual([1001]);
    table.remove(set);
    expect(table.list()).toEqual([]);
  });

  it('P-39 P-52 extends all or none', () => {
    const table = new AssociationTable(64);
    table.add(set.slice(0, 2), 100);
    expect(() => table.extend(set, 2000)).toThrow(expect.objectContaining({ code: 'ERR_IPSEC_FAILED' }));
    table.expire(700);
    expect(table.list()).toEqual([]);
  });

  it('X-I15 does not give keys away', () => {
    const table = new AssociationTable(64);
    table.add(set, 0);
    expect(Object.keys(table.list()[0]!).sort()).toEqual(['destination', 'direction', 'source', 'spi']);
  });
});
