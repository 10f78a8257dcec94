import { protocolTcp, protocolUdp } from '../esp-inner-ports.ts';
import { encodeAddress, familyOf } from '../kernel/xfrm-structures.ts';
import type { InstalledAssociation } from '../security-association.ts';

/*
 * IP headers: those that the kernel gives us with a packet to protect, and those that we put before an opened one.
 */

const header4Bytes = 20;
const header6Bytes = 40;
const hopLimit = 64;
const leastPortBytes = 4;

/** The octets of an address, 4 or 16. */
export function addressOctets(address: string): Buffer {
  return familyOf(address) === 2 ? encodeAddress(address).subarray(0, 4) : encodeAddress(address);
}

/** Names the packets of an association: their addresses and ports as they lie in a packet. */
export function flowOf({ source, destination }: InstalledAssociation): string {
  const bytes = Buffer.concat([addressOctets(source.address), addressOctets(destination.address), Buffer.alloc(4)]);
  bytes.writeUInt16BE(source.port, bytes.length - 4);
  bytes.writeUInt16BE(destination.port, bytes.length - 2);
  return bytes.toString('latin1');
}

/**
 * A UDP or TCP packet that the kernel wants to send. `flow` is as `flowOf` gives it; null where that cannot be told:
 * a fragment, or options before the ports.
 */
export interface OutboundPacket {
  readonly flow: string | null;
  readonly protocol: number;
  readonly payload: Buffer;
}

/** Reads what comes from the TUN device; null when it is neither UDP nor TCP. */
export function readOutbound(packet: Buffer): OutboundPacket | null {
  if (packet.length >= header4Bytes && packet[0]! >> 4 === 4) return readOutbound4(packet);
  if (packet.length >= header6Bytes && packet[0]! >> 4 === 6) return readOutbound6(packet);
  return null;
}

function readOutbound4(packet: Buffer): OutboundPacket | null {
  const protocol = packet[9]!;
  if (protocol !== protocolUdp && protocol !== protocolTcp) return null;
  const isWhole = packet[0] === 0x45 && (packet.readUInt16BE(6) & 0x3fff) === 0;
  const hasFlow = isWhole && packet.length >= header4Bytes + leastPortBytes;
  return { flow: hasFlow ? packet.toString('latin1', 12, 24) : null, protocol, payload: packet.subarray(header4Bytes) };
}

function readOutbound6(packet: Buffer): OutboundPacket | null {
  const protocol = packet[6]!;
  if (protocol !== protocolUdp && protocol !== protocolTcp) return null;
  const hasFlow = packet.length >= header6Bytes + leastPortBytes;
  return { flow: hasFlow ? packet.toString('latin1', 8, 44) : null, protocol, payload: packet.subarray(header6Bytes) };
}

/**
 * Writes an IP packet into `to` and gives its length. Addresses have 4 or 16 octets; the kernel puts in the checksum and
 * the identification of IPv4. Gives 0 where it has no room.
 */
export function writePacket(
  source: Buffer,
  destination: Buffer,
  protocol: number,
  payload: Buffer,
  to: Buffer,
): number {
  return source.length === 4
    ? writePacket4(source, destination, protocol, payload, to)
    : writePacket6(source, destination, protocol, payload, to);
}

function writePacket4(source: Buffer, destination: Buffer, protocol: number, payload: Buffer, to: Buffer): number {
  const length = header4Bytes + payload.length;
  if (length > 0xffff || length > to.length) return 0;
  to.writeUInt32BE(0x45000000 + length, 0);
  to.writeUInt32BE(0, 4);
  to.writeUInt32BE((hopLimit << 24) | (protocol << 16), 8);
  source.copy(to, 12);
  destination.copy(to, 16);
  payload.copy(to, header4Bytes);
  return length;
}

function writePacket6(source: Buffer, destination: Buffer, protocol: number, payload: Buffer, to: Buffer): number {
  if (payload.length > 0xffff || header6Bytes + payload.length > to.length) return 0;
  to.writeUInt32BE(0x60000000, 0);
  to.writeUInt32BE(((payload.length << 16) | (protocol << 8) | hopLimit) >>> 0, 4);
  source.copy(to, 8);
  destination.copy(to, 24);
  payload.copy(to, header6Bytes);
  return header6Bytes + payload.length;
}

/**
 * The source address (a view) and the ESP packet in what a raw socket has received: the kernel gives the header of IPv4, of
 * IPv6 only the payload, and the source in a struct sockaddr_in6. Null when it makes no sense.
 */
export function readInbound(version: 4 | 6, received: Buffer, name: Buffer): { source: Buffer; esp: Buffer } | null {
  if (version === 6) return { source: name.subarray(8, 24), esp: received };
  const headerLength = (received[0]! & 0x0f) * 4;
  if (received.length < header4Bytes || headerLength < header4Bytes || received.length < headerLength) return null;
  return { source: received.subarray(12, 16), esp: received.subarray(headerLength) };
}

/** A struct sockaddr_in or sockaddr_in6 with port 0, as a raw socket wants it. */
export function socketAddress(address: Buffer): Buffer {
  const bytes = Buffer.alloc(address.length === 4 ? 16 : 28);
  bytes.writeUInt16LE(address.length === 4 ? 2 : 10, 0);
  address.copy(bytes, address.length === 4 ? 4 : 8);
  return bytes;
}
