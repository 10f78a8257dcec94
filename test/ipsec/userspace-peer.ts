import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { keysOf } from '#ipsec/key-derivation';
import type { Endpoint, SecurityAssociation } from '#ipsec/security-association';
import { type AlgorithmPair, testCk, testIk } from './esp-algorithms.ts';
import type { RigHost } from './namespaces.ts';
import type { HostOperations } from './userspace-host.ts';

const program = fileURLToPath(new URL('./userspace-host.ts', import.meta.url));

/** A process on a host of the rig that does what the test asks it for, see `userspace-host.ts`. */
export class UserspacePeer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    (answer: { value?: unknown; error?: { code?: string; message: string } }) => void
  >();
  #lastId = 0;

  /** `wrapper`: a command that starts the program with other rights. */
  constructor(host: RigHost, wrapper: readonly string[] = []) {
    // Structured clone: keys are buffers.
    this.#child = host.fork(program, [], { serialization: 'advanced' }, wrapper);
    this.#child.on('message', (answer: { id: number; value?: unknown; error?: { message: string } }) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  ask<Name extends keyof HostOperations>(
    name: Name,
    ...args: Parameters<HostOperations[Name]>
  ): Promise<Awaited<ReturnType<HostOperations[Name]>>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ value, error }) => {
        if (error) reject(Object.assign(new Error(error.message), { code: error.code }));
        else resolve(value as Awaited<ReturnType<HostOperations[Name]>>);
      });
      this.#child.send({ id, name, args });
    });
  }

  /** The exit code, once it has ended by itself. */
  ended(): Promise<number | null> {
    return new Promise((resolve) => this.#child.once('exit', (code) => resolve(code)));
  }

  /** Ends the process, without a chance to clean up. */
  kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.kill('SIGKILL');
    });
  }
}

export const portPs = 5063;
export const portPc = 5062;
export const portUc = 5100;
export const portUs = 5101;

export interface SetOptions extends Partial<AlgorithmPair> {
  readonly ik?: Buffer;
  /** Added to all SPIs. */
  readonly spi?: number;
  readonly lifetimeSeconds?: number;
  readonly firstSequence?: number;
}

/** The four associations of TS 33.203 7.1, seen from the P-CSCF (first address) or from the UE. */
export function associationSet(
  side: 'pcscf' | 'ue',
  pcscf: string,
  ue: string,
  options: SetOptions = {},
): readonly SecurityAssociation[] {
  const { integrity = 'hmac-sha-1-96', encryption = 'aes-cbc', ik = testIk, spi = 0 } = options;
  const p = (port: number): Endpoint => ({ address: pcscf, port });
  const u = (port: number): Endpoint => ({ address: ue, port });
  const each = (source: Endpoint, destination: Endpoint, number: number): SecurityAssociation => ({
    direction: (source.address === pcscf) === (side === 'pcscf') ? 'out' : 'in',
    ...{ source, destination, spi: number + spi, integrity, encryption },
    ...keysOf(integrity, encryption, testCk, ik),
    lifetimeSeconds: options.lifetimeSeconds ?? 600,
    firstSequence: options.firstSequence ?? 0,
  });
  return [
    each(u(portUc), p(portPs), 1001),
    each(p(portPs), u(portUc), 2001),
    each(p(portPc), u(portUs), 2002),
    each(u(portUs), p(portPc), 1002),
  ];
}
