/**
 * Which sequence numbers of an association have come: each is taken once, and none that is further behind the highest
 * one than the window is wide.
 * Source: RFC 4303 3.4.3 and appendix A2, RFC 6479; requirement P-35.
 */
export class ReplayWindow {
  readonly #size: number;
  /** A ring of 32 numbers each, with one word to spare, so that moving on only clears whole words. */
  readonly #words: Uint32Array;
  #highest = 0;

  /** `size`: 64 or more; rounded up to a multiple of 32. */
  constructor(size: number) {
    const words = Math.ceil(Math.max(64, size) / 32);
    this.#size = words * 32;
    this.#words = new Uint32Array(words + 1);
  }

  /** Whether a packet with this number may be looked at: it is new. Number 0 never is. */
  allows(sequence: number): boolean {
    if (sequence === 0) return false;
    if (sequence > this.#highest) return true;
    if (this.#highest - sequence >= this.#size) return false;
    return (this.#words[this.#wordOf(sequence)]! & (1 << (sequence & 31))) === 0;
  }

  /** Notes a number that `allows` took, once its packet has proved to be genuine. */
  take(sequence: number): void {
    if (sequence > this.#highest) this.#moveTo(sequence);
    this.#words[this.#wordOf(sequence)]! |= 1 << (sequence & 31);
  }

  #moveTo(sequence: number): void {
    const from = Math.floor(this.#highest / 32);
    const steps = Math.min(Math.floor(sequence / 32) - from, this.#words.length);
    for (let step = 1; step <= steps; step++) this.#words[(from + step) % this.#words.length] = 0;
    this.#highest = sequence;
  }

  #wordOf(sequence: number): number {
    return Math.floor(sequence / 32) % this.#words.length;
  }
}
