import type { DiameterConfig } from '#service/config/config-shape';

/**
 * Whether a request of an HSS comes from one of ours: a peer that serves Cx, or somebody else of a realm that does (an
 * HSS behind a relay). A peer that serves something else is no HSS, whatever its realm.
 *
 * Source: TS 33.210 annex B; requirement X-D8.
 */
export function isOurHss(
  config: Pick<DiameterConfig, 'peers' | 'realms' | 'cx'>,
  host: string,
  realm: string,
): boolean {
  const name = host.toLowerCase();
  const rows = config.realms.filter(({ application }) => application === 'cx');
  if (rows.some(({ peers }) => peers.some((peer) => peer.host.toLowerCase() === name))) return true;
  if (config.peers.some((peer) => peer.host.toLowerCase() === name)) return false;
  const domain = realm.toLowerCase();
  return domain === config.cx.realm.toLowerCase() || rows.some((row) => row.realm.toLowerCase() === domain);
}
