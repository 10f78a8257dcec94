import { type Method, RpcError, rpcCodes } from '../json-rpc.ts';

const longestSeconds = 600_000;

/**
 * `reauthenticate`: makes a user of an S-CSCF authenticate anew. Source: TS 24.229 5.4.1.6; requirement S-43.
 */
export function reauthenticateMethod(ask: (request: unknown) => Promise<unknown>): Method {
  return {
    name: 'reauthenticate',
    summary: 'Shortens the registration of a user, who is told and has to authenticate anew.',
    params: [
      { name: 'impu', description: 'one of the public identities', required: true, schema: { type: 'string' } },
      { name: 'seconds', description: 'time left to the user, 600', required: false, schema: { type: 'number' } },
    ],
    result: 'number: contacts that were shortened; 0 when nobody is registered with the identity',
    call(params) {
      const seconds = params.get('seconds');
      if (seconds !== undefined && !(Number(seconds) >= 0 && Number(seconds) <= longestSeconds)) {
        throw new RpcError(rpcCodes.invalidParams, `seconds must be 0 to ${longestSeconds}`);
      }
      const request = { command: 'reauthenticate', impu: params.get('impu') };
      return ask(seconds === undefined ? request : { ...request, seconds });
    },
  };
}
