import { openTrace } from '#manage/trace-recorder';
import type { IcscfConfig } from '#service/config/icscf-config';
import { nodeWorker } from '#service/node-worker';
import { createIcscf } from './icscf.ts';

/** What runs in each worker of the I-CSCF. */
export const createInbox = nodeWorker<IcscfConfig>({
  tables: { shared: [], own: [] },
  store: () => null,
  names: (config) => [`${config.name}:0`, ...config.listeners.map(({ port }) => `${config.name}:${port}`)],
  profileOf: (config) => {
    const profile = { t1Ms: config.timers.t1, t2Ms: config.timers.t2, t4Ms: config.timers.t4 };
    return () => profile;
  },
  proxyRequire: [],
  openTrace,
  create: (context) => createIcscf(context, context.cx!),
});
