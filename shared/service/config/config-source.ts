import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { type ConfigProblem, type Position, problemAt } from './config-problem.ts';
import {
  type ConfigNode,
  type Environment,
  type MapNode,
  mergeMaps,
  readTree,
  type TreeReading,
} from './config-tree.ts';

/** A configuration file and all it includes may be this large together, bytes. */
export const maxConfigBytes = 1024 * 1024;
const maxFiles = 64;

/** The files of a configuration and the tree they make. */
export interface ConfigSource {
  /** Undefined when nothing could be read. */
  readonly tree: MapNode | undefined;
  /** Every file read, the main one first. */
  readonly files: readonly string[];
  readonly problems: ConfigProblem[];
}

/**
 * Reads a configuration file and what its `include:` names (relative to the including file, later ones over earlier
 * ones, its own keys over all), then applies `--set key=value` texts.
 * Never throws for what is in the files or missing from the disk: that is in `problems`.
 */
export function readConfigSource(file: string, sets: readonly string[], env: Environment): ConfigSource {
  const reader = new SourceReader(env);
  const tree = reader.read(resolve(file), [], undefined);
  return {
    tree: tree === undefined ? undefined : applySets(tree, sets, reader.reading),
    files: reader.files,
    problems: reader.reading.problems,
  };
}

class SourceReader {
  readonly files: string[] = [];
  readonly reading: TreeReading;
  #bytesLeft = maxConfigBytes;

  constructor(env: Environment) {
    this.reading = { env, problems: [] };
  }

  /** `chain`: the files that include this one; `from`: where the include stands. */
  read(file: string, chain: readonly string[], from: Position | undefined): MapNode | undefined {
    const text = this.#text(file, from);
    if (text === undefined) return undefined;
    if (!this.files.includes(file)) this.files.push(file);
    const before = this.reading.problems.length;
    const own = readTree(text, displayName(file), this.reading);
    if (own === undefined || own.kind !== 'map') {
      if (this.reading.problems.length === before) {
        const message = own === undefined ? 'is empty' : 'is not a map of keys';
        this.#problem(
          { file: displayName(file), line: 1, column: 1 },
          message,
          'start with "role: pcscf", icscf or scscf; config/ has complete examples',
        );
      }
      return undefined;
    }
    const include = own.entries.get('include');
    if (include === undefined) return own;
    own.entries.delete('include');
    let below: MapNode | undefined;
    for (const item of include.node.kind === 'list' ? include.node.items : [include.node]) {
      const included = this.#included(item, file, [...chain, file]);
      if (included !== undefined) below = below === undefined ? included : mergeMaps(below, included);
    }
    return below === undefined ? own : mergeMaps(below, own);
  }

  #included(item: ConfigNode, file: string, chain: readonly string[]): MapNode | undefined {
    if (item.kind !== 'scalar' || typeof item.value !== 'string') {
      this.#problem(item.position, 'include must name a file', 'write include: other.yaml, or a list of files');
      return undefined;
    }
    const path = resolve(dirname(file), item.value);
    if (chain.includes(path)) {
      this.#problem(
        item.position,
        `${item.value} includes itself: ${[...chain, path].map(displayName).join(' -> ')}`,
        'remove one of these includes',
      );
      return undefined;
    }
    if (this.files.length >= maxFiles) {
      this.#problem(item.position, `more than ${maxFiles} files are included`, 'put them together');
      return undefined;
    }
    return this.read(path, chain, item.position);
  }

  #text(file: string, from: Position | undefined): string | undefined {
    const place = from ?? { file: displayName(file), line: 0, column: 0 };
    const named = from === undefined ? '' : `${displayName(file)}: `;
    try {
      const bytes = readBounded(file, this.#bytesLeft);
      if (bytes !== undefined) {
        this.#bytesLeft -= bytes.length;
        const text = bytes.toString('utf8');
        return text.startsWith('\ufeff') ? text.slice(1) : text;
      }
      this.#problem(
        place,
        `${named}is larger than ${maxConfigBytes / 1024 / 1024} MiB with all it includes`,
        'many subscribers fit in a range: entry',
      );
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT')
        this.#problem(
          place,
          `${named}there is no such file`,
          'check the path; it is relative to the current folder, in include: to the including file',
        );
      else if (code === 'EACCES')
        this.#problem(place, `${named}may not be read`, 'give the user that runs this read permission');
      else if (code === 'EISDIR') this.#problem(place, `${named}is a folder`, 'name the file in it');
      else this.#problem(place, `${named}cannot be read: ${(error as Error).message}`);
    }
    return undefined;
  }

  #problem(position: Position, message: string, suggestion?: string): void {
    this.reading.problems.push(problemAt(position, [], message, suggestion));
  }
}

/** The file's bytes, or undefined when there are more than `limit`; also true to its word for a file that grows. */
function readBounded(file: string, limit: number): Buffer | undefined {
  const descriptor = openSync(file, 'r');
  try {
    if (fstatSync(descriptor).isDirectory()) throw Object.assign(new Error('is a folder'), { code: 'EISDIR' });
    const buffer = Buffer.allocUnsafe(limit + 1);
    let length = 0;
    for (;;) {
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (count === 0) return buffer.subarray(0, length);
      length += count;
      if (length > limit) return undefined;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** A file as people know it: relative when that is shorter. */
function displayName(file: string): string {
  const short = relative(process.cwd(), file);
  return short.startsWith('..') ? file : short;
}

/**
 * Applies `key=value` texts: the key a dotted path (list positions as numbers), the value YAML. Problems name the text
 * as their file.
 */
function applySets(tree: MapNode, sets: readonly string[], reading: TreeReading): MapNode {
  let result = tree;
  for (const text of sets) {
    const equals = text.indexOf('=');
    const place = { file: `--set ${text}`, line: 1, column: 1 };
    const path = text.slice(0, Math.max(equals, 0)).split('.');
    if (equals < 1 || path.includes('')) {
      reading.problems.push(problemAt(place, [], 'is not key=value', 'write --set log.level=debug'));
      continue;
    }
    const raw = text.slice(equals + 1);
    const value = readTree(raw, place.file, reading, false);
    const position = { ...place, column: equals + 2 };
    const node: ConfigNode =
      value === undefined || value.kind === 'scalar'
        ? { kind: 'scalar', position, value: value?.value ?? null, text: raw }
        : value;
    result = setAt(result, path, node, place) as MapNode;
  }
  return result;
}

function setAt(node: ConfigNode | undefined, path: readonly string[], value: ConfigNode, place: Position): ConfigNode {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const index = /^[0-9]{1,4}$/.test(key) ? Number(key) : -1;
  if (node?.kind === 'list' && index >= 0 && index <= node.items.length) {
    const items = [...node.items];
    items[index] = setAt(items[index], rest, value, place);
    return { kind: 'list', position: node.position, items };
  }
  const entries = new Map(node?.kind === 'map' ? node.entries : []);
  entries.set(key, { keyPosition: place, node: setAt(entries.get(key)?.node, rest, value, place) });
  return { kind: 'map', position: node?.position ?? place, entries };
}
