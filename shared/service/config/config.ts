import { checkTree } from './config-check.ts';
import { ConfigError, type ConfigProblem, problemAt } from './config-problem.ts';
import { resolveConfig } from './config-resolve.ts';
import type { CommonConfig, Config, ConfigOf } from './config-shape.ts';
import { readConfigSource } from './config-source.ts';
import type { Environment, MapNode } from './config-tree.ts';
import { type Role, roles } from './schema.ts';
import { nearest } from './suggestion.ts';

export { ConfigError, type ConfigProblem, formatConfigErrors } from './config-problem.ts';

export interface LoadOptions<R extends Role = Role> {
  readonly file: string;
  /** The role that is being started; without it the file's own counts. */
  readonly role?: R;
  /** `--set` texts, `key=value`. */
  readonly sets?: readonly string[];
  readonly env?: Environment;
}

/** The keys of a configuration with their values, defaults filled in: what two of them are compared by. */
export type ConfigData = Readonly<Record<string, unknown>>;

export interface LoadedConfig<R extends Role = Role> {
  readonly config: ConfigOf<R>;
  readonly data: ConfigData;
  /** What the keys were written as, and where. */
  readonly tree: MapNode;
  /** Absolute paths of every file read, the main one first. */
  readonly files: readonly string[];
}

/**
 * Loads a configuration: include files and environment variables first, then `--set`, then the schema of the role with
 * its defaults, then the checks between keys. Gives it typed and deeply frozen.
 *
 * Throws ConfigError with everything that was found, each with its place and what to do.
 */
export function loadConfig<R extends Role = Role>(options: LoadOptions<R>): LoadedConfig<R> {
  const { tree, data, role, files } = readConfig(options);
  return { config: resolveData<R>(tree, role, data, options.file), data, tree, files };
}

/**
 * The typed configuration of data that fits the schema; `tree` tells where problems stand. Throws ConfigError.
 */
export function resolveData<R extends Role>(tree: MapNode, role: R, data: ConfigData, file: string): ConfigOf<R> {
  const { config, problems } = resolveConfig(tree, role, structuredClone(data), file, []);
  if (config === undefined) throw new ConfigError(inFileOrder(problems));
  return deepFreeze(config) as ConfigOf<R>;
}

function readConfig<R extends Role>(options: LoadOptions<R>): Omit<LoadedConfig<R>, 'config'> & { role: R } {
  const { tree, files, problems } = readConfigSource(options.file, options.sets ?? [], options.env ?? process.env);
  if (tree === undefined) throw new ConfigError(problems);

  const roleNode = tree.entries.get('role')?.node;
  const written = roleNode?.kind === 'scalar' ? roleNode.value : undefined;
  const known = roles.find((role) => role === written);
  if (known === undefined || (options.role !== undefined && known !== options.role)) {
    problems.push(roleProblem(roleNode?.position ?? tree.position, written, options.role));
    throw new ConfigError(inFileOrder(problems));
  }

  const checked = checkTree(tree, known);
  const all = [...problems, ...checked.problems];
  // All that is wrong is told at once.
  if (all.length > 0)
    all.push(...resolveConfig(tree, known, structuredClone(checked.data), options.file, checked.problems).problems);
  if (all.length > 0) throw new ConfigError(inFileOrder(all));
  return { tree, data: checked.data, role: known as R, files };
}

function roleProblem(
  position: { file: string; line: number; column: number },
  written: unknown,
  wanted: Role | undefined,
): ConfigProblem {
  const path = ['role'];
  if (written === undefined)
    return problemAt(position, path, 'key "role" is missing', `write role: ${wanted ?? 'pcscf, icscf or scscf'}`);
  if (wanted !== undefined && roles.some((role) => role === written)) {
    return problemAt(
      position,
      path,
      `this configures ${String(written)}, but ${wanted} was started`,
      `start bin/${String(written)} with it, or give bin/${wanted} its own file`,
    );
  }
  const near = nearest(String(written), roles);
  return problemAt(
    position,
    path,
    `"${String(written)}" is no role; there are ${roles.join(', ')}`,
    near === undefined ? 'write one of them' : `did you mean ${near}?`,
  );
}

function inFileOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const firstOfFile = new Map<string, number>();
  problems.forEach(({ file }, i) => {
    if (!firstOfFile.has(file)) firstOfFile.set(file, i);
  });
  return [...problems].sort(
    (a, b) => firstOfFile.get(a.file)! - firstOfFile.get(b.file)! || a.line - b.line || a.column - b.column,
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}

/** A checked configuration in a few lines, for `--check`. */
export function summarizeConfig(config: Config): string {
  if (config.role === 'hss') return `hss ${config.name}, ${config.subscribers.length} subscriber entries`;
  if (config.role === 'pcrf') return `pcrf ${config.name}, realm ${config.realm}, ${config.rules.length} rules`;
  const listeners = config.listeners.map(
    ({ transport, sentBy, sides }) => `${transport}:${sentBy} (${sides.join(', ')})`,
  );
  const peers = config.diameter?.peers.map(({ host, address, port }) => `${host} at ${address}:${port}`) ?? [];
  return [
    `${config.role} ${config.name}, home domain ${config.homeDomain}, ${workersOf(config)}`,
    `listeners ${listeners.join(', ')}`,
    `diameter ${peers.length === 0 ? 'none' : peers.join(', ')}`,
    `management ${config.management.socket}`,
  ].join('\n');
}

function workersOf({ workers, scaling }: CommonConfig): string {
  if (scaling !== undefined) return `${scaling.min} to ${scaling.max} workers`;
  return workers === 1 ? '1 worker' : `${workers} workers`;
}
