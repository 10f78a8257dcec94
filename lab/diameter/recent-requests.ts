import { readHeader } from '#diameter/codec/message';
import type { Finding } from './finding.ts';

const keptMs = 240_000;
const mostPerHalf = 32 * 1024;

/**
 * End-to-End identifiers of requests of the last minutes: an Origin-Host may not use one for two requests within 4 minutes.
 * Bounded: with very many requests it looks back less far. Source: RFC 6733 3.
 */
export class RecentRequests {
  readonly #wallMs: () => number;
  #young = new Set<string>();
  #old = new Set<string>();
  #sinceMs: number;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
    this.#sinceMs = wallMs();
  }

  /**
   * Notes a request, and what is wrong when another one had its End-to-End Identifier. `isAgain`: it has the T flag.
   * Requirement D-12.
   */
  inspect(octets: Buffer, peer: string, isAgain: boolean): Finding[] {
    const { endToEnd } = readHeader(octets);
    if (!this.#seen(peer, endToEnd) || isAgain) return [];
    const words = `End-to-End Identifier ${endToEnd} twice within 4 minutes, without the T flag`;
    return [{ id: 'end-to-end-reused', words }];
  }

  /** Whether it was seen before; from now on it was. */
  #seen(peer: string, endToEnd: number): boolean {
    const nowMs = this.#wallMs();
    if (this.#young.size >= mostPerHalf || nowMs - this.#sinceMs >= keptMs) {
      this.#old = this.#young;
      this.#young = new Set();
      this.#sinceMs = nowMs;
    }
    const key = `${endToEnd} ${peer}`;
    const before = this.#young.has(key) || this.#old.has(key);
    this.#young.add(key);
    return before;
  }
}
