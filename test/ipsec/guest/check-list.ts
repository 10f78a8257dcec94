/** So long may one check take, in an emulated machine on a busy host. */
const checkSeconds = 150;

/** Runs checks one after the other and prints a line for each. */
export class CheckList {
  readonly #began = performance.now();
  readonly #write: (line: string) => void;
  #failed = 0;
  #passed = 0;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** Runs a check: it passes when it gives a line of facts or nothing, and fails when it throws. */
  async check(name: string, body: () => Promise<string | void>): Promise<void> {
    try {
      const facts = await inTime(body());
      this.#passed++;
      this.#say(`ok    ${name}${facts ? `: ${facts}` : ''}`);
    } catch (error) {
      this.#failed++;
      this.#say(`FAIL  ${name}: ${(error as Error).message}`);
    }
  }

  /** Prints the sum; gives the exit code. */
  end(): number {
    this.#say(`${this.#passed} passed, ${this.#failed} failed`);
    return this.#failed === 0 && this.#passed > 0 ? 0 : 1;
  }

  #say(line: string): void {
    this.#write(`${((performance.now() - this.#began) / 1000).toFixed(1).padStart(6)} s  ${line}`);
  }
}

async function inTime<T>(body: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took more than ${checkSeconds} s`)), checkSeconds * 1000);
  });
  try {
    return await Promise.race([body, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Throws unless both are alike as JSON. */
export function same(actual: unknown, expected: unknown, what: string): void {
  const [is, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (is !== wanted) throw new Error(`${what} is ${is}, not ${wanted}`);
}
