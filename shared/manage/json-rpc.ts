/** JSON-RPC 2.0: reading requests, calling methods, writing answers. */

/** A parameter of a method, also for the description that `rpc.discover` gives (OpenRPC). */
export interface MethodParam {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  readonly schema: { readonly type: 'string' | 'number' | 'boolean' | 'object' | 'array' };
}

/** A method of the management interface. */
export interface Method {
  readonly name: string;
  readonly summary: string;
  readonly params: readonly MethodParam[];
  /** What the result is, in words. */
  readonly result: string;
  /** Gets the parameters by name, checked against `params`. May throw RpcError. */
  call(params: ReadonlyMap<string, unknown>, connection: RpcConnection | null): unknown;
}

/** Where a request came by, when that can carry more than the answer: not a single HTTP request. */
export interface RpcConnection {
  /** Sends a notification; what a slow client has no room for is left out. */
  notify(method: string, params: unknown): void;
  /** Calls back once when the connection has ended. */
  onClose(ended: () => void): void;
}

export const rpcCodes = Object.freeze({
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** Ours: the node cannot or will not do it; the message says why. */
  refused: -32000,
});

/** An answer other than a result. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

/** Bounds on what a client may send. */
export const rpcLimits = Object.freeze({ requestBytes: 1024 * 1024, nesting: 32, batch: 100 });

/** The methods of a daemon by name. */
export class MethodRegistry {
  readonly #methods = new Map<string, Method>();

  /** Throws RangeError when the name is taken. */
  add(method: Method): this {
    if (this.#methods.has(method.name)) throw new RangeError(`method ${method.name} is defined twice`);
    this.#methods.set(method.name, method);
    return this;
  }

  get(name: string): Method | undefined {
    return this.#methods.get(name);
  }

  /** All methods, by name. */
  list(): Method[] {
    return [...this.#methods.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

type Id = string | number | null;

/**
 * Answers one request or batch. `failed` hears of exceptions that are no RpcError: defects of a method.
 *
 * Gives the answer as JSON text without a line end, or undefined when there is none to give (notifications).
 * Source: JSON-RPC 2.0 specification, 4 to 6.
 */
export async function answerRequest(
  text: string,
  registry: MethodRegistry,
  failed: (error: unknown, method: string) => void,
  connection: RpcConnection | null = null,
): Promise<string | undefined> {
  let request: unknown;
  try {
    if (nestingOf(text) > rpcLimits.nesting)
      return errorAnswer(null, rpcCodes.invalidRequest, `nested deeper than ${rpcLimits.nesting}`);
    request = JSON.parse(text);
  } catch {
    return errorAnswer(null, rpcCodes.parseError, 'not JSON');
  }
  if (!Array.isArray(request)) return answerOne(request, registry, failed, connection);
  if (request.length === 0) return errorAnswer(null, rpcCodes.invalidRequest, 'an empty batch');
  if (request.length > rpcLimits.batch)
    return errorAnswer(null, rpcCodes.invalidRequest, `more than ${rpcLimits.batch} requests in a batch`);
  const answers: string[] = [];
  for (const item of request) {
    const answer = await answerOne(item, registry, failed, connection);
    if (answer !== undefined) answers.push(answer);
  }
  return answers.length === 0 ? undefined : `[${answers.join(',')}]`;
}

async function answerOne(
  request: unknown,
  registry: MethodRegistry,
  failed: (error: unknown, method: string) => void,
  connection: RpcConnection | null,
): Promise<string | undefined> {
  if (typeof request !== 'object' || request === null || Array.isArray(request))
    return errorAnswer(null, rpcCodes.invalidRequest, 'a request is an object');
  const { jsonrpc, id, method: name, params } = request as Record<string, unknown>;
  const knownId = id === undefined || id === null || typeof id === 'string' || typeof id === 'number';
  const answerId: Id = knownId ? (id ?? null) : null;
  if (jsonrpc !== '2.0') return errorAnswer(answerId, rpcCodes.invalidRequest, 'jsonrpc must be "2.0"');
  if (!knownId) return errorAnswer(null, rpcCodes.invalidRequest, 'id must be a text or a number');
  if (typeof name !== 'string') return errorAnswer(answerId, rpcCodes.invalidRequest, 'method must be a text');
  if (params !== undefined && (typeof params !== 'object' || params === null))
    return errorAnswer(answerId, rpcCodes.invalidRequest, 'params must be an object or a list');
  try {
    const method = registry.get(name);
    if (method === undefined)
      throw new RpcError(rpcCodes.methodNotFound, `no method ${JSON.stringify(name.slice(0, 64))}`);
    const result = await method.call(checkParams(method, params), connection);
    return id === undefined ? undefined : JSON.stringify({ jsonrpc: '2.0', id: answerId, result: result ?? null });
  } catch (error) {
    if (!(error instanceof RpcError)) failed(error, name);
    if (id === undefined) return undefined;
    if (error instanceof RpcError) return errorAnswer(answerId, error.code, error.message, error.data);
    return errorAnswer(answerId, rpcCodes.internalError, 'the method failed; the log of the node says why');
  }
}

function checkParams(method: Method, params: object | undefined): Map<string, unknown> {
  const given = new Map<string, unknown>();
  if (Array.isArray(params)) {
    if (params.length > method.params.length)
      throw new RpcError(rpcCodes.invalidParams, `${method.name} takes ${method.params.length} parameters`);
    params.forEach((value, i) => {
      given.set(method.params[i]!.name, value);
    });
  } else {
    for (const [name, value] of Object.entries(params ?? {})) {
      if (!method.params.some((param) => param.name === name))
        throw new RpcError(
          rpcCodes.invalidParams,
          `${method.name} has no parameter ${JSON.stringify(name.slice(0, 64))}`,
        );
      given.set(name, value);
    }
  }
  for (const { name, required, schema } of method.params) {
    if (!given.has(name)) {
      if (required) throw new RpcError(rpcCodes.invalidParams, `parameter ${name} is missing`);
      continue;
    }
    const value = given.get(name);
    const type = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
    if (type !== schema.type)
      throw new RpcError(rpcCodes.invalidParams, `parameter ${name} must be of type ${schema.type}`);
  }
  return given;
}

/** A notification as JSON text. */
export function notification(method: string, params: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', method, params });
}

/** An error answer as JSON text. */
export function errorAnswer(id: Id, code: number, message: string, data?: unknown): string {
  const error = data === undefined ? { code, message } : { code, message, data };
  return JSON.stringify({ jsonrpc: '2.0', id, error });
}

/** How deep brackets are nested in a JSON text, strings aside; looked at before JSON.parse has to. */
function nestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (quoted) {
      if (code === 0x5c) i++;
      else if (code === 0x22) quoted = false;
    } else if (code === 0x22) quoted = true;
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
  }
  return deepest;
}
