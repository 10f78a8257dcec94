/** What a transaction takes while it is kept, octets: with its request, its branches and their texts. */
const inviteOctets = 11_000;
const otherOctets = 1_500;
/** However many there are, an answer that was lost once is there for the next retransmission. */
const leastMs = 1_000;

/**
 * How long transactions that are answered are kept: as long as the RFCs say (timers D, J, L, M) while they take little
 * memory, less and less the more they take. So memory has a bound whatever the rate of calls is, and what suffers is
 * only a retransmission that comes very late.
 * Source: RFC 3261 17.1.1.2, 17.2.2; RFC 6026 7; requirements X-F1, X-F2.
 */
export class Linger {
  readonly #mostOctets: number;
  #octets = 0;

  /** `mostOctets`: what they may take in all; from half of it on they are kept for shorter. */
  constructor(mostOctets: number) {
    this.#mostOctets = mostOctets;
  }

  /** About what the transactions take. */
  get octets(): number {
    return this.#octets;
  }

  opened(method: string): void {
    this.#octets += method === 'INVITE' ? inviteOctets : otherOctets;
  }

  ended(method: string): void {
    this.#octets -= method === 'INVITE' ? inviteOctets : otherOctets;
  }

  /** How long one is kept that would be kept for `fullMs`. */
  ms(fullMs: number): number {
    const half = this.#mostOctets / 2;
    if (this.#octets <= half) return fullMs;
    return Math.max(Math.min(leastMs, fullMs), fullMs * (1 - (this.#octets - half) / half));
  }
}
