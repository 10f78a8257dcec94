import type { Listener } from '#sip/transport/flow';
import { formatEndpoint, isFault, parseEndpoint } from './config/address.ts';
import type { ConfigData } from './config/config.ts';

/** Flows carry the index of their listener in 16 bits, and in what the store keeps. */
const mostListeners = 4096;

/**
 * The listeners of a new configuration at the places where flows know them: what has the same transport, address and port
 * as before keeps its index, also after it was closed for a while; what is new comes after all others; what is gone stays
 * as a closed one.
 *
 * `before`: by index, as this function gave it the last time. Gives in words why that cannot be while the node runs.
 */
export function carryListeners(before: readonly Listener[], next: readonly Listener[]): readonly Listener[] | string {
  if (protectedOnes(before) !== protectedOnes(next))
    return 'this changes on which addresses there are protected ports (IPsec), which needs a restart';
  const wanted = new Map(next.map((listener) => [keyOf(listener), listener]));
  const carried = before.map((listener, index): Listener => {
    const key = keyOf(listener);
    const found = wanted.get(key);
    wanted.delete(key);
    return found === undefined ? { ...listener, closed: true } : { ...found, index };
  });
  for (const listener of wanted.values()) carried.push({ ...listener, index: carried.length });
  return carried.length <= mostListeners ? carried : 'too many listeners have come and gone: restart the node';
}

/** Where the configuration names a listener: `listeners`, one of its sides, the place in that list. */
export function pathOfListener(listener: Listener, { listeners }: ConfigData): readonly string[] {
  const wanted = formatEndpoint(listener);
  const [side = ''] = listener.sides;
  const list = (listeners as Record<string, readonly (string | { readonly listen: string })[]>)[side] ?? [];
  const place = list.findIndex((entry) => {
    const endpoint = parseEndpoint(typeof entry === 'string' ? entry : entry.listen);
    return !isFault(endpoint) && formatEndpoint(endpoint) === wanted;
  });
  return place < 0 ? ['listeners'] : ['listeners', side, String(place)];
}

function protectedOnes(listeners: readonly Listener[]): string {
  const keys = listeners.filter(({ protection }) => protection !== undefined).map(keyOf);
  return keys.sort().join(' ');
}

function keyOf(listener: Listener): string {
  return `${formatEndpoint(listener)} ${listener.protection ?? ''}`;
}
