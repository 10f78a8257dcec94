import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { accepts, formatAccept, parseAccept } from '#sip/header/accept';
import {
  type ContentDisposition,
  formatContentDisposition,
  parseContentDisposition,
} from '#sip/header/content-disposition';
import { type ContentType, contentParameter, formatContentType, parseContentType } from '#sip/header/content-type';

describe('Content-Type', () => {
  it.each([
    ['application/sdp', 'application/sdp', null],
    ['Application / SDP ;charset=x', 'application/sdp', null],
    ['multipart/mixed;boundary="a \\"b"', 'multipart/mixed', 'a "b'],
    ['multipart/related; Boundary = b ; type="x/y"', 'multipart/related', 'b'],
    ['application/3gpp-ims+xml', 'application/3gpp-ims+xml', null],
  ])('C-28 reads %s', (text, mediaType, boundary) => {
    const parsed = parseContentType(text) as ContentType;
    expect([parsed.mediaType, contentParameter(parsed, 'boundary')]).toEqual([mediaType, boundary]);
    expect(parseContentType(formatContentType(parsed))).toEqual(parsed);
  });

  it.each(['', 'text', 'text/', '/plain', 'text plain', 'text/plain x', 'text/plain;', 'text/plain;a="', 'text/\xe4'])(
    'X-S11 refuses %j',
    (text) => {
      expect(parseContentType(text)).toBeInstanceOf(ParseFailure);
    },
  );
});

describe('Content-Disposition', () => {
  it('C-28 reads the type and whether it may be passed over', () => {
    const read = (text: string) => parseContentDisposition(text) as ContentDisposition;
    expect(read('Session')).toMatchObject({ type: 'session', optional: false });
    expect(read(' early-session;Handling=Optional;x=y')).toMatchObject({ type: 'early-session', optional: true });
    expect(formatContentDisposition(read('render;handling=required;x="y"'))).toBe('render;handling=required;x="y"');
    for (const bad of ['', ';handling=optional', 'a b', 'a;x="'])
      expect(parseContentDisposition(bad)).toBeInstanceOf(ParseFailure);
  });
});

describe('Accept', () => {
  it.each([
    ['application/reginfo+xml', true],
    ['application/SDP, APPLICATION/reginfo+xml;q=0.5', true],
    ['application/*', true],
    ['*/*', true],
    ['application/sdp', false],
    ['text/*', false],
    ['', false],
    ['*/*, application/reginfo+xml;q=0', false],
    ['*/*;q=0.0, application/*;q=0.1', true],
  ])('S-60 %j takes reginfo: %s', (text, taken) => {
    const ranges = parseAccept(text) as ContentType[];
    expect(accepts(ranges, 'application/reginfo+xml')).toBe(taken);
    expect(parseAccept(formatAccept(ranges))).toEqual(ranges);
  });

  it('X-S11 refuses what is no media range', () => {
    for (const bad of ['application', 'a/b, c', 'a/b;x="']) expect(parseAccept(bad)).toBeInstanceOf(ParseFailure);
  });
});
