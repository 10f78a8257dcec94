import { stringify } from 'yaml';
import { maskSecretKeys } from '../secrets.ts';
import type { LoadedConfig } from './config.ts';
import { type Origins, originsOf } from './config-explain.ts';
import { loadSchema, type Role, type Schema } from './schema.ts';

type Data = Readonly<Record<string, unknown>>;

/**
 * A whole configuration as YAML: includes, environment variables, `--set` and defaults put together, secrets masked.
 * `explain` adds to each value where it comes from, and names the keys that have no value.
 */
export function renderConfig(
  role: Role,
  loaded: Pick<LoadedConfig, 'tree' | 'data'> & { readonly config: unknown },
  explain: boolean,
): string {
  const { tree, data, config } = loaded;
  const renderer = new Renderer(explain ? originsOf(tree, data) : null);
  renderer.map(maskSecretKeys(data) as Data, loadSchema(role), maskSecretKeys(config), []);
  return renderer.lines.join('\n');
}

class Renderer {
  readonly lines: string[] = [];
  readonly #origins: Origins | null;

  constructor(origins: Origins | null) {
    this.#origins = origins;
  }

  /** `effective`: what the program made of the map; it has the defaults that depend on other keys. */
  map(data: Data, schema: Schema | undefined, effective: unknown, path: readonly string[]): void {
    const known = Object.keys(schema?.properties ?? {}).filter((key) => key !== 'include');
    for (const key of new Set([...known, ...Object.keys(data)])) {
      const rest = typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined;
      const below = schema?.properties?.[key] ?? rest;
      const made = isMap(effective) ? effective[key] : undefined;
      if (key in data) this.#entry(`${text(key)}:`, data[key], below, made, [...path, key]);
      else if (below?.['x-default'] !== undefined) this.#absent(key, below['x-default'], made, path);
    }
  }

  #entry(head: string, value: unknown, schema: Schema | undefined, made: unknown, path: readonly string[]): void {
    const indent = '  '.repeat(path.length - 1);
    if (isMap(value) && Object.keys(value).length > 0) {
      this.lines.push(`${indent}${head}`);
      this.map(value, schema, made, path);
    } else if (Array.isArray(value) && value.length > 0) {
      this.lines.push(`${indent}${head}`);
      value.forEach((item, i) => {
        this.#item(item, schema?.items, [...path, String(i)]);
      });
    } else this.lines.push(`${indent}${head} ${text(value)}${this.#comment(path)}`);
  }

  /** The first line of a map in a list has the dash in the place of two blanks. */
  #item(value: unknown, schema: Schema | undefined, path: readonly string[]): void {
    const first = this.lines.length;
    if (!isMap(value) || Object.keys(value).length === 0) {
      this.#entry('-', value, schema, undefined, path);
      return;
    }
    for (const [key, child] of Object.entries(value))
      this.#entry(`${text(key)}:`, child, schema?.properties?.[key], undefined, [...path, key]);
    const at = '  '.repeat(path.length - 1);
    this.lines[first] = `${at}- ${this.lines[first]!.slice(at.length + 2)}`;
  }

  /** A key that nobody has written, with the value that follows from other keys where it has one. */
  #absent(key: string, words: string, made: unknown, path: readonly string[]): void {
    if (this.#origins === null) return;
    const indent = '  '.repeat(path.length);
    const value = made === undefined ? '' : ` ${stringify(made, { collectionStyle: 'flow', lineWidth: 0 }).trim()}`;
    this.lines.push(`${indent}# ${key}:${value} (default: ${words})`);
  }

  #comment(path: readonly string[]): string {
    return this.#origins === null ? '' : ` # ${this.#origins.get(path.join('.')) ?? 'default'}`;
  }
}

function isMap(value: unknown): value is Data {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One value as YAML on one line. */
function text(value: unknown): string {
  const written = stringify(value, { lineWidth: 0 }).trimEnd();
  return written.includes('\n') ? JSON.stringify(value) : written;
}
