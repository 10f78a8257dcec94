import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { createBells, Doorbell, DrainLoop } from '#workers/doorbell';
import { FrameQueue } from '#workers/frame-queue';
import { createRing, type FrameVisitor, RingReader, RingWriter } from '#workers/frame-ring';

class Collected implements FrameVisitor {
  readonly frames: { kind: number; fields: number[]; payload: string }[] = [];
  frame(kind: number, x: number, y: number, a: number, b: number, bytes: Buffer, start: number, length: number): void {
    this.frames.push({ kind, fields: [x, y, a, b], payload: bytes.toString('latin1', start, start + length) });
  }
}

function write(writer: RingWriter, kind: number, payload: string): boolean {
  const at = writer.begin(kind, 255, 65_535, 0xffffffff, 0x80000000, payload.length);
  if (at >= 0) writer.bytes.write(payload, at, 'latin1');
  return at >= 0;
}

describe('frame ring', () => {
  it('carries all fields, and nothing before it is published', () => {
    const memory = createRing(1024);
    const writer = new RingWriter(memory);
    const reader = new RingReader(memory);
    write(writer, 1, 'one');
    write(writer, 255, '');
    const collected = new Collected();
    expect(reader.empty).toBe(true);
    expect(reader.read(collected, 10)).toBe(0);
    expect(writer.publish()).toBe(true);
    expect(writer.publish()).toBe(false);
    expect(reader.read(collected, 10)).toBe(2);
    expect(collected.frames).toEqual([
      { kind: 1, fields: [255, 65_535, 0xffffffff, 0x80000000], payload: 'one' },
      { kind: 255, fields: [255, 65_535, 0xffffffff, 0x80000000], payload: '' },
    ]);
    expect(writer.used).toBe(0);
  });

  it('refuses a frame when it is full, and takes it when room was given back', () => {
    const memory = createRing(1024);
    const writer = new RingWriter(memory);
    const reader = new RingReader(memory);
    let written = 0;
    while (write(writer, 1, 'x'.repeat(48))) written++;
    expect(written).toBe(16);
    expect(writer.used).toBe(1024);
    writer.publish();
    expect(reader.read(new Collected(), 1)).toBe(1);
    expect(write(writer, 2, 'y'.repeat(48))).toBe(true);
    expect(write(writer, 2, '')).toBe(false);
  });

  it('keeps frames in one piece across the end, and its counters across 2^32', () => {
    const memory = createRing(1024);
    const control = new Int32Array(memory, 0, 32);
    // Just below the wrap of both the ring and the signed and unsigned counter.
    for (const start of [0, 2 ** 31 - 512, 2 ** 32 - 512]) {
      control[0] = start | 0;
      control[16] = start | 0;
      const writer = new RingWriter(memory);
      const reader = new RingReader(memory);
      const collected = new Collected();
      const sent: string[] = [];
      for (let i = 0; i < 200; i++) {
        const payload = String.fromCharCode(97 + (i % 26)).repeat((i * 37) % 400);
        while (!write(writer, 1, payload)) {
          writer.publish();
          reader.read(collected, 3);
        }
        sent.push(payload);
      }
      writer.publish();
      while (reader.read(collected, 3) > 0);
      expect(collected.frames.map(({ payload }) => payload)).toEqual(sent);
    }
  });

  it('counts a frame as backlog until it has been handled, also when handling throws', () => {
    const memory = createRing(1024);
    const writer = new RingWriter(memory);
    const reader = new RingReader(memory);
    write(writer, 1, 'a');
    write(writer, 1, 'b');
    writer.publish();
    const seen: number[] = [];
    const visitor = {
      frame: () => {
        seen.push(writer.used);
        throw new Error('handler');
      },
    };
    expect(() => reader.read(visitor, 10)).toThrow('handler');
    expect(() => reader.read(visitor, 10)).toThrow('handler');
    expect(seen).toEqual([64, 32]);
    expect(writer.used).toBe(0);
  });

  it('goes on where the last producer and consumer have stopped', () => {
    const memory = createRing(1024);
    const first = new RingWriter(memory);
    write(first, 1, 'published');
    first.publish();
    write(first, 1, 'lost with its writer');
    const second = new RingWriter(memory);
    write(second, 1, 'by its successor');
    second.publish();
    const collected = new Collected();
    new RingReader(memory).read(collected, 1);
    new RingReader(memory).read(collected, 10);
    expect(collected.frames.map(({ payload }) => payload)).toEqual(['published', 'by its successor']);
  });

  it('lets a queue overflow in order, and drops beyond the bound', () => {
    const memory = createRing(1024);
    const queue = new FrameQueue(memory, new Doorbell(createBells(1), 0));
    const reader = new RingReader(memory);
    const collected = new Collected();
    for (let i = 0; i < 100; i++) {
      const at = queue.begin(1, 0, 0, i, 0, 100);
      queue.bytes.fill(i, at, at + 100);
    }
    expect(queue.fill).toBeGreaterThan(5);
    for (let i = 0; i < 50; i++) {
      queue.flush();
      reader.read(collected, 5);
    }
    expect(collected.frames.map(({ fields }) => fields[2])).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(collected.frames.every(({ payload }, i) => payload === String.fromCharCode(i).repeat(100))).toBe(true);
    expect(queue.backlog).toBe(0);
    expect(queue.begin(1, 0, 0, 0, 0, 600)).toBe(-1);
    expect(queue.dropped).toBe(1);
    queue.clear();
  });

  it.each([
    ['rung for each batch', false],
    ['polling while busy', true],
  ])('carries 100,000 frames from another thread without loss (%s)', async (_name, coalesce) => {
    const ring = createRing(64 * 1024);
    const bells = createBells(1);
    const frames = 100_000;
    const reader = new RingReader(ring);
    let expected = 0;
    let wrong = 0;
    const visitor: FrameVisitor = {
      frame(kind, x, y, a, b, bytes, start, length) {
        const right =
          kind === 6 &&
          a === expected &&
          x === (a & 255) &&
          y === (a & 0xffff) &&
          b === length &&
          length === (a * 7919) % 3000;
        if (!right || (length > 0 && (bytes[start] !== x || bytes[start + length - 1] !== x))) wrong++;
        expected++;
      },
    };
    const worker = new Worker(new URL('./ring-producer.ts', import.meta.url), {
      workerData: { ring, bells, frames, longest: 3000 },
    });
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      const loop = new DrainLoop(
        new Doorbell(bells, 0),
        {
          drain() {
            const count = reader.read(visitor, 100);
            if (expected === frames) {
              loop.stop();
              resolve();
            }
            return count;
          },
          isEmpty: () => reader.empty,
        },
        coalesce,
      );
      loop.start();
    });
    expect(wrong).toBe(0);
    await worker.terminate();
  });
});
