import { describe, expect, it } from 'vitest';
import { type FramingDefect, StreamFramer } from '#sip/parser/stream-framer';
import { quickest } from '../../torture/quickest.ts';

class Heard {
  readonly messages: string[] = [];
  pings = 0;
  defect: FramingDefect | undefined;
  brokenHead = '';
  message(text: string): void {
    this.messages.push(text);
  }
  ping(): void {
    this.pings++;
  }
  broken(defect: FramingDefect, head: string): void {
    this.defect = defect;
    this.brokenHead = head;
  }
}

const bytes = (text: string) => Buffer.from(text, 'latin1');

function message(body: string, contentLength = `Content-Length: ${body.length}\r\n`): string {
  return `MESSAGE sip:b@x SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n${contentLength}CSeq: 1 MESSAGE\r\n\r\n${body}`;
}

function frame(text: string, chunk = text.length): Heard {
  const heard = new Heard();
  const framer = new StreamFramer();
  const all = bytes(text);
  for (let at = 0; at < all.length; at += chunk) framer.push(all.subarray(at, at + chunk), heard);
  return heard;
}

describe('stream framer', () => {
  it('C-11 cuts pipelined messages and keeps bodies byte exact', () => {
    const body = 'x\r\n\r\n\xff\xfe\0INVITE sip:a SIP/2.0\r\n';
    const heard = frame(message(body) + message('') + message('abc'));
    expect(heard.messages).toEqual([message(body), message(''), message('abc')]);
  });

  it.each([1, 2, 3, 7, 64, 101])('C-11 gives the same messages when they arrive %i bytes at a time', (chunk) => {
    const text = `\r\n${message('hello\r\n\r\n')}\r\n\r\n${message('')}${message('1')}`;
    const heard = frame(text, chunk);
    expect(heard.messages).toEqual([message('hello\r\n\r\n'), message(''), message('1')]);
    expect(heard.pings).toBe(1);
    expect(heard.defect).toBeUndefined();
  });

  it('C-11 tells an incomplete message and forgets it when it is complete', () => {
    const heard = new Heard();
    const framer = new StreamFramer();
    const all = bytes(message('abcdef'));
    framer.push(all.subarray(0, all.length - 3), heard);
    expect(framer.incomplete).toBe(true);
    expect(framer.partial).toBe(message('abcdef').slice(0, -3));
    framer.push(all.subarray(all.length - 3), heard);
    expect(framer.incomplete).toBe(false);
    framer.push(bytes('\r\n'), heard);
    expect(framer.incomplete).toBe(false);
  });

  it.each([
    ['compact name', 'l: 3\r\n'],
    ['upper case compact name', 'L:3\r\n'],
    ['any case', 'CONTENT-length:3\r\n'],
    ['blanks before the colon', 'Content-Length \t: 3 \r\n'],
    ['a folded value', 'Content-Length:\r\n  3\r\n'],
    ['leading zeros', 'Content-Length: 0003\r\n'],
    ['the same value twice', 'Content-Length: 3\r\nl: 3\r\n'],
    ['fields that begin alike', 'Content-Length-Hint: 9\r\nLanguage: x\r\nContent-Length: 3\r\n'],
  ])('C-11 reads Content-Length in the form of %s', (_name, line) => {
    const text = message('abc', line);
    for (const chunk of [text.length, 1])
      expect(frame(text + message(''), chunk).messages).toEqual([text, message('')]);
  });

  it('C-11 takes bare LF as a line end', () => {
    const text = 'OPTIONS sip:a SIP/2.0\nVia: SIP/2.0/TCP h\nContent-Length: 2\n\nok';
    expect(frame(text, 1).messages).toEqual([text]);
    expect(frame(text + text).messages).toEqual([text, text]);
  });

  it('C-11 leaves a blank-only line inside the head as folding, not as its end', () => {
    const text = message('ab', 'Subject: a\r\n \r\nContent-Length: 2\r\n');
    expect(frame(text).messages).toEqual([text]);
  });

  it.each([
    ['missing', '', 400],
    ['empty', 'Content-Length:\r\n', 400],
    ['negative', 'Content-Length: -1\r\n', 400],
    ['signed', 'Content-Length: +3\r\n', 400],
    ['12abc', 'Content-Length: 12abc\r\n', 400],
    ['1e3', 'Content-Length: 1e3\r\n', 400],
    ['0x10', 'Content-Length: 0x10\r\n', 400],
    ['a list', 'Content-Length: 3, 3\r\n', 400],
    ['two different values', 'Content-Length: 3\r\nContent-Length: 4\r\n', 400],
    ['two different values in two spellings', 'l: 3\r\nContent-Length: 0\r\n', 400],
    ['65537', 'Content-Length: 65537\r\n', 513],
    ['2^31', 'Content-Length: 2147483648\r\n', 513],
    ['2^32+32', 'Content-Length: 4294967328\r\n', 513],
    ['a hundred digits', `Content-Length: ${'9'.repeat(100)}\r\n`, 513],
  ])('X-S2 refuses Content-Length %s and gives the head to answer from', (_name, line, status) => {
    const text = message('abc', line);
    for (const chunk of [text.length, 1]) {
      const heard = frame(text, chunk);
      expect(heard.defect?.status).toBe(status);
      expect(heard.messages).toEqual([]);
      expect(heard.brokenHead).toBe(text.slice(0, -3));
    }
  });

  it('C-11 delivers what came before a broken message, and nothing after it', () => {
    const heard = frame(message('1') + message('', '') + message('2'));
    expect(heard.messages).toEqual([message('1')]);
    expect(heard.defect?.status).toBe(400);
  });

  it.each([
    ['start line', `MESSAGE sip:${'a'.repeat(8200)} SIP/2.0\r\nVia: v\r\nl: 0\r\n\r\n`, 414],
    ['header line', message('', `Subject: ${'a'.repeat(16400)}\r\nl: 0\r\n`), 513],
    ['folded header', message('', `Subject: x\r\n${` ${'a'.repeat(998)}\r\n`.repeat(17)}l: 0\r\n`), 513],
    ['number of header fields', message('', `${'A: b\r\n'.repeat(255)}l: 0\r\n`), 513],
    ['message', message('', `${`A: ${'b'.repeat(15_000)}\r\n`.repeat(9)}l: 0\r\n`), 513],
  ])('X-S16 refuses a %s over its limit, with the head to answer from', (_name, text, status) => {
    for (const chunk of [text.length, 1000, 1]) {
      const heard = frame(text, chunk);
      expect(heard.defect?.status).toBe(status);
      expect(heard.brokenHead.includes('Via: ')).toBe(true);
    }
  });

  it('X-S16 takes what is just within the limits', () => {
    const startLine = `MESSAGE sip:${'a'.repeat(8192 - 20)} SIP/2.0`;
    expect(startLine.length).toBe(8192);
    const field = `Subject: ${'a'.repeat(16384 - 9)}`;
    const text = `${startLine}\r\n${field}\r\n${'A: b\r\n'.repeat(253)}V: x\r\nl: 65536\r\n\r\n${'z'.repeat(65536)}`;
    expect(frame(text).messages).toEqual([text]);
    expect(frame(text, 4096).messages).toEqual([text]);
  });

  it('X-S3 bounds a header without an end and a line without an end', () => {
    for (const piece of ['a', 'A: b\r\n', ' \r\n', '\r', '\0']) {
      const heard = new Heard();
      const framer = new StreamFramer();
      const chunk = bytes(`${piece.repeat(Math.ceil(1000 / piece.length))}`);
      framer.push(bytes('OPTIONS sip:a SIP/2.0\r\n'), heard);
      let pushed = 0;
      while (framer.push(chunk, heard) && pushed < 300_000) pushed += chunk.length;
      expect(pushed).toBeLessThan(140_000);
      expect(heard.defect).toBeDefined();
    }
  });

  it('X-S13 scans 64 KiB of one repeated character in under 20 ms', () => {
    for (const code of [0, 9, 10, 13, 32, 58, 65, 255]) {
      const chunk = Buffer.alloc(65_536, code);
      expect(quickest(20, () => new StreamFramer().push(chunk, new Heard()))).toBeLessThan(20);
    }
  });

  it('P-140 counts double CRLFs between messages as pings, across chunks', () => {
    expect(frame('\r\n\r\n', 1).pings).toBe(1);
    expect(frame('\r\n\r\n\r\n\r\n').pings).toBe(2);
    expect(frame(`${message('')}\r\n${message('')}`).pings).toBe(0);
  });

  it('C-11 stops in the middle of a chunk when told so', () => {
    const framer = new StreamFramer();
    const seen: string[] = [];
    const text = message('1') + message('2');
    framer.push(bytes(text), {
      message: (one) => {
        seen.push(one);
        framer.stop();
      },
      ping: () => {},
      broken: () => {},
    });
    expect(seen).toEqual([message('1')]);
  });
});
