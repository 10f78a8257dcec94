import { ParseFailure } from '../errors.ts';
import { type ContentType, contentParameter, parseContentType } from '../header/content-type.ts';
import { colon, cr, isBlank, isTokenCode, lf } from '../parser/scanner.ts';
import { noParameters } from '../uri/parameters.ts';
import { type HeaderLine, HeaderList, makeLine } from './header-list.ts';
import { Header, headerIdByHash, nameHash } from './header-names.ts';

/** One part of a multipart body; its content stays as it was sent, whatever its transfer encoding. */
export interface BodyPart {
  readonly headers: HeaderList;
  readonly contentType: ContentType;
  /** Where its content begins in the body, and where it ends. */
  readonly start: number;
  readonly end: number;
}

/** Bounds on a multipart body: parts of all levels together, levels, header lines of a part. */
export const multipartLimits = Object.freeze({ parts: 32, depth: 4, headerLines: 64 });

/** Longest boundary. Source: RFC 2046 5.1.1. */
const maxBoundary = 70;
/** What a part without Content-Type is. Source: RFC 2046 5.1. */
const plainText: ContentType = Object.freeze({ mediaType: 'text/plain', parameters: noParameters });

/** Whether a body of this type has parts. */
export function isMultipart({ mediaType }: ContentType): boolean {
  return mediaType.startsWith('multipart/');
}

/**
 * The parts of a multipart body in order; those of a part that is multipart itself stand in its place.
 *
 * Preamble and epilogue are passed over. A body that ends before its last boundary ends its last part; one in which the
 * boundary never stands has no parts. A boundary that is missing or longer than 70 characters, a malformed part header,
 * more than 32 parts or 4 levels are a ParseFailure.
 *
 * `contentType`: that of the body. Source: RFC 2046 5.1.1, RFC 5621 3.1; requirements C-28, X-S11.
 */
export function parseMultipart(body: string, contentType: ContentType): BodyPart[] | ParseFailure {
  const parts: BodyPart[] = [];
  const failure = walk(body, 0, body.length, contentType, 1, parts);
  return failure ?? parts;
}

function walk(
  body: string,
  start: number,
  end: number,
  contentType: ContentType,
  depth: number,
  into: BodyPart[],
): ParseFailure | null {
  const boundary = contentParameter(contentType, 'boundary') ?? '';
  if (boundary === '' || boundary.length > maxBoundary) return new ParseFailure('no proper boundary', start);
  if (depth > multipartLimits.depth) return new ParseFailure('too many levels of parts', start);
  let delimiter = findDelimiter(body, start, end, boundary);
  while (delimiter !== null && !delimiter.last) {
    const next = findDelimiter(body, delimiter.end, end, boundary);
    const part = readPart(body, delimiter.end, next === null ? end : Math.max(delimiter.end, next.start));
    if (part instanceof ParseFailure) return part;
    if (into.length === multipartLimits.parts) return new ParseFailure('too many parts', part.start);
    if (isMultipart(part.contentType)) {
      const failure = walk(body, part.start, part.end, part.contentType, depth + 1, into);
      if (failure !== null) return failure;
    } else {
      into.push(part);
    }
    delimiter = next;
  }
  return null;
}

interface Delimiter {
  /** Where what stands before it ends: the line end belongs to the delimiter. */
  readonly start: number;
  /** Start of the line after it. */
  readonly end: number;
  /** Whether it closes the body. */
  readonly last: boolean;
}

/** The next line that is `--boundary` or `--boundary--`, blanks at its end allowed. */
function findDelimiter(body: string, from: number, end: number, boundary: string): Delimiter | null {
  const text = `--${boundary}`;
  for (let at = body.indexOf(text, from); at >= 0; at = body.indexOf(text, at + 1)) {
    let i = at + text.length;
    if (i > end) return null;
    if (at > from && body.charCodeAt(at - 1) !== lf) continue;
    const last = body.startsWith('--', i) && i + 2 <= end;
    if (last) i += 2;
    while (i < end && isBlank(body.charCodeAt(i))) i++;
    if (body.charCodeAt(i) === cr && i < end) i++;
    if (i < end && body.charCodeAt(i) !== lf) continue;
    return { start: beforeLineEnd(body, at, from), end: Math.min(i + 1, end), last };
  }
  return null;
}

