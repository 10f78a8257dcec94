import { openTrace } from '#manage/trace-recorder';
import type { ScscfConfig } from '#service/config/scscf-config';
import { nodeWorker, prepareStore } from '#service/node-worker';
import { ParseFailure } from '#sip/errors';
import { parseSipUri } from '#sip/uri/sip-uri';
import { createScscf, storeTables } from './scscf.ts';

/** What a thread loads that waits to become such a worker. */
export const prepare = prepareStore;

/** What runs in each worker of the S-CSCF. */
export const createInbox = nodeWorker<ScscfConfig>({
  tables: storeTables,
  store: (config) => config.store,
  names: (config) => [
    `${config.name}:0`,
    ...config.listeners.map(({ port }) => `${config.name}:${port}`),
    ownUri(config.uri),
  ],
  profileOf: (config) => {
    const profile = { t1Ms: config.timers.t1, t2Ms: config.timers.t2, t4Ms: config.timers.t4 };
    return () => profile;
  },
  proxyRequire: [],
  openTrace,
  create: (context) => createScscf(context, context.cx!),
});

/** `host:port` of the configured `uri`, which may be a name that only the DNS knows. */
function ownUri(text: string): string {
  const uri = parseSipUri(text);
  if (uri instanceof ParseFailure) throw new RangeError(`uri: ${uri.reason}`);
  return `${uri.host.includes(':') ? `[${uri.host}]` : uri.host}:${uri.port}`;
}
