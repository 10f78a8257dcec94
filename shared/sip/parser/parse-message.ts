import { type HeaderLine, HeaderList, lineValue } from '../message/header-list.ts';
import { Header, headerIdByHash, nameHash } from '../message/header-names.ts';
import { Journal } from '../message/journal.ts';
import { SipRequest } from '../message/request.ts';
import { SipResponse } from '../message/response.ts';
import { methods } from '../methods.ts';
import type { Flow } from '../transport/flow.ts';
import { limits } from './limits.ts';
import { mendHeaders } from './mend-headers.ts';
import { colon, cr, isBlank, isTokenAt, isTokenCode, lf, space } from './scanner.ts';

/**
 * A message that cannot be used: the status a request deserves, why in words, and what could be read of it, so that
 * an answer can be built.
 */
export class BrokenMessage {
  readonly kind = 'broken';
  readonly status: number;
  readonly reason: string;
  readonly offset: number;
  /** The readable part when it was meant as a request and has enough header fields left to be answered, else null. */
  readonly request: SipRequest | null;

  constructor(status: number, reason: string, offset: number, request: SipRequest | null) {
    this.status = status;
    this.reason = reason;
    this.offset = offset;
    this.request = request;
  }
}

/** Lines of each known header in the message being read. */
const counts = new Uint16Array(128);

/**
 * Reads one framed SIP message (latin1 text, one char an octet).
 *
 * Gives the request or response, or a BrokenMessage; never throws. With `traced` every later edit is journalled.
 *
 * Source: RFC 3261 7, 25.1; tolerance and limits: requirements C-22 to C-25, X-S2, X-S6, X-S16; linear time: X-S13.
 */
export function parseMessage(text: string, flow: Flow, traced = false): SipRequest | SipResponse | BrokenMessage {
  let at = 0;
  while (at < text.length && (text.charCodeAt(at) === cr || text.charCodeAt(at) === lf)) at++;
  const startEnd = text.indexOf('\n', at);
  if (startEnd < 0) return new BrokenMessage(400, 'no line end after the start line', at, null);
  const lineEnd = startEnd > at && text.charCodeAt(startEnd - 1) === cr ? startEnd - 1 : startEnd;
  const isResponse = text.startsWith('SIP/', at);

  const lines: HeaderLine[] = [];
  const headerFailure = readHeaders(text, startEnd + 1, lines);
  const headers = new HeaderList(headerFailure === null ? lines : isResponse ? [] : mendHeaders(text, startEnd + 1));
  const bodyStart = headersEnd;
  const bodyFailure = headerFailure ?? readBodyLength(text, bodyStart, headers);
  if (traced) headers.journal = new Journal('');
  const body = bodyFailure === null && bodyLength > 0 ? text.slice(bodyStart, bodyStart + bodyLength) : '';

  if (isResponse) {
    if (bodyFailure !== null) return new BrokenMessage(0, bodyFailure.reason, bodyFailure.offset, null);
    return readStatusLine(text, at, lineEnd, headers, body, flow);
  }
  return readRequestLine(text, at, lineEnd, headers, body, flow, bodyFailure);
}

/** Scratch results of readHeaders and readBodyLength: a message is read without allocating for them. */
let headersEnd = 0;
let bodyLength = 0;

interface Failure {
  readonly status: number;
  readonly reason: string;
  readonly offset: number;
}

function fail(status: number, reason: string, offset: number): Failure {
  return { status, reason, offset };
}

/**
 * A NUL may stand in the header section only as a quoted pair of a quoted string.
 *
 * Source: RFC 3261 25.1 (quoted-pair); RFC 4475 3.1.1.2; requirement X-S7.
 */
function strayNul(text: string, firstNul: number, lines: readonly HeaderLine[]): Failure | null {
  let quoted = 0;
  for (const line of lines) quoted += quotedNuls(text, line.valueStart, line.valueEnd);
  let all = 0;
  for (let at = firstNul; at >= 0 && at < headersEnd; at = text.indexOf('\0', at + 1)) all++;
  return all === quoted ? null : fail(400, 'NUL in the header section', firstNul);
}

