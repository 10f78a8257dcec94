import type { Method, MethodRegistry } from '../json-rpc.ts';

/** `rpc.discover`: the methods themselves, as an OpenRPC document. Source: OpenRPC 1.3. */
export function discoverMethod(registry: MethodRegistry, title: string, version: string): Method {
  return {
    name: 'rpc.discover',
    summary: 'Describes all methods.',
    params: [],
    result: 'OpenRPC document',
    call: () => ({
      openrpc: '1.3.2',
      info: { title, version },
      methods: registry.list().map(({ name, summary, params, result }) => ({
        name,
        summary,
        paramStructure: 'either',
        params: params.map(({ name, description, required, schema }) => ({ name, description, required, schema })),
        result: { name: 'result', description: result, schema: {} },
      })),
    }),
  };
}
