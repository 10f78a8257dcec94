/** Octets that hold septets one after the other, the first in the lowest bits. Source: TS 23.038 6.1.2.1. */
export function packSeptets(septets: Uint8Array): Uint8Array {
  const octets = new Uint8Array(Math.ceil((septets.length * 7) / 8));
  for (const [i, septet] of septets.entries()) {
    const bit = i * 7;
    const at = bit >> 3;
    const shifted = (septet & 0x7f) << (bit & 7);
    octets[at]! |= shifted & 0xff;
    if (shifted > 0xff) octets[at + 1]! |= shifted >> 8;
  }
  return octets;
}

/**
 * `count` septets out of packed octets, from the septet at `from` on (the ones before it hold a header). Fewer when the
 * octets end before that. Source: TS 23.038 6.1.2.1, TS 23.040 9.2.3.24.
 */
export function unpackSeptets(octets: Uint8Array, count: number, from = 0): Uint8Array {
  const there = Math.floor((octets.length * 8) / 7);
  const septets = new Uint8Array(Math.max(0, Math.min(count, there - from)));
  for (let i = 0; i < septets.length; i++) {
    const bit = (from + i) * 7;
    const at = bit >> 3;
    septets[i] = (((octets[at + 1] ?? 0) * 256 + octets[at]!) >> (bit & 7)) & 0x7f;
  }
  return septets;
}
