import { describe, expect, it } from 'vitest';
import type { Flow } from '#sip/transport/flow';
import { isShed, overloadRefusal, shedOrder, shedOrderOf } from '#workers/overload';

const request = (start: string, to = '<sip:b@x>', extra = '') =>
  `${start} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: ${to}\r\nCall-ID: c\r\nCSeq: 1 ${start.split(' ')[0]}\r\n${extra}\r\n`;
const flow: Flow = { listener: 3, transport: 'udp', address: '192.0.2.1', port: 6000, connection: 0 };

describe('overload', () => {
  it.each([
    ['OPTIONS', request('OPTIONS sip:x'), shedOrder.options],
    ['a line that is no request', 'garbage', shedOrder.options],
    ['INVITE', request('INVITE sip:b@x'), shedOrder.initial],
    ['INVITE with a tag in the address only', request('INVITE sip:b@x', '<sip:b@x;tag=1>'), shedOrder.initial],
    ['INVITE with a tag in the display name only', request('INVITE sip:b@x', '";tag=1" <sip:b@x>'), shedOrder.initial],
    ['MESSAGE', request('MESSAGE sip:b@x'), shedOrder.initial],
    ['SUBSCRIBE', request('SUBSCRIBE sip:b@x'), shedOrder.initial],
    ['REGISTER', request('REGISTER sip:x'), shedOrder.register],
    ['emergency REGISTER', request('REGISTER sip:x', '<sip:b@x>', 'Contact: <sip:b@1.2.3.4;SOS>\r\n'), shedOrder.never],
    ['emergency INVITE', request('INVITE URN:service:sos.police'), shedOrder.never],
    ['re-INVITE', request('INVITE sip:b@x', '<sip:b@x>;tag=2'), shedOrder.never],
    [
      're-INVITE, compact and folded',
      request('INVITE sip:b@x').replace('To: <sip:b@x>', 't : <sip:b@x>\r\n ;TAG=2'),
      shedOrder.never,
    ],
    ['re-SUBSCRIBE', request('SUBSCRIBE sip:b@x', 'sip:b@x;tag=2'), shedOrder.never],
    ['BYE', request('BYE sip:b@x', '<sip:b@x>;tag=2'), shedOrder.never],
    ['ACK', request('ACK sip:b@x'), shedOrder.never],
    ['CANCEL', request('CANCEL sip:b@x'), shedOrder.never],
    ['a response', request('SIP/2.0 200 OK').replace(' SIP/2.0\r\n', '\r\n'), shedOrder.never],
  ])('P-143 knows where %s stands', (_name, text, order) => {
    expect(shedOrderOf(text)).toBe(order);
  });

  it('sheds OPTIONS first, then what is new, REGISTER last, the rest never', () => {
    const shedAt = (fill: number) => [0, 1, 2, 3].filter((order) => isShed(order, fill));
    expect(shedAt(0.4)).toEqual([]);
    expect(shedAt(0.6)).toEqual([0]);
    expect(shedAt(0.8)).toEqual([0, 1]);
    expect(shedAt(0.95)).toEqual([0, 1, 2]);
    expect(shedAt(50)).toEqual([0, 1, 2]);
  });

  it('P-143 answers 503 with Retry-After, by the rules of C-12', () => {
    const refusal = overloadRefusal(request('INVITE sip:b@x'), flow);
    expect(refusal?.text).toMatch(
      /^SIP\/2.0 503 Service Unavailable\r\nVia: SIP\/2.0\/UDP 10.0.0.1:5070;branch=z9hG4bK1;received=192.0.2.1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=\w+\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nRetry-After: [1-6]\d\r\nContent-Length: 0\r\n\r\n$/,
    );
    expect(refusal?.target).toEqual({ ...flow, port: 5070 });
  });
});
