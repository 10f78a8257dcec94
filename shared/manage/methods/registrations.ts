import { setImmediate } from 'node:timers/promises';
import { mostRows } from '#service/listing-rows';
import type { ManagedNode } from '#service/node-status';
import type { RegistrationPage, RegistrationRow } from '#service/worker-question';
import { type Method, RpcError, rpcCodes } from '../json-rpc.ts';
import { numberParam, textParam } from '../parameters.ts';

/** Records that a worker looks at in one go: it has messages to handle. */
const pageRecords = 100;

/**
 * Methods about who is registered: `registrations.list`, `registrations.show`, `registrations.deregister`, and of an
 * S-CSCF `profile.show`. Workers see all registrations alike, so any one is asked.
 */
export function registrationMethods(node: ManagedNode, ask: (question: object) => Promise<unknown>): Method[] {
  const idParam = {
    name: 'id',
    description: 'public or private identity, or the id of a listing',
    required: true,
    schema: { type: 'string' },
  } as const;
  const methods: Method[] = [
    {
      name: 'registrations.list',
      summary: 'Who is registered, in the order of their ids.',
      params: [
        {
          name: 'filter',
          description: 'word that stands in an identity or a contact',
          required: false,
          schema: { type: 'string' },
        },
        { name: 'limit', description: 'rows, 1 to 1000; 100', required: false, schema: { type: 'number' } },
        {
          name: 'from',
          description: 'where a listing before this one ended (next)',
          required: false,
          schema: { type: 'string' },
        },
      ],
      result: '{ rows: list of { id, impi, impus, contacts, expiresSeconds }, next: text or null }',
      call: (params) =>
        listed(
          ask,
          textParam(params, 'from', ''),
          numberParam(params, 'limit', 100, 1, mostRows),
          textParam(params, 'filter', ''),
        ),
    },
    {
      name: 'registrations.show',
      summary: 'All that is known of one registration.',
      params: [idParam],
      result: 'object; at a P-CSCF a list, one for each binding',
      call: async (params) => found(await ask({ command: 'registrations.show', id: textParam(params, 'id', '') })),
    },
    {
      name: 'registrations.deregister',
      summary: 'Ends a registration for the operator: watchers, sessions and the HSS are told.',
      params: [idParam],
      result: 'number of contacts that went',
      call: (params) => ask({ command: 'registrations.deregister', id: textParam(params, 'id', '') }),
    },
  ];
  if (node.status().role !== 'scscf') return methods;
  methods.push({
    name: 'profile.show',
    summary: 'The user profile of a registration as the HSS sent it.',
    params: [idParam],
    result: 'XML',
    call: async (params) => found(await ask({ command: 'profile.show', id: textParam(params, 'id', '') })),
  });
  return methods;
}

async function listed(
  ask: (question: object) => Promise<unknown>,
  from: string,
  limit: number,
  filter: string,
): Promise<RegistrationPage> {
  const rows: RegistrationRow[] = [];
  let next: string | null = from;
  while (next !== null) {
    const wanted = Math.min(pageRecords, limit - rows.length);
    // Behind the last row that fits: what was looked at and left out would be missing from the next listing.
    if (wanted <= 0) return { rows, next };
    const size: number = filter === '' ? wanted : pageRecords;
    const page = (await ask({ command: 'registrations.page', from: next, limit: size, filter })) as RegistrationPage;
    for (const row of page.rows) {
      if (rows.length >= limit) return { rows, next: rows.at(-1)!.id };
      rows.push(row);
    }
    next = page.next;
    await setImmediate();
  }
  return { rows, next };
}

function found(answer: unknown): unknown {
  if (answer === null || (Array.isArray(answer) && answer.length === 0)) {
    throw new RpcError(rpcCodes.refused, 'nobody is registered with that');
  }
  return answer;
}
