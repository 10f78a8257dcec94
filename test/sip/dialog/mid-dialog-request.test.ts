import { describe, expect, it } from 'vitest';
import { ackInside, type DialogSide, requestInside, untagged } from '#sip/dialog/mid-dialog-request';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import { writeMessage } from '#sip/message/write';
import { flatText } from '#sip/parser/latin1';

const alice: DialogSide = {
  address: '"A;B" <sip:alice@ims.test;x=1>;tag=a;foo=bar',
  tag: 'a',
  cseq: 41,
  contact: '<sip:alice@10.0.0.1:5060;ob>;+sip.instance="<urn:x>"',
  routes: [],
};
const bob: DialogSide = {
  address: '<sip:bob@ims.test>',
  tag: 'b',
  cseq: 0,
  contact: '"Bob, there" <sip:bob@10.0.0.2>, <sip:second@10.0.0.3>',
  routes: ['<sip:one@ims.test;lr>', '<sip:two@ims.test;lr>'],
};
const linesOf = (request: ReturnType<typeof requestInside>) =>
  request instanceof ParseFailure ? request.reason : writeMessage(request).split('\r\n').slice(0, -2);

describe('a request that a node in the middle makes', () => {
  it('P-112 S-130 is what the other side would send: target, routes, tags and its next CSeq', () => {
    const from = { ...alice };
    expect(linesOf(requestInside('c1', from, bob, 'BYE', [[Header.Reason, 'SIP;cause=503']]))).toEqual([
      'BYE sip:bob@10.0.0.2 SIP/2.0',
      'Route: <sip:one@ims.test;lr>',
      'Route: <sip:two@ims.test;lr>',
      'Max-Forwards: 70',
      'From: "A;B" <sip:alice@ims.test;x=1>;foo=bar;tag=a',
      'To: <sip:bob@ims.test>;tag=b',
      'Call-ID: c1',
      'CSeq: 42 BYE',
      'Reason: SIP;cause=503',
      'Content-Length: 0',
    ]);
    expect(from.cseq).toBe(42);
    expect(linesOf(requestInside('c1', { ...bob }, alice, 'BYE'))[0]).toBe('BYE sip:alice@10.0.0.1:5060;ob SIP/2.0');
  });

  it('P-112 stays within the CSeq numbers that there are', () => {
    const from = { ...alice, cseq: 2 ** 31 - 1 };
    expect(linesOf(requestInside('c', from, bob, 'BYE'))).toContain('CSeq: 2147483647 BYE');
  });

  it('P-112 is none without a Contact that can be read, and counts nothing then', () => {
    const from = { ...alice };
    for (const contact of ['', '*', '<<>', 'sip:a, <<']) {
      expect(requestInside('c', from, { ...bob, contact }, 'BYE'), contact).toBeInstanceOf(ParseFailure);
    }
    expect(from.cseq).toBe(41);
  });

  it('P-111 an ACK has the number of its INVITE, and a side without tag or known routes none of them', () => {
    const to = { ...bob, tag: '', routes: null };
    expect(linesOf(ackInside('c', alice, to, 7))).toEqual([
      'ACK sip:bob@10.0.0.2 SIP/2.0',
      'Max-Forwards: 70',
      'From: "A;B" <sip:alice@ims.test;x=1>;foo=bar;tag=a',
      'To: <sip:bob@ims.test>',
      'Call-ID: c',
      'CSeq: 7 ACK',
      'Content-Length: 0',
    ]);
  });

  it('C-31 takes a tag out of an address and nothing else', () => {
    expect(untagged('<sip:a@b;tag=in-the-uri>;tag=t')).toBe('<sip:a@b;tag=in-the-uri>');
    expect(untagged('sip:a@b;TAG=t;q=1')).toBe('sip:a@b;q=1');
    expect(untagged('"x;tag=1" <sip:a@b>')).toBe('"x;tag=1" <sip:a@b>');
  });

  it('C-33 what is kept of a message is a copy, of whatever length', () => {
    for (const length of [0, 1, 4095, 4096, 4097, 70_000]) {
      const text = '\xe4'.repeat(length);
      expect(flatText(text) === text).toBe(true);
    }
  });
});
