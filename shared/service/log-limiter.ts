import type { Clock } from './clock.ts';

export interface LogLimiterOptions {
  readonly log: { warn(fields: object, message: string): void };
  readonly clock: Clock;
  /** Lines of one class from one source that are written in a window. */
  readonly linesPerWindow?: number;
  /** Lines of one class from all sources together in a window. */
  readonly linesPerClass?: number;
  readonly windowMs?: number;
}

interface ClassCount {
  written: number;
  suppressed: number;
  /** Lines written by source; the size bounds what one window can hold. */
  readonly sources: Map<string, number>;
}

const maxClasses = 64;
const maxSources = 256;

/**
 * Keeps a flood of malformed input from becoming a flood of log: the first lines of each class and source are written,
 * the rest are counted, and one summary line per class follows when the window ends (security row X-F6).
 */
export class LogLimiter {
  readonly #options: Required<LogLimiterOptions>;
  readonly #classes = new Map<string, ClassCount>();
  #windowStartMs: number;

  constructor(options: LogLimiterOptions) {
    this.#options = { linesPerWindow: 3, linesPerClass: 20, windowMs: 10_000, ...options };
    this.#windowStartMs = options.clock.nowMs();
  }

  /**
   * Writes or counts one line. `reasonClass`: a reason id of ours; `source`: the address it came from; `fields`: what else it
   * says, made only for a line that is written.
   */
  warn(
    reasonClass: string,
    source: string,
    fields: Readonly<Record<string, unknown>> | (() => Readonly<Record<string, unknown>>),
    message: string,
  ): void {
    this.tick();
    const count = this.#classOf(reasonClass);
    const written = count.sources.get(source) ?? 0;
    const room = written > 0 || count.sources.size < maxSources;
    if (!room || written >= this.#options.linesPerWindow || count.written >= this.#options.linesPerClass) {
      count.suppressed++;
      return;
    }
    count.sources.set(source, written + 1);
    count.written++;
    const more = typeof fields === 'function' ? fields() : fields;
    this.#options.log.warn({ reason: reasonClass, source, ...more }, message);
  }

  /** Ends the window when its time has come; called on every line and, so that a flood's end is told, now and then. */
  tick(): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - this.#windowStartMs < this.#options.windowMs) return;
    const seconds = Math.round((nowMs - this.#windowStartMs) / 1000);
    for (const [reason, { suppressed, sources }] of this.#classes) {
      if (suppressed > 0)
        this.#options.log.warn(
          { reason, suppressed, sources: sources.size, seconds },
          'more lines like this were left out',
        );
    }
    this.#classes.clear();
    this.#windowStartMs = nowMs;
  }

  #classOf(reasonClass: string): ClassCount {
    const name = this.#classes.has(reasonClass) || this.#classes.size < maxClasses ? reasonClass : 'other';
    let count = this.#classes.get(name);
    if (count === undefined) this.#classes.set(name, (count = { written: 0, suppressed: 0, sources: new Map() }));
    return count;
  }
}
