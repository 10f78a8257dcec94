import { describe, expect, it } from 'vitest';
import { type CalledNumber, calledNumberOf, globalised, phoneUriOf, telUriOf } from '#ims/called-number';
import { type DialRule, internationalNumber } from '#ims/dial-plan';
import { ParseFailure } from '#sip/errors';
import { parseUri } from '#sip/uri/uri';

const rule = (prefix: string, replace: string, more: Partial<DialRule> = {}): DialRule => {
  return { context: '', prefix, replace, length: 0, ...more };
};

describe('the dial plan', () => {
  const rules = [
    rule('00', '+'),
    rule('0', '+49'),
    rule('', '+4930'),
    rule('', '+49305550', { length: 3 }),
    rule('0', '+44', { context: 'uk.test' }),
    rule('', '+1555', { context: '+1555', length: 4 }),
    rule('*', '+', {}),
  ];

  it.each([
    ['001555', '', '+1555'],
    ['0301234', '', '+49301234'],
    ['1234', '', '+49301234'],
    ['123', '', '+49305550123'],
    ['020', 'uk.test', '+4420'],
    ['1234', '+1555', '+15551234'],
    ['123', '+1555', null],
    ['020', 'else.test', null],
    ['1234567890123456', '', null],
    ['*12a', '', null],
    ['00', '', null],
  ])('S-113 I-21 makes of %s in "%s" %s', (number, context, result) => {
    expect(internationalNumber(rules, number, context)).toBe(result);
  });
});

const numberOf = (text: string): CalledNumber | null => {
  const uri = parseUri(text);
  if (uri instanceof ParseFailure) throw new Error(`${text}: ${uri.reason}`);
  return calledNumberOf(uri, 'ims.test');
};

describe('the number that a Request-URI names', () => {
  it.each([
    ['tel:+1-555(0002)', '+15550002', true, '', '', false],
    ['tel:+15550002;phone-context=ims.test', '+15550002', true, '', '', false],
    ['tel:+15550002;npdi;rn=+15551000', '+15550002', true, '', ';npdi;rn=+15551000', true],
    ['tel:+15550002;rn=1000;rn-context=+1', '+15550002', true, '', ';rn=1000;rn-context=+1', true],
    ['tel:0002;phone-context=IMS.test', '0002', false, '', '', false],
    ['tel:0002;phone-context=other.test;isub=1', '0002', false, 'other.test', ';isub=1', false],
    ['tel:0002;phone-context=+1-555', '0002', false, '+1555', '', false],
    ['tel:*21%23', null, false, '', '', false],
    ['tel:*21#', '*21#', false, '', '', false],
    ['sip:+1-555-0002@ims.test;user=phone', '+15550002', true, '', '', false],
    ['sip:0002;phone-context=ims.test@ims.test;user=PHONE', '0002', false, '', '', false],
    ['sip:+15550002;npdi@ims.test;user=phone', '+15550002', true, '', ';npdi', true],
    ['sip:+15550002@ims.test', null, false, '', '', false],
    ['sip:+15550002@other.test;user=phone', null, false, '', '', false],
    ['sip:bob@ims.test;user=phone', null, false, '', '', false],
    ['sip:++1@ims.test;user=phone', null, false, '', '', false],
    ['tel:+1234567890123456', null, false, '', '', false],
    ['urn:service:sos', null, false, '', '', false],
  ])('S-113 reads %s', (text, number, isGlobal, context, parameters, isDipped) => {
    const uri = parseUri(text);
    const called = uri instanceof ParseFailure ? null : calledNumberOf(uri, 'ims.test');
    expect(called).toEqual(number === null ? null : { number, isGlobal, context, parameters, isDipped });
  });

  it('S-113 RFC 4694 writes its parameters wherever the number goes', () => {
    const called = numberOf('tel:+1-555-0002;npdi;rn=+15551000')!;
    expect(telUriOf(called)).toBe('tel:+15550002;npdi;rn=+15551000');
    const text = phoneUriOf(called, 'ims.test');
    expect(text).toBe('sip:+15550002;npdi;rn=+15551000@ims.test;user=phone');
    expect(numberOf(text)).toEqual(called);
  });

  it('S-113 escapes what a user part may not hold, and reads it again', () => {
    const called = numberOf('tel:21#;ext=1;a=[x]:y')!;
    const text = phoneUriOf(called, 'ims.test');
    expect(text).toBe('sip:21%23;ext=1;a=%5Bx%5D%3Ay@ims.test;user=phone');
    expect(numberOf(text)).toEqual(called);
  });

  it('S-113 a local number becomes international by the plan and keeps its parameters', () => {
    const called = numberOf('tel:0002;phone-context=ims.test;isub=7')!;
    expect(telUriOf(globalised(called, [rule('', '+1555')])!)).toBe('tel:+15550002;isub=7');
    expect(globalised(called, [])).toBe(null);
  });
});
