import type { Target } from '../transport/flow.ts';
import type { TransportFailure } from '../transport/transport-failure.ts';

/** A request as it goes by UDP, at hand while it is tried by TCP. */
export interface Datagram {
  readonly target: Target;
  readonly text: string;
  /** Value of its topmost Via. */
  readonly via: string;
}

const unknownMtuOctets = 1300;
/** The MTU of the loopback interface is 65,536; 200 octets below it is more than a datagram holds. */
const loopbackOctets = 65_336;
/** How long TCP is not tried again with a peer that refused it, or let us wait for nothing. */
const refusedMs = 300_000;
/** The same for one that took a connection and closed it before it answered. */
const closedMs = 30_000;
const maxPeers = 1024;
/** Stands for "it works" in the place of a time. */
const works = 0;

/**
 * Which requests go by TCP since they are too large for a datagram, and which peers have shown that they take no TCP, so
 * that not every large request waits for the refusal.
 *
 * Source: RFC 3261 18.1.1; requirement C-10.
 */
export class StreamSwitch {
  /** Octets of a written request up to which it stays on UDP. */
  readonly aboveOctets: number;
  readonly #knowsLoopback: boolean;
  readonly #now: () => number;
  /** By peer: until when TCP is not tried. */
  readonly #peers = new Map<string, number>();

  /**
   * `above`: octets, or 0 for nothing at all; `auto` is the rule of RFC 3261: 200 octets less than the path MTU where that
   * is known, which it is within this host, else 1300. `now`: monotonic milliseconds.
   */
  constructor(above: number | 'auto', now: () => number) {
    this.aboveOctets = above === 'auto' ? unknownMtuOctets : above === 0 ? Number.POSITIVE_INFINITY : above;
    this.#knowsLoopback = above === 'auto';
    this.#now = now;
  }

  /** The TCP target to try for a UDP one; null when it is pinned to UDP, or its peer is known to take no TCP. */
  streamOf(target: Target, octets: number): Target | null {
    if (target.streamListener === undefined || this.#fits(target, octets)) return null;
    const untilMs = this.#peers.get(keyOf(target)) ?? works;
    return untilMs > this.#now() ? null : streamTarget(target, target.streamListener);
  }

  /** The TCP target for what is sent without hearing of a failure: only where TCP has worked before. */
  provenStreamOf(target: Target, octets: number): Target | null {
    if (target.streamListener === undefined || this.#fits(target, octets)) return null;
    if (this.#peers.get(keyOf(target)) !== works) return null;
    return streamTarget(target, target.streamListener);
  }

  /** An answer came by TCP. */
  worked(stream: Target): void {
    const key = keyOf(stream);
    if (this.#peers.get(key) !== works) this.#note(key, works);
  }

  /** A request that was tried by TCP did not get through. */
  failed(stream: Target, failure: TransportFailure): void {
    const ms = holdMs(failure);
    if (ms > 0) this.#note(keyOf(stream), this.#now() + ms);
  }

  /** Whether the path to a target is known to take so many octets. */
  #fits({ address }: Target, octets: number): boolean {
    return this.#knowsLoopback && octets <= loopbackOctets && (address.startsWith('127.') || address === '::1');
  }

  #note(key: string, untilMs: number): void {
    this.#peers.delete(key);
    if (this.#peers.size >= maxPeers) this.#peers.delete(this.#peers.keys().next().value!);
    this.#peers.set(key, untilMs);
  }
}

function holdMs(failure: TransportFailure): number {
  switch (failure) {
    case 'refused':
    case 'timeout':
      return refusedMs;
    case 'closed':
      return closedMs;
    // No route, or too much waits for the connection: that says nothing of the peer.
    case 'unreachable':
    case 'too-large':
      return 0;
  }
}

function streamTarget({ address, port, streamConnection = 0 }: Target, listener: number): Target {
  return { listener, transport: 'tcp', address, port, connection: streamConnection };
}

function keyOf({ address, port }: Target): string {
  return `${port} ${address}`;
}
