import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ParseFailure } from '#sip/errors';

/** A function of the suite that reads text of a peer, and the one that writes it again where there is one. */
export interface Grammar {
  /** `header/via.ts parseVia`. */
  readonly name: string;
  readonly read: (text: string) => unknown;
  /** Gives the text of what `read` gave; null: nobody writes this. */
  readonly write: ((value: unknown) => string) | null;
}

const root = fileURLToPath(new URL('../../shared/sip/', import.meta.url));
const reader = /^export function (parse\w+)\((\w+): (string|readonly string\[\])\)(?:: ([^{]+))?/gm;
const writer = /^export function format(\w+)\((?:\w+|\{[^}]*\}): ([^)=]+)\): string/gm;

type Any = (...values: readonly unknown[]) => unknown;

/**
 * Every exported `parse...` of a folder of shared/sip that takes one text, or the values of one header, found in the
 * sources: what is added there is fuzzed without anybody thinking of it.
 */
export async function grammarsOf(folder: 'header' | 'uri' | 'sdp'): Promise<readonly Grammar[]> {
  const found: Grammar[] = [];
  for (const file of readdirSync(join(root, folder)).sort()) {
    if (!file.endsWith('.ts')) continue;
    const module = (await import(join(root, folder, file))) as Record<string, Any>;
    const source = readFileSync(join(root, folder, file), 'utf8');
    const writers = new Map([...source.matchAll(writer)].map(([, name, type]) => [name!, type!.trim()]));
    for (const [, name, , type, result] of source.matchAll(reader)) {
      const parse = module[name!]!;
      const read = type === 'string' ? (text: string) => parse(text) : (text: string) => parse([text]);
      const write = writerOf(module, writers, name!.slice('parse'.length), result ?? '');
      found.push({ name: `${folder}/${file} ${name}`, read, write });
    }
  }
  return found;
}

/** The `format...` for what a reader gives: for the whole of it, or for each element of a list. */
function writerOf(
  module: Record<string, Any>,
  writers: ReadonlyMap<string, string>,
  what: string,
  result: string,
): Grammar['write'] {
  const isList = result.includes('[]');
  const plain = /^(?:number|string) /.test(result);
  const singular = [what.replace(/ies$/, 'y'), what.replace(/s$/, ''), `${what}Entry`];
  for (const name of isList ? [what, ...singular] : [what]) {
    const type = writers.get(name);
    const format = module[`format${name}`];
    // A writer of a bare text or number is not one of what was read, unless that is one too.
    if (type === undefined || format?.length !== 1 || (/^(?:number|string)$/.test(type) && !plain)) continue;
    if (!isList || type.includes('[]')) return (value) => String(format(value));
    return (value) => (value as readonly unknown[]).map((each) => String(format(each))).join(', ');
  }
  return null;
}

/** Whether a reader took the text. */
export function wasTaken(value: unknown): boolean {
  return !(value instanceof ParseFailure) && !(Array.isArray(value) && value.length === 0);
}
