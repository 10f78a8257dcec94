import { maskSecretKeys } from '../secrets.ts';
import type { ConfigData } from './config.ts';
import { type ConfigNode, type MapNode, nodeAt } from './config-tree.ts';

/** In words where each value comes from, by its dotted key; places in lists are numbers. */
export type Origins = ReadonlyMap<string, string>;

/** One value of a configuration that is in effect; secrets are masked. */
export interface ExplainedValue {
  readonly key: string;
  readonly value: unknown;
  /** `FILE:LINE:COLUMN`, an environment variable, `--set`, `set while running`, `default`. */
  readonly from: string;
}

const setPrefix = '--set ';

/**
 * Where each value of a configuration comes from. `running`: keys that were set while the node runs; the tree has them
 * as `--set` texts.
 */
export function originsOf(tree: MapNode, data: ConfigData, running: ReadonlySet<string> = new Set()): Origins {
  const origins = new Map<string, string>();
  for (const { path } of leavesOf(data)) {
    const node = nodeAt(tree, path);
    const isWritten = node !== undefined && !(node.kind === 'scalar' && node.value === null);
    origins.set(path.join('.'), isWritten ? originOf(node, tree.position.file, running) : 'default');
  }
  return origins;
}

/** Every value with its key, in the order of the data. */
export function explainedValues(data: ConfigData, origins: Origins): ExplainedValue[] {
  return leavesOf(maskSecretKeys(data)).map(({ path, value }) => {
    const key = path.join('.');
    return { key, value, from: origins.get(key) ?? 'default' };
  });
}

interface Leaf {
  readonly path: readonly string[];
  readonly value: unknown;
}

/** What holds nothing further: texts, numbers, and what is empty. */
function leavesOf(value: unknown, path: readonly string[] = []): Leaf[] {
  const children = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (children.length === 0) return [{ path, value }];
  return children.flatMap(([key, child]) => leavesOf(child, [...path, key]));
}

function originOf(node: ConfigNode, main: string, running: ReadonlySet<string>): string {
  const { file, line, column } = node.position;
  if (file.startsWith(setPrefix)) {
    const key = file.slice(setPrefix.length).split('=', 1)[0]!;
    return running.has(key) ? 'set while running' : `--set ${key}`;
  }
  const place = `${file}:${line}:${column}${file === main ? '' : ', included'}`;
  const variables = node.kind === 'scalar' ? (node.variables ?? []) : [];
  if (variables.length === 0) return place;
  const words = variables.map(({ name, set }) => (set ? `environment variable ${name}` : `${name} is not set`));
  return `${[...new Set(words)].join(', ')}; ${place}`;
}
