import { describe, expect, it } from 'vitest';
import type { Flow } from '#sip/transport/flow';
import { refusalFromHead } from '#sip/transport/stream-refusal';
import { quickest } from '../../torture/quickest.ts';

const flow: Flow = { listener: 0, transport: 'tcp', address: '192.0.2.1', port: 6000, connection: 4 };
const head = (lines: string, start = 'INVITE sip:b@x SIP/2.0') => `${start}\r\n${lines}`;
const rest = 'From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n';
const refuse = (text: string) => refusalFromHead(text, '400 Bad Request', '', flow);

describe('answer from a raw head', () => {
  it('copies all Vias in order, joined or folded, and the fields an answer needs', () => {
    const text = head(
      `v: SIP/2.0/TCP a;branch=z1;rport, SIP/2.0/UDP b;branch=z2\r\nSubject: x\r\nVIA : SIP/2.0/UDP\r\n c;branch=z3\r\n${rest}\r\n`,
    );
    expect(refuse(text)?.text).toMatch(
      /^SIP\/2.0 400 Bad Request\r\nVia: SIP\/2.0\/TCP a;branch=z1;rport=6000;received=192.0.2.1, SIP\/2.0\/UDP b;branch=z2\r\nVia: SIP\/2.0\/UDP c;branch=z3\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=\w+\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n$/,
    );
  });

  it('gives a retransmission the same tag, and leaves a tag that is there', () => {
    const text = head(`Via: SIP/2.0/TCP 192.0.2.1;branch=z1\r\n${rest}\r\n`);
    expect(refuse(text)).toEqual(refuse(text));
    expect(refuse(text.replace('To: <sip:b@x>', 'To: <sip:b@x>;tag=t'))?.text).toContain('To: <sip:b@x>;tag=t\r\n');
  });

  it('needs neither the end of the head nor CRLF', () => {
    const text = head(`Via: SIP/2.0/TCP a\r\n${rest}Subject: cut o`).replaceAll('\r\n', '\n');
    expect(refuse(text)?.text).toContain('\r\nCSeq: 1 INVITE\r\n');
  });

  it.each([
    ['a response', head(`Via: SIP/2.0/TCP a\r\n${rest}\r\n`, 'SIP/2.0 200 OK')],
    ['an ACK', head(`Via: SIP/2.0/TCP a\r\n${rest}\r\n`, 'ACK sip:b@x SIP/2.0')],
    ['no Via', head(`${rest}\r\n`)],
    ['a broken Via', head(`Via: nonsense\r\n${rest}\r\n`)],
    ['no Call-ID', head('Via: SIP/2.0/TCP a\r\nFrom: a\r\nTo: b\r\nCSeq: 1 INVITE\r\n\r\n')],
    ['a stray CR', head(`Via: SIP/2.0/TCP a\r\n${rest.replace('c\r\n', 'c\rInjected: x\r\n')}\r\n`)],
    ['a NUL', head(`Via: SIP/2.0/TCP a\r\n${rest.replace('c\r\n', 'c\0\r\n')}\r\n`)],
    ['an answer of more than 16 KiB', head(`${`Via: SIP/2.0/TCP a;x=${'y'.repeat(1000)}\r\n`.repeat(20)}${rest}\r\n`)],
    ['nothing', ''],
  ])('has no answer to %s', (_name, text) => {
    expect(refuse(text)).toBeNull();
  });

  it('X-S13 reads 128 KiB of one repeated piece in under 20 ms', () => {
    for (const piece of ['a', ':', '\n', ' \r\n', 'v:', 'Via: x,\r\n', 'To: "\r\n']) {
      const text = head(`Via: SIP/2.0/TCP a\r\n${piece.repeat(131_072 / piece.length)}`);
      expect(quickest(20, () => refuse(text))).toBeLessThan(20);
    }
  });
});
