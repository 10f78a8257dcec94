import { isIPv4, isIPv6 } from 'node:net';
import type { AddressFault } from './config/address.ts';

/** A network: its first address as a number, and how many leading bits count. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly network: bigint;
  readonly prefix: number;
}

const bitsOf = { 4: 32, 6: 128 } as const;

/** An IP address as a number; undefined when it is none. A zone (`%eth0`) is not taken. */
export function addressNumber(address: string): { family: 4 | 6; value: bigint } | undefined {
  if (isIPv4(address)) return { family: 4, value: BigInt(v4Number(address)) };
  if (!isIPv6(address) || address.includes('%')) return undefined;
  let text = address;
  const dot = text.indexOf('.');
  if (dot > 0) {
    const start = text.lastIndexOf(':') + 1;
    const tail = v4Number(text.slice(start));
    text = `${text.slice(0, start)}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`;
  }
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  let value = 0n;
  for (const group of groups) value = (value << 16n) | BigInt(Number.parseInt(group, 16));
  return { family: 6, value };
}

function v4Number(address: string): number {
  let value = 0;
  for (const part of address.split('.')) value = value * 256 + Number(part);
  return value;
}

/** Parses `address/prefix`; an address alone means that one host. Host bits must be zero. */
export function parseCidr(text: string): Cidr | AddressFault {
  const example = 'write a network as 10.0.0.0/8 or fd00::/8';
  const slash = text.indexOf('/');
  const address = addressNumber(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return { fault: `"${text}" is no network`, suggestion: example };
  const bits = bitsOf[address.family];
  const prefixText = slash < 0 ? String(bits) : text.slice(slash + 1);
  const prefix = /^[0-9]{1,3}$/.test(prefixText) ? Number(prefixText) : -1;
  if (prefix < 0 || prefix > bits) {
    return {
      fault: `"/${prefixText}" is no prefix length of IPv${address.family}`,
      suggestion: `write 0 to ${bits} after the slash`,
    };
  }
  const shift = BigInt(bits - prefix);
  const network = (address.value >> shift) << shift;
  if (network !== address.value) {
    const meant = `${formatAddress(address.family, network)}/${prefix}`;
    return {
      fault: `"${text}" has bits set behind its prefix`,
      suggestion: `write ${meant}, or /${bits} for that one host`,
    };
  }
  return { family: address.family, network, prefix };
}

function formatAddress(family: 4 | 6, value: bigint): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  // The canonical form belongs to the platform: RFC 5952 through the URL parser.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** Answers kept before the cache starts over; a flood of sources then costs a scan each, not memory. */
const cacheLimit = 4096;

/**
 * Networks with a value each; finds the one with the longest prefix that holds an address. Answers are cached, since
 * the same few peers ask for every message.
 */
export class CidrTable<T> {
  readonly #entries: { readonly cidr: Cidr; readonly value: T }[];
  readonly #cache = new Map<string, T | undefined>();

  /** Throws RangeError on a text that is no network: configurations are validated before. */
  constructor(entries: Iterable<readonly [cidr: string, value: T]>) {
    this.#entries = Array.from(entries, ([text, value]) => {
      const cidr = parseCidr(text);
      if ('fault' in cidr) throw new RangeError(cidr.fault);
      return { cidr, value };
    }).sort((a, b) => b.cidr.prefix - a.cidr.prefix);
  }

  /** The value of the longest matching network, or undefined. An IPv4 address mapped into IPv6 counts as IPv4. */
  find(address: string): T | undefined {
    const known = this.#cache.get(address);
    if (known !== undefined || this.#cache.has(address)) return known;
    const value = this.#search(address);
    if (this.#cache.size >= cacheLimit) this.#cache.clear();
    this.#cache.set(address, value);
    return value;
  }

  #search(address: string): T | undefined {
    let number = addressNumber(address);
    if (number?.family === 6 && number.value >> 32n === 0xffffn)
      number = { family: 4, value: number.value & 0xffffffffn };
    if (number === undefined) return undefined;
    for (const { cidr, value } of this.#entries) {
      if (cidr.family !== number.family) continue;
      const shift = BigInt(bitsOf[cidr.family] - cidr.prefix);
      if (number.value >> shift === cidr.network >> shift) return value;
    }
    return undefined;
  }
}
