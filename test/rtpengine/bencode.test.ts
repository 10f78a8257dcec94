import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BencodeValue, decodeBencode, encodeBencode } from '#rtpengine/bencode';
import { ParseFailure } from '#sip/errors';

describe('bencode', () => {
  it('P-142 writes commands as rtpengine reads them, keys in order', () => {
    const command = new Map<string, BencodeValue>([
      ['sdp', 'v=0\r\n'],
      ['command', 'offer'],
      ['replace', ['origin']],
      ['delay', -7],
    ]);
    expect(encodeBencode(command)).toBe('d7:command5:offer5:delayi-7e7:replacel6:origine3:sdp5:v=0\r\ne');
    expect(() => encodeBencode(1.5)).toThrow(RangeError);
  });

  it('P-142 reads what it writes, octets included', () => {
    const octets = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
    const { value } = fc.letrec<{ value: BencodeValue }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        octets,
        fc.integer(),
        fc.array(tie('value')),
        fc.array(fc.tuple(octets, tie('value'))).map((entries) => new Map(entries)),
      ),
    }));
    fc.assert(
      fc.property(value, (before) => {
        const after = decodeBencode(encodeBencode(before));
        expect(after).toEqual(before);
      }),
    );
  });

  it.each([
    '',
    'i12',
    'ie',
    'i1.5e',
    'i--1e',
    '5:abc',
    '-1:a',
    '999999999999999999:a',
    'l',
    'li1e',
    'd1:a',
    'di1ei2ee',
    'i1ei2e',
    'x',
    'l'.repeat(40),
    `l${'le'.repeat(20_000)}e`,
  ])('P-142 X-S2 gives a failure for %j', (text) => {
    expect(decodeBencode(text)).toBeInstanceOf(ParseFailure);
  });

  it('P-142 never throws, whatever the octets', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('d', 'l', 'i', 'e', '1', '3', ':', '-', 'a') }), (text) => {
        decodeBencode(text);
      }),
    );
  });

  it('P-142 X-S14 a key __proto__ is a key', () => {
    const value = decodeBencode('d9:__proto__d1:a1:bee');
    expect(value).toEqual(new Map([['__proto__', new Map([['a', 'b']])]]));
  });
});
