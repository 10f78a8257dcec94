import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { type ConfigProblem, type Position, problemAt } from './config-problem.ts';
import { interpolate, typeScalar, type Variable } from './interpolation.ts';

/** A parsed configuration in which every value still knows where it stands. */
export type ConfigNode = MapNode | ListNode | ScalarNode;

export interface MapNode {
  readonly kind: 'map';
  readonly position: Position;
  readonly entries: Map<string, { readonly keyPosition: Position; readonly node: ConfigNode }>;
}

export interface ListNode {
  readonly kind: 'list';
  readonly position: Position;
  readonly items: ConfigNode[];
}

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly position: Position;
  readonly value: unknown;
  /** The text before typing, where it was interpolated or given by --set: used as it is where a text is wanted. */
  readonly text?: string;
  /** Environment variables that are in it. */
  readonly variables?: readonly Variable[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Aliases can make a small text huge: what they stand for counts each time. */
const maxNodes = 500_000;
const maxDepth = 64;

/** What reading one text needs and fills. */
export interface TreeReading {
  readonly env: Environment;
  readonly problems: ConfigProblem[];
}

/**
 * Parses YAML text into a tree, with environment variables replaced. Problems are added to `reading.problems`; what
 * could be read is still given, undefined when there is nothing.
 *
 * `interpolated` false takes `${` literally (for --set, where the shell has replaced already).
 */
export function readTree(
  text: string,
  file: string,
  reading: TreeReading,
  interpolated = true,
): ConfigNode | undefined {
  const lines = new LineCounter();
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, schema: 'core' });
    for (const error of document.errors.slice(0, 20)) {
      reading.problems.push(
        problemAt(at(error.pos[0]), [], firstLine(error.message), syntaxSuggestion(text, error.pos[0], error.code)),
      );
    }
    if (document.errors.length > 0 || document.contents === null) return undefined;
    return new TreeBuilder(reading, at, interpolated).build(document.contents, 0);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    reading.problems.push(
      problemAt({ file, line: 1, column: 1 }, [], 'is nested too deeply or grows too large through its aliases'),
    );
    return undefined;
  }
}

function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? text : text.slice(0, end);
}

/** What usually is behind a YAML syntax error. */
function syntaxSuggestion(text: string, offset: number, code: string): string | undefined {
  const start = text.lastIndexOf('\n', Math.max(offset - 1, 0)) + 1;
  const end = text.indexOf('\n', offset);
  const line = text.slice(start, end < 0 ? text.length : end);
  if (/(?:udp|tcp|tls):\[/.test(line)) return 'put IPv6 addresses in quotes: "udp:[::1]:5060"';
  if (line.includes(`\${`)) return `put values with \${...} in quotes: "\${NAME:-default}"`;
  if (code === 'TAB_AS_INDENT') return 'indent with blanks, not with tabs';
  if (code === 'DUPLICATE_KEY') return 'keep one of the two';
  if (code === 'MULTIPLE_DOCS') return 'a configuration is one YAML document: remove the --- line';
  return undefined;
}

class TreeBuilder {
  readonly #reading: TreeReading;
  readonly #at: (offset: number) => Position;
  readonly #interpolated: boolean;
  /** Anchors seen so far; the latest of a name counts. */
  readonly #anchors = new Map<string, Node>();
  #nodes = 0;

  constructor(reading: TreeReading, at: (offset: number) => Position, interpolated: boolean) {
    this.#reading = reading;
    this.#at = at;
    this.#interpolated = interpolated;
  }

  build(node: Node, depth: number): ConfigNode {
    if (++this.#nodes > maxNodes || depth > maxDepth) throw new RangeError('configuration too large');
    const position = this.#at(node.range?.[0] ?? 0);
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target !== undefined) return this.build(target, depth + 1);
      this.#problem(position, `no anchor &${node.source} stands above`);
      return { kind: 'scalar', position, value: null };
    }
    if ('anchor' in node && typeof node.anchor === 'string') this.#anchors.set(node.anchor, node);
    if (isMap(node)) {
      const map: MapNode = { kind: 'map', position, entries: new Map() };
      for (const { key, value } of node.items) {
        const keyNode = key as Node | null;
        const keyPosition = this.#at(keyNode?.range?.[0] ?? node.range?.[0] ?? 0);
        if (!isScalar(keyNode) || typeof keyNode.value === 'object') {
          this.#problem(keyPosition, 'a key must be plain text');
          continue;
        }
        const child: ConfigNode =
          value === null
            ? { kind: 'scalar', position: keyPosition, value: null }
            : this.build(value as Node, depth + 1);
        map.entries.set(String(keyNode.value), { keyPosition, node: child });
      }
      return map;
    }
    if (isSeq(node))
      return { kind: 'list', position, items: node.items.map((item) => this.build(item as Node, depth + 1)) };
    if (!isScalar(node)) throw new RangeError('unknown kind of YAML node');
    return this.#scalar(node.value, position);
  }

  #scalar(value: unknown, position: Position): ScalarNode {
    if (typeof value !== 'string' || !this.#interpolated) return { kind: 'scalar', position, value };
    const { text, changed, fault, variables = [] } = interpolate(value, this.#reading.env);
    if (fault !== undefined) {
      this.#problem(position, fault.message, fault.suggestion);
      return { kind: 'scalar', position, value: null };
    }
    if (!changed) return { kind: 'scalar', position, value };
    return { kind: 'scalar', position, value: typeScalar(text), text, variables };
  }

  #problem(position: Position, message: string, suggestion?: string): void {
    this.#reading.problems.push(problemAt(position, [], message, suggestion));
  }
}

