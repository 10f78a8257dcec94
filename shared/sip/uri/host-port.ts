import { ParseFailure } from '#sip/errors';
import { hexClass, isDigit, isOf, lowerSlice, skipBlanks, trimEnd } from './characters.ts';

/** A host and the port behind it. */
export interface HostPort {
  /** Lower case; IPv6 without brackets. */
  readonly host: string;
  /** 1 to 65535; 0 when none was given. */
  readonly port: number;
}

const maxHostLength = 255;

/** Kinds of characters in a host name; `_` is let through as well: names of containers and SRV records have it. */
const digit = 1;
const lower = 2;
const upper = 4;
const hyphen = 8;
const dot = 16;
const kinds = new Uint8Array(256);
for (let code = 48; code <= 57; code++) kinds[code] = digit;
for (let code = 65; code <= 90; code++) kinds[code] = upper;
for (let code = 97; code <= 122; code++) kinds[code] = lower;
kinds[45] = hyphen;
kinds[95] = lower;
kinds[46] = dot;

const span: HostSpan = { host: '', end: 0 };

/**
 * Reads `host`, `host:port`, `[v6]` or `[v6]:port`, nothing around it.
 *
 * Source: RFC 3261 25.1 (hostport).
 */
export function parseHostPort(text: string): HostPort | ParseFailure {
  const start = skipBlanks(text, 0, text.length);
  const to = trimEnd(text, start, text.length);
  if (!readHost(text, start, to, span)) return new ParseFailure('malformed host', start);
  const { host, end } = span;
  if (end === to) return { host, port: 0 };
  if (text.charCodeAt(end) !== 58) return new ParseFailure('malformed host', end);
  const port = digitsEnd(text, end + 1, to) === to ? portNumber(text, end + 1, to) : -1;
  return port < 0 ? new ParseFailure('malformed port', end + 1) : { host, port };
}

/** A host as it is written into URIs and Via: an IPv6 address gets its brackets. */
export function formatHost(address: string): string {
  return address.indexOf(':') >= 0 ? `[${address}]` : address;
}

/** 4 or 6 for the literal address of that family (IPv6 without brackets), else 0. */
export function isIpAddress(host: string): 4 | 6 | 0 {
  if (isIpv4At(host, 0, host.length)) return 4;
  return isIpv6At(host, 0, host.length) && host.indexOf(':::') < 0 ? 6 : 0;
}

/** A host found in a text: the value of its `host` field, and the position after it. */
export interface HostSpan {
  host: string;
  end: number;
}

/**
 * Reads the host that begins at `from` into `into`; false when there is none. A host is a name (labels of letters, digits,
 * `-`, `_`), an IPv4 address, or an IPv6 address in brackets. A name of which the last label is a number must be an IPv4
 * address.
 *
 * Source: RFC 3261 25.1 (host).
 */
export function readHost(text: string, from: number, to: number, into: HostSpan): boolean {
  if (from >= to) return false;
  const first = text.charCodeAt(from);
  if (first === 91) return readIpv6Reference(text, from, to, into);
  if (isDigit(first)) {
    const end = ipv4End(text, from, to);
    if (end > 0 && (end === to || !isHostCode(text.charCodeAt(end)))) {
      into.host = text.slice(from, end);
      into.end = end;
      return true;
    }
  }
  let found = 0;
  let inLabel = 0;
  let labelBefore = 0;
  let before = dot;
  let i = from;
  for (; i < to; i++) {
    const code = text.charCodeAt(i);
    const kind = code < 256 ? kinds[code]! : 0;
    if (kind === 0) break;
    if (kind >= hyphen) {
      // No label is empty, and none begins or ends with a hyphen.
      if (before === dot || (kind === dot && before === hyphen)) return false;
      if (kind === dot) {
        labelBefore = inLabel;
        inLabel = 0;
      } else {
        inLabel |= hyphen;
      }
    } else {
      inLabel |= kind;
    }
    found |= kind;
    before = kind;
  }
  if (before === hyphen || i === from || i - from > maxHostLength) return false;
  // A dot at the end names the root: the label before it is the last one. A last label of digits is no name.
  if ((before === dot ? labelBefore : inLabel) === digit) return false;
  const host = text.slice(from, i);
  into.host = (found & upper) !== 0 ? host.toLowerCase() : host;
  into.end = i;
  return true;
}

