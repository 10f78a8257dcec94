import { describe, expect, it } from 'vitest';
import { readSentBy } from '#sip/header/via';
import { Header } from '#sip/message/header-names';
import { writeMessage } from '#sip/message/write';
import { type BrokenMessage, parseMessage } from '#sip/parser/parse-message';
import { checkRequest } from '#sip/parser/sanity';
import { requestText, startProxy } from '../proxy-rig.ts';
import { flowFrom } from '../wire-port.ts';

const flow = flowFrom('10.0.0.1', 5060);
const request = (fields: Record<string, string> = {}, uri?: string, body?: string) =>
  requestText('MESSAGE', fields, uri, body);

function broken(text: string): BrokenMessage {
  const message = parseMessage(text, flow);
  if (message.kind !== 'broken') throw new Error('nothing is wrong');
  return message;
}

function read(text: string) {
  const message = parseMessage(text, flow);
  if (message.kind === 'broken') throw new Error(message.reason);
  return message;
}

describe('start lines', () => {
  it.each([
    ['another version', 'OPTIONS sip:a@b SIP/7.0', 505],
    ['a version of three digits', 'OPTIONS sip:a@b SIP/2.00', 505],
    ['a version without digits', 'OPTIONS sip:a@b SIP/x', 400],
    ['a tab behind the version', 'OPTIONS sip:a@b SIP/2.0\t', 400],
    ['a blank behind the version', 'OPTIONS sip:a@b SIP/2.0 ', 400],
    ['another protocol', 'OPTIONS sip:a@b HTTP/1.1', 400],
    ['two blanks', 'OPTIONS  sip:a@b SIP/2.0', 400],
    ['a CR inside', 'OPTIONS sip:a@b\r SIP/2.0', 400],
  ])('C-23 %s is answered with its status', (_, line, status) => {
    const text = request().replace(/^[^\r]*/, line);
    expect(broken(text).status).toBe(status);
  });

  it('C-22 the version is taken in any case', () => {
    expect(read(request().replace('SIP/2.0\r\nVia', 'sip/2.0\r\nVia')).kind).toBe('request');
  });

  it('X-S7 a bare CR in a reason phrase makes the response unusable: it would begin a line', () => {
    expect(broken('SIP/2.0 200 OK\rX-Evil: 1\r\nVia: x\r\n\r\n').reason).toContain('carriage return');
    expect(read('SIP/2.0 200 \r\n\r\n').kind).toBe('response');
  });
});

describe('NUL', () => {
  it('C-24 X-S7 passes as a quoted pair, and is written as it came', () => {
    const from = '"a \\\0 \\"\\\0" <sip:a@b>;tag=1';
    const message = read(request({ From: from }));
    expect(message.headers.get(Header.From)).toBe(from);
    message.headers.set(Header.From, `${from};more`);
    expect(writeMessage(message)).toContain(`\r\nFrom: ${from};more\r\n`);
  });

  it.each([
    ['bare in quotes', '"a\0" <sip:a@b>;tag=1'],
    ['behind a backslash that is quoted itself', '"a\\\\\0" <sip:a@b>;tag=1'],
    ['behind a backslash outside quotes', '<sip:a@b>;tag=\\\0'],
    ['behind the closing quote', '"a"\\\0 <sip:a@b>'],
  ])('X-S7 is refused %s', (_, from) => {
    expect(broken(request({ From: from })).reason).toContain('NUL');
  });
});

