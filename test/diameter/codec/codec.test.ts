import { describe, expect, it } from 'vitest';
import { type Avp, avp } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeMessage } from '#diameter/codec/encode';
import { type DiameterMessage, readHeader } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { cxAvps, cxDictionary } from '#diameter/dictionary/cx';
import { type AvpDefinition, type AvpType, createDictionary } from '#diameter/dictionary/dictionary';
import { DecodeFailure } from '#diameter/errors';

const header = { flags: 0xc0, command: 303, application: 16777216, hopByHop: 0xfc000001, endToEnd: 0x80000002 };

function row<T extends AvpType>(code: number, type: T, vendor = 10415): AvpDefinition<T> {
  return { name: `Test-${type}`, code, vendor, type, mandatory: false };
}

const rows = {
  int32: row(3001, 'Integer32'),
  int64: row(3002, 'Integer64'),
  uint64: row(3003, 'Unsigned64'),
  float32: row(3004, 'Float32'),
  float64: row(3005, 'Float64'),
  filter: row(3006, 'IPFilterRule'),
  large: row(0xfffffffe, 'Unsigned32', 0xfffffff0),
} as const;
const dictionary = createDictionary(baseAvps, cxAvps, rows);

function decoded(octets: Buffer): DiameterMessage {
  const message = decodeMessage(octets, dictionary);
  if (message instanceof DecodeFailure) throw new Error(message.reason);
  return message;
}

function roundTrip(...avps: Avp[]): DiameterMessage {
  return decoded(encodeMessage(header, avps));
}