function readIpv6Reference(text: string, from: number, to: number, into: HostSpan): boolean {
  const close = text.indexOf(']', from);
  if (close < 0 || close >= to || !isIpv6At(text, from + 1, close)) return false;
  into.host = ipv6Text(text, from + 1, close);
  into.end = close + 1;
  return true;
}

/** An IPv6 address in lower case, the third colon that the grammar of RFC 3261 allowed taken out. */
export function ipv6Text(text: string, from: number, to: number): string {
  const address = lowerSlice(text, from, to);
  const extra = address.indexOf(':::');
  return extra < 0 ? address : address.slice(0, extra) + address.slice(extra + 1);
}

/** Position after the digits that begin at `from`. */
export function digitsEnd(text: string, from: number, to: number): number {
  let i = from;
  while (i < to && isDigit(text.charCodeAt(i))) i++;
  return i;
}

/** The digits at [from, to) as a port, -1 when there are none or they are not 1 to 65535. */
export function portNumber(text: string, from: number, to: number): number {
  let port = 0;
  for (let i = from; i < to && port <= 65535; i++) port = port * 10 + text.charCodeAt(i) - 48;
  return port > 0 && port <= 65535 ? port : -1;
}

function isHostCode(code: number): boolean {
  return code < 256 && kinds[code] !== 0;
}

/** Whether [from, to) is an IPv4 address. */
export function isIpv4At(text: string, from: number, to: number): boolean {
  return ipv4End(text, from, to) === to;
}

/**
 * Position after the IPv4 address that begins at `from`, -1 when there is none: four numbers up to 255, without leading
 * zeros (other programs read them as octal).
 */
function ipv4End(text: string, from: number, to: number): number {
  let dots = 0;
  let value = -1;
  let i = from;
  for (; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (value < 0 || dots === 3) break;
      dots++;
      value = -1;
    } else if (isDigit(code)) {
      if (value === 0) return -1;
      value = value < 0 ? code - 48 : value * 10 + code - 48;
      if (value > 255) return -1;
    } else {
      break;
    }
  }
  return dots === 3 && value >= 0 ? i : -1;
}

/**
 * Whether [from, to) is an IPv6 address, zone identifiers refused.
 *
 * A third colon before an embedded IPv4 address is accepted: the grammar of RFC 3261 demanded it.
 * Source: RFC 4291 2.2, RFC 5118 4.10.
 */
export function isIpv6At(text: string, from: number, to: number): boolean {
  if (to - from < 2 || to - from > 46) return false;
  let groups = 0;
  let compressed = false;
  let i = from;
  if (text.charCodeAt(i) === 58) {
    if (text.charCodeAt(i + 1) !== 58) return false;
    compressed = true;
    i += 2;
    if (i === to) return true;
    if (text.charCodeAt(i) === 58) return isIpv4At(text, i + 1, to);
  }
  for (;;) {
    const start = i;
    while (i < to && isOf(text.charCodeAt(i), hexClass)) i++;
    if (i < to && text.charCodeAt(i) === 46) {
      if (!isIpv4At(text, start, to)) return false;
      groups += 2;
      break;
    }
    if (i === start || i - start > 4) return false;
    groups++;
    if (i === to) break;
    if (text.charCodeAt(i++) !== 58 || i === to) return false;
    if (text.charCodeAt(i) !== 58) continue;
    if (compressed) return false;
    compressed = true;
    if (++i === to) break;
    if (text.charCodeAt(i) === 58) return groups <= 5 && isIpv4At(text, i + 1, to);
  }
  return compressed ? groups <= 7 : groups === 8;
}

/** Whether two hosts (as `HostPort` has them) are the same: IPv6 addresses however they are shortened. Source: RFC 5954 4.2. */
export function sameHost(a: string, b: string): boolean {
  if (a === b) return true;
  return a.indexOf(':') >= 0 && b.indexOf(':') >= 0 && expandIpv6(a) === expandIpv6(b);
}

/** An IPv6 address with all its eight groups, leading zeros left out. */
function expandIpv6(address: string): string {
  const gap = address.indexOf('::');
  if (gap < 0) return groupsOf(address).join(':');
  const head = groupsOf(address.slice(0, gap));
  const tail = groupsOf(address.slice(gap + 2));
  const zeros = new Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0');
  return [...head, ...zeros, ...tail].join(':');
}

/** Groups between colons; an IPv4 address at the end makes two. */
function groupsOf(text: string): string[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.indexOf('.') < 0) return [Number.parseInt(group, 16).toString(16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [(a * 256 + b).toString(16), (c * 256 + d).toString(16)];
  });
}
