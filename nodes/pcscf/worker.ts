import { openTrace } from '#manage/trace-recorder';
import type { PcscfConfig } from '#service/config/pcscf-config';
import { nodeWorker, prepareStore } from '#service/node-worker';
import { profileOf } from './access.ts';
import { callsEmergencyNumber } from './emergency-numbers.ts';
import { createPcscf } from './pcscf.ts';
import { storeTables } from './registrations.ts';

/** What a thread loads that waits to become such a worker. */
export const prepare = prepareStore;

/** What runs in each worker of the P-CSCF. */
export const createInbox = nodeWorker<PcscfConfig>({
  tables: storeTables,
  store: (config) => config.store,
  names: (config) => [`${config.name}:0`, ...config.listeners.map(({ port }) => `${config.name}:${port}`)],
  homeNetworks: (config) => config.dns.homeNetworks,
  profileOf,
  proxyRequire: ['sec-agree', 'privacy'],
  openTrace,
  urgentOf: callsEmergencyNumber,
  create: createPcscf,
});
