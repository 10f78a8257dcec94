import type { ManagedNode, WorkerControl } from '#service/node-status';
import { type Method, RpcError, rpcCodes } from '../json-rpc.ts';
import { numberParam } from '../parameters.ts';

const mostWorkers = 64;

/** Methods about the workers of a node: `workers.list`, `workers.scale`. */
export function workerMethods(node: ManagedNode, control: WorkerControl): Method[] {
  return [
    {
      name: 'workers.list',
      summary: 'The workers that are there, and between which bounds their number may change.',
      params: [],
      result: '{ serving, min, max, automatic, workers: list of WorkerStatus }',
      call: () => listing(node, control),
    },
    {
      name: 'workers.scale',
      summary: 'Lets so many workers take new calls. One that is not needed any more leaves when its calls are over.',
      params: [
        { name: 'count', description: 'how many, within the bounds', required: true, schema: { type: 'number' } },
      ],
      result: 'as workers.list',
      async call(params) {
        try {
          await control.scale(numberParam(params, 'count', 0, 1, mostWorkers));
        } catch (error) {
          if (error instanceof RangeError) throw new RpcError(rpcCodes.refused, error.message);
          throw error;
        }
        return listing(node, control);
      },
    },
  ];
}

/** `automatic`: by the load, too, not only by this method. */
function listing(node: ManagedNode, { scaling, serving }: WorkerControl) {
  const { min, max, scaleUp, scaleDown } = scaling;
  const automatic = min < max && (scaleUp !== undefined || scaleDown !== undefined);
  return { serving, min, max, automatic, workers: node.status().workers };
}
