import { randomInt } from 'node:crypto';
import { type AssociationPort, IpsecError } from '#ipsec/ipsec-backend';
import type { InstalledAssociation, SecurityAssociation } from '#ipsec/security-association';
import { type AssociationOrder, decodeAnswer, encodeOrder } from './association-orders.ts';

/** Associations in one frame: a ring has room for many frames, not for one of any length. */
export const associationsPerFrame = 200;
/** The first association after the machine has started may wait for the kernel to load its algorithms: some seconds. */
const answerMs = 10_000;
const idRange = 2 ** 31;

interface Waiting {
  readonly resolve: (listed: readonly InstalledAssociation[]) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
  readonly order: AssociationOrder;
  listed: readonly InstalledAssociation[];
}

/**
 * Asks the main thread, which has the back end, for what a worker in a thread of its own wants. An answer that does not come
 * in time is a failure; associations that are added all the same, later, are removed again.
 *
 * `send`: writes one order toward the main thread; false when there is no room for it.
 * Source: requirements P-35, P-39.
 */
export class AssociationClient implements AssociationPort {
  readonly #send: (id: number, order: string) => boolean;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  /** Orders to add that were given up: what they install nobody knows of. */
  readonly #late = new Map<number, readonly SecurityAssociation[]>();
  /** A worker that replaces one that died must not take the answers of that one for its own. */
  #last = randomInt(idRange);

  constructor(send: (id: number, order: string) => boolean, timeoutMs = answerMs) {
    this.#send = send;
    this.#timeoutMs = timeoutMs;
  }

  async add(associations: readonly SecurityAssociation[]): Promise<void> {
    await this.#ask({ order: 'add', associations });
  }

  async remove(associations: readonly InstalledAssociation[]): Promise<void> {
    for (const part of parts(associations)) await this.#ask({ order: 'remove', associations: part });
  }

  async extend(associations: readonly InstalledAssociation[], seconds: number): Promise<void> {
    for (const part of parts(associations)) await this.#ask({ order: 'extend', associations: part, seconds });
  }

  list(): Promise<readonly InstalledAssociation[]> {
    return this.#ask({ order: 'list' });
  }

  /** Takes one answer of the main thread. */
  answered(id: number, text: string): void {
    const answer = decodeAnswer(text);
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      this.#answeredLate(id, answer.done);
      return;
    }
    if (answer.done && answer.more) {
      waiting.listed = [...waiting.listed, ...answer.listed];
      return;
    }
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (answer.done) waiting.resolve([...waiting.listed, ...answer.listed]);
    else waiting.reject(new IpsecError(answer.code as IpsecError['code'], answer.message));
  }

  /** Gives up what waits; the thread ends. */
  stop(): void {
    for (const { timer, reject } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new IpsecError('ERR_IPSEC_FAILED', 'the worker has ended'));
    }
    this.#waiting.clear();
  }

  #ask(order: AssociationOrder): Promise<readonly InstalledAssociation[]> {
    return new Promise((resolve, reject) => {
      this.#last = (this.#last + 1) % idRange;
      const id = this.#last;
      if (!this.#send(id, encodeOrder(order))) {
        reject(new IpsecError('ERR_IPSEC_FAILED', 'no room to ask the main thread for associations'));
        return;
      }
      const timer = setTimeout(() => this.#giveUp(id), this.#timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer, order, listed: [] });
    });
  }

  #giveUp(id: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    if (waiting.order.order === 'add') this.#late.set(id, waiting.order.associations);
    const words = `the back end did not answer in ${this.#timeoutMs} ms`;
    waiting.reject(new IpsecError('ERR_IPSEC_FAILED', words));
  }

  #answeredLate(id: number, done: boolean): void {
    const added = this.#late.get(id);
    if (added === undefined) return;
    this.#late.delete(id);
    if (done) this.remove(added.map(withoutKeys)).catch(() => {});
  }
}

/** What of an association may be told. */
export function withoutKeys({ direction, source, destination, spi }: InstalledAssociation): InstalledAssociation {
  return { direction, source, destination, spi };
}

function parts(associations: readonly InstalledAssociation[]): (readonly InstalledAssociation[])[] {
  const all: (readonly InstalledAssociation[])[] = [];
  for (let at = 0; at < associations.length; at += associationsPerFrame) {
    all.push(associations.slice(at, at + associationsPerFrame).map(withoutKeys));
  }
  return all;
}
