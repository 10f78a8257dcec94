import { type ChildProcess, spawn } from 'node:child_process';

export interface ChildOutput {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program under test with what it printed so far. */
export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<ChildOutput>;
  #stdout = '';
  #stderr = '';

  constructor(
    command: string,
    args: readonly string[],
    options: { cwd?: string; env?: Readonly<Record<string, string | undefined>> } = {},
  ) {
    this.process = spawn(command, args, {
      ...options,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process.stdout?.on('data', (chunk) => {
      this.#stdout += String(chunk);
    });
    this.process.stderr?.on('data', (chunk) => {
      this.#stderr += String(chunk);
    });
    this.ended = new Promise((done) =>
      this.process.on('close', (code) => done({ code, stdout: this.#stdout, stderr: this.#stderr })),
    );
  }

  /** Waits until the standard output holds a text; fails when the program ends before. */
  async printed(text: string): Promise<string> {
    const seen = new Promise<string>((done) => {
      const look = () => {
        if (!this.#stdout.includes(text)) return;
        this.process.stdout?.off('data', look);
        done(this.#stdout);
      };
      this.process.stdout?.on('data', look);
      look();
    });
    const early = this.ended.then(({ code, stdout, stderr }) => {
      throw new Error(`ended with ${code} before "${text}"\n${stdout}\n${stderr}`);
    });
    return Promise.race([seen, early]);
  }
}
