import { describe, expect, it } from 'vitest';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import { writeMessage } from '#sip/message/write';
import { parseMessage } from '#sip/parser/parse-message';
import { flowFrom, message } from '../wire-port.ts';

const lines = [
  'INVITE sip:bob@ims.test SIP/2.0',
  'v: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKa, SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKb',
  'Max-Forwards: 70',
  'f: <sip:alice@ims.test>;tag=1',
  't: <sip:bob@ims.test>',
  'i: call-1',
  'CSeq: 1 INVITE',
  'Route: <sip:a;lr>,',
  ' <sip:b;lr>',
  'X-Odd:   kept  as   it is ',
  'ROUTE: "a, b" <sip:c;lr>',
  'Contact: <sip:alice@10.0.0.1>',
];

function parse(text = message(lines, 'v=0\r\n')): SipRequest {
  const parsed = parseMessage(text, flowFrom('10.0.0.1', 5060));
  if (parsed.kind !== 'request') throw new Error(parsed.kind === 'broken' ? parsed.reason : 'response');
  return parsed;
}

describe('header list', () => {
  it('C-22 reads compact names, any case, folded and comma-joined lines', () => {
    const { headers } = parse();
    expect(headers.get(Header['Call-ID'])).toBe('call-1');
    expect(headers.values(Header.Route)).toEqual(['<sip:a;lr>', '<sip:b;lr>', '"a, b" <sip:c;lr>']);
    expect(headers.values(Header.Via)).toHaveLength(2);
    expect(headers.get('x-ODD')).toBe('kept  as   it is');
  });

  it('writes an untouched message byte for byte, with Content-Length added where it was missing', () => {
    expect(writeMessage(parse())).toBe(message([...lines, 'Content-Length: 5'], 'v=0\r\n'));
    const complete = message([...lines, 'l: 5'], 'v=0\r\n');
    expect(writeMessage(parse(complete))).toBe(complete);
  });

  it('an edit is seen by the next read and by what is written', () => {
    const request = parse();
    const { headers } = request;
    expect(headers.removeFirst(Header.Route)).toBe('<sip:a;lr>');
    expect(headers.first(Header.Route)).toBe('<sip:b;lr>');
    headers.prepend(Header.Via, 'SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKc');
    expect(headers.first(Header.Via)).toBe('SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKc');
    headers.removeFirst(Header.Via);
    headers.removeFirst(Header.Via);
    expect(headers.values(Header.Via)).toEqual(['SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKb']);
    headers.set(Header['Max-Forwards'], '69');
    headers.set('X-New', 'value');
    headers.filterValues(Header.Route, (value) => !value.includes('sip:c'));
    const written = writeMessage(request);
    expect(written).toContain('\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKb\r\nMax-Forwards: 69\r\n');
    expect(written).toContain('\r\nRoute: <sip:b;lr>\r\nX-Odd:   kept  as   it is \r\nContact');
    expect(written).toContain('\r\nX-New: value\r\n');
    expect(writeMessage(parse(written))).toBe(written);
  });

  it('a clone is edited on its own', () => {
    const request = parse();
    const branch = request.clone();
    branch.headers.remove(Header.Route);
    branch.setRequestUri('sip:elsewhere');
    expect(request.headers.has(Header.Route)).toBe(true);
    expect(request.requestUri).toBe('sip:bob@ims.test');
  });

  it('X-S7 refuses to write CR, LF or NUL into a value', () => {
    const { headers } = parse();
    for (const bad of ['a\r\nb', 'a\nb', 'a\0b'])
      expect(() => headers.set('Subject', bad)).toThrow(/control character/);
  });

  it('X-S14 a header called __proto__ is a header like any other', () => {
    const request = parse(message([...lines, '__proto__: x', 'constructor: y']));
    expect(request.headers.get('__proto__')).toBe('x');
    expect(request.headers.get('constructor')).toBe('y');
    expect(request.headers.get('toString')).toBe(null);
  });

  it('journals who changed what while somebody traces', () => {
    const parsed = parseMessage(message(lines), flowFrom('10.0.0.1', 5060), true);
    if (parsed.kind !== 'request') throw new Error('not parsed');
    parsed.by('assertIdentity').headers.set(Header['Max-Forwards'], '69');
    parsed.by('takeRoute').headers.removeFirst(Header.Route);
    expect(parsed.headers.journal?.entries).toEqual([
      { procedure: 'assertIdentity', before: 'Max-Forwards: 70', after: 'Max-Forwards: 69' },
      { procedure: 'takeRoute', before: 'Route: <sip:a;lr>,\r\n <sip:b;lr>', after: 'Route: <sip:b;lr>' },
    ]);
  });
});
