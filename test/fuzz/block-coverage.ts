import { Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';

/** A function of a script as V8 reports it: its whole range first, blocks inside it after. Offsets in characters. */
interface FunctionCoverage {
  readonly functionName: string;
  readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[];
}

interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly FunctionCoverage[];
}

interface FunctionPlace {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly isModule: boolean;
}

/** Characters of functions that ran: 1 for each of them. By function. */
export type Reached = ReadonlyMap<string, Uint8Array>;

type Post = (method: string, params: object, done: (error: Error | null, result: unknown) => void) => void;

/**
 * Which parts of the functions of some folders the code of this thread runs through. It has to be started before those
 * modules are imported; they run about ten times slower from then on. V8 joins neighbouring blocks that ran equally often,
 * so parts are kept as characters.
 */
export class BlockCoverage {
  readonly #session = new Session();
  readonly #prefixes: readonly string[];
  /** All functions that were ever reported, so that those that never ran are known too. */
  readonly #functions = new Map<string, FunctionPlace>();
  readonly #learned = new Map<string, Uint8Array>();
  #parts = 0;

  /** `prefixes`: of the paths of files that count. */
  constructor(prefixes: readonly string[]) {
    this.#prefixes = prefixes;
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** How many parts of functions are known to have been reached. */
  get parts(): number {
    return this.#parts;
  }

  /** What ran since it was last asked. */
  take(): Reached {
    const reached = new Map<string, Uint8Array>();
    const { result } = this.#post('Profiler.takePreciseCoverage') as { result: readonly ScriptCoverage[] };
    for (const { url, functions } of result) {
      if (!url.startsWith('file:')) continue;
      const path = fileURLToPath(url);
      if (!this.#prefixes.some((prefix) => path.startsWith(prefix))) continue;
      for (const { functionName, ranges } of functions) {
        const { startOffset: start, endOffset: end, count } = ranges[0]!;
        const key = `${path} ${functionName} ${start} ${end}`;
        if (!this.#functions.has(key)) {
          this.#functions.set(key, { path, start, end, isModule: start === 0 && functionName === '' });
        }
        if (count === 0) continue;
        const characters = new Uint8Array(end - start);
        for (const range of ranges) {
          characters.fill(range.count > 0 ? 1 : 0, range.startOffset - start, range.endOffset - start);
        }
        reached.set(key, characters);
      }
    }
    return reached;
  }

  /** What of it is not known yet; empty when it is nothing new. */
  fresh(reached: Reached): Reached {
    const fresh = new Map<string, Uint8Array>();
    for (const [key, characters] of reached) {
      const known = this.#learned.get(key);
      const left = known === undefined ? characters : without(characters, known);
      if (left?.includes(1)) fresh.set(key, left);
    }
    return fresh;
  }

  /** Knows it from now on. */
  learn(reached: Reached): void {
    for (const [key, characters] of reached) {
      const known = this.#learned.get(key) ?? new Uint8Array(characters.length);
      for (let i = 0; i < characters.length; i++) {
        if (characters[i] === 0 || known[i] === 1) continue;
        if (i === 0 || characters[i - 1] === 0) this.#parts++;
        known[i] = 1;
      }
      this.#learned.set(key, known);
    }
  }

  /** Which characters of each file were ever reached: 1, else 0. What a module does when it is loaded counts. */
  filesReached(lengthOf: (path: string) => number): Map<string, Uint8Array> {
    const files = new Map<string, Uint8Array>();
    // Outer functions first: what an inner one says counts more.
    const places = [...this.#functions].sort(([, a], [, b]) => a.start - b.start || b.end - a.end);
    for (const [key, { path, start, end, isModule }] of places) {
      let file = files.get(path);
      if (file === undefined) {
        file = new Uint8Array(lengthOf(path)).fill(1);
        files.set(path, file);
      }
      if (!isModule) file.set(this.#learned.get(key) ?? new Uint8Array(end - start), start);
    }
    return files;
  }

  #post(method: string, params: object = {}): unknown {
    let answer: unknown;
    let failure: Error | null = null;
    // In the same thread the answer comes before the call returns.
    (this.#session.post as unknown as Post).call(this.#session, method, params, (error, result) => {
      failure = error;
      answer = result;
    });
    if (failure !== null) throw failure;
    return answer;
  }
}

/** Those of `characters` that are not set in `others`, null when none is left. */
function without(characters: Uint8Array, others: Uint8Array): Uint8Array | null {
  let left: Uint8Array | null = null;
  for (let i = 0; i < characters.length; i++) {
    if (characters[i] === 0 || others[i] === 1) continue;
    left ??= new Uint8Array(characters.length);
    left[i] = 1;
  }
  return left;
}

/** What both have reached. */
export function common(a: Reached, b: Reached): Reached {
  const both = new Map<string, Uint8Array>();
  for (const [key, characters] of a) {
    const other = b.get(key);
    if (other === undefined) continue;
    const shared = characters.map((value, i) => value & other[i]!);
    if (shared.includes(1)) both.set(key, shared);
  }
  return both;
}

/** What only the first has reached. */
export function difference(a: Reached, b: Reached): Reached {
  const left = new Map<string, Uint8Array>();
  for (const [key, characters] of a) {
    const other = b.get(key);
    const rest = other === undefined ? characters : without(characters, other);
    if (rest !== null) left.set(key, rest);
  }
  return left;
}
