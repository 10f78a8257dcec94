import { describe, expect, it } from 'vitest';
import { readDeliver, writeDeliver } from '#lab/as/sms/deliver';
import { septetsOfText, textOfSeptets } from '#lab/as/sms/gsm-alphabet';
import { OctetReader } from '#lab/as/sms/octet-reader';
import { deliveryStatus, writeStatusReport, writeSubmitReport } from '#lab/as/sms/reports';
import { type RpMessage, readRpMessage, writeRpMessage } from '#lab/as/sms/rp-message';
import { packSeptets, unpackSeptets } from '#lab/as/sms/septet-packing';
import { readRpAddress, readTpAddress, rpAddress, tpAddress } from '#lab/as/sms/sms-address';
import { readSubmit, type Submit, smsCommand, writeSubmit } from '#lab/as/sms/submit';
import { readTimeStamp, timeStamp } from '#lab/as/sms/time-stamp';
import { alphabetOf, textOfUserData, userDataOfText } from '#lab/as/sms/user-data';
import { ParseFailure } from '#sip/errors';

const octets = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex').toUpperCase();
const nowMs = Date.UTC(2026, 10, 22);

/** An SMS-SUBMIT to +46708251358, four days valid, "hellohello". */
const submitVector = octets('11 00 0B 91 6407281553F8 00 00 AA 0A E8329BFD4697D9EC37');
/** An SMS-DELIVER from +27838890001 with "hellohello", 1999-03-29 15:16:59 at GMT+2. */
const deliverVector = octets('04 0B 91 7238880900F1 00 00 99309251619580 0A E8329BFD4697D9EC37');

describe('TS 23.038: the default alphabet', () => {
  it.each([
    ['hellohello', 'E8329BFD4697D9EC37'],
    ['', ''],
    ['A', '41'],
    ['@', '00'],
    ['1234567', '31D98C56B3DD00'],
    ['12345678', '31D98C56B3DD70'],
    ['€', '9B32'],
  ])('packs %j as %s and unpacks it', (text, packed) => {
    const septets = septetsOfText(text)!;
    expect(hex(packSeptets(septets))).toBe(packed);
    expect(textOfSeptets(unpackSeptets(octets(packed), septets.length))).toBe(text);
  });

  it('brings every character there and back', () => {
    const all = Array.from({ length: 128 }, (_, code) => code).filter((code) => code !== 0x1b);
    const text = textOfSeptets(Uint8Array.from(all));
    expect([...text]).toHaveLength(127);
    expect(new Set(text).size).toBe(127);
    expect([...septetsOfText(text)!]).toEqual(all);
    expect(textOfSeptets(septetsOfText('[{~^|}]\\€\f')!)).toBe('[{~^|}]\\€\f');
  });

  it('has no letters of other scripts', () => {
    expect(septetsOfText('日本')).toBeNull();
    expect(septetsOfText('\x1b')).toBeNull();
  });

  it('reads escapes that lead nowhere', () => {
    expect(textOfSeptets(Uint8Array.of(0x1b, 0x61))).toBe('a');
    expect(textOfSeptets(Uint8Array.of(0x61, 0x1b))).toBe('a ');
  });
});

describe('TS 23.040: addresses and times', () => {
  const tp = (bytes: Uint8Array) => readTpAddress(new OctetReader(bytes));
  const rp = (bytes: Uint8Array) => readRpAddress(new OctetReader(bytes));

  it.each([
    ['+46708251358', '0B916407281553F8'],
    ['15550001', '088151550010'],
    ['*100#', '0581 1A00FB'.replace(' ', '')],
    ['INFO', '07D049A7F109'],
  ])('%s in a TPDU is %s', (address, bytes) => {
    expect(hex(tpAddress(address))).toBe(bytes);
    expect(tp(octets(bytes))).toBe(address);
  });

  it.each([
    ['+46708251358', '07916407281553F8'],
    ['+4670825135', '06916407281553'],
    ['', '00'],
  ])('%s in an RP message is %s', (address, bytes) => {
    expect(hex(rpAddress(address))).toBe(bytes);
    expect(rp(octets(bytes))).toBe(address);
  });

  it('cuts what is too long, and refuses what is broken', () => {
    expect(tp(tpAddress('a very long name'))).toBe('a very long');
    expect(tp(tpAddress('日本'))).toBe('??');
    for (const bytes of ['', '0B', '0B91', '0B916407', '1591640728155364072815536407', '0491F1F1']) {
      expect(tp(octets(bytes))).toBeInstanceOf(ParseFailure);
    }
    for (const bytes of ['', '03 91 12', '0C91640728155364072815536407']) {
      expect(rp(octets(bytes))).toBeInstanceOf(ParseFailure);
    }
  });

  it('writes time stamps in UTC and reads them in any zone', () => {
    expect(hex(timeStamp(Date.UTC(2026, 10, 22, 13, 5, 9)))).toBe('62112231509000');
    expect(readTimeStamp(octets('99309251619580'))).toBe(Date.UTC(1999, 2, 29, 13, 16, 59));
    // Eight quarters west of Greenwich.
    expect(readTimeStamp(octets('99309251619588'))).toBe(Date.UTC(1999, 2, 29, 17, 16, 59));
    expect(readTimeStamp(octets('99319251619580'))).toBeInstanceOf(ParseFailure);
    expect(readTimeStamp(octets('993092'))).toBeInstanceOf(ParseFailure);
  });
});

