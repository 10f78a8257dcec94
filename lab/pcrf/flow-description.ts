import { isIP, isIPv4 } from 'node:net';

/** One end of a filter; no ports: all of them. */
export interface FlowEnd {
  /** An address, or `any`. */
  readonly address: string;
  readonly prefixLength: number;
  readonly ports: readonly (readonly [first: number, last: number])[];
}

/** A Flow-Description: `out` is toward the UE. */
export interface FlowDescription {
  readonly direction: 'in' | 'out';
  /** Undefined: any. */
  readonly protocol: number | undefined;
  readonly from: FlowEnd;
  readonly to: FlowEnd;
}

const longest = 512;
const maxRanges = 32;

/**
 * Reads a Flow-Description: an IPFilterRule with the restrictions of Rx, `permit out 17 from A 5004 to B 49152`. Gives
 * what is wrong with it in words. Source: TS 29.214 5.3.8; RFC 6733 4.3.1; requirement Q-08.
 */
export function parseFlowDescription(text: string): FlowDescription | string {
  if (text.length > longest) return `has more than ${longest} characters`;
  const words = text.split(' ');
  if (words.includes('')) return 'has a blank too many';
  const [action, direction, protocolWord = '', fromWord, ...rest] = words;
  if (action !== 'permit') return `begins with ${action}, not with permit`;
  if (direction !== 'in' && direction !== 'out') return `has ${direction ?? 'nothing'} where in or out is to be`;
  const protocol = protocolWord === 'ip' ? undefined : wholeNumber(protocolWord, 255);
  if (Number.isNaN(protocol)) return `has the protocol ${protocolWord || 'nothing'}, which is no number and not ip`;
  if (fromWord !== 'from') return `has ${fromWord ?? 'nothing'} where from is to be`;
  const middle = rest.indexOf('to');
  if (middle < 0) return 'has no to';
  const from = endOf(rest.slice(0, middle));
  const to = endOf(rest.slice(middle + 1));
  if (typeof from === 'string') return from;
  if (typeof to === 'string') return to;
  return { direction, protocol, from, to };
}

/** The end at the UE. */
export function ueEnd({ direction, from, to }: FlowDescription): FlowEnd {
  return direction === 'out' ? to : from;
}

function endOf(words: readonly string[]): FlowEnd | string {
  const [place, ports, option] = words;
  if (place === undefined) return 'lacks an address';
  if (place.startsWith('!')) return 'has the modifier !, which Rx does not allow';
  if (place === 'assigned') return 'has the word assigned, which Rx does not allow';
  if (option !== undefined) return `has the option ${option}, which Rx does not allow`;
  const slash = place.indexOf('/');
  const address = slash < 0 ? place : place.slice(0, slash);
  if (address !== 'any' && isIP(address) === 0) return `has ${place}, which is no IP address`;
  const bits = isIPv4(address) ? 32 : 128;
  const prefixLength = slash < 0 ? bits : wholeNumber(place.slice(slash + 1), bits);
  if (Number.isNaN(prefixLength) || (address === 'any' && slash >= 0)) return `has ${place}, which is no network`;
  if (ports === undefined) return { address, prefixLength, ports: [] };
  const ranges = ports.split(',', maxRanges + 1).map(rangeOf);
  const sound = ranges.filter((range) => range !== undefined);
  if (sound.length !== ranges.length || ranges.length > maxRanges) return `has ${ports}, which are no ports`;
  return { address, prefixLength, ports: sound };
}

function rangeOf(text: string): readonly [number, number] | undefined {
  const dash = text.indexOf('-');
  const first = wholeNumber(dash < 0 ? text : text.slice(0, dash), 65_535);
  const last = dash < 0 ? first : wholeNumber(text.slice(dash + 1), 65_535);
  return first <= last ? [first, last] : undefined;
}

/** NaN for what is none, or larger than `most`. */
function wholeNumber(text: string, most: number): number {
  if (text.length === 0 || text.length > 5) return Number.NaN;
  for (let i = 0; i < text.length; i++) if (text[i]! < '0' || text[i]! > '9') return Number.NaN;
  const number = Number(text);
  return number <= most ? number : Number.NaN;
}
