import { describe, expect, it } from 'vitest';
import { avp, encodedAvps } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeAvps, encodeMessage } from '#diameter/codec/encode';
import { readLocationInfoAnswer, readMultimediaAuthAnswer, readServerAssignmentAnswer } from '#diameter/cx/cx-results';
import {
  multimediaAuthAnswer,
  readMultimediaAuth,
  readServerAssignment,
  serverAssignmentAnswer,
} from '#diameter/cx/cx-server';
import { baseAvps } from '#diameter/dictionary/base';
import { cxAvps, cxDictionary } from '#diameter/dictionary/cx';
import { DecodeFailure } from '#diameter/errors';
import { baseResult, resultAvp } from '#diameter/result';

const header = { flags: 0, command: 303, application: 16777216, hopByHop: 1, endToEnd: 2 };

function failureOf(octets: Buffer): DecodeFailure {
  const failure = decodeMessage(octets, cxDictionary);
  if (!(failure instanceof DecodeFailure)) throw new Error('it was taken');
  return failure;
}

function raw(hex: string): Buffer {
  const avps = Buffer.from(hex.replaceAll(' ', ''), 'hex');
  return encodeMessage(header, [encodedAvps(avps)]);
}

/** What a Failed-AVP shows has to be decodable, or our answer is as broken as the request. */
function expectShowable({ failedAvp, reason }: DecodeFailure): void {
  if (failedAvp === undefined) return;
  const answer = decodeMessage(
    encodeMessage(header, [avp(baseAvps.failedAvp, [encodedAvps(failedAvp)])]),
    cxDictionary,
  );
  if (answer instanceof DecodeFailure) throw new Error(`${reason}: ${answer.reason}`);
}

