import { ReplayWindow } from './esp-replay-window.ts';
import { type EspTransform, headerBytes } from './esp-transform.ts';

/** Why a packet is not taken. */
export type EspRefusal = 'length' | 'replay' | 'integrity' | 'padding';

/** What a packet carried. */
export interface EspPayload {
  /** IP protocol: 17 UDP, 6 TCP, 59 nothing. */
  readonly protocol: number;
  readonly bytes: Buffer;
}

/**
 * The receiving end of an association. Any octets may be given to it: they are refused, never thrown at.
 * Source: RFC 4303 3.4; requirement P-35.
 */
export class EspReceiver {
  readonly #transform: EspTransform;
  readonly #window: ReplayWindow;
  readonly #leastBytes: number;

  constructor(transform: EspTransform, replayWindow: number) {
    this.#transform = transform;
    this.#window = new ReplayWindow(replayWindow);
    const { ivBytes, icvBytes, blockBytes } = transform;
    this.#leastBytes = headerBytes + ivBytes + blockBytes + icvBytes;
  }

  /** Opens a packet that begins with the SPI of this association. The payload may be a view of it. */
  open(packet: Buffer): EspPayload | EspRefusal {
    const surplus = packet.length - this.#leastBytes;
    if (surplus < 0 || surplus % this.#transform.blockBytes !== 0) return 'length';
    const sequence = packet.readUInt32BE(4);
    if (!this.#window.allows(sequence)) return 'replay';
    const plain = this.#transform.verify(packet);
    if (plain === null) return 'integrity';
    this.#window.take(sequence);
    return withoutTrailer(plain);
  }
}

/** Takes off padding, pad length and next header; the padding has to count 1, 2, 3. Source: RFC 4303 2.4. */
function withoutTrailer(plain: Buffer): EspPayload | EspRefusal {
  const padding = plain[plain.length - 2]!;
  const end = plain.length - 2 - padding;
  if (end < 0) return 'padding';
  for (let octet = 0; octet < padding; octet++) if (plain[end + octet] !== octet + 1) return 'padding';
  return { protocol: plain[plain.length - 1]!, bytes: plain.subarray(0, end) };
}
