import { systemClock } from '#diameter/clock';
import { RxClient } from '#diameter/rx/rx-client';
import { RxSessions } from '#diameter/rx/rx-sessions';
import type { PcscfConfig } from '#service/config-shape';
import type { NodeContext } from '#service/node-context';

/**
 * The Rx side of one worker, null where the configuration names no Diameter peers. From here on RARs and ASRs are
 * answered: 5002 for sessions that this worker does not hold. Source: TS 29.214 4.4; requirements P-127, P-128.
 */
export function openRx({
  config,
  diameter,
  log,
  serveDiameter,
}: Pick<NodeContext<PcscfConfig>, 'config' | 'diameter' | 'log' | 'serveDiameter'>): RxSessions | null {
  if (diameter === null) return null;
  const realm = config.diameter?.realms.find(({ application }) => application === 'rx')?.realm;
  const sessions = new RxSessions({
    port: new RxClient(diameter, { realm: realm ?? diameter.identity.originRealm }),
    clock: systemClock,
    onDefect: (error) => log.error({ reason: 'internal', err: error }, 'an event of a PCRF was not handled: a defect'),
  });
  sessions.serve(serveDiameter);
  return sessions;
}