describe('hostile messages', () => {
  it('X-D1 are refused by length and version', () => {
    const good = encodeMessage(header, [avp(baseAvps.userName, 'abcd')]);
    for (let length = 0; length < 20; length++) expect(failureOf(good.subarray(0, length)).resultCode).toBe(5015);
    for (const length of [0, 19, 21, 31, 33, 36, 0xffffff]) {
      const bad = Buffer.from(good);
      bad.writeUIntBE(length, 1, 3);
      expect(failureOf(bad).resultCode).toBe(5015);
    }
    const version = Buffer.from(good);
    version[0] = 2;
    expect(failureOf(version).resultCode).toBe(5011);
  });

  it('X-D2 with an AVP length below its header or beyond the message get 5014 and the AVP', () => {
    for (const length of [0, 1, 7, 21, 0xffffff]) {
      const octets = raw('00000001 40000010 61626364 65666768');
      octets.writeUIntBE(length, 25, 3);
      const failure = failureOf(octets);
      expect(failure.resultCode).toBe(5014);
      expect(failure.offset).toBe(20);
      const shown = failure.failedAvp ?? Buffer.alloc(0);
      expect(shown.readUInt32BE(0)).toBe(1);
      expect((shown.readUIntBE(5, 3) + 3) & ~3).toBe(shown.length);
    }
    expect(failureOf(raw('00000001 4000000c 61626364 00000001')).resultCode).toBe(5014);
    expect(failureOf(raw('00000259 c0000008')).reason).toContain('cut off');
    expect(failureOf(raw('00000259 c000000b 000028af')).resultCode).toBe(5014);
  });

  it('X-D2 with a number of the wrong size, or no room for an address, get 5014 and zeroes in its place', () => {
    const failure = failureOf(raw('0000010c 4000000a 07d10000'));
    expect(failure.resultCode).toBe(5014);
    expect(failure.reason).toContain('Result-Code');
    expect(failure.failedAvp?.toString('hex')).toBe('0000010c4000000c07d10000');
    expect(failureOf(raw('00000101 4000000a 00010000')).resultCode).toBe(5014);
    expect(failureOf(raw('0000010c 40000010 000007d1 00000000')).resultCode).toBe(5014);
    const inside = encodeMessage(header, [
      avp(baseAvps.experimentalResult, [encodedAvps(Buffer.from('0000012a40000008', 'hex'))]),
    ]);
    expect(failureOf(inside).failedAvp?.toString('hex')).toBe('0000012a4000000c00000000');
  });

  it('X-D4 with groups nested 10,000 deep are refused without recursion to that depth', () => {
    let nested = encodeAvps([avp(baseAvps.userName, 'x')]);
    for (let depth = 0; depth < 10_000; depth++)
      nested = encodeAvps([avp(cxAvps.sipAuthDataItem, [encodedAvps(nested)])]);
    expect(nested.length).toBeGreaterThan(100_000);
    expect(failureOf(encodeMessage(header, [encodedAvps(nested)])).reason).toContain('nested');
    let allowed = encodeAvps([avp(baseAvps.userName, 'x')]);
    for (let depth = 0; depth < 7; depth++) allowed = encodeAvps([avp(cxAvps.sipAuthDataItem, [encodedAvps(allowed)])]);
    expect(decodeMessage(encodeMessage(header, [encodedAvps(allowed)]), cxDictionary)).not.toBeInstanceOf(
      DecodeFailure,
    );
  });

  it('X-D4 with more than 4096 AVPs, also inside groups, are refused', () => {
    const many = encodeAvps(new Array(4096).fill(avp(baseAvps.userName, 'x')));
    expect(decodeMessage(encodeMessage(header, [encodedAvps(many)]), cxDictionary)).not.toBeInstanceOf(DecodeFailure);
    const grouped = encodeMessage(header, [avp(baseAvps.proxyInfo, [encodedAvps(many)])]);
    expect(failureOf(grouped).reason).toContain('4096');
  });

  it.each([
    ['a group that is longer than the message', '00000104 40 0000ff 0000010a', 260, ''],
    ['an AVP in a group whose header is cut off', '00000104 40 000010 0000010a 40000000', 266, '00000000'],
    ['a group of a vendor cut off in its header', '00000264 c0 00000c 000028af 00000264 c000000c', 612, ''],
    ['an Address of IPv6 with four octets', '00000101 40 00000e 0002 0a000001 0000', 257, '000000000000'],
    ['an Unsigned32 of two octets', '0000010a 40 00000a 28af 0000', 266, '28af0000'],
    ['a text that is longer than the message', '00000107 40 0000ff 61626300', 263, '61626300'],
  ])('X-D2 D-14 %s is shown so that it can be decoded', (_what, hex, code, data) => {
    const failure = failureOf(raw(hex));
    expect(failure.resultCode).toBe(5014);
    expectShowable(failure);
    const shown = failure.failedAvp!;
    expect(shown.readUInt32BE(0)).toBe(code);
    const length = shown.readUIntBE(5, 3);
    expect(shown.subarray((shown[4]! & 0x80) === 0 ? 8 : 12, length).toString('hex')).toBe(data);
  });

  it('X-D2 mutated at random neither throw nor give values of the wrong kind', () => {
    const samples = [
      encodeMessage(header, [
        avp(baseAvps.sessionId, 'a;1;2'),
        resultAvp(baseResult(2001)),
        ...multimediaAuthAnswer({
          result: baseResult(2001),
          impi: 'a@b',
          items: [
            {
              itemNumber: 1,
              scheme: 'Digest-AKAv1-MD5',
              rand: Buffer.alloc(16),
              autn: Buffer.alloc(16),
              xres: Buffer.alloc(8),
            },
          ],
        }).avps,
      ]),
      encodeMessage(header, [
        resultAvp({ kind: 'experimental', vendor: 10415, code: 5001 }),
        ...serverAssignmentAnswer({
          result: baseResult(2001),
          userData: '<IMSSubscription/>',
          charging: { primaryCcf: 'aaa://ccf' },
          associatedIdentities: ['a@b', 'c@d'],
        }).avps,
      ]),
    ];
    let seed = 12345;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return (seed >>> 8) % below;
    };
    let refused = 0;
    for (let round = 0; round < 30_000; round++) {
      const octets = Buffer.from(samples[round % samples.length]!);
      for (let flips = 1 + random(3); flips > 0; flips--) octets[20 + random(octets.length - 20)] = random(256);
      const message = decodeMessage(octets, cxDictionary);
      if (message instanceof DecodeFailure) {
        refused++;
        expectShowable(message);
        expect(message.failedAvp === undefined || message.failedAvp.length % 4 === 0).toBe(true);
        continue;
      }
      for (const read of [readMultimediaAuthAnswer, readServerAssignmentAnswer, readLocationInfoAnswer]) {
        const answer = read(message);
        if (answer.failure === undefined) expect(Number.isInteger(answer.result.code)).toBe(true);
      }
      readMultimediaAuth(message);
      readServerAssignment(message);
    }
    expect(refused).toBeGreaterThan(1000);
  });
});