describe('TS 23.040: TPDUs', () => {
  it('reads an SMS-SUBMIT', () => {
    const submit = readSubmit(submitVector, nowMs) as Submit;
    expect(submit).toMatchObject({
      reference: 0,
      destination: '+46708251358',
      protocol: 0,
      statusReport: false,
      validitySeconds: 4 * 86_400,
    });
    expect(textOfUserData(submit.userData)).toBe('hellohello');
    expect(hex(writeSubmit(submit))).toBe(hex(submitVector));
  });

  it('reads an SMS-DELIVER', () => {
    const deliver = readDeliver(deliverVector);
    if (deliver instanceof ParseFailure) throw new Error(deliver.reason);
    expect(deliver).toMatchObject({ originator: '+27838890001', atMs: Date.UTC(1999, 2, 29, 13, 16, 59) });
    expect(textOfUserData(deliver.userData)).toBe('hellohello');
    expect(readDeliver(writeDeliver(deliver))).toEqual(deliver);
  });

  it.each([
    // Five minutes, twelve hours and a half, two days, five weeks.
    ['00', 300],
    ['90', 12 * 3600 + 1800],
    ['A8', 2 * 86_400],
    ['C5', 5 * 7 * 86_400],
    ['FF', 63 * 7 * 86_400],
  ])('takes validity %s for %i s', (value, validitySeconds) => {
    const tpdu = octets(`11 00 0B 91 6407281553F8 00 00 ${value} 01 41`);
    expect(readSubmit(tpdu, nowMs)).toMatchObject({ validitySeconds });
    expect(hex(writeSubmit(readSubmit(tpdu, nowMs) as Submit))).toBe(hex(tpdu));
  });

  it('knows absolute, enhanced and absent validity', () => {
    const rest = '00 0B 91 6407281553F8 00 00';
    const until = hex(timeStamp(nowMs + 90_000));
    expect(readSubmit(octets(`19 ${rest} ${until} 01 41`), nowMs)).toMatchObject({ validitySeconds: 90 });
    expect(readSubmit(octets(`09 ${rest} 01020304050607 01 41`), nowMs)).toMatchObject({ validitySeconds: null });
    expect(readSubmit(octets(`01 ${rest} 01 41`), nowMs)).toMatchObject({ validitySeconds: null });
  });

  it('reads UCS2, and the text behind a header', () => {
    const ucs2 = userDataOfText('日本 ok')!;
    expect(ucs2).toMatchObject({ coding: 8, length: 10 });
    expect(textOfUserData(ucs2)).toBe('日本 ok');
    // A part of a long message: header of 6 octets, 7 septets with one fill bit, then "hi".
    const part = octets('050003CC0201D069');
    const data = { coding: 0, hasHeader: true, length: 9, octets: part };
    expect(textOfUserData(data)).toBe('hi');
    expect(textOfUserData({ coding: 4, hasHeader: false, length: 2, octets: octets('CAFE') })).toBe('cafe');
    expect(userDataOfText('x'.repeat(161))).toBeNull();
    expect(userDataOfText('x'.repeat(160))).not.toBeNull();
  });

  it.each([
    [0x00, 'gsm7'],
    [0x04, 'octets'],
    [0x08, 'ucs2'],
    [0x18, 'ucs2'],
    [0x20, 'octets'],
    [0xc8, 'gsm7'],
    [0xe0, 'ucs2'],
    [0xf1, 'gsm7'],
    [0xf5, 'octets'],
  ])('coding %i is %s', (coding, alphabet) => expect(alphabetOf(coding)).toBe(alphabet));

  it('writes reports', () => {
    const atMs = Date.UTC(2026, 10, 22, 13, 5, 9);
    expect(hex(writeSubmitReport(atMs))).toBe('010062112231509000');
    const status = deliveryStatus.received;
    const report = { reference: 7, recipient: '+15550002', submittedMs: atMs, doneMs: atMs + 1000, status };
    expect(hex(writeStatusReport(report))).toBe('0607089151550020621122315090006211223150010000');
  });

  it('refuses every SMS-SUBMIT that is cut off, and what is none', () => {
    for (let length = 0; length < submitVector.length; length++) {
      expect(readSubmit(submitVector.subarray(0, length), nowMs)).toBeInstanceOf(ParseFailure);
    }
    for (let length = 0; length < deliverVector.length; length++) {
      expect(readDeliver(deliverVector.subarray(0, length))).toBeInstanceOf(ParseFailure);
    }
    expect(readSubmit(octets('02 00'), nowMs)).toBe(smsCommand);
    expect(readSubmit(deliverVector, nowMs)).toBeInstanceOf(ParseFailure);
    expect(readDeliver(submitVector)).toBeInstanceOf(ParseFailure);
    // More user data than a short message has; a header longer than the user data.
    expect(readSubmit(octets(`01 00 0191F1 00 04 8D ${'00'.repeat(141)}`), nowMs)).toBeInstanceOf(ParseFailure);
    expect(readSubmit(octets('41 00 0191F1 00 04 02 0500'), nowMs)).toBeInstanceOf(ParseFailure);
  });
});

