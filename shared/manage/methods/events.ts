import type { ManagedNode } from '#service/node-status';
import { type Method, RpcError, rpcCodes } from '../json-rpc.ts';
import { textParam } from '../parameters.ts';

/** `events.subscribe`: what happens in the node from now on, as notifications on this connection. */
export function eventMethods({ events }: Pick<ManagedNode, 'events'>): Method[] {
  return [
    {
      name: 'events.subscribe',
      summary: 'Sends what happens from now on as notifications `event`: log lines, and what the procedures count.',
      params: [{ name: 'kind', description: 'log, count or all; all', required: false, schema: { type: 'string' } }],
      result: 'true',
      call(params, connection) {
        const kind = textParam(params, 'kind', 'all');
        if (!['log', 'count', 'all'].includes(kind))
          throw new RpcError(rpcCodes.invalidParams, 'kind must be log, count or all');
        if (connection === null) {
          throw new RpcError(
            rpcCodes.refused,
            'a single HTTP request cannot carry events: use a WebSocket or the Unix socket',
          );
        }
        const stop = events.subscribe((event) => {
          if (kind === 'all' || (kind === 'count') === 'event' in event) connection.notify('event', event);
        });
        connection.onClose(stop);
        return true;
      },
    },
  ];
}
