import type { Libc } from './libc.ts';

/** What fits into one: the longest IP packet, and the ESP around it. */
export const slotBytes = 65_664;
const nameBytes = 32;
const headerBytes = 64;
const vectorBytes = 16;

/**
 * So many packets that go to the kernel, or come from it, in one system call (struct mmsghdr with one vector each).
 */
export class PacketBatch {
  /** The octets of each packet. */
  readonly slots: readonly Buffer[];
  /** The struct sockaddr of each: where it goes, or where it came from. */
  readonly names: readonly Buffer[];
  readonly headers: Buffer;
  readonly #words: Uint32Array;
  readonly #vectors: BigUint64Array;

  constructor(libc: Libc, size: number) {
    // Memory of its own, outside the heap: its address stays while it is referenced.
    const data = Buffer.allocUnsafeSlow(size * slotBytes);
    const block = new ArrayBuffer(size * (headerBytes + vectorBytes + nameBytes));
    const namesAt = size * (headerBytes + vectorBytes);
    this.slots = Array.from({ length: size }, (_, i) => data.subarray(i * slotBytes, (i + 1) * slotBytes));
    this.names = Array.from({ length: size }, (_, i) => Buffer.from(block, namesAt + i * nameBytes, nameBytes));
    this.headers = Buffer.from(block, 0, size * headerBytes);
    this.#words = new Uint32Array(block, 0, (size * headerBytes) / 4);
    this.#vectors = new BigUint64Array(block, size * headerBytes, size * 2);
    const pointers = new BigUint64Array(block, 0, size * 8);
    const [blockAddress, dataAddress] = [libc.addressOf(this.headers), libc.addressOf(data)];
    for (let i = 0; i < size; i++) {
      pointers[i * 8] = blockAddress + BigInt(namesAt + i * nameBytes);
      pointers[i * 8 + 2] = blockAddress + BigInt(size * headerBytes + i * vectorBytes);
      pointers[i * 8 + 3] = 1n;
      this.#vectors[i * 2] = dataAddress + BigInt(i * slotBytes);
      this.expect(i);
    }
  }

  get size(): number {
    return this.slots.length;
  }

  /** Makes a slot ready to receive. */
  expect(slot: number): void {
    this.#words[slot * 16 + 2] = nameBytes;
    this.#vectors[slot * 2 + 1] = BigInt(slotBytes);
  }

  /** Says how much of a slot is to be sent, and how long its address is. */
  fill(slot: number, bytes: number, addressBytes: number): void {
    this.#words[slot * 16 + 2] = addressBytes;
    this.#vectors[slot * 2 + 1] = BigInt(bytes);
  }

  /** What has been received into a slot. */
  received(slot: number): Buffer {
    return this.slots[slot]!.subarray(0, this.#words[slot * 16 + 14]);
  }
}

const dontWait = 0x40;

/** Sends the first `count`; what the kernel refuses is lost, as the network may lose it. */
export function sendBatch(libc: Libc, fd: number, batch: PacketBatch, count: number): void {
  for (let sent = 0; sent < count; ) {
    const done = libc.sendmmsg(fd, batch.headers.subarray(sent * headerBytes), count - sent, dontWait);
    sent += Math.max(1, done);
  }
}
