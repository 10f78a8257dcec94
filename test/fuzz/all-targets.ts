import { messageSeeds, multipartSeeds, sdpSeeds, uriSeeds, valueSeeds } from './corpus.ts';
import { framerTarget } from './framer-target.ts';
import { headerTargets } from './header-targets.ts';
import { messageTarget } from './message-target.ts';
import { multipartTarget } from './multipart-target.ts';
import { plantedTarget } from './planted-target.ts';
import { proxyTarget } from './proxy-target.ts';
import { sdpTarget } from './sdp-target.ts';
import type { FuzzTarget, Group } from './target.ts';
import { uriPairTarget, uriTarget } from './uri-target.ts';

/** The targets of some groups, `self-test` for the planted defect alone; always in the same order. */
export async function targetsOf(chosen: readonly (Group | 'self-test')[]): Promise<readonly FuzzTarget[]> {
  if (chosen.includes('self-test')) return [plantedTarget()];
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
  ];
  return all.filter(({ group }) => chosen.includes(group as Group));
}
