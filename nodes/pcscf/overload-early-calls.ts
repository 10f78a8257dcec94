/**
 * Calls of each registration that are under way without an answer, in one worker: who makes many of them and lets them
 * ring keeps bearers and phones busy for nothing.
 *
 * Source: requirement X-I21.
 */
export class EarlyCalls {
  readonly #byToken = new Map<string, number>();

  /** Notes one more call; false when there are `most` already (0: any number). */
  begin(token: string, most: number): boolean {
    if (most === 0) return true;
    const count = this.#byToken.get(token) ?? 0;
    if (count >= most) return false;
    this.#byToken.set(token, count + 1);
    return true;
  }

  /** A call has its answer, or is over without one. */
  end(token: string): void {
    const count = this.#byToken.get(token);
    if (count === undefined) return;
    if (count === 1) this.#byToken.delete(token);
    else this.#byToken.set(token, count - 1);
  }
}
