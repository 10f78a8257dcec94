import type { AvpDefinition, AvpType } from '../dictionary/dictionary.ts';

/** The JS form of each AVP data format; text is latin1 (one character is one octet), Time is seconds since 1970. */
export interface AvpValues {
  OctetString: Buffer | string;
  Integer32: number;
  Integer64: bigint;
  Unsigned32: number;
  Unsigned64: bigint;
  Float32: number;
  Float64: number;
  Grouped: readonly Avp[];
  /** An IPv4 or IPv6 address in text form. */
  Address: string;
  Time: number;
  UTF8String: string;
  DiameterIdentity: string;
  DiameterURI: string;
  Enumerated: number;
  IPFilterRule: string;
}

/**
 * One AVP to send. `definition` undefined: `value` is whole AVPs that are encoded already, padding included.
 * A number is always written as four octets: formats of another size are octets before they get here.
 */
export interface Avp {
  readonly definition: AvpDefinition | undefined;
  readonly value: string | number | bigint | Buffer | readonly Avp[];
}

/** Makes one AVP to send; throws TypeError for an Address that is none. Source: RFC 6733 4.1. */
export function avp<T extends AvpType>(definition: AvpDefinition<T>, value: AvpValues[T]): Avp {
  switch (definition.type) {
    case 'Address':
      return { definition, value: encodeAddress(value as string) };
    case 'Time':
      return { definition, value: encodeTime(value as number) };
    case 'Float32': {
      const octets = Buffer.allocUnsafe(4);
      octets.writeFloatBE(value as number);
      return { definition, value: octets };
    }
    case 'Float64': {
      const octets = Buffer.allocUnsafe(8);
      octets.writeDoubleBE(value as number);
      return { definition, value: octets };
    }
    default:
      return { definition, value };
  }
}

/** Takes whole encoded AVPs (padded) to be sent as they are. */
export function encodedAvps(octets: Buffer): Avp {
  return { definition: undefined, value: octets };
}

/** Whether data of this length can be a value of the definition. Source: RFC 6733 4.2, 4.3. */
export function dataLengthFits(definition: AvpDefinition, length: number): boolean {
  if (definition.length !== undefined) return length >= definition.length[0] && length <= definition.length[1];
  switch (definition.type) {
    case 'Unsigned32':
    case 'Enumerated':
    case 'Integer32':
    case 'Float32':
    case 'Time':
      return length === 4;
    case 'Unsigned64':
    case 'Integer64':
    case 'Float64':
      return length === 8;
    case 'Address':
      return length > 2;
    case 'Grouped':
    case 'OctetString':
    case 'UTF8String':
    case 'DiameterIdentity':
    case 'DiameterURI':
    case 'IPFilterRule':
      return true;
  }
}

/** The least data length of a definition, for the zero-filled AVP that a Failed-AVP shows. Source: RFC 6733 7.5. */
export function leastDataLength(definition: AvpDefinition): number {
  if (definition.length !== undefined) return definition.length[0];
  if (definition.type === 'Address') return 6;
  if (dataLengthFits(definition, 0)) return 0;
  return dataLengthFits(definition, 4) ? 4 : 8;
}

/** Whether an Address has the octets of its family; families other than IP may be of any length. Source: RFC 6733 4.3.1. */
export function addressFits(octets: Buffer, start: number, end: number): boolean {
  const family = (octets[start]! << 8) | octets[start + 1]!;
  if (family === IPV4_FAMILY) return end - start === 6;
  return family !== IPV6_FAMILY || end - start === 18;
}

const IPV4_FAMILY = 1;
const IPV6_FAMILY = 2;

/**
 * Takes an address in text form, gives family and octets; throws TypeError when it is none (addresses that we send
 * come from our sockets or configuration). Source: RFC 6733 4.3.1.
 */
export function encodeAddress(text: string): Buffer {
  const octets = text.includes(':') ? parseIpv6(text) : parseIpv4(text);
  if (octets === undefined) throw new TypeError(`not an IP address: ${text}`);
  const out = Buffer.allocUnsafe(2 + octets.length);
  out.writeUInt16BE(octets.length === 4 ? IPV4_FAMILY : IPV6_FAMILY, 0);
  out.set(octets, 2);
  return out;
}

/** Gives the address in text form, or undefined when family and length disagree or the family is another. */
export function decodeAddress(octets: Buffer, start: number, end: number): string | undefined {
  const family = end - start >= 2 ? octets.readUInt16BE(start) : 0;
  if (family === IPV4_FAMILY && end - start === 6) {
    return `${octets[start + 2]}.${octets[start + 3]}.${octets[start + 4]}.${octets[start + 5]}`;
  }
  if (family !== IPV6_FAMILY || end - start !== 18) return undefined;
  const groups: string[] = [];
  for (let at = start + 2; at < end; at += 2) groups.push(octets.readUInt16BE(at).toString(16));
  return compressIpv6(groups);
}

/** Writes the longest run of zero groups as `::`. Source: RFC 5952 4.2. */
function compressIpv6(groups: readonly string[]): string {
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < groups.length; ) {
    let end = i;
    while (end < groups.length && groups[end] === '0') end++;
    if (end - i > bestLength) {
      bestStart = i;
      bestLength = end - i;
    }
    i = end === i ? i + 1 : end;
  }
  if (bestStart < 0) return groups.join(':');
  return `${groups.slice(0, bestStart).join(':')}::${groups.slice(bestStart + bestLength).join(':')}`;
}

function parseIpv4(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const octets = parts.map((part) => (part.length > 0 && part.length <= 3 ? Number(part) : -1));
  return octets.every((octet) => Number.isInteger(octet) && octet >= 0 && octet <= 255) ? octets : undefined;
}

function parseIpv6(text: string): number[] | undefined {
  const bare = text.split('%', 1)[0] ?? text;
  const halves = bare.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '');
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '') : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function parseGroups(text: string): number[] | undefined {
  if (text === '') return [];
  const octets: number[] = [];
  const parts = text.split(':');
  for (const [position, part] of parts.entries()) {
    if (part.includes('.')) {
      const embedded = position === parts.length - 1 ? parseIpv4(part) : undefined;
      if (embedded === undefined) return undefined;
      octets.push(...embedded);
      continue;
    }
    const value = part.length > 0 && part.length <= 4 ? Number(`0x${part}`) : Number.NaN;
    if (!Number.isInteger(value)) return undefined;
    octets.push(value >> 8, value & 0xff);
  }
  return octets;
}

/** Seconds between 1900 and 1970. Source: RFC 5905 6. */
const NTP_EPOCH_SECONDS = 2208988800;

/** Takes seconds since 1970, gives NTP seconds modulo 2^32 (era 1 begins in 2036). Source: RFC 6733 4.3.1. */
export function encodeTime(unixSeconds: number): Buffer {
  const octets = Buffer.allocUnsafe(4);
  octets.writeUInt32BE((Math.floor(unixSeconds) + NTP_EPOCH_SECONDS) % 2 ** 32);
  return octets;
}

/** Gives seconds since 1970; with the top bit clear the time is of era 1. Source: RFC 4330 3. */
export function decodeTime(ntpSeconds: number): number {
  return ntpSeconds - NTP_EPOCH_SECONDS + (ntpSeconds < 2 ** 31 ? 2 ** 32 : 0);
}