/** Position before the line end that stands before `at`. */
function beforeLineEnd(body: string, at: number, from: number): number {
  if (at === from) return at;
  return at - 2 >= from && body.charCodeAt(at - 2) === cr ? at - 2 : at - 1;
}

/** The part at [from, to): header lines, an empty line, content; without an empty line it is all header. */
function readPart(body: string, from: number, to: number): BodyPart | ParseFailure {
  const lines: HeaderLine[] = [];
  let at = from;
  while (at < to) {
    const end = lineEnd(body, at, to);
    if (isEmptyLine(body, at, end)) {
      at = end;
      break;
    }
    const line = readHeaderLine(body, at, end);
    if (line instanceof ParseFailure) return line;
    if (lines.length === multipartLimits.headerLines) return new ParseFailure('too many header lines in a part', at);
    lines.push(line);
    at = line.end;
  }
  const headers = new HeaderList(lines);
  const value = headers.get(Header['Content-Type']);
  const contentType = value === null ? plainText : parseContentType(value);
  return contentType instanceof ParseFailure ? contentType : { headers, contentType, start: at, end: to };
}

/** Start of the line after the header field at `at`, with the lines that are folded into it. */
function lineEnd(body: string, at: number, to: number): number {
  for (let i = at; ; ) {
    const feed = body.indexOf('\n', i);
    if (feed < 0 || feed + 1 >= to) return to;
    i = feed + 1;
    if (isEmptyLine(body, at, i) || !isBlank(body.charCodeAt(i))) return i;
  }
}

function isEmptyLine(body: string, at: number, end: number): boolean {
  const first = body.charCodeAt(at);
  return (first === lf && end === at + 1) || (first === cr && end === at + 2 && body.charCodeAt(at + 1) === lf);
}

function readHeaderLine(body: string, start: number, end: number): HeaderLine | ParseFailure {
  let nameEnd = start;
  let hash = 0;
  for (; nameEnd < end && isTokenCode(body.charCodeAt(nameEnd)); nameEnd++)
    hash = nameHash(hash, body.charCodeAt(nameEnd));
  let valueStart = nameEnd;
  while (valueStart < end && isBlank(body.charCodeAt(valueStart))) valueStart++;
  if (nameEnd === start || valueStart === end || body.charCodeAt(valueStart) !== colon) {
    return new ParseFailure('header line of a part without a proper name and colon', start);
  }
  let valueEnd = end;
  valueStart++;
  while (valueEnd > valueStart && isWhite(body.charCodeAt(valueEnd - 1))) valueEnd--;
  while (valueStart < valueEnd && isWhite(body.charCodeAt(valueStart))) valueStart++;
  for (let i = valueStart; i < valueEnd; i++) {
    const code = body.charCodeAt(i);
    const stray = code === 0 || (code === cr && body.charCodeAt(i + 1) !== lf);
    if (stray) return new ParseFailure('control character in a header line of a part', i);
  }
  const id = headerIdByHash(body, start, nameEnd, hash);
  const extension = id === 0 ? body.slice(start, nameEnd).toLowerCase() : '';
  return { id, extension, text: body, start, valueStart, valueEnd, end, cached: null };
}

function isWhite(code: number): boolean {
  return isBlank(code) || code === cr || code === lf;
}

/** A part of a body that we write. */
export interface NewPart {
  /** Content-Type and whatever else it has to say of itself. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly content: string;
}

/** The parameters of the Content-Type and the body that hold some parts; the boundary occurs in none of them. */
export function formatMultipart(parts: readonly NewPart[]): { readonly boundary: string; readonly body: string } {
  let boundary = 'part';
  for (let n = 1; parts.some(({ content }) => content.includes(`--${boundary}`)); n++) boundary = `part-${n}`;
  let body = '';
  for (const { headers, content } of parts) {
    const lines = headers.map(([name, value]) => makeLine(name, value).text).join('');
    body += `--${boundary}\r\n${lines}\r\n${content}\r\n`;
  }
  return { boundary, body: `${body}--${boundary}--\r\n` };
}
