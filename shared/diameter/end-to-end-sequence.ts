import { composeHopByHop } from './hop-by-hop.ts';

/** Identifiers that one worker may use per millisecond, in the long run: more than it can send. */
const PER_MS = 256;

/**
 * End-to-End Identifiers of one worker's requests: 6 bits of worker, 26 bits that go with the time of day, 256 each
 * millisecond, so that they come round after 262 s. A worker that sends faster than that for a moment runs ahead of the
 * time and is caught up with; one that starts anew is ahead of what it used before. So none comes again within 4 minutes,
 * be there a restart between, below 256,000 requests/s of a worker. Source: RFC 6733 3; requirement D-12.
 */
export class EndToEndSequence {
  readonly #worker: number;
  readonly #wallMs: () => number;
  #last = 0;

  /** `worker`: 0..63. `wallMs`: milliseconds since 1970. */
  constructor(worker: number, wallMs: () => number) {
    this.#worker = worker;
    this.#wallMs = wallMs;
  }

  next(): number {
    this.#last = Math.max(this.#last + 1, this.#wallMs() * PER_MS);
    return composeHopByHop(this.#worker, this.#last);
  }
}
