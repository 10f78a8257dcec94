/** A source of numbers whose sequence is the same in each run with the same seed. Source: Marsaglia, xorshift128. */
export class Random {
  #x: number;
  #y = 362_436_069;
  #z = 521_288_629;
  #w = 88_675_123;

  constructor(seed: number) {
    this.#x = (seed >>> 0) ^ 123_456_789;
    for (let i = 0; i < 16; i++) this.next();
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    const t = this.#x ^ (this.#x << 11);
    this.#x = this.#y;
    this.#y = this.#z;
    this.#z = this.#w;
    this.#w = this.#w ^ (this.#w >>> 19) ^ t ^ (t >>> 8);
    return this.#w >>> 0;
  }

  /** 0 to `limit` - 1; 0 for a limit of 0. */
  below(limit: number): number {
    return limit > 0 ? this.next() % limit : 0;
  }

  /** Small numbers more often than large ones, 1 to `limit`. */
  length(limit: number): number {
    return 1 + this.below(1 + this.below(1 + this.below(limit)));
  }

  chance(oneIn: number): boolean {
    return this.next() % oneIn === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** The same number for the same text: what a target decides by chance it decides again when the input is run again. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
