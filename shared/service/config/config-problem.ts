/** Where something stands in a configuration file; line and column start at 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One thing wrong with a configuration, for the person who wrote it. */
export interface ConfigProblem {
  readonly file: string;
  /** 0 when the whole file is meant. */
  readonly line: number;
  readonly column: number;
  /** Dotted path of the key, empty for the file itself. */
  readonly path: string;
  readonly message: string;
  /** What to do about it. */
  readonly suggestion?: string;
}

/** Takes what is wrong with a section: by which keys below it, what, and what to do about it. */
export type ReportProblem = (path: readonly string[], message: string, suggestion: string) => void;

/** A configuration that cannot be used; `problems` holds everything that was found, in file order. */
export class ConfigError extends Error {
  readonly code = 'ERR_CONFIG';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(formatConfigErrors(problems));
    this.problems = problems;
  }
}

/** A problem at a position. */
export function problemAt(
  position: Position,
  path: readonly string[],
  message: string,
  suggestion?: string,
): ConfigProblem {
  const { file, line, column } = position;
  const base = { file, line, column, path: path.join('.'), message };
  return suggestion === undefined ? base : { ...base, suggestion };
}

/**
 * The problems as lines for a console: `file:line:column: path: message`, and the suggestion indented below.
 */
export function formatConfigErrors(problems: readonly ConfigProblem[]): string {
  const lines: string[] = [];
  for (const { file, line, column, path, message, suggestion } of problems) {
    const place = line === 0 ? file : `${file}:${line}:${column}`;
    lines.push(`${place}: ${path === '' ? '' : `${path}: `}${message}`);
    if (suggestion !== undefined) lines.push(`    ${suggestion}`);
  }
  return lines.join('\n');
}
