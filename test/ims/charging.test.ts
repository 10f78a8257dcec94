import { describe, expect, it } from 'vitest';
import {
  formatChargingFunctionAddresses,
  formatChargingVector,
  newIcid,
  parseChargingFunctionAddresses,
  parseChargingVector,
} from '#ims/charging';
import { ParseFailure } from '#sip/errors';

describe('charging headers', () => {
  it('S-112 reads and writes P-Charging-Vector with all it does not know', () => {
    const text =
      'icid-value="AyretyU0dm+6O2IrT5tAFrbHLso=023551024"; icid-generated-at=192.0.6.8;ORIG-IOI="home1.net"; term-ioi=home2.net;transit-ioi="a.1,b.2";x-flag;related-icid=r';
    const vector = parseChargingVector(text);
    expect(vector).toEqual({
      icid: 'AyretyU0dm+6O2IrT5tAFrbHLso=023551024',
      icidGeneratedAt: '192.0.6.8',
      origIoi: 'home1.net',
      termIoi: 'home2.net',
      others: [
        { name: 'transit-ioi', value: '"a.1,b.2"' },
        { name: 'x-flag', value: null },
        { name: 'related-icid', value: 'r' },
      ],
    });
    if (vector instanceof ParseFailure) throw new Error(vector.reason);
    expect(formatChargingVector(vector)).toBe(
      'icid-value="AyretyU0dm+6O2IrT5tAFrbHLso=023551024";icid-generated-at=192.0.6.8;orig-ioi=home1.net;term-ioi=home2.net;transit-ioi="a.1,b.2";x-flag;related-icid=r',
    );
    expect(formatChargingVector({ icid: 'x', icidGeneratedAt: '', origIoi: '', termIoi: '', others: [] })).toBe(
      'icid-value=x',
    );
  });

  it.each([
    '',
    ';',
    'orig-ioi=x',
    'icid-value',
    'icid-value=',
    'icid-value=""',
    'icid-value="x',
    'icid-value=a b',
    'icid-value=x;;',
    `icid-value=x${';a'.repeat(200)}`,
    '__proto__=x',
  ])('S-112 refuses the P-Charging-Vector %j', (text) => {
    expect(parseChargingVector(text)).toBeInstanceOf(ParseFailure);
  });

  it('X-S7 lets no line end out of a value', () => {
    const text = formatChargingVector({ icid: 'a\r\nb: c', icidGeneratedAt: '', origIoi: '', termIoi: '', others: [] });
    expect(text).not.toMatch(/[\r\n]/);
  });

  it('S-27 reads and writes P-Charging-Function-Addresses', () => {
    const addresses = parseChargingFunctionAddresses('ccf=[5555::1]; CCF="aaa://c2.ims.test";ecf=pcrf;x=1');
    expect(addresses).toEqual({
      ccf: ['[5555::1]', 'aaa://c2.ims.test'],
      ecf: ['pcrf'],
      others: [{ name: 'x', value: '1' }],
    });
    if (addresses instanceof ParseFailure) throw new Error(addresses.reason);
    expect(formatChargingFunctionAddresses(addresses)).toBe('ccf="[5555::1]";ccf="aaa://c2.ims.test";ecf=pcrf;x=1');
    expect(formatChargingFunctionAddresses({ ccf: [], ecf: [], others: [] })).toBe('');
    expect(parseChargingFunctionAddresses('ccf="')).toBeInstanceOf(ParseFailure);
  });

  it('P-51 makes identifiers that never repeat and are tokens', () => {
    const made = new Set(Array.from({ length: 10_000 }, newIcid));
    expect(made.size).toBe(10_000);
    for (const icid of made)
      expect(formatChargingVector({ icid, icidGeneratedAt: '', origIoi: '', termIoi: '', others: [] })).toBe(
        `icid-value=${icid}`,
      );
  });
});
