import type { ManagedNode } from '#service/node-status';
import type { Method } from '../json-rpc.ts';
import { numberParam, textParam } from '../parameters.ts';

/** Methods about the node as a whole: `status`, `sockets.list`, `stats.get`, `store.info`, `drain`, `log.recent`. */
export function nodeMethods(node: ManagedNode): Method[] {
  return [
    {
      name: 'status',
      summary: 'How the node is: workers, listeners, Diameter peers, registrations, refusals by reason.',
      params: [],
      result: 'NodeStatus',
      call: () => node.status(),
    },
    {
      name: 'sockets.list',
      summary: 'What the node listens on.',
      params: [],
      result: 'list of { address, sides }',
      call: () => node.status().listeners,
    },
    {
      name: 'stats.get',
      summary: 'Metrics of docs/metrics.md that have counted, summed over the workers.',
      params: [
        { name: 'prefix', description: 'only names that begin so', required: false, schema: { type: 'string' } },
      ],
      result: 'list of { name, labels, value }',
      call(params) {
        const prefix = textParam(params, 'prefix', '');
        return node
          .stats()
          .flatMap(({ name, labels, value }) => (name.startsWith(prefix) ? { name, labels, value } : []));
      },
    },
    {
      name: 'store.info',
      summary: 'The tables of the store and how many records they hold.',
      params: [],
      result: 'list of { table, records }',
      call: async () => (await node.ask?.({ command: 'store.tables' })) ?? [],
    },
    {
      name: 'log.recent',
      summary: 'The newest lines of the log, of all threads.',
      params: [{ name: 'limit', description: 'how many, 1 to 1000; 50', required: false, schema: { type: 'number' } }],
      result: 'list of log lines as objects, oldest first',
      call: (params) => node.recentLog(numberParam(params, 'limit', 50, 1, 1000)),
    },
    {
      name: 'drain',
      summary: 'Ends the daemon as SIGTERM does: new requests are refused, what is under way may end.',
      params: [],
      result: 'true',
      call() {
        node.drain();
        return true;
      },
    },
  ];
}
