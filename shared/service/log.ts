import { type DestinationStream, destination, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import type { LogLevel } from './config/config-shape.ts';
import { maskSecrets } from './secrets.ts';

/**
 * The log of a daemon or of one of its threads: `log.info({ reason, callId, impi }, 'words')`. `log.level` may be set
 * at any time. Fields that every part uses alike: `reason` (a reason id), `callId`, `impi`, `impu`, `peer`, `worker`.
 */
export type Logger = PinoLogger;

export interface LogOptions {
  readonly level: LogLevel;
  /** auto: pretty on a terminal, json elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty';
  /** Fields of every line, such as role, name and worker. */
  readonly base?: Readonly<Record<string, string | number>>;
  /** Where lines go; standard output without it. */
  readonly output?: DestinationStream;
  /** Hears every line as JSON, as it is written. */
  readonly tap?: (line: string) => void;
}

/**
 * Makes a log. Each line is written at once (nothing is lost in a crash), secrets are masked in whatever it says, and
 * control characters a peer may have sent are escaped.
 */
export function createLogger(options: LogOptions): Logger {
  const output = options.output ?? destination({ dest: 1, sync: true });
  const pretty = options.format === 'pretty' || (options.format === 'auto' && process.stdout.isTTY === true);
  const colour =
    pretty && options.output === undefined && process.stdout.isTTY === true && process.env.NO_COLOR === undefined;
  const write = (line: string) => {
    const safe = escapeControls(maskSecrets(line));
    options.tap?.(safe);
    output.write(pretty ? prettyLine(safe, colour) : safe);
  };
  const base = options.base ?? {};
  const formatters = { level: (label: string) => ({ level: label }) };
  return pino({ level: options.level, base, formatters, timestamp: stdTimeFunctions.isoTime }, { write });
}

/**
 * JSON leaves DEL, the C1 controls and the line separators as they are; terminals and log readers act on some of them.
 */
function escapeControls(line: string): string {
  let escaped = '';
  let copied = 0;
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i);
    const harmless = code < 0x7f || (code > 0x9f && code !== 0x2028 && code !== 0x2029);
    if (harmless) continue;
    escaped += `${line.slice(copied, i)}\\u${code.toString(16).padStart(4, '0')}`;
    copied = i + 1;
  }
  return copied === 0 ? line : escaped + line.slice(copied);
}

const levelColours: Readonly<Record<string, string>> = {
  warn: '33',
  error: '31',
  fatal: '31;1',
  debug: '36',
  trace: '90',
};
const hiddenFields = new Set(['time', 'level', 'msg', 'err', 'role', 'name']);

/** A JSON line as people read it: time, level, words, then the fields as key=value. */
function prettyLine(line: string, colour: boolean): string {
  const fields = JSON.parse(line) as Record<string, unknown>;
  const level = String(fields.level);
  const paint = (code: string | undefined, text: string) =>
    colour && code !== undefined ? `\x1b[${code}m${text}\x1b[0m` : text;
  const time = String(fields.time).slice(11, 23);
  const rest = Object.entries(fields)
    .filter(([key]) => !hiddenFields.has(key))
    .map(([key, value]) => ` ${paint('2', `${key}=`)}${printable(value)}`);
  const error = fields.err as { stack?: unknown } | undefined;
  // The stack's lines are ours; what a peer sent may stand in its message, so each line is escaped by itself.
  const stack = error?.stack === undefined ? '' : `\n${String(error.stack).split('\n').map(printableText).join('\n')}`;
  return `${time} ${paint(levelColours[level], level.padEnd(5))} ${printableText(String(fields.msg ?? ''))}${rest.join('')}${stack}\n`;
}

function printable(value: unknown): string {
  if (typeof value !== 'string') return printableText(JSON.stringify(value));
  return /^[\w.:@+/-]+$/.test(value) ? value : printableText(JSON.stringify(value));
}

/** Control characters as JSON escapes them, so that no terminal acts on them. */
function printableText(text: string): string {
  let shown = '';
  for (const character of escapeControls(text))
    shown += character < ' ' ? JSON.stringify(character).slice(1, -1) : character;
  return shown;
}