/** How many NULs stand in [from, to) as quoted pairs. */
function quotedNuls(text: string, from: number, to: number): number {
  let count = 0;
  let inQuotes = false;
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code === 34) inQuotes = !inQuotes;
    else if (code === 92 && inQuotes && text.charCodeAt(++i) === 0) count++;
  }
  return count;
}

const noEnd = 'header section without an empty line at its end';

/** Indexes the header lines; gives up at the first one that is wrong. Requirements X-S6, X-S13, X-S16. */
function readHeaders(text: string, start: number, lines: HeaderLine[]): Failure | null {
  let at = start;
  // The first CR at or behind the place that is read: looked for once, however many lines there are.
  let nextCr = text.indexOf('\r', start);
  counts.fill(0);
  for (;;) {
    const first = text.charCodeAt(at);
    if (first === lf || (first === cr && text.charCodeAt(at + 1) === lf)) break;
    const lineStart = at;
    let nameEnd = at;
    let hash = 0;
    for (let code = first; isTokenCode(code); code = text.charCodeAt(nameEnd)) {
      hash = nameHash(hash, code);
      nameEnd++;
    }
    let valueStart = nameEnd;
    while (isBlank(text.charCodeAt(valueStart))) valueStart++;
    const wellNamed = nameEnd > at && text.charCodeAt(valueStart) === colon;
    let end: number;
    do {
      end = text.indexOf('\n', at);
      if (end < 0) return fail(400, noEnd, lineStart);
      if (nextCr >= 0 && nextCr < at) nextCr = text.indexOf('\r', at);
      if (nextCr >= 0 && nextCr < end - 1) {
        return fail(400, 'carriage return without line feed in a header field', nextCr);
      }
      at = end + 1;
    } while (isBlank(text.charCodeAt(at)));
    if (!wellNamed) return fail(400, 'header field without a proper name and colon', lineStart);
    if (end - lineStart > limits.headerLine) return fail(400, 'header field too long', lineStart);
    if (lines.length === limits.headerFields) return fail(400, 'too many header fields', lineStart);
    valueStart++;
    let valueEnd = end;
    while (valueEnd > valueStart && isWhite(text.charCodeAt(valueEnd - 1))) valueEnd--;
    while (valueStart < valueEnd && isWhite(text.charCodeAt(valueStart))) valueStart++;
    const id = headerIdByHash(text, lineStart, nameEnd, hash);
    if (id !== 0 && ++counts[id]! > limits.fieldsOfOneKind) {
      return fail(400, 'too many header fields of one kind', lineStart);
    }
    lines.push({
      id,
      extension: id === 0 ? text.slice(lineStart, nameEnd).toLowerCase() : '',
      text,
      start: lineStart,
      valueStart,
      valueEnd,
      end: at,
      cached: null,
    });
  }
  headersEnd = text.charCodeAt(at) === cr ? at + 2 : at + 1;
  const nul = text.indexOf('\0', start);
  if (nul >= 0 && nul < headersEnd) {
    const stray = strayNul(text, nul, lines);
    if (stray !== null) return stray;
  }
  for (let i = 0; i < once.length; i++) {
    if (counts[once[i]!]! > 1) return fail(400, 'a header field that may stand once stands twice', start);
  }
  return null;
}

/** Header fields a message carries at most once. Source: RFC 3261 7.3.1, 20; requirement C-25. */
const once: readonly number[] = [
  Header.From,
  Header.To,
  Header['Call-ID'],
  Header.CSeq,
  Header['Max-Forwards'],
  Header['Content-Type'],
  Header.Expires,
  Header.Event,
  Header['Session-Expires'],
  Header['Min-SE'],
  Header['Refer-To'],
  Header['Content-Disposition'],
  Header['Subscription-State'],
  Header.RSeq,
  Header.RAck,
  Header.Replaces,
];

function isWhite(code: number): boolean {
  return code === space || code === 9 || code === cr || code === lf;
}

