/** Who waits for an answer, and under which Hop-by-Hop Identifier. */
export interface Asker<C> {
  readonly connection: C;
  readonly hopByHop: number;
}

interface Known<C> {
  readonly sinceMs: number;
  /** Undefined: not answered yet. */
  answer: Buffer | undefined;
  /** Who sent the request again meanwhile. */
  readonly waiting: Asker<C>[];
}

/** How long a request may come again. Source: RFC 6733 3 (End-to-End Identifier). */
const KEEP_MS = 4 * 60 * 1000;
const MAX_KNOWN = 4096;
const MAX_ANSWER_OCTETS = 8 * 1024;
const MAX_WAITING = 4;

/**
 * Requests that were taken within the last four minutes, with their answers, so that one which comes again is not
 * served again but gets the same answer.
 *
 * A copy that comes while the first is still being answered waits for that answer: it mostly comes by another
 * connection since the first one broke, where the answer would find nobody. Source: RFC 6733 9.4, 5.5.4; requirement
 * D-12.
 */
export class RepeatedAnswers<C> {
  readonly #known = new Map<string, Known<C>>();

  get size(): number {
    return this.#known.size;
  }

  /**
   * Notes a request that is to be served. False: it is a copy, and `repeat` is called at once, later or, with too many
   * copies of one request, never.
   */
  begin(key: string, asker: Asker<C>, nowMs: number, repeat: (answer: Buffer, asker: Asker<C>) => void): boolean {
    const known = this.#known.get(key);
    if (known !== undefined && nowMs - known.sinceMs < KEEP_MS) {
      if (known.answer !== undefined) repeat(known.answer, asker);
      else if (known.waiting.length < MAX_WAITING) known.waiting.push(asker);
      return false;
    }
    this.#known.delete(key);
    this.#forget(nowMs);
    this.#known.set(key, { sinceMs: nowMs, answer: undefined, waiting: [] });
    return true;
  }

  /** Keeps the answer (a copy), and gives it to those who wait for it. */
  finish(key: string, answer: Buffer, repeat: (answer: Buffer, asker: Asker<C>) => void): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    if (answer.length > MAX_ANSWER_OCTETS) this.#known.delete(key);
    else {
      known.answer = Buffer.allocUnsafeSlow(answer.length);
      known.answer.set(answer);
    }
    for (const asker of known.waiting.splice(0)) repeat(answer, asker);
  }

  /** A request that is not served after all: its copies are taken for the first. */
  withdraw(key: string): void {
    this.#known.delete(key);
  }

  #forget(nowMs: number): void {
    for (const [key, { sinceMs }] of this.#known) {
      if (nowMs - sinceMs < KEEP_MS && this.#known.size < MAX_KNOWN) return;
      this.#known.delete(key);
    }
  }
}
