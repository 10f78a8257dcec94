import type { Method } from '../json-rpc.ts';

/**
 * `sessions.release`: ends the sessions of a Call-ID. Source: TS 24.229 5.2.8, 5.4.5; requirements P-110, S-130.
 *
 * `askAll`: asks every worker, since the call may be any one's.
 */
export function releaseSessionsMethod(askAll: (request: unknown) => Promise<readonly unknown[]>): Method {
  return {
    name: 'sessions.release',
    summary: 'Ends the sessions of a Call-ID: both sides get a BYE, or CANCEL and a refusal.',
    params: [{ name: 'callId', description: 'Call-ID', required: true, schema: { type: 'string' } }],
    result: 'number: sessions that were ended; a call that passes the node twice counts twice',
    async call(params) {
      const counts = await askAll({ command: 'release-session', callId: params.get('callId') });
      return counts.reduce<number>((sum, count) => sum + Number(count ?? 0), 0);
    },
  };
}
