import { type HeaderLine, HeaderList, lineValue } from '../message/header-list.ts';
import { Header, headerIdByHash, nameHash } from '../message/header-names.ts';
import { Journal } from '../message/journal.ts';
import { SipRequest } from '../message/request.ts';
import { SipResponse } from '../message/response.ts';
import type { Flow } from '../transport/flow.ts';
import { limits } from './limits.ts';
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

const counts = new Uint16Array(128);

/**
 * Reads one framed SIP message (latin1 text, one char an octet).
 *
 * Gives the request or response, or a BrokenMessage; never throws. With `traced` every later edit is journalled.
 *
 * Source: RFC 3261 7, 25.1; tolerance and limits: requirements C-22, C-23, security.md 2.
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
  const headers = new HeaderList(lines);
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

/** Takes out the lines that hold a NUL: they must not stand in an answer. */
function dropNulLines(text: string, lines: HeaderLine[]): void {
  let kept = 0;
  for (const line of lines) {
    const nul = text.indexOf('\0', line.start);
    if (nul < 0 || nul >= line.end) lines[kept++] = line;
  }
  lines.length = kept;
}

/** Indexes the header lines; stops at the first one that is wrong, keeping those before it. */
function readHeaders(text: string, start: number, lines: HeaderLine[]): Failure | null {
  let at = start;
  let failure: Failure | null = null;
  counts.fill(0);
  headersEnd = text.length;
  for (;;) {
    const first = text.charCodeAt(at);
    if (first === cr && text.charCodeAt(at + 1) === lf) {
      headersEnd = at + 2;
      break;
    }
    if (first === lf) {
      headersEnd = at + 1;
      break;
    }
    let end = text.indexOf('\n', at);
    if (end < 0) return failure ?? fail(400, 'header section without an empty line at its end', at);
    let nameEnd = at;
    let hash = 0;
    for (let code = first; isTokenCode(code); code = text.charCodeAt(nameEnd)) {
      hash = nameHash(hash, code);
      nameEnd++;
    }
    let valueStart = nameEnd;
    while (isBlank(text.charCodeAt(valueStart))) valueStart++;
    const wellNamed = nameEnd > at && text.charCodeAt(valueStart) === colon;
    let segment = at;
    while (hasBareCr(text, segment, end) === false && isBlank(text.charCodeAt(end + 1))) {
      segment = end + 1;
      const next = text.indexOf('\n', segment);
      if (next < 0) return failure ?? fail(400, 'header section without an empty line at its end', at);
      end = next;
    }
    const lineStart = at;
    at = end + 1;
    if (hasBareCr(text, segment, end)) {
      failure ??= fail(400, 'carriage return without line feed in a header field', segment);
      continue;
    }
    if (!wellNamed) {
      failure ??= fail(400, 'header field without a proper name and colon', lineStart);
      continue;
    }
    if (end - lineStart > limits.headerLine) {
      failure ??= fail(400, 'header field too long', lineStart);
      continue;
    }
    if (lines.length === limits.headerFields) return failure ?? fail(400, 'too many header fields', lineStart);
    valueStart++;
    let valueEnd = end;
    while (valueEnd > valueStart && isWhite(text.charCodeAt(valueEnd - 1))) valueEnd--;
    while (valueStart < valueEnd && isWhite(text.charCodeAt(valueStart))) valueStart++;
    const id = headerIdByHash(text, lineStart, nameEnd, hash);
    if (id !== 0 && ++counts[id]! > limits.fieldsOfOneKind)
      failure ??= fail(400, 'too many header fields of one kind', lineStart);
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
  const nul = text.indexOf('\0');
  if (nul >= 0 && nul < headersEnd) {
    failure ??= fail(400, 'NUL in the header section', nul);
    dropNulLines(text, lines);
  }
  for (let i = 0; i < once.length; i++) {
    if (counts[once[i]!]! > 1) failure ??= fail(400, 'a header field that may stand once stands twice', start);
  }
  return failure;
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
];

function isWhite(code: number): boolean {
  return code === space || code === 9 || code === cr || code === lf;
}

function hasBareCr(text: string, start: number, end: number): boolean {
  const at = text.indexOf('\r', start);
  return at >= 0 && at < end - 1;
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
    const sip = version.length > 4 && version.slice(0, 4).toUpperCase() === 'SIP/';
    return reject(sip ? 505 : 400, 'SIP version is not 2.0', uriEnd);
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

const methods = new Map(
  [
    'REGISTER',
    'INVITE',
    'ACK',
    'BYE',
    'CANCEL',
    'OPTIONS',
    'MESSAGE',
    'SUBSCRIBE',
    'NOTIFY',
    'PRACK',
    'UPDATE',
    'INFO',
    'REFER',
    'PUBLISH',
  ].map((m) => [m, m]),
);

/** The one shared string of a usual method, so that comparing is by pointer and no slice keeps the message alive. */
function knownMethod(method: string): string {
  return methods.get(method) ?? method;
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
  return new SipResponse(status, text.slice(Math.min(digits + 4, end), end), headers, body, flow);
}
