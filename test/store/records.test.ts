import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openRecord, RecordReader, RecordWriter } from '#store/records';

const TYPE = 7;

function reader(octets: Buffer, newest = 3): RecordReader {
  const opened = openRecord(octets, TYPE, newest);
  if (!(opened instanceof RecordReader)) throw new Error(opened.reason);
  return opened;
}

describe('record encoding', () => {
  it('gives back what was written', () => {
    const contacts = [
      { uri: 'sip:a@1.2.3.4', q: 1000 },
      { uri: '', q: 0 },
    ];
    const octets = new RecordWriter(TYPE, 2)
      .string('sip:\u00ff\u00e9@ims.test')
      .number(0)
      .number(127)
      .number(128)
      .number(2 ** 31)
      .number(1_793_000_000_123)
      .number(Number.MAX_SAFE_INTEGER)
      .flag(true)
      .flag(false)
      .bytes(Buffer.from([0, 255, 128]))
      .strings(['a', '', 'c'])
      .list(contacts, (writer, contact) => writer.string(contact.uri).number(contact.q))
      .finish();
    expect(octets[0]).toBe(TYPE);
    expect(octets[1]).toBe(2);
    const read = reader(octets);
    expect(read.version).toBe(2);
    expect(read.string()).toBe('sip:\u00ff\u00e9@ims.test');
    expect([read.number(), read.number(), read.number(), read.number()]).toEqual([0, 127, 128, 2 ** 31]);
    expect(read.number()).toBe(1_793_000_000_123);
    expect(read.number()).toBe(Number.MAX_SAFE_INTEGER);
    expect([read.flag(), read.flag()]).toEqual([true, false]);
    expect(read.bytes()).toEqual(Buffer.from([0, 255, 128]));
    expect(read.strings()).toEqual(['a', '', 'c']);
    expect(read.list((r) => ({ uri: r.string(), q: r.number() }))).toEqual(contacts);
    expect(read.damaged).toBe(false);
  });

  it('gives back any numbers, strings and lists', () => {
    const latin1 = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
    fc.assert(
      fc.property(fc.maxSafeNat(), latin1, fc.array(latin1, { maxLength: 20 }), (number, string, strings) => {
        const read = reader(new RecordWriter(TYPE, 1).number(number).string(string).strings(strings).finish());
        expect([read.number(), read.string(), read.strings(), read.damaged]).toEqual([number, string, strings, false]);
      }),
    );
  });

  it('X-R15 reads fields an older version did not have as empty', () => {
    const read = reader(new RecordWriter(TYPE, 1).string('old').finish());
    expect(read.string()).toBe('old');
    expect([read.number(), read.string(), read.flag(), read.strings(), read.bytes().length]).toEqual([
      0,
      '',
      false,
      [],
      0,
    ]);
    expect(read.damaged).toBe(false);
  });

  it('X-R15 refuses a newer version, another type and what is no record, with the reason', () => {
    expect(openRecord(new RecordWriter(TYPE, 4).finish(), TYPE, 3)).toEqual({
      value: null,
      reason: 'record version 4 is newer than 3',
    });
    expect(openRecord(new RecordWriter(8, 1).finish(), TYPE, 3)).toEqual({
      value: null,
      reason: 'record type is 8, not 7',
    });
    expect(openRecord(Buffer.alloc(1), TYPE, 3)).toEqual({ value: null, reason: 'record is too short' });
  });

  it('never throws on damaged octets, and says that they are', () => {
    const whole = new RecordWriter(TYPE, 1).string('abcdef').strings(['x', 'yy']).number(300).finish();
    for (let end = 3; end < whole.length; end++) {
      const read = reader(Buffer.from(whole.subarray(0, end)));
      read.string();
      read.strings();
      read.number();
    }
    const cut = reader(Buffer.from(whole.subarray(0, 5)));
    expect(cut.string()).toBe('');
    expect(cut.damaged).toBe(true);
    expect(cut.number()).toBe(0);
    const endless = reader(Buffer.concat([Buffer.from([TYPE, 1]), Buffer.alloc(50, 0xff)]));
    expect(endless.number()).toBe(0);
    expect(endless.damaged).toBe(true);
    const manyItems = reader(Buffer.from([TYPE, 1, 0xff, 0xff, 0xff, 0x7f]));
    expect(manyItems.strings()).toEqual([]);
    expect(manyItems.damaged).toBe(true);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const read = reader(Buffer.concat([Buffer.from([TYPE, 1]), bytes]));
        read.list((r) => [r.number(), r.string(), r.strings(), r.bytes()]);
        read.flag();
      }),
    );
  });

  it('refuses numbers it cannot hold', () => {
    for (const number of [-1, 1.5, Number.NaN, 2 ** 53])
      expect(() => new RecordWriter(TYPE, 1).number(number)).toThrow(RangeError);
    expect(() => new RecordWriter(256, 1)).toThrow(RangeError);
  });
});
