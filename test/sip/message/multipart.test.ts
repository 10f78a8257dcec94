import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { type ContentType, parseContentType } from '#sip/header/content-type';
import { Header } from '#sip/message/header-names';
import { type BodyPart, formatMultipart, parseMultipart } from '#sip/message/multipart';

const typed = (value: string) => parseContentType(value) as ContentType;
const mixed = typed('multipart/mixed;boundary=b');
const crlf = (...lines: string[]) => lines.join('\r\n');

function parts(body: string, contentType = mixed): BodyPart[] {
  const parsed = parseMultipart(body, contentType);
  if (parsed instanceof ParseFailure) throw new Error(`${parsed.reason} at ${parsed.offset}`);
  return parsed;
}

/** Media types and contents. */
function flat(body: string, contentType = mixed): string[][] {
  return parts(body, contentType).map((part) => [part.contentType.mediaType, body.slice(part.start, part.end)]);
}

describe('multipart bodies', () => {
  const whole = crlf(
    'preamble',
    '--b',
    'Content-Type: application/sdp',
    'Content-ID: <1@x>',
    '',
    'v=0',
    '',
    '--b  ',
    'c: application/3gpp-ims+xml;',
    ' version="1"',
    'Content-Disposition: 3gpp-alternative-service',
    '',
    '<x/>',
    '--b--',
    'epilogue',
    '--b',
    '',
    'no part',
  );

  it('C-28 gives the parts with their headers, preamble and epilogue left out', () => {
    expect(flat(whole)).toEqual([
      ['application/sdp', 'v=0\r\n'],
      ['application/3gpp-ims+xml', '<x/>'],
    ]);
    const [sdp, xml] = parts(whole);
    expect(sdp!.headers.get('content-id')).toBe('<1@x>');
    expect(xml!.headers.get(Header['Content-Disposition'])).toBe('3gpp-alternative-service');
    expect(xml!.contentType.parameters.get('version')).toBe('"1"');
    expect(flat(whole.replaceAll('\r\n', '\n')).map(([type]) => type)).toEqual(flat(whole).map(([type]) => type));
  });

  it.each([
    ['quoted', 'multipart/mixed; boundary="a b:c"', '--a b:c\r\n\r\nx\r\n--a b:c--', ['x']],
    ['of 70 characters', `multipart/mixed;boundary=${'y'.repeat(70)}`, `--${'y'.repeat(70)}\r\n\r\nx`, ['x']],
    ['with =', 'multipart/mixed;boundary=--=_1', '----=_1\r\n\r\nx\r\n----=_1--\r\n', ['x']],
    ['in capitals of the type', 'MULTIPART/Related;BOUNDARY=b', '--b\r\n\r\nx\r\n--b--', ['x']],
    [
      'that another line begins with',
      'multipart/mixed;boundary=b',
      '--b\r\n\r\n--bc\r\n--b-\r\nx --b\r\n--b--',
      ['--bc\r\n--b-\r\nx --b'],
    ],
    ['by case', 'multipart/mixed;boundary=b', '--b\r\n\r\n--B\r\n--b--', ['--B']],
  ])('C-28 takes a boundary %s', (_, type, body, contents) => {
    expect(flat(body, typed(type)).map(([, content]) => content)).toEqual(contents);
  });

  it.each([
    ['without the last boundary', '--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n', ['x', 'y\r\n']],
    ['that ends inside the last boundary', '--b\r\n\r\nx\r\n--b-', ['x\r\n--b-']],
    ['that ends after the first boundary', '--b', ['']],
    ['without header and content', '--b\r\n--b--', ['']],
    ['with a header alone', '--b\r\nContent-Type: text/x\r\n--b--', ['']],
    ['with empty content', '--b\r\nContent-Type: text/x\r\n\r\n--b--', ['']],
    ['in which the boundary never stands', 'v=0\r\n', []],
    ['that is closed at once', '--b--\r\n--b\r\n\r\nx', []],
  ])('X-S11 takes a body %s', (_, body, contents) => {
    expect(flat(body).map(([, content]) => content)).toEqual(contents);
  });

  it('C-28 keeps binary content as it is, and calls a part without Content-Type text/plain', () => {
    const octets = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('');
    expect(flat(`--b\r\nContent-Transfer-Encoding: binary\r\n\r\n${octets}\r\n--b--`)).toEqual([
      ['text/plain', octets],
    ]);
  });

  const nested = (levels: number, boundary = 'b'): string => {
    const [type, content] =
      levels === 1
        ? ['application/sdp', 'v=0']
        : [`multipart/mixed;boundary=${boundary}x`, nested(levels - 1, `${boundary}x`)];
    return crlf(`--${boundary}`, `Content-Type: ${type}`, '', content);
  };

  it('C-28 puts the parts of a part in its place, four levels deep', () => {
    const inner = crlf('--i', 'Content-Type: text/a', '', 'A', '--i', '', 'B', '--i--');
    const body = crlf('--b', 'Content-Type: multipart/alternative;boundary=i', '', inner, '--b', '', 'C', '--b--');
    expect(flat(body)).toEqual([
      ['text/a', 'A'],
      ['text/plain', 'B'],
      ['text/plain', 'C'],
    ]);
    const cut = body.replace('--i--\r\n', '');
    expect(flat(cut).map(([, content]) => content)).toEqual(['A', 'B', 'C']);
    expect(flat(nested(4))).toEqual([['application/sdp', 'v=0']]);
    expect(parseMultipart(nested(5), mixed)).toMatchObject({ reason: 'too many levels of parts' });
  });

  it('X-S16 takes 32 parts, not more', () => {
    expect(parts('--b\r\n\r\nx\r\n'.repeat(32))).toHaveLength(32);
    expect(parseMultipart('--b\r\n\r\nx\r\n'.repeat(33), mixed)).toMatchObject({ reason: 'too many parts' });
    const lines = (count: number) => `--b\r\n${'x: y\r\n'.repeat(count)}\r\n`;
    expect(parts(lines(64))).toHaveLength(1);
    expect(parseMultipart(lines(65), mixed)).toMatchObject({ reason: 'too many header lines in a part' });
  });

  it.each([
    ['no boundary', 'multipart/mixed', '--b\r\n\r\nx', 'no proper boundary'],
    ['an empty boundary', 'multipart/mixed;boundary=""', '--b\r\n\r\nx', 'no proper boundary'],
    ['one of 71 characters', `multipart/mixed;boundary=${'y'.repeat(71)}`, 'x', 'no proper boundary'],
    [
      'a header without colon',
      'multipart/mixed;boundary=b',
      '--b\r\nrubbish\r\n\r\nx',
      'header line of a part without a proper name and colon',
    ],
    [
      'a bare CR',
      'multipart/mixed;boundary=b',
      '--b\r\nx: a\rb\r\n\r\nx',
      'control character in a header line of a part',
    ],
    ['a NUL', 'multipart/mixed;boundary=b', '--b\r\nx: a\0b\r\n\r\nx', 'control character in a header line of a part'],
    ['a type that is none', 'multipart/mixed;boundary=b', '--b\r\nContent-Type: x\r\n\r\nx', 'malformed media type'],
    [
      'a part without boundary',
      'multipart/mixed;boundary=b',
      '--b\r\nContent-Type: multipart/x\r\n\r\nx',
      'no proper boundary',
    ],
  ])('X-S11 refuses %s', (_, type, body, reason) => {
    expect(parseMultipart(body, typed(type))).toMatchObject({ reason });
  });

  it('C-28 reads what it wrote, whatever the parts hold', () => {
    const content = fc
      .array(fc.constantFrom('--', 'part', '-1', '-2', '\r\n', 'x', '\0', '\xff'), { maxLength: 12 })
      .map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(fc.array(content, { minLength: 1, maxLength: 5 }), (contents) => {
        const made = contents.map((each) => ({ headers: [['Content-Type', 'text/x']] as const, content: each }));
        const { boundary, body } = formatMultipart(made);
        expect(flat(body, typed(`multipart/mixed;boundary=${boundary}`))).toEqual(
          contents.map((each) => ['text/x', each]),
        );
      }),
      { numRuns: 500 },
    );
    const unsafe = [{ headers: [['Content-Type', 'a\r\nb']] as const, content: '' }];
    expect(() => formatMultipart(unsafe)).toThrow(/control character/);
  });

  it('X-S11 takes any text without throwing', () => {
    const piece = fc.constantFrom(
      '--b',
      '--',
      'b',
      '\r\n',
      '\n',
      '\r',
      ' ',
      ':',
      'Content-Type: ',
      'multipart/x;boundary=b',
      '\0',
      'x',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const body = pieces.join('');
        const parsed = parseMultipart(body, mixed);
        if (parsed instanceof ParseFailure) return;
        for (const { start, end } of parsed) expect(start <= end && end <= body.length).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});