/** Lays `over` on `base`: maps are merged key by key, everything else of `over` replaces. Gives a new map. */
export function mergeMaps(base: MapNode, over: MapNode): MapNode {
  const entries = new Map(base.entries);
  for (const [key, entry] of over.entries) {
    const below = entries.get(key);
    const merged =
      below?.node.kind === 'map' && entry.node.kind === 'map' ? mergeMaps(below.node, entry.node) : entry.node;
    entries.set(key, { keyPosition: entry.keyPosition, node: merged });
  }
  return { kind: 'map', position: over.position, entries };
}

/** The node at a path, or undefined. */
export function nodeAt(root: ConfigNode, path: readonly string[]): ConfigNode | undefined {
  let at: ConfigNode | undefined = root;
  for (const key of path) {
    if (at?.kind === 'map') at = at.entries.get(key)?.node;
    else if (at?.kind === 'list') at = at.items[Number(key)];
    else return undefined;
  }
  return at;
}

/** Where a path stands: its value, its key when `ofKey`, or the nearest thing around it that was written down. */
export function positionOf(root: ConfigNode, path: readonly string[], ofKey = false): Position {
  for (let length = path.length; length > 0; length--) {
    const parent = nodeAt(root, path.slice(0, length - 1));
    const entry = parent?.kind === 'map' ? parent.entries.get(path[length - 1]!) : undefined;
    const node = entry?.node ?? nodeAt(root, path.slice(0, length));
    if (node === undefined) continue;
    return entry !== undefined && (ofKey || length < path.length) ? entry.keyPosition : node.position;
  }
  return root.position;
}

/**
 * The tree as plain data for validation: objects without prototype, keys without a value left out, so that an emptied
 * section means its defaults. `asText` chooses the paths whose text is wanted untyped.
 */
export function plainData(node: ConfigNode, asText: ReadonlySet<string>, path = ''): unknown {
  if (node.kind === 'scalar') return node.text !== undefined && asText.has(path) ? node.text : node.value;
  if (node.kind === 'list') return node.items.map((item, i) => plainData(item, asText, `${path}/${i}`));
  const data: Record<string, unknown> = Object.create(null);
  for (const [key, { node: child }] of node.entries) {
    const childPath = `${path}/${key}`;
    const value = plainData(child, asText, childPath);
    if (value !== null) data[key] = value;
  }
  return data;
}
