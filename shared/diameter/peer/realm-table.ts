import { sameIdentity } from '../identity.ts';

/** One peer of a realm: the lowest priority number first, among equals by weight. */
export interface RealmPeer {
  readonly host: string;
  /** Default 0. */
  readonly priority?: number;
  /** Default 1. */
  readonly weight?: number;
}

export interface RealmRoute {
  readonly realm: string;
  /** Application id. */
  readonly application: number;
  readonly peers: readonly RealmPeer[];
}

/** The peers of the row for a realm and application, or undefined. Source: RFC 6733 2.7. */
export function findRealm(
  routes: readonly RealmRoute[],
  realm: string,
  application: number,
): readonly RealmPeer[] | undefined {
  for (const route of routes) {
    if (route.application === application && sameIdentity(route.realm, realm)) return route.peers;
  }
  return undefined;
}

/**
 * Picks one of the peers that `usable` gives something for: of the best priority among them, at random by weight
 * (`random`: 0 up to 1).
 */
export function pickPeer<T>(
  peers: readonly RealmPeer[],
  usable: (host: string) => T | undefined,
  random: () => number,
): T | undefined {
  let best = Number.POSITIVE_INFINITY;
  let totalWeight = 0;
  let picked: T | undefined;
  for (const { host, priority = 0, weight = 1 } of peers) {
    if (priority > best) continue;
    const candidate = usable(host);
    if (candidate === undefined) continue;
    if (priority < best) totalWeight = 0;
    best = priority;
    totalWeight += weight;
    if (totalWeight === weight || random() * totalWeight < weight) picked = candidate;
  }
  return picked;
}
