/**
 * Single-producer single-consumer byte ring in shared memory.
 *
 * A frame is a 16-byte header (payload length, kind, three small fields, two words) and its payload, in one piece; a
 * frame that would cross the end is preceded by a filler. The producer publishes its tail once per batch; the consumer
 * gives room back frame by frame, after it has handled it, so that what is being handled counts as backlog.
 */
export const frameHeaderBytes = 16;
const controlBytes = 128;
/** Positions of the shared counters in words, on cache lines of their own. */
const headWord = 0;
const tailWord = 16;
const filler = 0;

/** Shared memory of one ring. `bytes`: a power of two. */
export function createRing(bytes: number): SharedArrayBuffer {
  if (bytes < 1024 || (bytes & (bytes - 1)) !== 0) throw new RangeError(`ring size ${bytes} is not a power of two`);
  return new SharedArrayBuffer(controlBytes + bytes);
}

function sizeFor(length: number): number {
  return (frameHeaderBytes + length + 15) & ~15;
}

/** The producer's end. */
export class RingWriter {
  /** The ring's bytes: payloads are written straight into them. */
  readonly bytes: Buffer;
  readonly capacity: number;
  readonly #control: Int32Array;
  readonly #words: Uint32Array;
  #tail: number;
  #knownHead: number;

  /** Goes on where the last producer of this ring has published. */
  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, controlBytes / 4);
    this.capacity = memory.byteLength - controlBytes;
    this.bytes = Buffer.from(memory, controlBytes, this.capacity);
    this.#words = new Uint32Array(memory, controlBytes, this.capacity / 4);
    this.#tail = Atomics.load(this.#control, tailWord);
    this.#knownHead = Atomics.load(this.#control, headWord);
  }

  /** Longest payload that always fits into an empty ring. */
  get longest(): number {
    return this.capacity / 2 - frameHeaderBytes;
  }

  /** Bytes that the consumer has not handled yet, unpublished ones included. */
  get used(): number {
    this.#knownHead = Atomics.load(this.#control, headWord);
    return (this.#tail - this.#knownHead) >>> 0;
  }

  /** What the consumer has taken so far, for telling whether it moves. */
  get head(): number {
    return Atomics.load(this.#control, headWord);
  }

  /** Begins a frame; gives where its payload goes in `bytes`, or -1 when there is no room. */
  begin(kind: number, x: number, y: number, a: number, b: number, length: number): number {
    const size = sizeFor(length);
    let at = (this.#tail >>> 0) & (this.capacity - 1);
    const skipped = at + size > this.capacity ? this.capacity - at : 0;
    if (((this.#tail - this.#knownHead) >>> 0) + skipped + size > this.capacity) {
      if (this.used + skipped + size > this.capacity) return -1;
    }
    if (skipped > 0) {
      this.#words[at >> 2] = skipped - frameHeaderBytes;
      this.#words[(at >> 2) + 1] = filler;
      this.#tail = (this.#tail + skipped) | 0;
      at = 0;
    }
    const word = at >> 2;
    this.#words[word] = length;
    this.#words[word + 1] = kind | (x << 8) | (y << 16);
    this.#words[word + 2] = a;
    this.#words[word + 3] = b;
    this.#tail = (this.#tail + size) | 0;
    return at + frameHeaderBytes;
  }

  /** Makes the frames begun so far visible; gives whether there were any. */
  publish(): boolean {
    if (Atomics.load(this.#control, tailWord) === this.#tail) return false;
    Atomics.store(this.#control, tailWord, this.#tail);
    return true;
  }
}

/** What a reader calls for each frame; the payload stands at [start, start + length) of the ring's bytes. */
export interface FrameVisitor {
  frame(kind: number, x: number, y: number, a: number, b: number, bytes: Buffer, start: number, length: number): void;
}

/** The consumer's end. */
export class RingReader {
  readonly #bytes: Buffer;
  readonly #capacity: number;
  readonly #control: Int32Array;
  readonly #words: Uint32Array;
  #head: number;

  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, controlBytes / 4);
    this.#capacity = memory.byteLength - controlBytes;
    this.#bytes = Buffer.from(memory, controlBytes, this.#capacity);
    this.#words = new Uint32Array(memory, controlBytes, this.#capacity / 4);
    this.#head = Atomics.load(this.#control, headWord);
  }

  get empty(): boolean {
    return Atomics.load(this.#control, tailWord) === this.#head;
  }

  /** Visits at most `most` frames; gives how many there were. */
  read(visitor: FrameVisitor, most: number): number {
    const tail = Atomics.load(this.#control, tailWord);
    let count = 0;
    while (this.#head !== tail && count < most) {
      const at = (this.#head >>> 0) & (this.#capacity - 1);
      const word = at >> 2;
      const length = this.#words[word]!;
      const fields = this.#words[word + 1]!;
      const next = (this.#head + sizeFor(length)) | 0;
      const kind = fields & 255;
      if (kind !== filler) {
        count++;
        try {
          const a = this.#words[word + 2]!;
          const b = this.#words[word + 3]!;
          visitor.frame(kind, (fields >>> 8) & 255, fields >>> 16, a, b, this.#bytes, at + frameHeaderBytes, length);
        } finally {
          this.#head = next;
          Atomics.store(this.#control, headWord, next);
        }
      } else {
        this.#head = next;
        Atomics.store(this.#control, headWord, next);
      }
    }
    return count;
  }

  /** Drops what is published and not read. */
  discard(): void {
    this.#head = Atomics.load(this.#control, tailWord);
    Atomics.store(this.#control, headWord, this.#head);
  }
}
