import type { TestTrigger } from '#service/node-status';
import { type Method, RpcError, rpcCodes } from '../json-rpc.ts';

const longestMs = 60_000;

/** `test.trigger`: ends a worker or keeps it busy. Only there for tests of resilience, see CSCF_TEST_TRIGGER. */
export function testTriggerMethod(trigger: TestTrigger): Method {
  return {
    name: 'test.trigger',
    summary: 'Ends a worker, or keeps it busy for a while.',
    params: [
      { name: 'worker', description: 'number of the worker', required: true, schema: { type: 'number' } },
      { name: 'what', description: 'crash or busy', required: true, schema: { type: 'string' } },
      { name: 'ms', description: 'how long it is busy', required: false, schema: { type: 'number' } },
    ],
    result: 'boolean: whether it was done',
    call(params) {
      const what = params.get('what');
      const worker = Number(params.get('worker'));
      const ms = Number(params.get('ms') ?? 0);
      if (what !== 'crash' && what !== 'busy') throw refusal('what must be crash or busy');
      if (!(ms >= 0 && ms <= longestMs)) throw refusal(`ms must be 0 to ${longestMs}`);
      try {
        return trigger(worker, what, ms);
      } catch (error) {
        if (error instanceof RangeError) throw refusal(error.message);
        throw error;
      }
    },
  };
}

function refusal(words: string): RpcError {
  return new RpcError(rpcCodes.invalidParams, words);
}
