import { readLatin1 } from '#sip/parser/latin1';
import { StreamFramer } from '#sip/parser/stream-framer';
import type { Flow } from '#sip/transport/flow';
import { BucketTable, createBuckets } from '#workers/dispatch';
import { createBells, Doorbell } from '#workers/doorbell';
import { decodeSip, encodeSip } from '#workers/frame-codec';
import { FrameQueue } from '#workers/frame-queue';
import { createRing, type FrameVisitor, RingReader } from '#workers/frame-ring';
import { isShed, shedOrderOf } from '#workers/overload';

const flow: Flow = { listener: 0, transport: 'udp', address: '192.0.2.17', port: 5060, connection: 0 };
const headers = Array.from({ length: 14 }, (_, i) => `X-Header-${i}: ${'value '.repeat(8)}\r\n`).join('');
const text = `INVITE sip:+491234567@ims.test;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.17:5060;branch=z9hG4bK776asdhds;rport\r\nMax-Forwards: 70\r\nFrom: <sip:a@ims.test>;tag=1928301774\r\nTo: <sip:b@ims.test>\r\nCall-ID: a84b4c76e66710@192.0.2.17\r\nCSeq: 314159 INVITE\r\n${headers}Content-Length: 0\r\n\r\n`;
const bytes = Buffer.from(text, 'latin1');

const table = new BucketTable(createBuckets(), 0x1234567);
const memory = createRing(2 * 1024 * 1024);
const queue = new FrameQueue(memory, new Doorbell(createBells(1), 0));
const reader = new RingReader(memory);
const kept = { sum: 0 };
const visitor: FrameVisitor = {
  frame(_kind, x, y, a, b, from, start, length) {
    kept.sum += decodeSip(x, y, a, b, from, start, length).text.length;
  },
};
const framer = new StreamFramer();
const sink = {
  message: (message: string) => {
    kept.sum += message.length;
  },
  ping: () => {},
  broken: () => {},
};

/** One thing to time, and what it is set against in the same run. */
export interface MicroBench {
  readonly name: string;
  run(iterations: number): void;
  readonly baseline?: { readonly name: string; run(iterations: number): void };
}

const decode = {
  name: 'decode a datagram, nothing else',
  run(iterations: number) {
    for (let i = 0; i < iterations; i++) kept.sum += readLatin1(bytes).length;
  },
};

const clone = {
  name: 'structuredClone (what postMessage copies)',
  run(iterations: number) {
    for (let i = 0; i < iterations; i++) kept.sum += structuredClone({ text, flow }).text.length;
  },
};

export const benches: readonly MicroBench[] = [
  {
    name: 'dispatch: Call-ID scan, bucket taken and released',
    baseline: decode,
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        const bucket = table.bucketOfMessage(text);
        kept.sum += table.take(bucket, 1);
        table.release(bucket, 1);
      }
    },
  },
  {
    name: 'dispatch: one frame through a ring, 16 to a batch',
    baseline: clone,
    run(iterations) {
      for (let i = 0; i < iterations; i++) {
        encodeSip(queue, text, flow, 77);
        if ((i & 15) === 15) {
          queue.flush();
          reader.read(visitor, 16);
        }
      }
      queue.flush();
      reader.read(visitor, 16);
    },
  },
  {
    name: 'dispatch: is this request shed',
    baseline: decode,
    run(iterations) {
      for (let i = 0; i < iterations; i++) if (isShed(shedOrderOf(text), 0.6)) kept.sum++;
    },
  },
  {
    name: 'dispatch: one message framed from a stream',
    baseline: decode,
    run(iterations) {
      for (let i = 0; i < iterations; i++) framer.push(bytes, sink);
    },
  },
];
