import { readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseDocument } from 'yaml';
import {
  type ConfigData,
  ConfigError,
  type ConfigProblem,
  type LoadedConfig,
  loadConfig,
  resolveData,
} from './config.ts';
import { type ConfigChange, diffConfig, reloadOf, withChanges } from './config-diff.ts';
import { type ExplainedValue, explainedValues, type Origins, originsOf } from './config-explain.ts';
import { problemAt } from './config-problem.ts';
import type { ConfigOf } from './config-shape.ts';
import { positionOf } from './config-tree.ts';
import { loadSchema, type Role, type Schema, schemaAt } from './schema.ts';
import { nearest } from './suggestion.ts';

/** What became of a new configuration. */
export interface ReloadReport {
  /** Dotted keys that are in effect now. */
  readonly applied: readonly string[];
  /** Keys that differ, and will count after a restart. */
  readonly needsRestart: readonly string[];
  /** What is wrong; then nothing has changed. */
  readonly rejected: readonly ConfigProblem[];
}

/** One thing that takes over a new configuration. It must not fail half way: what can fail is tried first. */
export type ConfigListener<R extends Role> = (next: ConfigOf<R>, changed: readonly string[]) => void | Promise<void>;

/** Why a new configuration cannot be taken over by somebody, and at which key. */
export interface Refusal {
  readonly path: readonly string[];
  readonly message: string;
  readonly suggestion?: string;
}

/** Somebody is ready for a new configuration; one of the two is called. */
export interface Prepared {
  /** Takes it over. Must not fail. */
  apply(): void | Promise<void>;
  /** Somebody else has refused it. */
  withdraw(): void | Promise<void>;
}

/**
 * Gets ready for a new configuration, trying all that may fail, or refuses it; nothing takes effect before all are ready.
 * `data`: its keys as the configuration has them.
 */
export type ConfigPreparer<R extends Role> = (
  next: ConfigOf<R>,
  changed: readonly string[],
  data: ConfigData,
) => Promise<Prepared | Refusal>;

export interface LiveConfigOptions<R extends Role> {
  readonly file: string;
  readonly role: R;
  /** `--set` texts of the command line. */
  readonly sets: readonly string[];
  readonly loaded: LoadedConfig<R>;
}

/**
 * The configuration of a running daemon. A new one is read and checked as a whole, compared with what runs, and then
 * those of its keys that are live are taken over together: a file with a mistake changes nothing.
 */
export class LiveConfig<R extends Role = Role> {
  readonly #options: LiveConfigOptions<R>;
  readonly #schema: Schema;
  readonly #listeners: ConfigListener<R>[] = [];
  readonly #preparers: ConfigPreparer<R>[] = [];
  /** Keys set while running, as `--set` texts, by their dotted key. */
  readonly #overrides = new Map<string, string>();
  #current: ConfigOf<R>;
  #data: ConfigData;
  #origins: Origins;
  /** One change at a time. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: LiveConfigOptions<R>) {
    this.#options = options;
    this.#schema = loadSchema(options.role);
    this.#current = options.loaded.config;
    this.#data = options.loaded.data;
    this.#origins = originsOf(options.loaded.tree, this.#data);
  }

  get current(): ConfigOf<R> {
    return this.#current;
  }

  /** Names somebody who takes over new configurations; asked in the order of naming. */
  onChange(listener: ConfigListener<R>): void {
    this.#listeners.push(listener);
  }

  /** Names somebody who may refuse new configurations; he takes them over after those who only hear of them. */
  onPrepare(preparer: ConfigPreparer<R>): void {
    this.#preparers.push(preparer);
  }

  /** Reads the files anew. */
  reload(): Promise<ReloadReport> {
    return this.#inTurn(() => this.#take(this.#overrides));
  }

  /**
   * Sets live keys by their dotted names, until a restart or `persist`. A key that needs a restart is rejected with all the
   * others of the call.
   */
  set(values: Readonly<Record<string, unknown>>): Promise<ReloadReport> {
    return this.#inTurn(async () => {
      const rejected = Object.keys(values).flatMap((key) => this.#whyNot(key));
      if (rejected.length > 0) return { applied: [], needsRestart: [], rejected };
      const overrides = new Map(this.#overrides);
      for (const [key, value] of Object.entries(values)) {
        overrides.delete(key);
        overrides.set(key, `${key}=${JSON.stringify(value)}`);
      }
      const report = await this.#take(overrides);
      if (report.rejected.length === 0) {
        this.#overrides.clear();
        for (const [key, text] of overrides) this.#overrides.set(key, text);
      }
      return report;
    });
  }

