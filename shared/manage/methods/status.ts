import type { StatusSource } from '#service/node-status';
import type { Method } from '../json-rpc.ts';

/** `status`: how the node is. */
export function statusMethod(source: StatusSource): Method {
  return {
    name: 'status',
    summary: 'How the node is: workers, listeners, Diameter peers, registrations, refusals by reason.',
    params: [],
    result: 'NodeStatus',
    call: () => source.status(),
  };
}
