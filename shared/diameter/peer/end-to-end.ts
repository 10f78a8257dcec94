/**
 * End-to-End Identifiers: 12 bits of time, then 20 that count from a random start. No two of one sender are the same
 * within 4 minutes. Source: RFC 6733 3; requirement D-12.
 */
export class EndToEndIdentifiers {
  #counter: number;

  /** `random`: 0 up to 1. */
  constructor(random: () => number) {
    this.#counter = Math.floor(random() * 2 ** 20);
  }

  next(unixSeconds = Math.floor(Date.now() / 1000)): number {
    this.#counter = (this.#counter + 1) & 0xfffff;
    return (((unixSeconds & 0xfff) << 20) | this.#counter) >>> 0;
  }
}
