import { ParseFailure } from '#sip/errors';
import {
  equalsIgnoreCase,
  equalsUnescaped,
  passwordClass,
  skipEscaped,
  uriHeadersClass,
  userClass,
} from './characters.ts';
import { digitsEnd, formatHost, type HostSpan, portNumber, readHost, sameHost } from './host-port.ts';
import { noParameters, Parameters, scanUriParameters } from './parameters.ts';

/** A `sip:` or `sips:` URI. */
export interface SipUri {
  readonly kind: 'sip';
  readonly scheme: 'sip' | 'sips';
  /** '' when there is none; escapes as received. */
  readonly user: string;
  /** '' when there is none. */
  readonly password: string;
  /** Lower case; IPv6 without brackets. */
  readonly host: string;
  /** 0 when there is none. */
  readonly port: number;
  readonly parameters: Parameters;
  /** Header part without its `?`, '' when there is none; never turned into header fields by itself. */
  readonly headers: string;
}

/** Longest URI accepted, in characters. */
export const maxUriLength = 4096;

const span: HostSpan = { host: '', end: 0 };

/**
 * Reads a SIP or SIPS URI, nothing around it; escapes are checked and kept.
 *
 * Source: RFC 3261 19.1.1, 25.1.
 */
export function parseSipUri(text: string): SipUri | ParseFailure {
  const to = text.length;
  if (to > maxUriLength) return new ParseFailure('URI too long', maxUriLength);
  let i = afterScheme(text);
  if (i === 0) return new ParseFailure('not a SIP URI');
  const secure = i === 5;

  let user = '';
  let password = '';
  const at = text.indexOf('@', i);
  if (at >= 0) {
    const userEnd = skipEscaped(text, i, at, userClass);
    if (userEnd === i) return new ParseFailure('malformed user part', i);
    user = text.slice(i, userEnd);
    if (userEnd < at) {
      if (text.charCodeAt(userEnd) !== 58) return new ParseFailure('malformed user part', userEnd);
      const passwordEnd = skipEscaped(text, userEnd + 1, at, passwordClass);
      if (passwordEnd < at) return new ParseFailure('malformed password', passwordEnd);
      password = text.slice(userEnd + 1, at);
    }
    i = at + 1;
  }

  const hostStart = i;
  if (!readHost(text, hostStart, to, span)) return new ParseFailure('malformed host', hostStart);
  const host = span.host;
  i = span.end;

  let port = 0;
  if (i < to && text.charCodeAt(i) === 58) {
    const portEnd = digitsEnd(text, i + 1, to);
    port = portNumber(text, i + 1, portEnd);
    if (port < 0) return new ParseFailure('malformed port', i + 1);
    i = portEnd;
  }

  let parameters = noParameters;
  if (i < to && text.charCodeAt(i) === 59) {
    const end = scanUriParameters(text, i, to);
    if (end < 0) return new ParseFailure('malformed URI parameters', -1 - end);
    parameters = new Parameters(text.slice(i, end));
    i = end;
  }

  let headers = '';
  if (i < to) {
    if (text.charCodeAt(i) !== 63) return new ParseFailure('unexpected character in URI', i);
    const end = skipEscaped(text, i + 1, to, uriHeadersClass);
    if (end < to || end === i + 1) return new ParseFailure('malformed URI headers', end);
    headers = text.slice(i + 1);
  }
  return { kind: 'sip', scheme: secure ? 'sips' : 'sip', user, password, host, port, parameters, headers };
}

/** Position after `sip:` (4) or `sips:` (5) in any case, 0 when the text begins otherwise. */
export function afterScheme(text: string): number {
  if (text.length < 4 || (text.charCodeAt(0) | 32) !== 115) return 0;
  if ((text.charCodeAt(1) | 32) !== 105 || (text.charCodeAt(2) | 32) !== 112) return 0;
  const code = text.charCodeAt(3);
  if (code === 58) return 4;
  return (code | 32) === 115 && text.charCodeAt(4) === 58 ? 5 : 0;
}

/** Writes a SIP URI. Source: RFC 3261 19.1.1. */
export function formatSipUri(uri: SipUri): string {
  let text: string = uri.scheme === 'sips' ? 'sips:' : 'sip:';
  if (uri.user !== '') text += uri.password === '' ? `${uri.user}@` : `${uri.user}:${uri.password}@`;
  text += formatHost(uri.host);
  if (uri.port !== 0) text += `:${uri.port}`;
  text += uri.parameters.raw;
  return uri.headers === '' ? text : `${text}?${uri.headers}`;
}

/** Parameters that make two URIs differ when only one of them has it. */
const decisive = ['transport', 'user', 'method', 'maddr', 'ttl'];

/**
 * Whether two SIP URIs are equivalent: user and password by case, all else in any case; a port, a header or one of
 * transport, user, method, maddr, ttl that only one has makes them differ; other parameters count when both have them.
 *
 * Source: RFC 3261 19.1.4, RFC 5954 4.2.
 */
export function sipUriEquals(a: SipUri, b: SipUri): boolean {
  if (a.scheme !== b.scheme || a.port !== b.port || !sameHost(a.host, b.host)) return false;
  if (!equalsUnescaped(a.user, b.user, false) || !equalsUnescaped(a.password, b.password, false)) return false;
  if (a.parameters.raw !== b.parameters.raw && !parametersMatch(a.parameters, b.parameters)) return false;
  return a.headers === b.headers || headersMatch(a.headers, b.headers);
}

function parametersMatch(a: Parameters, b: Parameters): boolean {
  for (const name of decisive) if (a.has(name) !== b.has(name)) return false;
  for (const { name } of a.entries()) {
    // Of a name that occurs twice the first counts, on both sides.
    const value = a.get(name);
    const other = b.get(name);
    if (value !== null && other !== null && !equalsUnescaped(value, other, true)) return false;
  }
  return true;
}

/** More header parts than this are only compared as a whole. */
const maxComparedHeaders = 100;

/** Whether two header parts hold the same headers in any order. */
function headersMatch(a: string, b: string): boolean {
  const left = a.split('&', maxComparedHeaders + 1);
  const right = b.split('&', maxComparedHeaders + 1);
  if (left.length !== right.length || left.length > maxComparedHeaders) return false;
  for (const header of left) {
    const at = right.findIndex((other) => headerMatches(header, other));
    if (at < 0) return false;
    right.splice(at, 1);
  }
  return true;
}

function headerMatches(a: string, b: string): boolean {
  const i = a.indexOf('=');
  const j = b.indexOf('=');
  if (i < 0 || j < 0) return i === j && equalsIgnoreCase(a, b);
  return equalsIgnoreCase(a.slice(0, i), b.slice(0, j)) && equalsUnescaped(a.slice(i + 1), b.slice(j + 1), false);
}
