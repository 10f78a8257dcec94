import { DiameterClient } from '#diameter/client';
import { CxClient } from '#diameter/cx/cx-client';
import { cxFeatures } from '#diameter/cx/cx-requests';
import { cxDictionary } from '#diameter/dictionary/cx';
import { rxDictionary } from '#diameter/dictionary/rx';
import type { TransportPort } from '#workers/frame-link';
import type { CommonConfig } from './config/config-shape.ts';

/** The Diameter client of a worker, null where the node speaks none. `failed`: an answer or request was not handled. */
export function openDiameterClient(
  config: CommonConfig,
  worker: number,
  bootSeconds: number,
  port: TransportPort,
  failed: (error: unknown) => void,
): DiameterClient | null {
  const { diameter } = config;
  if (diameter === undefined) return null;
  return new DiameterClient(
    {
      send: (message, route) => port.diameterRequest(message, route),
      answer: (message) => port.diameterAnswer(message),
    },
    {
      worker,
      identity: { originHost: diameter.originHost, originRealm: diameter.originRealm },
      dictionary: config.role === 'pcscf' ? rxDictionary : cxDictionary,
      bootSeconds,
      timeoutMs: diameter.timeout * 1000,
      ignoreUnknownMandatory: (diameter.ignoreUnknownM ?? []).map(({ code, vendor }) => `${vendor}:${code}`),
      failed,
    },
  );
}

/** The Cx client on it. */
export function openCxClient(client: DiameterClient, config: CommonConfig): CxClient {
  const { realm, announce, dialect } = config.diameter!.cx;
  const features = announce.reduce((bits, name) => bits | cxFeatures[name], 0);
  return new CxClient(client, { homeRealm: realm, features, dialect });
}