  /** The value in effect of a dotted key, of all of them without one; undefined where there is none. */
  get(key = ''): unknown {
    let value: unknown = this.#data;
    for (const part of key === '' ? [] : key.split('.')) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
      value = (value as Record<string, unknown>)[part];
    }
    return value;
  }

  /** Each value in effect at and below a dotted key, with where it comes from; secrets are masked. */
  explain(key = ''): ExplainedValue[] {
    return explainedValues(this.#data, this.#origins).filter(
      ({ key: each }) => key === '' || each === key || each.startsWith(`${key}.`),
    );
  }

  /** How the files and the command line differ from what runs. Throws ConfigError when they cannot be used. */
  diff(): ConfigChange[] {
    return diffConfig(this.#schema, this.#data, this.#load(new Map()).data);
  }

  /**
   * Writes what was set while running into the main file, comments and order kept; gives the keys. The file is replaced in
   * one step, unless it would not be a configuration any more: then ConfigError is thrown. Throws what the disk does.
   */
  persist(): Promise<string[]> {
    return this.#inTurn(async () => {
      const file = resolve(this.#options.file);
      const document = parseDocument(readFileSync(file, 'utf8'));
      for (const [key, text] of this.#overrides) {
        document.setIn(key.split('.'), JSON.parse(text.slice(key.length + 1)));
      }
      const keys = [...this.#overrides.keys()];
      if (keys.length === 0) return keys;
      const draft = `${file}.new`;
      writeFileSync(draft, document.toString());
      try {
        loadConfig({ file: draft, role: this.#options.role, sets: this.#options.sets });
      } catch (error) {
        unlinkSync(draft);
        throw error;
      }
      renameSync(draft, file);
      this.#overrides.clear();
      const written = this.#load(this.#overrides);
      this.#noteOrigins(originsOf(written.tree, written.data), diffConfig(this.#schema, this.#data, written.data));
      return keys;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  #load(overrides: ReadonlyMap<string, string>): LoadedConfig<R> {
    const { file, role, sets } = this.#options;
    return loadConfig({ file, role, sets: [...sets, ...overrides.values()] });
  }

  async #take(overrides: ReadonlyMap<string, string>): Promise<ReloadReport> {
    let next: ConfigOf<R>;
    let changes: ConfigChange[];
    let live: ConfigChange[];
    let data: ConfigData;
    let loaded: LoadedConfig<R>;
    try {
      loaded = this.#load(overrides);
      changes = diffConfig(this.#schema, this.#data, loaded.data);
      live = changes.filter(({ reload }) => reload === 'live');
      data = withChanges(this.#data, live);
      next = resolveData(loaded.tree, this.#options.role, data, this.#options.file);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return { applied: [], needsRestart: [], rejected: error.problems };
    }
    const applied = live.map(({ path }) => path.join('.'));
    const waiting = changes.filter(({ reload }) => reload === 'restart');
    const needsRestart = waiting.map(({ path }) => path.join('.'));
    const prepared = applied.length === 0 ? [] : await this.#prepare(next, applied, data);
    if (!Array.isArray(prepared)) {
      const { path, message, suggestion } = prepared;
      return {
        applied: [],
        needsRestart: [],
        rejected: [problemAt(positionOf(loaded.tree, path), path, message, suggestion)],
      };
    }
    this.#noteOrigins(originsOf(loaded.tree, loaded.data, new Set(overrides.keys())), waiting);
    if (applied.length > 0) {
      this.#current = next;
      this.#data = data;
      for (const listener of this.#listeners) await listener(next, applied);
      for (const one of prepared) await one.apply();
    }
    return { applied, needsRestart, rejected: [] };
  }

  /** All get ready, or none: the refusal of the first who cannot. */
  async #prepare(next: ConfigOf<R>, applied: readonly string[], data: ConfigData): Promise<Prepared[] | Refusal> {
    const ready: Prepared[] = [];
    const withdraw = async () => {
      for (const one of ready.reverse()) await one.withdraw();
    };
    for (const preparer of this.#preparers) {
      try {
        const outcome = await preparer(next, applied, data);
        if ('apply' in outcome) {
          ready.push(outcome);
          continue;
        }
        await withdraw();
        return outcome;
      } catch (error) {
        await withdraw();
        throw error;
      }
    }
    return ready;
  }

  /** Where values come from by now; those that wait for a restart still come from where they came from. */
  #noteOrigins(origins: Origins, waiting: readonly ConfigChange[]): void {
    const keys = waiting.map(({ path }) => path.join('.'));
    const waits = (key: string) => keys.some((each) => key === each || key.startsWith(`${each}.`));
    const merged = new Map([...origins].filter(([key]) => !waits(key)));
    for (const [key, words] of this.#origins) if (waits(key)) merged.set(key, words);
    this.#origins = merged;
  }

  /** Why a key cannot be set while running. */
  #whyNot(key: string): ConfigProblem[] {
    const path = key.split('.');
    const problem = (message: string, suggestion: string): ConfigProblem[] => [
      { file: '', line: 0, column: 0, path: key, message, suggestion },
    ];
    if (schemaAt(this.#schema, path) === undefined) {
      const known = Object.keys(schemaAt(this.#schema, path.slice(0, -1))?.properties ?? this.#schema.properties ?? {});
      const near = nearest(path.at(-1)!, known);
      return problem(
        'there is no such key',
        near === undefined ? `there are: ${known.join(', ')}` : `did you mean ${near}?`,
      );
    }
    if (reloadOf(this.#schema, path) === 'live') return [];
    return problem('this key needs a restart', 'write it into the file and restart the node');
  }
}
