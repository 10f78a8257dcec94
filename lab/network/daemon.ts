import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';

export interface DaemonOptions {
  readonly name: string;
  /** The program with its arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where its output is kept. */
  readonly logFile: string;
  /** Each line of its output. */
  readonly onLine?: (line: string) => void;
  /** How long it may take to serve, milliseconds; 20 s when left out. */
  readonly readyMs?: number;
  /** It ended without being told to. */
  readonly onDeath?: (words: string) => void;
}

const defaultReadyMs = 20_000;
const stopMs = 8_000;
const keptLines = 40;

/** All that run, so that none outlives this process. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A node of the lab in a process of its own. */
export class Daemon {
  readonly name: string;
  /** Its `ready` line, once it serves. */
  readonly ready: Promise<string>;
  readonly #child: ChildProcess;
  readonly #log: WriteStream;
  readonly #ended: Promise<void>;
  readonly #lastLines: string[] = [];
  #stopping = false;

  constructor(options: DaemonOptions) {
    this.name = options.name;
    const { readyMs = defaultReadyMs } = options;
    const [program, ...argv] = options.command;
    // Its own process group: Ctrl-C is for the lab, which then ends its nodes in order.
    this.#child = spawn(program!, argv, { env: options.env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const child = this.#child;
    running.add(child);
    this.#log = createWriteStream(options.logFile, { flags: 'a' });
    this.#ended = new Promise((resolve) => child.once('close', () => resolve()));
    this.ready = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#failure(`is not ready after ${readyMs / 1000} s`)), readyMs);
      const listen = (line: string) => {
        this.#keep(line);
        options.onLine?.(line);
        if (!line.startsWith('ready ')) return;
        clearTimeout(timer);
        resolve(line);
      };
      readLines(child.stdout!, listen);
      readLines(child.stderr!, listen);
      child.once('error', (error) => {
        clearTimeout(timer);
        running.delete(child);
        reject(this.#failure(`cannot be started: ${error.message}`));
      });
      child.once('close', (code, signal) => {
        clearTimeout(timer);
        running.delete(child);
        const words = `ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}`;
        reject(this.#failure(words));
        if (!this.#stopping) options.onDeath?.(words);
        this.#log.end();
      });
    });
    // Whoever does not wait for it must not be killed by its failure.
    this.ready.catch(() => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Asks it to end, and makes it end when it does not. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (!running.has(this.#child)) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), stopMs);
    await this.#ended;
    clearTimeout(timer);
  }

  #keep(line: string): void {
    this.#log.write(`${line}\n`);
    this.#lastLines.push(line);
    if (this.#lastLines.length > keptLines) this.#lastLines.shift();
  }

  #failure(words: string): Error {
    const output = this.#lastLines.map((line) => `  ${line}`).join('\n');
    return new Error(`${this.name} ${words}${output === '' ? '' : `; its last words:\n${output}`}`);
  }
}

function readLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) onLine(line);
  });
}
