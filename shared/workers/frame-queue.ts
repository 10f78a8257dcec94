import type { Doorbell } from './doorbell.ts';
import { RingWriter } from './frame-ring.ts';

interface Overflow {
  readonly fields: readonly [kind: number, x: number, y: number, a: number, b: number];
  readonly payload: Buffer;
}

const overflowBytes = 8 * 1024 * 1024;
const retryMs = 1;

/**
 * A ring's producer end that never refuses what must not be lost: frames beyond the ring wait in a bounded list of the
 * producer's and follow in order. Beyond that bound they are dropped and counted.
 */
export class FrameQueue {
  /** Where the payload of the frame begun last is written. */
  bytes: Buffer;
  dropped = 0;
  readonly #ring: RingWriter;
  readonly #bell: Doorbell;
  #overflow: Overflow[] = [];
  #overflowBytes = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(memory: SharedArrayBuffer, bell: Doorbell) {
    this.#ring = new RingWriter(memory);
    this.#bell = bell;
    this.bytes = this.#ring.bytes;
  }

  /** Bytes that the consumer has not handled yet. */
  get backlog(): number {
    return this.#ring.used + this.#overflowBytes;
  }

  /** Backlog as a share of the ring; above 1 when frames wait outside it. */
  get fill(): number {
    return this.backlog / this.#ring.capacity;
  }

  /** Changes whenever the consumer has taken a frame. */
  get progress(): number {
    return this.#ring.head;
  }

  /** Begins a frame; gives where its payload goes in `bytes`, or -1 when it is dropped. */
  begin(kind: number, x: number, y: number, a: number, b: number, length: number): number {
    if (this.#overflow.length === 0 && length <= this.#ring.longest) {
      const at = this.#ring.begin(kind, x, y, a, b, length);
      if (at >= 0) {
        this.bytes = this.#ring.bytes;
        return at;
      }
    }
    if (length > this.#ring.longest || this.#overflowBytes + length > overflowBytes) {
      this.dropped++;
      return -1;
    }
    this.bytes = Buffer.allocUnsafe(length);
    this.#overflow.push({ fields: [kind, x, y, a, b], payload: this.bytes });
    this.#overflowBytes += length;
    return 0;
  }

  /** Makes the frames visible and wakes a sleeping consumer: once per batch. */
  flush(): void {
    if (this.#overflow.length > 0) this.#refill();
    if (this.#ring.publish()) this.#bell.ring();
  }

  /** Forgets what waits outside the ring. */
  clear(): void {
    this.#overflow = [];
    this.#overflowBytes = 0;
    clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  #refill(): void {
    let moved = 0;
    for (; moved < this.#overflow.length; moved++) {
      const { fields, payload } = this.#overflow[moved]!;
      const at = this.#ring.begin(...fields, payload.length);
      if (at < 0) break;
      payload.copy(this.#ring.bytes, at);
      this.#overflowBytes -= payload.length;
    }
    this.#overflow.splice(0, moved);
    if (this.#overflow.length > 0) {
      this.#retry ??= setTimeout(() => {
        this.#retry = undefined;
        this.flush();
      }, retryMs);
    }
  }
}
