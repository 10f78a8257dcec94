import type { AvpList } from '../codec/avp-list.ts';
import { type Avp, avp, decodeAddress, encodeAddress } from '../codec/avp-types.ts';
import { baseAvps } from '../dictionary/base.ts';

/** The address, or IPv6 prefix, that a bearer was given. */
export interface FramedAddress {
  /** Text form, IPv6 without brackets. */
  readonly address: string;
  /** 32 for IPv4; of IPv6 1 to 128. */
  readonly prefixLength: number;
}

const IPV6_OCTETS = 16;
const MAPPED_PREFIX = Buffer.from('00000000000000000000ffff', 'hex');

/**
 * The AVP that tells the address of a UE: Framed-IP-Address of exactly 4 octets, or Framed-IPv6-Prefix of always 18
 * (Open5GS takes no shorter one). An IPv4 address inside an IPv6 one is told as IPv4; undefined for what is no address.
 *
 * Source: TS 29.214 4.4.1; RFC 4005 6.11.1; RFC 3162 2.3; requirement D-70.
 */
export function framedAddressAvp({ address, prefixLength }: FramedAddress): Avp | undefined {
  const octets = addressOctets(address);
  if (octets === undefined) return undefined;
  if (octets.length === 4) return avp(baseAvps.framedIpAddress, octets);
  const bits = Math.min(128, Math.max(1, Math.trunc(prefixLength)));
  const prefix = Buffer.alloc(2 + IPV6_OCTETS);
  prefix[1] = bits;
  octets.copy(prefix, 2);
  for (let bit = bits; bit < 128; bit++) prefix[2 + (bit >> 3)]! &= ~(0x80 >> (bit & 7));
  return avp(baseAvps.framedIpv6Prefix, prefix);
}

/** Reads what `framedAddressAvp` writes, prefixes of any length too; undefined when there is none that can be. */
export function readFramedAddress(avps: AvpList): FramedAddress | undefined {
  const ipv4 = avps.octets(baseAvps.framedIpAddress);
  if (ipv4 !== undefined) {
    const [a, b, c, d] = ipv4;
    return ipv4.length === 4 ? { address: `${a}.${b}.${c}.${d}`, prefixLength: 32 } : undefined;
  }
  const prefix = avps.octets(baseAvps.framedIpv6Prefix);
  const prefixLength = prefix?.[1] ?? 0;
  if (prefix === undefined || prefix.length > 2 + IPV6_OCTETS || prefixLength > 128) return undefined;
  if ((prefix.length - 2) * 8 < prefixLength) return undefined;
  const encoded = Buffer.alloc(2 + IPV6_OCTETS);
  encoded[1] = 2;
  prefix.copy(encoded, 2, 2);
  const address = decodeAddress(encoded, 0, encoded.length);
  return address === undefined ? undefined : { address, prefixLength };
}

function addressOctets(address: string): Buffer | undefined {
  try {
    const octets = encodeAddress(address).subarray(2);
    return octets.length === IPV6_OCTETS && octets.subarray(0, 12).equals(MAPPED_PREFIX) ? octets.subarray(12) : octets;
  } catch {
    return undefined;
  }
}
