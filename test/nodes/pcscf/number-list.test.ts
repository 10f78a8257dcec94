import { describe, expect, it } from 'vitest';
import { callsEmergencyNumber } from '#nodes/pcscf/emergency-numbers';
import { NumberList } from '#nodes/pcscf/number-list';
import type { PcscfConfig } from '#service/config/pcscf-config';
import { parseUri } from '#sip/uri/uri';

const list = new NumberList(['112', '911', '+15550911', '*55#']);
const find = (uri: string) => list.find(parseUri(uri), 'ims.test');

describe('the list of emergency numbers', () => {
  it.each([
    ['P-130 finds a local tel number, whatever its context', 'tel:112;phone-context=ims.test', '112'],
    ['P-130 finds it through visual separators', 'tel:1-1.2;phone-context=+1', '112'],
    ['P-130 finds a global one', 'tel:+1-555-0911', '+15550911'],
    ['P-130 finds the user part of a SIP URI of the home domain', 'sip:911@ims.test', '911'],
    ['P-130 finds it before the context in the user part', 'sip:112;phone-context=ims.test@ims.test;user=phone', '112'],
    ['P-130 finds a number in another domain that is said to be one', 'sip:112@elsewhere.test;user=phone', '112'],
    ['P-130 finds a dial string', 'sip:112;phone-context=a.test@elsewhere.test;user=dialstring', '112'],
    ['P-130 finds what is dialled with star and hash', 'sip:*55%23@ims.test', '*55#'],
    ['P-130 does not take the user of another domain for a number', 'sip:112@elsewhere.test', ''],
    ['P-130 does not take a longer number for one', 'tel:1123;phone-context=ims.test', ''],
    ['P-130 does not take a name for one', 'sip:alice@ims.test', ''],
    ['P-130 does not take a service for one', 'urn:service:sos', ''],
    ['P-130 does not look at a number without end', `tel:${'1-'.repeat(200)}12;phone-context=ims.test`, ''],
  ])('%s', (_title, uri, number) => {
    expect(find(uri)).toBe(number);
  });

  it('P-130 finds nothing in a URI that cannot be read, and nothing when it is empty', () => {
    expect(find('tel:')).toBe('');
    expect(new NumberList([]).find(parseUri('tel:112'), 'ims.test')).toBe('');
    expect(new NumberList([]).isEmpty).toBe(true);
    expect(list.isEmpty).toBe(false);
  });
});

describe('the text of a request', () => {
  const isCall = (uri: string, method = 'INVITE', numbers: readonly string[] = ['112', '*55#']) =>
    callsEmergencyNumber({ emergency: { numbers }, homeDomain: 'ims.test' } as unknown as PcscfConfig)(
      `${method} ${uri} SIP/2.0\r\nVia: x\r\n\r\n`,
    );

  it.each([
    ['sip:112@ims.test', true],
    ['sip:1-12@elsewhere.test;user=phone', true],
    ['tel:(1)12;phone-context=+1', true],
    ['SIP:*55%23@ims.test', true],
    ['sip:112@elsewhere.test', false],
    ['sip:1123@ims.test', false],
    ['sip:bob@ims.test', false],
    ['sip:%zz@ims.test', false],
    ['112', false],
    [`tel:1${'-'.repeat(70)}12`, false],
  ])('P-130 P-143 tells whether it is an INVITE to an emergency number: %s %s', (uri, is) => {
    expect(isCall(uri)).toBe(is);
  });

  it('P-143 is no such call with another method, without numbers, and cut off', () => {
    expect([isCall('sip:112@ims.test', 'MESSAGE'), isCall('sip:112@ims.test', 'INVITE', [])]).toEqual([false, false]);
    const calls = callsEmergencyNumber({ emergency: { numbers: ['112'] }, homeDomain: 'x' } as unknown as PcscfConfig);
    for (const text of ['INVITE tel:112', 'INVITE ', 'INVITE sip:', 'INVITE']) expect(calls(text)).toBe(false);
  });
});
