import { describe, expect, it } from 'vitest';
import { avp } from '#diameter/codec/avp-types';
import { encodeMessage } from '#diameter/codec/encode';
import { baseAvps } from '#diameter/dictionary/base';
import { StreamFramer } from '#diameter/peer/stream-framer';

function message(n: number, length: number): Buffer {
  return encodeMessage({ flags: 0, command: 280, application: 0, hopByHop: n, endToEnd: n }, [
    avp(baseAvps.userName, 'x'.repeat(length)),
  ]);
}

describe('StreamFramer', () => {
  const stream = Buffer.concat([0, 5, 300, 0, 1000, 3].map((length, n) => message(n, length)));

  it('D-01 finds the same messages however the stream is cut into reads', () => {
    for (const size of [1, 2, 3, 7, 19, 20, 21, 27, 64, 500, stream.length]) {
      const found: Buffer[] = [];
      const framer = new StreamFramer(4096, (octets) => found.push(octets));
      for (let at = 0; at < stream.length; at += size) {
        expect(framer.push(Buffer.from(stream.subarray(at, at + size)))).toBeUndefined();
      }
      expect(found).toHaveLength(6);
      expect(Buffer.concat(found).equals(stream)).toBe(true);
    }
  });

  it('D-01 takes a message that is a header alone', () => {
    const bare = encodeMessage({ flags: 0, command: 280, application: 0, hopByHop: 1, endToEnd: 1 }, []);
    const found: Buffer[] = [];
    const framer = new StreamFramer(4096, (octets) => found.push(octets));
    framer.push(bare.subarray(0, 7));
    framer.push(Buffer.concat([bare.subarray(7), bare]));
    expect(found).toHaveLength(2);
  });

  it('X-D1 stops at a bad version or length before it makes room for the message', () => {
    const cases = [
      { at: 0, octets: [2], resultCode: 5011 },
      { at: 1, octets: [0, 0, 19], resultCode: 5015 },
      { at: 1, octets: [0, 0, 0], resultCode: 5015 },
      { at: 1, octets: [0, 0, 30], resultCode: 5015 },
      { at: 1, octets: [0xff, 0xff, 0xfc], resultCode: 5015 },
      { at: 1, octets: [0, 0x10, 0x04], resultCode: 5015 },
    ];
    for (const { at, octets, resultCode } of cases) {
      const bad = message(9, 8);
      bad.set(octets, at);
      for (const cut of [1, 10, 20, bad.length]) {
        const found: Buffer[] = [];
        const framer = new StreamFramer(4096, (octets) => found.push(octets));
        framer.push(message(1, 1));
        const fault = framer.push(bad.subarray(0, cut)) ?? framer.push(bad.subarray(cut));
        expect(fault?.failure.resultCode).toBe(resultCode);
        framer.push(message(2, 1));
        expect(found).toHaveLength(1);
      }
    }
  });

  it('stops in the middle of a read when it is told to', () => {
    const found: Buffer[] = [];
    const framer: StreamFramer = new StreamFramer(4096, (octets) => {
      found.push(octets);
      framer.stop();
    });
    framer.push(stream);
    expect(found).toHaveLength(1);
  });
});
