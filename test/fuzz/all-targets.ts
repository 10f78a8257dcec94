import { messageSeeds, multipartSeeds, sdpSeeds, uriSeeds, valueSeeds } from './corpus.ts';
import { diameterSeeds } from './diameter-corpus.ts';
import { diameterFramerTarget } from './diameter-framer-target.ts';
import { diameterTarget } from './diameter-target.ts';
import { framerTarget } from './framer-target.ts';
import { headerTargets } from './header-targets.ts';
import { messageTarget } from './message-target.ts';
import { multipartTarget } from './multipart-target.ts';
import { plantedDiameterTarget, plantedTarget } from './planted-target.ts';
import { proxyTarget } from './proxy-target.ts';
import { sdpTarget } from './sdp-target.ts';
import type { Chosen, FuzzTarget } from './target.ts';
import { uriPairTarget, uriTarget } from './uri-target.ts';

/** The targets of some groups, or a planted defect alone; always in the same order. */
export async function targetsOf(chosen: readonly Chosen[]): Promise<readonly FuzzTarget[]> {
  if (chosen.includes('self-test')) return [plantedTarget()];
  const diameter = diameterSeeds();
  if (chosen.includes('diameter-self-test')) return [plantedDiameterTarget(diameter)];
  const messages = messageSeeds();
  const uris = uriSeeds(messages);
  const all = [
    messageTarget(messages),
    framerTarget(messages),
    uriTarget(uris),
    uriPairTarget(uris),
    ...(await headerTargets(valueSeeds(messages))),
    multipartTarget(multipartSeeds(messages)),
    sdpTarget(sdpSeeds(messages)),
    proxyTarget(messages),
    diameterTarget(diameter),
    diameterFramerTarget(diameter),
  ];
  return all.filter(({ group }) => chosen.includes(group));
}
