import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';

/** Lines of code of a file, and those of them that ran. */
export interface LineCoverage {
  readonly path: string;
  readonly lines: number;
  readonly covered: number;
  /** Numbers of lines that never ran, from 1. */
  readonly missed: readonly number[];
}

/** Maps characters that ran to lines. Types, comments, imports and lines of punctuation alone are no lines of code. */
export function lineCoverage(path: string, ran: Uint8Array): LineCoverage {
  const source = readFileSync(path, 'utf8');
  const code = withoutComments(stripTypeScriptTypes(source));
  const missed: number[] = [];
  let lines = 0;
  let at = 0;
  let inImport = false;
  for (const [index, line] of code.split('\n').entries()) {
    const start = at;
    at += line.length + 1;
    inImport ||= /^import\b/.test(line);
    if (inImport) {
      inImport = !line.includes(';');
      continue;
    }
    if (!/[\w$]/.test(line)) continue;
    lines++;
    let covered = false;
    for (let i = start; i < at - 1 && !covered; i++) covered = ran[i] === 1 && source.charCodeAt(i) > 32;
    if (!covered) missed.push(index + 1);
  }
  return { path, lines, covered: lines - missed.length, missed };
}

/** The same text with blanks in the place of comments. */
export function withoutComments(source: string): string {
  return source.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g,
    (match) => (match.startsWith('/') ? match.replace(/[^\n]/g, ' ') : match),
  );
}
