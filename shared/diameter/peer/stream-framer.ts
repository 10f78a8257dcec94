import { uint24 } from '../codec/avp-list.ts';
import { HEADER_LENGTH } from '../codec/message.ts';
import { DecodeFailure, resultCodes } from '../errors.ts';

/** A stream that cannot be followed any further; `header`: the 20 octets that say so. */
export interface FramingFault {
  readonly failure: DecodeFailure;
  readonly header: Buffer;
}

/**
 * Cuts a TCP stream into messages. A message that lies whole in one read is a view of it; one that spans reads is
 * copied once, into a buffer that is made only after its length was found good. Source: RFC 6733 3.
 */
export class StreamFramer {
  /** The longest message that is taken. */
  limit: number;
  readonly #deliver: (message: Buffer) => void;
  readonly #header = Buffer.alloc(HEADER_LENGTH);
  #headerFilled = 0;
  #message: Buffer | undefined;
  #filled = 0;
  #stopped = false;

  constructor(limit: number, deliver: (message: Buffer) => void) {
    this.limit = limit;
    this.#deliver = deliver;
  }

  /** Delivers nothing more, also in the middle of a read. */
  stop(): void {
    this.#stopped = true;
    this.#message = undefined;
  }

  /** Takes what one read brought; after a fault the stream is lost. */
  push(chunk: Buffer): FramingFault | undefined {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#message !== undefined) {
        at = this.#fill(chunk, at);
        continue;
      }
      if (this.#headerFilled > 0 || chunk.length - at < HEADER_LENGTH) {
        const copied = chunk.copy(this.#header, this.#headerFilled, at);
        this.#headerFilled += copied;
        at += copied;
        if (this.#headerFilled < HEADER_LENGTH) return undefined;
        this.#headerFilled = 0;
        const fault = this.#check(this.#header, 0);
        if (fault !== undefined) return fault;
        this.#begin(uint24(this.#header, 1));
        this.#fill(this.#header, 0);
        continue;
      }
      const fault = this.#check(chunk, at);
      if (fault !== undefined) return fault;
      const length = uint24(chunk, at + 1);
      if (length <= chunk.length - at) {
        this.#deliver(chunk.subarray(at, at + length));
        at += length;
      } else this.#begin(length);
    }
    return undefined;
  }

  #begin(length: number): void {
    this.#message = Buffer.allocUnsafeSlow(length);
    this.#filled = 0;
  }

  #fill(from: Buffer, at: number): number {
    const message = this.#message!;
    const copied = from.copy(message, this.#filled, at);
    this.#filled += copied;
    if (this.#filled === message.length) {
      this.#message = undefined;
      this.#deliver(message);
    }
    return at + copied;
  }

  #check(octets: Buffer, at: number): FramingFault | undefined {
    const length = uint24(octets, at + 1);
    let failure: DecodeFailure;
    if (octets[at] !== 1) {
      failure = new DecodeFailure(resultCodes.UNSUPPORTED_VERSION, `version ${octets[at]} instead of 1`, 0);
    } else if (length < HEADER_LENGTH || (length & 3) !== 0) {
      failure = new DecodeFailure(resultCodes.INVALID_MESSAGE_LENGTH, `message length ${length}`, 1);
    } else if (length > this.limit) {
      const words = `message length ${length} above the limit of ${this.limit}`;
      failure = new DecodeFailure(resultCodes.INVALID_MESSAGE_LENGTH, words, 1);
    } else return undefined;
    this.#stopped = true;
    return { failure, header: Buffer.from(octets.subarray(at, at + HEADER_LENGTH)) };
  }
}
