/** Node's own single-purpose methods: a third of the cost of `toString('latin1')` on a message; @types/node leaves them out. */
interface Latin1Buffer {
  latin1Slice(start?: number, end?: number): string;
  latin1Write(text: string, offset?: number, length?: number): number;
}

/** The bytes [start, end) as a flat latin1 string. */
export function readLatin1(bytes: Buffer, start = 0, end = bytes.length): string {
  return (bytes as Buffer & Latin1Buffer).latin1Slice(start, end);
}

/** Writes the text at `offset`; gives the number of bytes written (less than the text's length where room ends). */
export function writeLatin1(bytes: Buffer, text: string, offset = 0): number {
  return (bytes as Buffer & Latin1Buffer).latin1Write(text, offset, bytes.length - offset);
}

const scratch = Buffer.allocUnsafeSlow(4096);

/** A copy that does not keep the text alive which it was cut from, or put together of. */
export function flatText(text: string): string {
  if (text.length > scratch.length) return Buffer.from(text, 'latin1').toString('latin1');
  return readLatin1(scratch, 0, writeLatin1(scratch, text));
}