describe('broken requests', () => {
  it('C-23 C-25 an answer can be made of what could be read: once each, on one line, without CR and NUL', () => {
    const text = request({
      From: '"a\0b"\r\n <sip:a@b>;tag=\r1',
      Via: 'SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1,\r\n SIP/2.0/UDP h',
      'X-Bad Name': 'x',
    }).replace('CSeq: 1 MESSAGE\r\n', 'CSeq: 1 MESSAGE\r\nCSeq: 2 MESSAGE\r\nv: SIP/2.0/TCP last\r\n');
    const { headers } = broken(text).request!;
    expect(headers.lines.map((line) => line.text)).toEqual([
      'Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1, SIP/2.0/UDP h\r\n',
      'From: "a b" <sip:a@b>;tag= 1\r\n',
      'To: <sip:bob@ims.test>\r\n',
      'Call-ID: call-1\r\n',
      'CSeq: 1 MESSAGE\r\n',
      'Via: SIP/2.0/TCP last\r\n',
    ]);
  });

  it.each([
    ['a line that never ends', (text: string) => `${text.slice(0, -4)}X: y`],
    ['no empty line', (text: string) => text.slice(0, -2)],
    ['257 fields', (text: string) => text.replace('\r\n\r\n', `\r\n${'X: y\r\n'.repeat(260)}\r\n`)],
    ['101 fields of one kind', (text: string) => text.replace('\r\n\r\n', `\r\n${'Subject: y\r\n'.repeat(101)}\r\n`)],
    ['a field of more than 16 KiB', (text: string) => text.replace('\r\n\r\n', `\r\nX: ${'y'.repeat(17_000)}\r\n\r\n`)],
    [
      'folded lines of more than 16 KiB',
      (text: string) => text.replace('\r\n\r\n', `\r\nX:${'\r\n y'.repeat(5_000)}\r\n\r\n`),
    ],
    ['two Content-Types', (text: string) => text.replace('\r\n\r\n', '\r\nc: a/b\r\nContent-Type: a/b\r\n\r\n')],
    ['two RAcks', (text: string) => text.replace('\r\n\r\n', '\r\nRAck: 1 1 INVITE\r\nRAck: 1 1 INVITE\r\n\r\n')],
  ])('C-25 X-S16 %s are answered 400', (_, change) => {
    const rig = startProxy();
    rig.receive(change(request()));
    expect(rig.take()).toEqual(['SIP/2.0 400 Bad Request > 10.0.0.1:5060']);
  });

  it('X-S11 a broken Via is answered by the host it names, at the port the sender asked for', () => {
    const rig = startProxy();
    rig.receive(request({ Via: 'SIP/2.0/UDP 192.0.2.7:5090;;branch=z9hG4bK1' }));
    rig.receive(request({ Via: 'SIP/2.0/UDP host.test;rport;branch=' }), flowFrom('10.0.0.1', 4_000));
    rig.receive(request({ Via: 'SIP/3.0/UDP host.test;branch=z9hG4bK1' }));
    rig.receive(request({ Via: 'nonsense' }));
    rig.receive(request({ Via: '' }));
    rig.receive(request({ Via: 'SIP/2.0/UDP h;;' }).replaceAll('MESSAGE', 'ACK'));
    expect(rig.take()).toEqual([
      'SIP/2.0 400 Bad Request > 10.0.0.1:5090',
      'SIP/2.0 400 Bad Request > 10.0.0.1:4000',
      'SIP/2.0 400 Bad Request > 10.0.0.1:5060',
    ]);
    expect(rig.rejected.map(({ answered }) => answered)).toEqual([true, true, true, false, false, false]);
  });

  it.each([
    ['SIP/2.0/UDP h', 'h', 0, -1],
    [' SIP / 9.9 / X  h : 70 ;;;', 'h', 70, -1],
    ['SIP/2.0/UDP [::1]:5061;rport;;', '::1', 5061, 0],
    ['SIP/2.0/UDP 1.2.3.4:x;rport=zz', '1.2.3.4', 0, 0],
  ])('X-S11 reads sent-by of %s', (value, host, port, rport) => {
    expect(readSentBy(value)).toMatchObject({ host, port, rport });
  });
});

describe('checks', () => {
  const check = (text: string) => {
    const message = read(text);
    return message.kind === 'request' ? checkRequest(message) : null;
  };
  const list = (count: number, value: (n: number) => string) =>
    Array.from({ length: count }, (_, n) => value(n)).join(', ');
  const via = (n: number) => `SIP/2.0/UDP h${n};branch=z9hG4bK${n}`;

  it('X-S16 counts Via, Route and Contact values, however they are spread over fields', () => {
    expect(check(request({ Via: list(70, via) }))).toBeNull();
    expect(check(request({ Via: list(71, via) }))).toMatchObject({ reason: 'Via: too many values' });
    expect(check(request({ Route: list(20, (n) => `<sip:h${n};lr>`) }))).toBeNull();
    expect(check(request({ Route: list(21, (n) => `<sip:h${n};lr>`) }))).toMatchObject({ status: 400 });
    const lines = Array.from({ length: 21 }, (_, n) => `m: <sip:a@host-${n}>\r\n`).join('');
    expect(check(request({ Contact: '' }).replace('\r\n\r\n', `\r\n${lines}\r\n`))).toMatchObject({
      reason: 'Contact: too many values',
    });
    expect(check(request({ Contact: `<sip:a@b>${';x="a,b,c"'.repeat(20)}` }))).toBeNull();
  });

  it('C-23 C-24 an INVITE has a Contact, unless it is of RFC 2543', () => {
    const invite = (branch: string) => requestText('INVITE', { Contact: '', Via: `SIP/2.0/UDP h${branch}` });
    expect(check(invite(';branch=z9hG4bK1'))).toMatchObject({ reason: 'INVITE without Contact' });
    expect(check(invite(''))).toBeNull();
    expect(check(invite(';branch=1'))).toBeNull();
  });

  it('C-23 an ACK of a transaction that was answered 2xx is checked before it goes on', () => {
    const rig = startProxy({ handleRequest: (transaction) => transaction.reply(200) });
    rig.receive(requestText('INVITE'));
    const ack = (fields: Record<string, string>) => requestText('ACK', { CSeq: '1 ACK', ...fields });
    rig.take();
    rig.receive(ack({ To: '' }));
    expect(rig.take()).toEqual([]);
    rig.receive(ack({ To: '<sip:bob@ims.test>;tag=1' }));
    expect(rig.take()).toEqual(['ACK sip:bob@10.0.0.2 SIP/2.0 > 10.0.0.2:5060']);
  });
});

describe('folding', () => {
  it('X-S15 keeps octets that look like blanks in other character sets', () => {
    const message = read(request({ Subject: 'caf\xc3\xa0\r\n\t\xa0\x85end\xa0' }));
    expect(message.headers.get(Header.Subject)).toBe('caf\xc3\xa0 \xa0\x85end\xa0');
  });

  it('C-22 lines of blanks inside a field are one blank', () => {
    expect(read(request({ Subject: 'a\r\n \r\n\t\r\n b' })).headers.get(Header.Subject)).toBe('a b');
  });
});
