import { readFileSync } from 'node:fs';

/** The roles a configuration file may have; `hss` and `pcrf` are the lab's. */
export const roles = ['pcscf', 'icscf', 'scscf', 'hss', 'pcrf'] as const;
export type Role = (typeof roles)[number];

/** A JSON Schema (draft 7) as our files use it, with every `$ref` replaced by what it names. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly default?: unknown;
  /** In words, where the default depends on other keys. */
  readonly 'x-default'?: string;
  /** Whether a change takes effect on reload or needs a restart. */
  readonly 'x-reload'?: 'live' | 'restart';
}

const folder = new URL('../../../config/schema/', import.meta.url);

function readJson(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as Record<string, unknown>;
}

/**
 * The schema of a role, references resolved; what stands beside a `$ref` wins over what it names.
 * Throws when a schema file is missing or names an unknown definition: the installation is broken then.
 */
export function loadSchema(role: Role): Schema {
  const definitions = readJson('shared.schema.json').definitions as Record<string, unknown>;
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value !== 'object' || value === null) return value;
    const { $ref, ...rest } = value as Record<string, unknown>;
    const own = Object.fromEntries(Object.entries(rest).map(([key, child]) => [key, resolve(child)]));
    if (typeof $ref !== 'string') return own;
    const name = $ref.slice($ref.lastIndexOf('/') + 1);
    const target = definitions[name];
    if (target === undefined) throw new Error(`schema of ${role}: no definition ${$ref}`);
    return { ...(resolve(target) as object), ...own };
  };
  return resolve(readJson(`${role}.schema.json`)) as Schema;
}

/** The schema that stands for a path of keys (list positions as digits), or undefined where the schema knows none. */
export function schemaAt(schema: Schema, path: readonly string[]): Schema | undefined {
  let at: Schema | undefined = schema;
  for (const key of path) {
    if (at === undefined) return undefined;
    const named: Schema | undefined =
      at.properties !== undefined && Object.hasOwn(at.properties, key) ? at.properties[key] : undefined;
    const other: Schema | undefined = typeof at.additionalProperties === 'object' ? at.additionalProperties : undefined;
    at = named ?? other ?? at.items;
  }
  return at;
}