describe('the codec', () => {
  it('D-01 writes a message octet for octet as RFC 6733 3 and 4.1 draw it', () => {
    const octets = encodeMessage(header, [
      avp(baseAvps.sessionId, 'a;1;2'),
      avp(cxAvps.publicIdentity, 'sip:b@c'),
      avp(cxAvps.uarFlags, 1),
      avp(baseAvps.experimentalResult, [avp(baseAvps.vendorId, 10415), avp(baseAvps.experimentalResultCode, 5001)]),
    ]);
    expect(octets.toString('hex')).toBe(
      [
        '01000070c000012f01000000fc00000180000002',
        '000001074000000d613b313b32000000',
        '00000259c0000013000028af7369703a62406300',
        '0000027d80000010000028af00000001',
        '0000012940000020',
        '0000010a4000000c000028af',
        '0000012a4000000c00001389',
      ]
        .join('')
        .replace(/^01000070/, `01${octets.length.toString(16).padStart(6, '0')}`),
    );
    expect(octets.length).toBe(20 + 16 + 20 + 16 + 32);
    expect(readHeader(octets)).toEqual(header);
  });

  it('D-01 pads every length of text and octets to four', () => {
    for (let length = 0; length < 70; length++) {
      const text = 'x'.repeat(length);
      const message = roundTrip(avp(baseAvps.userName, text), avp(cxAvps.userData, Buffer.alloc(length, 7)));
      expect(message.octets.length % 4).toBe(0);
      expect(message.avps.text(baseAvps.userName)).toBe(text);
      expect(message.avps.octets(cxAvps.userData)).toEqual(Buffer.alloc(length, 7));
    }
  });

  it('D-18 keeps every octet of text, of any encoding', () => {
    const text = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
    expect(roundTrip(avp(baseAvps.userName, text)).avps.text(baseAvps.userName)).toBe(text);
    const short = '\u00e9\u0000\u00ff';
    expect(roundTrip(avp(baseAvps.userName, short)).avps.text(baseAvps.userName)).toBe(short);
  });

  it('D-18 carries numbers of every format to their bounds', () => {
    for (const value of [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      expect(roundTrip(avp(cxAvps.featureList, value)).avps.unsigned32(cxAvps.featureList)).toBe(value);
      expect(roundTrip(avp(rows.large, value)).avps.unsigned32(rows.large)).toBe(value);
    }
    for (const value of [-(2 ** 31), -1, 0, 2 ** 31 - 1]) {
      expect(roundTrip(avp(rows.int32, value)).avps.integer32(rows.int32)).toBe(value);
      expect(roundTrip(avp(baseAvps.disconnectCause, value)).avps.integer32(baseAvps.disconnectCause)).toBe(value);
    }
    for (const value of [0n, 2n ** 63n, 2n ** 64n - 1n]) {
      expect(roundTrip(avp(rows.uint64, value)).avps.unsigned64(rows.uint64)).toBe(value);
    }
    for (const value of [-(2n ** 63n), -1n, 2n ** 63n - 1n]) {
      expect(roundTrip(avp(rows.int64, value)).avps.integer64(rows.int64)).toBe(value);
    }
    expect(roundTrip(avp(rows.float32, 1.5)).avps.float(rows.float32)).toBe(1.5);
    expect(roundTrip(avp(rows.float64, Math.PI)).avps.float(rows.float64)).toBe(Math.PI);
    expect(roundTrip(avp(rows.filter, 'permit in ip from any to any')).avps.text(rows.filter)).toContain('permit');
  });

  it('D-18 writes an Address as family and octets, a Time as NTP seconds over both eras', () => {
    const addresses = ['127.0.0.1', '::1', '::', '2001:db8::1:0:0:1', 'fe80::1', '1:2:3:4:5:6:7:8'];
    for (const address of addresses) {
      expect(roundTrip(avp(baseAvps.hostIpAddress, address)).avps.address(baseAvps.hostIpAddress)).toBe(address);
    }
    const octets = roundTrip(avp(baseAvps.hostIpAddress, '10.1.2.3')).avps.octets(baseAvps.hostIpAddress);
    expect(octets?.toString('hex')).toBe('00010a010203');
    for (const bad of ['', '1.2.3', '1.2.3.256', '1::2::3', '12345::', '1:2', 'x.y.z.w']) {
      expect(() => avp(baseAvps.hostIpAddress, bad)).toThrow(TypeError);
    }
    for (const seconds of [0, 1_700_000_000, 2_085_978_495, 2_085_978_496, 2_500_000_000]) {
      expect(roundTrip(avp(baseAvps.eventTimestamp, seconds)).avps.time(baseAvps.eventTimestamp)).toBe(seconds);
    }
  });

  it('D-18 reads groups in any order and passes over unknown AVPs inside them', () => {
    const unknown = { ...row(999, 'OctetString', 4242), mandatory: true };
    const message = roundTrip(
      avp(cxAvps.sipAuthDataItem, [
        avp(cxAvps.integrityKey, Buffer.alloc(16, 1)),
        avp(unknown, 'what'),
        avp(cxAvps.sipItemNumber, 2),
      ]),
      avp(cxAvps.sipAuthDataItem, [avp(cxAvps.sipItemNumber, 1)]),
    );
    expect(message.hasUnknownMandatory).toBe(false);
    const items = message.avps.groups(cxAvps.sipAuthDataItem);
    expect(items.map((item) => item.unsigned32(cxAvps.sipItemNumber))).toEqual([2, 1]);
    expect(items[0]?.octets(cxAvps.integrityKey)?.length).toBe(16);
    expect(message.avps.grouped(cxAvps.serverCapabilities)).toBeUndefined();
  });

  it('D-19 tells AVPs with the same code apart by vendor', () => {
    const message = roundTrip(avp(baseAvps.load, []), avp(cxAvps.sessionPriority, 3));
    expect(message.avps.integer32(cxAvps.sessionPriority)).toBe(3);
    expect(message.avps.octets(baseAvps.load)?.length).toBe(0);
  });

  it('D-17 sets M and V as the tables say, for each AVP of them', () => {
    for (const definition of [...Object.values(baseAvps), ...Object.values(cxAvps)] as AvpDefinition[]) {
      const octets = encodeMessage(header, [{ definition, value: Buffer.alloc(8) }]);
      expect(octets.readUInt32BE(20)).toBe(definition.code);
      expect(octets[24]).toBe((definition.vendor === 0 ? 0 : 0x80) | (definition.mandatory ? 0x40 : 0));
      expect(cxDictionary.find(definition.code, definition.vendor)).toBe(definition);
    }
  });

  it('D-01 writes long messages up to 1 MiB and refuses longer ones', () => {
    const data = Buffer.alloc(1024 * 1024 - 20 - 12, 0x61);
    const message = roundTrip(avp(cxAvps.userData, data));
    expect(message.avps.octets(cxAvps.userData)?.equals(data)).toBe(true);
    expect(() => encodeMessage(header, [avp(cxAvps.userData, Buffer.alloc(1024 * 1024))])).toThrow('1 MiB');
    expect(roundTrip(avp(cxAvps.uarFlags, 1)).octets.length).toBe(36);
  });
});
