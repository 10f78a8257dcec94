import { type EspTransform, headerBytes } from './esp-transform.ts';

const lastSequence = 0xffffffff;
const trailerBytes = 2;

/**
 * The sending end of an association: it numbers what it seals.
 * Source: RFC 4303 3.3; requirement P-35.
 */
export class EspSender {
  readonly spi: number;
  readonly #transform: EspTransform;
  #sequence: number;

  /** `firstSequence`: the number before that of the first packet, 0 for a new association. */
  constructor(transform: EspTransform, spi: number, firstSequence: number) {
    this.spi = spi;
    this.#transform = transform;
    this.#sequence = firstSequence;
  }

  /** The number of the last packet. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The most octets that an ESP packet has with this much payload. */
  lengthOf(payloadBytes: number): number {
    const { ivBytes, icvBytes } = this.#transform;
    return headerBytes + ivBytes + payloadBytes + this.#paddingFor(payloadBytes) + trailerBytes + icvBytes;
  }

  /**
   * Writes the ESP packet for `payload`, of that IP protocol, into `to` from `at`, and gives its length. Gives 0 when `to`
   * has no room, or when all sequence numbers are used: the association is at its end then.
   */
  seal(protocol: number, payload: Buffer, to: Buffer, at = 0): number {
    const length = this.lengthOf(payload.length);
    if (at + length > to.length || this.#sequence >= lastSequence) return 0;
    this.#sequence++;
    to.writeUInt32BE(this.spi, at);
    to.writeUInt32BE(this.#sequence, at + 4);
    let end = at + headerBytes + this.#transform.ivBytes;
    payload.copy(to, end);
    end += payload.length;
    const padding = this.#paddingFor(payload.length);
    for (let octet = 1; octet <= padding; octet++) to[end++] = octet;
    to[end++] = padding;
    to[end++] = protocol;
    this.#transform.protect(to, at, end);
    return length;
  }

  #paddingFor(payloadBytes: number): number {
    const { blockBytes } = this.#transform;
    return (blockBytes - ((payloadBytes + trailerBytes) % blockBytes)) % blockBytes;
  }
}
