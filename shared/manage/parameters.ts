import { RpcError, rpcCodes } from './json-rpc.ts';

const longestText = 4096;

/** A whole number between two bounds, `byDefault` when left out. Throws RpcError. */
export function numberParam(
  params: ReadonlyMap<string, unknown>,
  name: string,
  byDefault: number,
  least: number,
  most: number,
): number {
  const value = params.get(name) ?? byDefault;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RpcError(rpcCodes.invalidParams, `${name} must be a whole number, ${least} to ${most}`);
}

/** A text of one line, `byDefault` when left out: it may stand in a log or a message. Throws RpcError. */
export function textParam(params: ReadonlyMap<string, unknown>, name: string, byDefault: string): string {
  const value = String(params.get(name) ?? byDefault);
  if (value.length > longestText)
    throw new RpcError(rpcCodes.invalidParams, `${name} is longer than ${longestText} characters`);
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code < 0x20 || code === 0x7f)
      throw new RpcError(rpcCodes.invalidParams, `${name} must not have control characters`);
  }
  return value;
}
