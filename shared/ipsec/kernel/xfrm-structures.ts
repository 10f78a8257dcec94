import { isIPv6 } from 'node:net';

/*
 * Structures that the messages of NETLINK_XFRM share (linux/xfrm.h), as they lie in memory on 64 bit.
 */

export const addressBytes = 16;
export const selectorBytes = 56;
export const lifetimeBytes = 64;
export const protocolEsp = 50;
export const modeTransport = 0;

const unlimited = 0xffffffffffffffffn;

/** Which packets a policy or an association is for; port 0 is any port, protocol 0 any protocol. */
export interface Selector {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly protocol: number;
  /** A number that the kernel keeps and does not use. */
  readonly user: number;
}

/** AF_INET or AF_INET6. */
export function familyOf(address: string): number {
  return isIPv6(address) ? 10 : 2;
}

/** The 16 octets of xfrm_address_t; an IPv4 address has the first four. The address is a valid one, without a zone. */
export function encodeAddress(address: string): Buffer {
  const bytes = Buffer.alloc(addressBytes);
  if (!isIPv6(address)) {
    address.split('.').forEach((part, at) => {
      bytes[at] = Number(part);
    });
    return bytes;
  }
  // The URL parser knows every form of IPv6 and gives the canonical one, in hexadecimal groups.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  before.forEach((group, at) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), at * 2);
  });
  after.forEach((group, at) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), addressBytes - (after.length - at) * 2);
  });
  return bytes;
}

/** The canonical text of an xfrm_address_t. */
export function decodeAddress(bytes: Buffer, family: number): string {
  if (family === 2) return bytes.subarray(0, 4).join('.');
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** struct xfrm_selector: addresses are exact, but for the unspecified one, which stands for any. */
export function encodeSelector(selector: Selector): Buffer {
  const bytes = Buffer.alloc(selectorBytes);
  encodeAddress(selector.destination).copy(bytes, 0);
  encodeAddress(selector.source).copy(bytes, 16);
  bytes.writeUInt16BE(selector.destinationPort, 32);
  bytes.writeUInt16BE(selector.destinationPort === 0 ? 0 : 0xffff, 34);
  bytes.writeUInt16BE(selector.sourcePort, 36);
  bytes.writeUInt16BE(selector.sourcePort === 0 ? 0 : 0xffff, 38);
  bytes.writeUInt16LE(familyOf(selector.destination), 40);
  bytes[42] = prefixLength(selector.destination);
  bytes[43] = prefixLength(selector.source);
  bytes[44] = selector.protocol;
  bytes.writeUInt32LE(selector.user, 52);
  return bytes;
}

/** Reads a struct xfrm_selector; prefixes are not told. */
export function decodeSelector(bytes: Buffer): Selector {
  const family = bytes.readUInt16LE(40);
  return {
    destination: decodeAddress(bytes.subarray(0, 16), family),
    source: decodeAddress(bytes.subarray(16, 32), family),
    destinationPort: bytes.readUInt16BE(32),
    sourcePort: bytes.readUInt16BE(36),
    protocol: bytes[44]!,
    user: bytes.readUInt32LE(52),
  };
}

/** struct xfrm_lifetime_cfg: no limit but a hard one in seconds since it was added; 0 is none. */
export function encodeLifetime(hardSeconds: number): Buffer {
  const bytes = Buffer.alloc(lifetimeBytes);
  for (let at = 0; at < 32; at += 8) bytes.writeBigUInt64LE(unlimited, at);
  bytes.writeBigUInt64LE(BigInt(hardSeconds), 40);
  return bytes;
}

function prefixLength(address: string): number {
  if (address === '0.0.0.0' || address === '::') return 0;
  return isIPv6(address) ? 128 : 32;
}
