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
const encoded = new Map<string, Uint8Array | null>();
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
 * The sockaddr of an IP literal of one family with port 0, cached; null when it is no literal of this family. The
 * caller copies it and writes the port.
 */
export function encodeAddress(address: string, version: 4 | 6): Uint8Array | null {
  let bytes = encoded.get(address);
  if (bytes === undefined) {
    bytes = address.includes(':') ? encodeV6(address) : encodeV4(address);
    if (encoded.size >= cacheEntries) encoded.clear();
    encoded.set(address, bytes);
  }
  return bytes !== null && bytes[0] === (version === 4 ? familyV4 : familyV6) ? bytes : null;
}

function encodeV4(address: string): Uint8Array | null {
  const bytes = new Uint8Array(16);
  bytes[0] = familyV4;
  return writeQuad(address, bytes, 4) ? bytes : null;
}

function writeQuad(address: string, bytes: Uint8Array, at: number): boolean {
  const parts = address.split('.');
  if (parts.length !== 4) return false;
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!;
    const value = Number(part);
    if (part.length === 0 || part.length > 3 || !Number.isInteger(value) || value < 0 || value > 255) return false;
    bytes[at + i] = value;
  }
  return true;
}

function encodeV6(address: string): Uint8Array | null {
  const percent = address.indexOf('%');
  const scope = percent < 0 ? 0 : Number(address.slice(percent + 1));
  if (!Number.isInteger(scope) || scope < 0) return null;
  const bytes = new Uint8Array(sockaddrBytes);
  bytes[0] = familyV6;
  new DataView(bytes.buffer).setUint32(24, scope, true);
  let text = percent < 0 ? address : address.slice(0, percent);
  const lastColon = text.lastIndexOf(':');
  if (text.includes('.')) {
    const quad = new Uint8Array(4);
    if (!writeQuad(text.slice(lastColon + 1), quad, 0)) return null;
    text = `${text.slice(0, lastColon + 1)}${((quad[0]! << 8) | quad[1]!).toString(16)}:${((quad[2]! << 8) | quad[3]!).toString(16)}`;
  }
  const gap = text.indexOf('::');
  if (gap !== text.lastIndexOf('::')) return null;
  const head = groupsOf(gap < 0 ? text : text.slice(0, gap));
  const tail = gap < 0 ? [] : groupsOf(text.slice(gap + 2));
  if (!head || !tail) return null;
  const count = head.length + tail.length;
  if (gap < 0 ? count !== 8 : count > 7) return null;
  for (const [i, group] of head.entries()) writeGroup(bytes, i, group);
  for (const [i, group] of tail.entries()) writeGroup(bytes, 8 - tail.length + i, group);
  return bytes;
}

function groupsOf(text: string): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  for (const part of text.split(':')) {
    const value = Number.parseInt(part, 16);
    if (
      part.length > 4 ||
      Number.isNaN(value) ||
      value.toString(16) !== (part.toLowerCase().replace(/^0+/, '') || '0')
    ) {
      return null;
    }
    groups.push(value);
  }
  return groups;
}

function writeGroup(bytes: Uint8Array, group: number, value: number): void {
  bytes[8 + group * 2] = value >> 8;
  bytes[9 + group * 2] = value & 255;
}
