import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { RigHost } from '../namespaces.ts';
import type { HostMethods } from './host-program.ts';

const program = fileURLToPath(new URL('host-program.ts', import.meta.url));

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: string | null; readonly message: string };
}

/** What the other process refused: `code` as its error had it. */
export class RemoteError extends Error {
  readonly code: string | null;

  constructor(code: string | null, message: string) {
    super(message);
    this.name = 'RemoteError';
    this.code = code;
  }
}

/** A process on a host of the rig that does what `host-program` can. */
export class RemoteHost {
  readonly host: RigHost;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #orders = 0;

  constructor(host: RigHost) {
    this.host = host;
    this.#child = host.fork(program);
    this.#child.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
    this.#child.once('exit', (code, signal) => {
      const error = { code: null, message: `the process on ${host.name} ended (${code ?? signal})` };
      for (const resolve of this.#waiting.values()) resolve({ id: 0, error });
    });
  }

  /** Calls one of its methods. Rejects with RemoteError. */
  async ask<M extends keyof HostMethods>(
    method: M,
    ...values: Parameters<HostMethods[M]>
  ): Promise<Awaited<ReturnType<HostMethods[M]>>> {
    const id = ++this.#orders;
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.send({ id, method, arguments: values });
    });
    if (answer.error) throw new RemoteError(answer.error.code, answer.error.message);
    return answer.value as Awaited<ReturnType<HostMethods[M]>>;
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.kill('SIGKILL');
    });
  }
}
