import type { DiameterRoute } from '../client.ts';
import { sameIdentity } from '../identity.ts';
import type { Peer } from './peer.ts';
import type { PeerSettings } from './peer-settings.ts';
import { findRealm, pickPeer, type RealmPeer } from './realm-table.ts';
import type { RedirectCache } from './redirect.ts';

/** Picks the peer that a request goes to. Source: RFC 6733 2.7, 6.1.4, 6.1.6; requirement D-10. */
export class PeerChoice {
  readonly #peers: ReadonlyMap<string, Peer>;
  readonly #settings: PeerSettings;
  readonly #redirects: RedirectCache;

  /** `peers` by Origin-Host in lower case. */
  constructor(peers: ReadonlyMap<string, Peer>, settings: PeerSettings, redirects: RedirectCache) {
    this.#peers = peers;
    this.#settings = settings;
    this.#redirects = redirects;
  }

  /**
   * The host asked for, else the one that a redirect answer named, else by the realm table, else any peer of that realm,
   * else the default route; undefined when none is left. Peers without a sign of life only when `suspects` and nobody
   * else is there; never one of `tried` (hosts in lower case).
   */
  choose(route: DiameterRoute, tried: readonly string[], suspects: boolean): Peer | undefined {
    const { application, host, realm } = route;
    const named = host === '' ? this.#redirects.find(route, this.#settings.clock.now()) : host;
    const direct = named === undefined ? undefined : this.#usable(named, application, tried, false);
    if (direct !== undefined) return direct;
    const row = findRealm(this.#settings.realms, realm, application);
    const found = this.#chooseOf(row, route, tried, false);
    return found ?? (suspects ? this.#chooseOf(row, route, tried, true) : undefined);
  }

  #chooseOf(
    row: readonly RealmPeer[] | undefined,
    { application, realm }: DiameterRoute,
    tried: readonly string[],
    suspects: boolean,
  ): Peer | undefined {
    const { defaultPeers, random } = this.#settings;
    const usable = (host: string) => this.#usable(host, application, tried, suspects);
    if (row !== undefined) return pickPeer(row, usable, random);
    for (const peer of this.#peers.values()) {
      if (sameIdentity(peer.capabilities?.originRealm ?? '', realm) && usable(peer.key) !== undefined) return peer;
    }
    return pickPeer(defaultPeers, usable, random);
  }

  #usable(host: string, application: number, tried: readonly string[], suspect: boolean): Peer | undefined {
    const peer = this.#peers.get(host.toLowerCase());
    if (peer === undefined || peer.suspect !== suspect || !peer.takes(application)) return undefined;
    return tried.includes(peer.key) ? undefined : peer;
  }
}
