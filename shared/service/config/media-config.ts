import { type Endpoint, parseEndpoint } from './address.ts';
import type { ReportProblem } from './config-problem.ts';
import type { PcscfConfig } from './pcscf-config.ts';

/** The section as it passed the schema. */
export type RawMedia = Omit<PcscfConfig['media'], 'rtpengine'> & { readonly rtpengine: readonly string[] };

/**
 * Turns the `media` section of the P-CSCF into its typed form, and checks that there is an rtpengine where it or an
 * entry of `access` wants media to be anchored.
 */
export function resolveMedia(
  raw: RawMedia,
  access: PcscfConfig['access'],
  problem: ReportProblem,
): PcscfConfig['media'] {
  const rtpengine = raw.rtpengine.map((text) => parseEndpoint(text)) as Endpoint[];
  rtpengine.forEach(({ transport }, i) => {
    if (transport !== 'udp')
      problem(['rtpengine', String(i)], `rtpengine is asked over udp, not ${transport}`, 'write udp:');
  });
  const wanted = raw.anchor !== 'off' || access.some(({ anchor }) => anchor !== undefined && anchor !== 'off');
  if (wanted && rtpengine.length === 0) {
    problem(
      [],
      'media is to be anchored, but there is no rtpengine',
      'add media: { rtpengine: ["udp:127.0.0.1:2223"] }, or set anchor: off',
    );
  }
  return { ...raw, rtpengine };
}