/** Content-Length against what is there. Source: RFC 3261 18.3, 20.14; requirement X-S2. */
function readBodyLength(text: string, bodyStart: number, headers: HeaderList): Failure | null {
  bodyLength = text.length - bodyStart;
  let declared = -1;
  if (counts[Header['Content-Length']]! > 0) {
    for (const line of headers.lines) {
      if (line.id !== Header['Content-Length']) continue;
      const value = decimal(lineValue(line));
      if (value < 0) return fail(400, 'Content-Length is not a number', line.start);
      if (declared >= 0 && declared !== value) return fail(400, 'two different Content-Length values', line.start);
      declared = value;
    }
  }
  if (declared > limits.body) return fail(413, 'body too large', bodyStart);
  if (declared > bodyLength) return fail(400, 'Content-Length is larger than the message', bodyStart);
  if (declared >= 0) bodyLength = declared;
  if (bodyLength > limits.body) return fail(413, 'body too large', bodyStart);
  return null;
}

function decimal(value: string): number {
  if (value.length === 0 || value.length > 9) return -1;
  let n = 0;
  for (let i = 0; i < value.length; i++) {
    const digit = value.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    n = n * 10 + digit;
  }
  return n;
}

function readRequestLine(
  text: string,
  start: number,
  end: number,
  headers: HeaderList,
  body: string,
  flow: Flow,
  failure: Failure | null,
): SipRequest | BrokenMessage {
  const methodEnd = text.indexOf(' ', start);
  const uriEnd = text.lastIndexOf(' ', end - 1);
  if (methodEnd < 0 || methodEnd >= uriEnd || uriEnd > end || !isTokenAt(text, start, methodEnd)) {
    return new BrokenMessage(400, 'start line is neither a request line nor a status line', start, null);
  }
  const method = knownMethod(text.slice(start, methodEnd));
  const uri = text.slice(methodEnd + 1, uriEnd);
  const request = new SipRequest(method, uri, headers, body, flow);
  const reject = (status: number, reason: string, offset: number) => new BrokenMessage(status, reason, offset, request);
  if (end - start > limits.startLine || uri.length > limits.uri) return reject(414, 'Request-URI too long', methodEnd);
  const version = text.slice(uriEnd + 1, end);
  if (version !== 'SIP/2.0' && version.toUpperCase() !== 'SIP/2.0') {
    if (version === '') return reject(400, 'blank at the end of the start line', uriEnd);
    return reject(isVersion(version) ? 505 : 400, 'SIP version is not 2.0', uriEnd);
  }
  for (let i = 0; i < uri.length; i++) {
    const c = uri.charCodeAt(i);
    if (c <= 32 || c === 127 || c === 60 || c === 62 || c === 34) {
      return reject(400, 'blank, quote or angle bracket in the Request-URI', methodEnd + 1 + i);
    }
  }
  if (failure !== null) return reject(failure.status, failure.reason, failure.offset);
  return request;
}

/** `SIP/` digits `.` digits. Source: RFC 3261 25.1 (SIP-Version). */
function isVersion(text: string): boolean {
  if (text.slice(0, 4).toUpperCase() !== 'SIP/') return false;
  const dot = text.indexOf('.', 4);
  return dot > 4 && dot < text.length - 1 && decimal(text.slice(4, dot)) >= 0 && decimal(text.slice(dot + 1)) >= 0;
}

const methodNames = new Map<string, string>(methods.map((method) => [method, method]));

/** The one shared string of a usual method, so that comparing is by pointer and no slice keeps the message alive. */
function knownMethod(method: string): string {
  return methodNames.get(method) ?? method;
}

function readStatusLine(
  text: string,
  start: number,
  end: number,
  headers: HeaderList,
  body: string,
  flow: Flow,
): SipResponse | BrokenMessage {
  const digits = start + 8;
  if (text.slice(start, digits).toUpperCase() !== 'SIP/2.0 ')
    return new BrokenMessage(0, 'status line of another version', start, null);
  const status = decimal(text.slice(digits, digits + 3));
  const after = text.charCodeAt(digits + 3);
  if (status < 100 || status > 699 || (after !== space && digits + 3 !== end)) {
    return new BrokenMessage(0, 'status code is not 100 to 699', digits, null);
  }
  const stray = text.indexOf('\r', digits);
  if (stray >= 0 && stray < end) return new BrokenMessage(0, 'carriage return in the reason phrase', stray, null);
  return new SipResponse(status, text.slice(Math.min(digits + 4, end), end), headers, body, flow);
}
