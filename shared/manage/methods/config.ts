import { ConfigError } from '#service/config/config';
import type { ManagedNode } from '#service/node-status';
import { maskSecretKeys } from '#service/secrets';
import { type Method, RpcError, rpcCodes } from '../json-rpc.ts';
import { textParam } from '../parameters.ts';

/** Methods about the configuration: `config.get`, `explain`, `set`, `diff`, `persist`, `reload`. */
export function configMethods(node: ManagedNode): Method[] {
  const { live } = node;
  return [
    {
      name: 'config.get',
      summary: 'The configuration in effect, or one key of it; secrets are masked.',
      params: [
        { name: 'key', description: 'dotted key, such as timers.t1', required: false, schema: { type: 'string' } },
      ],
      result: 'the value; null where there is none',
      call(params) {
        const key = textParam(params, 'key', '');
        return maskSecretKeys(live.get(key), key.split('.').at(-1)) ?? null;
      },
    },
    {
      name: 'config.explain',
      summary: 'The values in effect and where each comes from; secrets are masked.',
      params: [
        { name: 'key', description: 'dotted key, such as diameter', required: false, schema: { type: 'string' } },
      ],
      result: 'list of { key, value, from }',
      call: (params) => live.explain(textParam(params, 'key', '')),
    },
    {
      name: 'config.set',
      summary: 'Sets live keys, until a restart or config.persist; all of them or none.',
      params: [{ name: 'values', description: 'values by dotted key', required: true, schema: { type: 'object' } }],
      result: 'ReloadReport: { applied, needsRestart, rejected }',
      call: (params) => live.set(params.get('values') as Record<string, unknown>),
    },
    {
      name: 'config.diff',
      summary: 'How the files differ from what runs.',
      params: [],
      result: 'list of { key, running, file, reload }',
      call: () =>
        refusing(() =>
          live.diff().map(({ path, before, after, reload }) => ({
            key: path.join('.'),
            running: maskSecretKeys(before, path.at(-1)) ?? null,
            file: maskSecretKeys(after, path.at(-1)) ?? null,
            reload,
          })),
        ),
    },
    {
      name: 'config.persist',
      summary: 'Writes what config.set has set into the configuration file.',
      params: [],
      result: 'list of the keys written',
      call: () => refusing(() => live.persist()),
    },
    {
      name: 'config.reload',
      summary: 'Reads the configuration and the certificates anew, as SIGHUP does.',
      params: [],
      result: 'ReloadReport: { applied, needsRestart, rejected }',
      call: () => node.reload(),
    },
  ];
}

/** A file that cannot be used is the answer, not a defect. */
async function refusing<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ConfigError) throw new RpcError(rpcCodes.refused, error.message, error.problems);
    if (error instanceof Error && 'code' in error) throw new RpcError(rpcCodes.refused, error.message);
    throw error;
  }
}
