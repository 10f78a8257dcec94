import { mostRows } from '#service/listing-rows';
import type { DialogRow } from '#service/worker-question';
import { type Method, RpcError, rpcCodes } from '../json-rpc.ts';
import { numberParam, textParam } from '../parameters.ts';

/** Methods about sessions: `dialogs.list`, `dialogs.show`, `dialogs.end`. Each worker knows its own, so all are asked. */
export function dialogMethods(askAll: (question: object) => Promise<readonly unknown[]>): Method[] {
  const callId = { name: 'callId', description: 'Call-ID', required: true, schema: { type: 'string' } } as const;
  return [
    {
      name: 'dialogs.list',
      summary: 'Sessions under way.',
      params: [
        {
          name: 'filter',
          description: 'word that stands in an identity or a Call-ID',
          required: false,
          schema: { type: 'string' },
        },
        { name: 'limit', description: 'rows, 1 to 1000; 100', required: false, schema: { type: 'number' } },
      ],
      result: 'list of { callId, user, direction, state, from, to }',
      async call(params) {
        const limit = numberParam(params, 'limit', 100, 1, mostRows);
        const answers = await askAll({ command: 'dialogs.list', limit, filter: textParam(params, 'filter', '') });
        return (answers.flat() as DialogRow[]).slice(0, limit);
      },
    },
    {
      name: 'dialogs.show',
      summary: 'All that is known of the dialogs of one Call-ID.',
      params: [callId],
      result: 'list of dialogs',
      async call(params) {
        const dialogs = (await askAll({ command: 'dialogs.show', callId: textParam(params, 'callId', '') })).flat();
        if (dialogs.length === 0) throw new RpcError(rpcCodes.refused, 'there is no dialog with that Call-ID');
        return dialogs;
      },
    },
    {
      name: 'dialogs.end',
      summary: 'Ends the sessions of a Call-ID: CANCEL or BYE to both sides.',
      params: [callId],
      result: 'number of sessions that were ended',
      async call(params) {
        const counts = await askAll({ command: 'release-session', callId: textParam(params, 'callId', '') });
        return counts.reduce<number>((sum, count) => sum + Number(count ?? 0), 0);
      },
    },
  ];
}
