import { isDeepStrictEqual } from 'node:util';
import type { ConfigData } from './config.ts';
import { type Schema, schemaAt } from './schema.ts';

/** A key whose value differs between two configurations; undefined where it is not there. */
export interface ConfigChange {
  /** Keys from the top. */
  readonly path: readonly string[];
  readonly before: unknown;
  readonly after: unknown;
  readonly reload: 'live' | 'restart';
}

/**
 * What differs between two configurations of one role, key by key; a list is one value. Whether a change takes effect
 * at once is what the schema says of the key (`x-reload`), or of the nearest one above it.
 */
export function diffConfig(schema: Schema, before: ConfigData, after: ConfigData): ConfigChange[] {
  const changes: ConfigChange[] = [];
  // Maps read from YAML have no prototype, copies of them have: only what they hold counts.
  compare(schema, [], structuredClone(before), structuredClone(after), changes);
  return changes;
}

function compare(
  schema: Schema,
  path: readonly string[],
  before: unknown,
  after: unknown,
  changes: ConfigChange[],
): void {
  if (isDeepStrictEqual(before, after)) return;
  if (isMap(before) && isMap(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      compare(schema, [...path, key], before[key], after[key], changes);
    }
    return;
  }
  changes.push({ path, before, after, reload: reloadOf(schema, path) });
}

/** Whether a key takes effect at once. */
export function reloadOf(schema: Schema, path: readonly string[]): 'live' | 'restart' {
  for (let length = path.length; length > 0; length--) {
    const reload = schemaAt(schema, path.slice(0, length))?.['x-reload'];
    if (reload !== undefined) return reload;
  }
  return 'restart';
}

/** A copy of `data` with these changes made. */
export function withChanges(data: ConfigData, changes: readonly ConfigChange[]): ConfigData {
  const copy = structuredClone(data) as Record<string, unknown>;
  for (const { path, after } of changes) {
    let at = copy;
    for (const key of path.slice(0, -1)) at = (at[key] ??= {}) as Record<string, unknown>;
    const last = path.at(-1)!;
    if (after === undefined) delete at[last];
    else at[last] = structuredClone(after);
  }
  return copy;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