describe('TS 24.011: RP messages', () => {
  const userData = submitVector;
  const messages: [string, RpMessage, string][] = [
    [
      'RP-DATA of a phone',
      { kind: 'data', direction: 'to-network', reference: 1, originator: '', destination: '+15559999', userData },
      `00 01 00 05 91 51559999 17 ${hex(userData)}`,
    ],
    [
      'RP-DATA to a phone',
      { kind: 'data', direction: 'to-phone', reference: 255, originator: '+15559999', destination: '', userData },
      `01 FF 05 91 51559999 00 17 ${hex(userData)}`,
    ],
    [
      'RP-ACK of a phone',
      { kind: 'ack', direction: 'to-network', reference: 2, userData: octets('0000') },
      '02 02 41 02 0000',
    ],
    ['RP-ACK to a phone', { kind: 'ack', direction: 'to-phone', reference: 2, userData: null }, '03 02'],
    [
      'RP-ERROR of a phone',
      { kind: 'error', direction: 'to-network', reference: 3, cause: 22, userData: null },
      '04 03 01 16',
    ],
    [
      'RP-ERROR to a phone',
      { kind: 'error', direction: 'to-phone', reference: 3, cause: 95, userData: octets('0100') },
      '05 03 01 5F 41 02 0100',
    ],
    ['RP-SMMA', { kind: 'memory-available', direction: 'to-network', reference: 9 }, '06 09'],
  ];

  it.each(messages)('writes and reads %s', (_name, message, bytes) => {
    expect(hex(writeRpMessage(message))).toBe(bytes.replaceAll(' ', ''));
    expect(readRpMessage(octets(bytes))).toEqual(message);
  });

  it('refuses what is cut off or of no type', () => {
    const whole = octets(messages[0]![2]);
    for (let length = 0; length < whole.length; length++) {
      expect(readRpMessage(whole.subarray(0, length))).toBeInstanceOf(ParseFailure);
    }
    for (const bytes of ['07 01', '04 01', '04 01 00', '02 01 41 05 00', `00 01 00 00 FF ${'00'.repeat(255)}`]) {
      expect(readRpMessage(octets(bytes))).toBeInstanceOf(ParseFailure);
    }
    // An element that we do not know is passed over.
    expect(readRpMessage(octets('03 01 42 01 00'))).toMatchObject({ kind: 'ack', userData: null });
  });
});
