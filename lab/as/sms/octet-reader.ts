/** Reads octets from the front. What is not there any more is null, and stays so. */
export class OctetReader {
  readonly #octets: Uint8Array;
  #at = 0;

  constructor(octets: Uint8Array) {
    this.#octets = octets;
  }

  /** Position of the next octet. */
  get offset(): number {
    return this.#at;
  }

  get left(): number {
    return this.#octets.length - this.#at;
  }

  octet(): number | null {
    return this.#at < this.#octets.length ? this.#octets[this.#at++]! : null;
  }

  take(length: number): Uint8Array | null {
    if (length > this.left) return null;
    this.#at += length;
    return this.#octets.subarray(this.#at - length, this.#at);
  }

  /** Octets after one that says how many they are. */
  counted(): Uint8Array | null {
    const length = this.octet();
    return length === null ? null : this.take(length);
  }
}
