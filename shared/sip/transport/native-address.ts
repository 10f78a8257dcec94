import { isIP } from 'node:net';

/**
 * Socket addresses as the kernel writes them (struct sockaddr_in and sockaddr_in6 of Linux, little endian host), to
 * and from text, with small caches: a node speaks with the same few addresses again and again.
 */
export const sockaddrBytes = 28;
const familyV4 = 2;
const familyV6 = 10;
const cacheEntries = 4096;
const v6Slots = 256;

const v4Text = new Map<number, string>();
const encodedV6 = new Map<string, Uint8Array | null>();
const v6Keys = new Uint32Array(v6Slots * 5);
const v6Text: string[] = new Array(v6Slots).fill('');

/** Port of the sockaddr at `at`. */
export function readPort(bytes: Buffer, at: number): number {
  return (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** Address of the sockaddr at `at` (a multiple of 4), without brackets; a link-local one with its scope. */
export function readAddress(bytes: Buffer, at: number): string {
  return bytes[at] === familyV4 ? readV4(bytes, at + 4) : readV6(bytes, at + 8);
}

function readV4(bytes: Buffer, at: number): string {
  const key = ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  let text = v4Text.get(key);
  if (text === undefined) {
    text = `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
    if (v4Text.size >= cacheEntries) v4Text.clear();
    v4Text.set(key, text);
  }
  return text;
}

function readV6(bytes: Buffer, at: number): string {
  const a = bytes.readUInt32BE(at);
  const b = bytes.readUInt32BE(at + 4);
  const c = bytes.readUInt32BE(at + 8);
  const d = bytes.readUInt32BE(at + 12);
  const scope = a >>> 22 === 0x3fa ? bytes.readUInt32LE(at + 16) : 0;
  const slot = (Math.imul(a ^ Math.imul(b, 31) ^ Math.imul(c, 131) ^ d ^ scope, 0x9e3779b1) >>> 24) & (v6Slots - 1);
  const k = slot * 5;
  const known = v6Text[slot]!;
  if (
    known !== '' &&
    v6Keys[k] === a &&
    v6Keys[k + 1] === b &&
    v6Keys[k + 2] === c &&
    v6Keys[k + 3] === d &&
    v6Keys[k + 4] === scope
  ) {
    return known;
  }
  const text = formatV6([a >>> 16, a & 0xffff, b >>> 16, b & 0xffff, c >>> 16, c & 0xffff, d >>> 16, d & 0xffff]);
  v6Keys.set([a, b, c, d, scope], k);
  v6Text[slot] = scope === 0 ? text : `${text}%${scope}`;
  return v6Text[slot]!;
}

/** The canonical text of eight groups. Source: RFC 5952 4. */
function formatV6(groups: readonly number[]): string {
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0) length++;
    if (length > bestLength) {
      bestStart = i;
      bestLength = length;
    }
    i += length;
  }
  if (bestStart === 0 && bestLength >= 5) {
    const mapped = groups[5] === 0xffff && bestLength === 5;
    if (mapped) return `::ffff:${groups[6]! >> 8}.${groups[6]! & 255}.${groups[7]! >> 8}.${groups[7]! & 255}`;
  }
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return bestStart < 0 ? hex(0, 8) : `${hex(0, bestStart)}::${hex(bestStart + bestLength, 8)}`;
}

/**
 * The sockaddr of an IP literal of one family with port 0; null when it is no literal of this family. The caller
 * copies it before the next call and writes the port.
 */
export function encodeAddress(address: string, version: 4 | 6): Uint8Array | null {
  if (version === 4) return encodeV4(address);
  let bytes = encodedV6.get(address);
  if (bytes === undefined) {
    bytes = isIP(address) === 6 ? encodeV6(address) : null;
    if (encodedV6.size >= cacheEntries) encodedV6.clear();
    encodedV6.set(address, bytes);
  }
  return bytes;
}

const scratchV4 = new Uint8Array(16);
scratchV4[0] = familyV4;

/** A P-CSCF sends to as many addresses as it has UEs: read anew each time, which costs less than a cache that misses. */
function encodeV4(address: string): Uint8Array | null {
  let part = 0;
  let value = 0;
  let digits = 0;
  for (let i = 0; i <= address.length; i++) {
    const digit = i === address.length ? dot : address.charCodeAt(i) - 48;
    if (digit >= 0 && digit <= 9) {
      if (digits > 0 && value === 0) return null;
      value = value * 10 + digit;
      digits++;
      if (value > 255) return null;
    } else {
      if (digit !== dot || digits === 0 || part === 4) return null;
      scratchV4[4 + part++] = value;
      value = 0;
      digits = 0;
    }
  }
  return part === 4 ? scratchV4 : null;
}

/** A full stop, counted from the digit 0. */
const dot = 46 - 48;

/** Of a text that `isIP` knows as IPv6; null when its scope is not a number. */
function encodeV6(address: string): Uint8Array | null {
  const [text = '', scope = '0'] = address.split('%');
  const scopeId = Number(scope);
  if (!Number.isInteger(scopeId) || scopeId < 0) return null;
  const bytes = new Uint8Array(sockaddrBytes);
  bytes[0] = familyV6;
  new DataView(bytes.buffer).setUint32(24, scopeId, true);
  const [head = '', tail = ''] = text.split('::');
  writeGroups(bytes, 0, groupsOf(head));
  const last = groupsOf(tail);
  writeGroups(bytes, 8 - last.length, last);
  return bytes;
}

/** Groups between colons; a dotted quad at the end is two of them. */
function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part) => {
    if (!part.includes('.')) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

function writeGroups(bytes: Uint8Array, first: number, groups: readonly number[]): void {
  for (const [i, group] of groups.entries()) {
    bytes[8 + (first + i) * 2] = group >> 8;
    bytes[9 + (first + i) * 2] = group & 255;
  }
}
