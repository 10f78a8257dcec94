import { describe, expect, it } from 'vitest';
import type { Flow } from '#sip/transport/flow';
import { HeadScan } from '#workers/head-scan';
import {
  delayLimits,
  isAckOfRefusal,
  isEmergencyRequest,
  isShed,
  overloadRefusal,
  refusalMark,
  type Standing,
  shedOrder,
  shedOrderOf,
  standingOrder,
} from '#workers/overload';

const request = (start: string, to = '<sip:b@x>', extra = '') =>
  `${start} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: ${to}\r\nCall-ID: c\r\nCSeq: 1 ${start.split(' ')[0]}\r\n${extra}\r\n`;
const flow: Flow = { listener: 3, transport: 'udp', address: '192.0.2.1', port: 6000, connection: 0 };
const mark = refusalMark(77);
const vias = (count: number) => 'Via: SIP/2.0/UDP other;branch=z9hG4bKo\r\n'.repeat(count - 1);

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
    [
      'emergency REGISTER, compact',
      request('REGISTER sip:x', '<sip:b@x>', 'm:<sip:b@1.2.3.4;sos>\r\n'),
      shedOrder.never,
    ],
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
  ])('P-143 S-133 knows where %s stands', (_name, text, order) => {
    expect(shedOrderOf(text)).toBe(order);
  });

  const challenged = 'Authorization: Digest username="a", response="0123"\r\n';
  const empty = 'Authorization: Digest username="a", nonce="", response=""\r\n';
  it.each<[string, Standing, boolean, string, number]>([
    ['INVITE of a registered UE', 'known', false, request('INVITE sip:b@x'), shedOrder.initial],
    ['INVITE of a stranger', 'stranger', false, request('INVITE sip:b@x'), shedOrder.stranger],
    [
      'INVITE of a stranger with many Vias',
      'stranger',
      false,
      request('INVITE sip:b@x', 'b', vias(9)),
      shedOrder.stranger,
    ],
    ['OPTIONS of a stranger', 'stranger', false, request('OPTIONS sip:b@x'), shedOrder.options],
    ['REGISTER of a stranger', 'stranger', false, request('REGISTER sip:x'), shedOrder.newcomer],
    [
      'REGISTER of a stranger without an answer',
      'stranger',
      true,
      request('REGISTER sip:x', 'b', empty),
      shedOrder.newcomer,
    ],
    [
      'answer of a stranger to no challenge',
      'stranger',
      false,
      request('REGISTER sip:x', 'b', challenged),
      shedOrder.newcomer,
    ],
    [
      'answer of a stranger to a challenge',
      'stranger',
      true,
      request('REGISTER sip:x', 'b', challenged),
      shedOrder.register,
    ],
    ['REGISTER of a registered UE', 'known', false, request('REGISTER sip:x'), shedOrder.register],
    ['INVITE of a neighbour', 'core', false, request('INVITE sip:b@x'), shedOrder.initial],
    ['INVITE that one node has handled', 'core', false, request('INVITE sip:b@x', 'b', vias(2)), shedOrder.onward],
    [
      'INVITE that three nodes have handled',
      'core',
      false,
      request('INVITE sip:b@x', 'b', vias(4)),
      shedOrder.arriving,
    ],
    ['REGISTER from the core', 'core', false, request('REGISTER sip:x', 'b', vias(2)), shedOrder.register],
  ])('P-143 X-F1 puts %s by who sent it', (_name, standing, isChallenged, text, order) => {
    const scan = new HeadScan();
    expect(standingOrder(shedOrderOf(text, scan), standing, isChallenged, scan)).toBe(order);
  });

  it('S-133 sheds OPTIONS first, then strangers, then what is new, REGISTER after that, the rest never', () => {
    const { options, stranger, initial, register, never } = shedOrder;
    const order = [options, stranger, initial, register, never];
    expect([...order].sort((a, b) => a - b)).toEqual(order);
    const limits = delayLimits(100);
    const inOrder = order.map((each) => limits[each]!);
    expect([...inOrder].sort((a, b) => a - b)).toEqual(inOrder);
    expect([limits[initial], limits[shedOrder.newcomer], limits[never]]).toEqual([100, 150, Number.POSITIVE_INFINITY]);
    const shedAt = (fill: number) => order.filter((each) => isShed(each, fill));
    expect(shedAt(0.4)).toEqual([]);
    expect(shedAt(0.55)).toEqual([options]);
    expect(shedAt(0.78)).toEqual([options, stranger, initial]);
    expect(shedAt(50)).toEqual([options, stranger, initial, register]);
  });

  it('C-35 knows an emergency by its Request-URI or the contact of its REGISTER', () => {
    expect(isEmergencyRequest(request('INVITE urn:service:sos.fire'))).toBe(true);
    expect(isEmergencyRequest(request('REGISTER sip:x', 'b', 'Contact: <sip:b@h;sos>\r\n'))).toBe(true);
    expect(isEmergencyRequest(request('INVITE sip:sos@x'))).toBe(false);
    expect(isEmergencyRequest('SIP/2.0 200 OK\r\n\r\n')).toBe(false);
  });
});

