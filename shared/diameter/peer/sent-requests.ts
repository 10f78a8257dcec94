import type { DiameterRoute } from '../client.ts';

/** A request of ours that awaits its answer. */
export interface SentRequest {
  /** As it was sent last. */
  octets: Buffer;
  readonly command: number;
  readonly route: DiameterRoute;
  /** The client's own Hop-by-Hop Identifier, which its answer carries again. */
  readonly hopByHop: number;
  readonly firstSentMs: number;
  sentMs: number;
  /** Hosts in lower case that it was sent to, in order; the last has it now. */
  readonly tried: string[];
  /** It went where a redirect answer said. */
  redirected: boolean;
}

/**
 * The requests that await an answer on one connection, by the Hop-by-Hop Identifier they have there. Bounded by number;
 * what nobody waits for any more goes first. Source: RFC 6733 3, 5.5.4; requirement D-11.
 */
export class SentRequests {
  readonly #most: number;
  readonly #keepMs: number;
  readonly #requests = new Map<number, SentRequest>();

  /** `most`: how many; `keepMs`: after what time nobody waits for an answer. */
  constructor(most: number, keepMs: number) {
    this.#most = most;
    this.#keepMs = keepMs;
  }

  get size(): number {
    return this.#requests.size;
  }

  /** Whether one more may be added. */
  hasRoom(nowMs: number): boolean {
    if (this.#requests.size < this.#most) return true;
    this.#forget(nowMs);
    return this.#requests.size < this.#most;
  }

  has(hopByHop: number): boolean {
    return this.#requests.has(hopByHop);
  }

  add(hopByHop: number, request: SentRequest): void {
    this.#requests.set(hopByHop, request);
  }

  /** Takes out the request that an answer with this identifier and command belongs to. */
  take(hopByHop: number, command: number): SentRequest | undefined {
    const request = this.#requests.get(hopByHop);
    if (request === undefined || request.command !== command) return undefined;
    this.#requests.delete(hopByHop);
    return request;
  }

  /** Takes out each request for which `moved` gives true. */
  move(moved: (request: SentRequest) => boolean): void {
    for (const [hopByHop, request] of this.#requests) if (moved(request)) this.#requests.delete(hopByHop);
  }

  #forget(nowMs: number): void {
    for (const [hopByHop, { sentMs }] of this.#requests) {
      if (nowMs - sentMs < this.#keepMs) return;
      this.#requests.delete(hopByHop);
    }
  }
}
