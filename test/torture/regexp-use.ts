import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A regular expression in a source file. */
export interface RegExpUse {
  /** `shared/sip/header/via.ts`. */
  readonly file: string;
  readonly line: number;
  /** The literal, or the call that makes one. */
  readonly text: string;
}

/** After one of these characters, or a word of the next list, a slash begins a literal; elsewhere it divides. */
const before = '(,=:[!&|?{};+-*%~^<>';
const words = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'do',
  'else',
  'void',
  'delete',
  'throw',
  'new',
  'yield',
]);
/** Methods that make a regular expression of a text, or take one. */
const makers = ['RegExp(', '.match(', '.matchAll(', '.search('];

/** Every regular expression in the TypeScript files of some folders. */
export function regExpUses(folders: readonly string[]): RegExpUse[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .flatMap((entry) => {
        const path = join(entry.parentPath, entry.name);
        return regExpsIn(readFileSync(path, 'utf8')).map((use) => ({ file: relative(root, path), ...use }));
      }),
  );
}

/** Literals and makers of regular expressions in a source, comments and strings passed over. */
export function regExpsIn(source: string): Omit<RegExpUse, 'file'>[] {
  const found: Omit<RegExpUse, 'file'>[] = [];
  const note = (at: number, text: string) => found.push({ line: source.slice(0, at).split('\n').length, text });
  for (let i = 0; i < source.length; ) {
    const c = source[i]!;
    if (source.startsWith('//', i)) i = endOf(source, '\n', i);
    else if (source.startsWith('/*', i)) i = endOf(source, '*/', i + 2);
    else if (c === "'" || c === '"') i = quotedEnd(source, i, c);
    else if (c === '`') i = templateEnd(source, i, note);
    else if (c === '/' && beginsLiteral(source, i)) {
      const end = literalEnd(source, i);
      note(i, source.slice(i, end));
      i = end;
    } else {
      const maker = makers.find((each) => source.startsWith(each, i));
      if (maker !== undefined) note(i, maker);
      i += maker?.length ?? 1;
    }
  }
  return found;
}

function endOf(source: string, mark: string, from: number): number {
  const at = source.indexOf(mark, from);
  return at < 0 ? source.length : at + mark.length;
}

function quotedEnd(source: string, from: number, quote: string): number {
  for (let i = from + 1; i < source.length; i++) {
    if (source[i] === '\\') i++;
    else if (source[i] === quote) return i + 1;
  }
  return source.length;
}

/** The end of a template; what stands in its `${}` is code again. */
function templateEnd(source: string, from: number, note: (at: number, text: string) => void): number {
  for (let i = from + 1; i < source.length; i++) {
    if (source[i] === '\\') i++;
    else if (source[i] === '`') return i + 1;
    else if (source.startsWith('${', i)) {
      let depth = 1;
      const start = i + 2;
      for (i = start; i < source.length && depth > 0; i++) {
        if (source[i] === '{') depth++;
        else if (source[i] === '}') depth--;
      }
      i--;
      for (const { text } of regExpsIn(source.slice(start, i))) note(start, text);
    }
  }
  return source.length;
}

function beginsLiteral(source: string, at: number): boolean {
  let i = at - 1;
  while (i >= 0 && /\s/.test(source[i]!)) i--;
  if (i < 0 || before.includes(source[i]!)) return true;
  const end = i + 1;
  while (i >= 0 && /[\w$]/.test(source[i]!)) i--;
  return words.has(source.slice(i + 1, end));
}

function literalEnd(source: string, from: number): number {
  let inClass = false;
  for (let i = from + 1; i < source.length; i++) {
    const c = source[i];
    if (c === '\\') i++;
    else if (c === '[') inClass = true;
    else if (c === ']') inClass = false;
    else if (c === '/' && !inClass) {
      let end = i + 1;
      while (/[a-z]/.test(source[end] ?? '')) end++;
      return end;
    }
  }
  return source.length;
}