describe('a refusal', () => {
  it('P-143 says 503 with Retry-After, by the rules of C-12', () => {
    const refusal = overloadRefusal(request('INVITE sip:b@x'), flow, mark);
    expect(refusal?.text).toMatch(
      /^SIP\/2.0 503 Service Unavailable\r\nVia: SIP\/2.0\/UDP 10.0.0.1:5070;branch=z9hG4bK1;received=192.0.2.1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=[\w-]+\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nRetry-After: [1-6]\d\r\nWarning: 399 cscf "overload: this node is overloaded"\r\nContent-Length: 0\r\n\r\n$/,
    );
    expect(refusal?.target).toEqual({ ...flow, port: 5070 });
    const toUe = overloadRefusal(request('INVITE sip:b@x'), flow, mark, true);
    expect(toUe?.target).toEqual(flow);
  });

  it.each([
    ['several Vias', request('INVITE sip:b@x', '<sip:b@x>', vias(3))],
    ['Vias in one line', request('INVITE sip:b@x').replace('z9hG4bK1', 'z9hG4bK1, SIP/2.0/UDP h2;branch=z9hG4bK2')],
    ['folded fields', request('INVITE sip:b@x').replace('Call-ID: c', 'Call-ID:\r\n c')],
    [
      'compact names',
      request('INVITE sip:b@x').replace('Via', 'v').replace('From', 'f').replace('To', 't').replace('Call-ID', 'i'),
    ],
    ['bare line feeds', request('INVITE sip:b@x').replaceAll('\r\n', '\n')],
    ['rport', request('INVITE sip:b@x').replace('z9hG4bK1', 'z9hG4bK1;rport')],
  ])('P-143 C-12 answers a request with %s', (_name, text) => {
    const lines = overloadRefusal(text, flow, mark)!.text.split('\r\n');
    const values = (name: RegExp) =>
      lines.filter((line) => name.test(line)).map((line) => line.replace(/^[^:]*: */, ''));
    const sent = text.replaceAll('\r\n', '\n').replace(/\n /g, ' ').split('\n');
    const given = sent.filter((line) => /^(v|via) *:/i.test(line)).map((line) => line.replace(/^[^:]*: */, ''));
    const back = values(/^(v|via) *:/i);
    expect(back.length).toBe(given.length);
    expect(back[0]!.replace(/;received=[^;,]*/, '').replace(/;rport=6000/, ';rport')).toBe(given[0]);
    expect(back[0]).toContain('received=192.0.2.1');
    expect(back.slice(1)).toEqual(given.slice(1));
    expect(values(/^(i|call-id) *:/i)).toEqual(['c']);
    expect(values(/^(t|to) *:/i)[0]).toMatch(/^<sip:b@x>;tag=[\w-]+$/);
    expect(values(/^cseq/i)).toEqual(['1 INVITE']);
  });

  it.each([
    ['a NUL', request('INVITE sip:b@x').replace('Call-ID: c', 'Call-ID: c\0d')],
    ['a bare CR', request('INVITE sip:b@x').replace('Call-ID: c', 'Call-ID: c\rX: y')],
    ['no Via', request('INVITE sip:b@x').replace(/Via.*\r\n/, '')],
    ['no CSeq', request('INVITE sip:b@x').replace(/CSeq.*\r\n/, '')],
    ['a response', request('SIP/2.0 200 OK')],
    ['an ACK', request('ACK sip:b@x')],
    ['garbage', '\0\x01\x02'],
  ])('X-S11 has no answer to %s', (_name, text) => {
    expect(overloadRefusal(text, flow, mark)).toBeNull();
  });

  it('C-30 has the same tag for a retransmission, and the ACK to it is known by that', () => {
    const tagOf = (text: string) => /;tag=(o[\w-]+)\r/.exec(overloadRefusal(text, flow, mark)!.text)![1]!;
    const tag = tagOf(request('INVITE sip:b@x'));
    expect(tagOf(request('INVITE sip:b@x'))).toBe(tag);
    expect(tagOf(request('INVITE sip:b@x').replace('z9hG4bK1', 'z9hG4bK2'))).not.toBe(tag);
    const ack = request('ACK sip:b@x', `<sip:b@x>;tag=${tag}`);
    expect(isAckOfRefusal(ack, mark)).toBe(true);
    expect(isAckOfRefusal(ack, refusalMark(78))).toBe(false);
    expect(isAckOfRefusal(request('ACK sip:b@x', '<sip:b@x>;tag=other'), mark)).toBe(false);
    expect(isAckOfRefusal(request('BYE sip:b@x', `<sip:b@x>;tag=${tag}`), mark)).toBe(false);
  });
});
