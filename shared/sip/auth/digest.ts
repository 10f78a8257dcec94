import { hash } from 'node:crypto';
import { ParseFailure } from '#sip/errors';

/** One auth-param. `value` is without quotes and escapes, `name` as written. */
export interface DigestParameter {
  readonly name: string;
  readonly value: string;
  readonly quoted: boolean;
}

/** Hash of the digest; AKAv1-MD5 and AKAv2-MD5 compute with MD5 and differ in the password only. */
export type DigestHash = 'MD5' | 'SHA-256';

/** What a digest response is computed from. Texts are latin1, so the octets are those of the header. */
export interface DigestInput {
  readonly method: string;
  /** The `uri` parameter as sent, not the Request-URI, which proxies rewrite. */
  readonly uri: string;
  readonly nonce: string;
  readonly algorithm?: DigestHash;
  readonly qop?: 'auth' | 'auth-int';
  readonly nc?: string;
  readonly cnonce?: string;
  /** Hexadecimal H(A1) when the HSS gives that instead of a password; then username, realm and password are not used. */
  readonly ha1?: string;
  readonly username?: string;
  readonly realm?: string;
  readonly password?: Uint8Array | string;
  /** For auth-int. */
  readonly entityBody?: Uint8Array | string;
}

/**
 * The hash that an `algorithm` parameter names, in any case; MD5 without one (null), null for any other (`MD5-sess`, those
 * of AKA, what is not known).
 *
 * Source: RFC 7616 3.3, 3.4; requirement C-29.
 */
export function digestHashOf(algorithm: string | null): DigestHash | null {
  if (algorithm === null) return 'MD5';
  const upper = algorithm.toUpperCase();
  return upper === 'MD5' || upper === 'SHA-256' ? upper : null;
}

const MAX_TEXT = 16_384;
const MAX_PARAMETERS = 64;
const SCHEME = 'digest';

/** Characters of a token; wider than SIP's. Source: RFC 7230 3.2.6. */
const tokenTable = new Uint8Array(256);
for (const char of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~") {
  tokenTable[char.charCodeAt(0)] = 1;
}

/** The auth-params of one Digest header value, in order. Names compare without case; each occurs once. */
export class DigestParameters {
  readonly list: readonly DigestParameter[];

  constructor(list: readonly DigestParameter[]) {
    this.list = list;
  }

  /** Value of a parameter, null when it is not there. A list of at most 64: a walk beats a Map. */
  get(name: string): string | null {
    const lower = name.toLowerCase();
    for (const parameter of this.list) if (parameter.name.toLowerCase() === lower) return parameter.value;
    return null;
  }

  has(name: string): boolean {
    return this.get(name) !== null;
  }
}

/** A parameter and where it stands: from its name to behind its value. */
interface Span extends DigestParameter {
  readonly start: number;
  readonly end: number;
}

/**
 * Value of an Authorization, WWW-Authenticate or their Proxy- twins. Quoted and unquoted values are both taken for every
 * parameter; unknown parameters are kept. Another scheme, no parameter at all, a parameter given twice (which of them
 * counts is what an attacker plays with) and anything that does not scan is a ParseFailure: treat the header as not sent.
 * Source: RFC 7616 3.3, 3.4; RFC 7235 2.1.
 */
export function parseDigest(text: string): DigestParameters | ParseFailure {
  const spans = scanDigest(text);
  if (spans instanceof ParseFailure) return spans;
  const seen = new Set<string>();
  for (const span of spans) {
    const name = span.name.toLowerCase();
    if (seen.has(name)) return new ParseFailure(`parameter ${name} given twice`, span.start);
    seen.add(name);
  }
  return new DigestParameters(spans);
}

/** Header value `Digest name="value", ...` of a list of parameters. Source: RFC 7616 3.3. */
export function formatDigest(parameters: readonly DigestParameter[]): string {
  let text = 'Digest ';
  for (let i = 0; i < parameters.length; i++) {
    if (i > 0) text += ', ';
    text += formatParameter(parameters[i]!.name, parameters[i]!.value, parameters[i]!.quoted);
  }
  return text;
}

/**
 * The header value without a parameter, every occurrence of it (any case); the other octets stay as they are.
 * A value that does not scan is a ParseFailure: the header must then not be forwarded, the next hop might read it otherwise.
 */
export function withoutParameter(text: string, name: string): string | ParseFailure {
  return replaceParameter(text, name, '');
}

/** The header value with the parameter as its last one, in place of any it had. ParseFailure as `withoutParameter`. */
export function withParameter(text: string, name: string, value: string, quoted: boolean): string | ParseFailure {
  return replaceParameter(text, name, formatParameter(name, value, quoted));
}

/** Takes every occurrence of a parameter out and puts `added`, if it is not '', behind the last one that stays. */
function replaceParameter(text: string, name: string, added: string): string | ParseFailure {
  const spans = scanDigest(text);
  if (spans instanceof ParseFailure) return spans;
  const lower = name.toLowerCase();
  let result = text.slice(0, spans[0]!.start);
  let kept = 0;
  for (let i = 0; i < spans.length; i++) {
    const span = spans[i]!;
    if (span.name.toLowerCase() === lower) continue;
    // What stood before it (comma, blanks) stays with it, unless it has become the first.
    result += text.slice(kept++ > 0 ? spans[i - 1]!.end : span.start, span.end);
  }
  if (added !== '') result += kept > 0 ? `, ${added}` : added;
  return result + text.slice(spans[spans.length - 1]!.end);
}

/**
 * The `response` value (hexadecimal, lower case) a client that knows the secret sends.
 * Source: RFC 7616 3.4.1; without qop RFC 2069 as kept by RFC 2617 3.2.2.1.
 */
export function digestResponse(input: DigestInput): string {
  const algorithm = input.algorithm === 'SHA-256' ? 'sha256' : 'md5';
  const ha1 =
    input.ha1?.toLowerCase() ??
    hash(
      algorithm,
      Buffer.concat([latin1(`${input.username ?? ''}:${input.realm ?? ''}:`), octets(input.password ?? '')]),
    );
  let a2 = `${input.method}:${input.uri}`;
  if (input.qop === 'auth-int') a2 += `:${hash(algorithm, octets(input.entityBody ?? ''))}`;
  const ha2 = hash(algorithm, latin1(a2));
  const middle =
    input.qop === undefined ? input.nonce : `${input.nonce}:${input.nc ?? ''}:${input.cnonce ?? ''}:${input.qop}`;
  return hash(algorithm, latin1(`${ha1}:${middle}:${ha2}`));
}

/** H(A1) in hexadecimal, for storing instead of a password. Source: RFC 7616 3.4.2. */
export function digestHa1(
  username: string,
  realm: string,
  password: Uint8Array | string,
  algorithm: DigestHash = 'MD5',
): string {
  return hash(
    algorithm === 'SHA-256' ? 'sha256' : 'md5',
    Buffer.concat([latin1(`${username}:${realm}:`), octets(password)]),
  );
}

/** Whether two responses are the same; the time does not tell where they differ. Hexadecimal case does not matter. */
export function sameResponse(expected: string, given: string): boolean {
  if (expected.length !== given.length) return false;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    difference |= lowerHex(expected.charCodeAt(i)) ^ lowerHex(given.charCodeAt(i));
  }
  return difference === 0;
}

/** The count in an `nc` parameter: exactly eight hexadecimal digits. Source: RFC 7616 3.4. */
export function parseNonceCount(text: string): number | ParseFailure {
  if (text.length !== 8) return new ParseFailure('nc is not eight digits');
  for (let i = 0; i < 8; i++) if (!isHex(text.charCodeAt(i))) return new ParseFailure('nc is not hexadecimal', i);
  return Number.parseInt(text, 16);
}

function formatParameter(name: string, value: string, quoted: boolean): string {
  return quoted ? `${name}="${escapeQuoted(value)}"` : `${name}=${value}`;
}

function escapeQuoted(value: string): string {
  if (!value.includes('"') && !value.includes('\\')) return value;
  let escaped = '';
  for (const char of value) escaped += char === '"' || char === '\\' ? `\\${char}` : char;
  return escaped;
}

/** All parameters with their places; at least one, else a failure. */
function scanDigest(text: string): Span[] | ParseFailure {
  const end = text.length;
  if (end > MAX_TEXT) return new ParseFailure('header value too long', MAX_TEXT);
  let at = skipBlanks(text, 0);
  const schemeEnd = skipToken(text, at);
  if (text.slice(at, schemeEnd).toLowerCase() !== SCHEME) return new ParseFailure('scheme is not Digest', at);
  at = skipBlanks(text, schemeEnd);
  if (at === schemeEnd) return new ParseFailure('no blank after the scheme', at);
  const spans: Span[] = [];
  for (;;) {
    at = skipSeparators(text, at);
    if (at === end) break;
    if (spans.length === MAX_PARAMETERS) return new ParseFailure('too many parameters', at);
    const span = scanParameter(text, at);
    if (span instanceof ParseFailure) return span;
    spans.push(span);
    at = skipBlanks(text, span.end);
    if (at < end && text.charCodeAt(at) !== 0x2c) return new ParseFailure('no comma between parameters', at);
  }
  return spans.length > 0 ? spans : new ParseFailure('no parameters', end);
}

function scanParameter(text: string, start: number): Span | ParseFailure {
  const nameEnd = skipToken(text, start);
  if (nameEnd === start) return new ParseFailure('parameter name expected', start);
  let at = skipBlanks(text, nameEnd);
  if (text.charCodeAt(at) !== 0x3d) return new ParseFailure('= expected', at);
  at = skipBlanks(text, at + 1);
  const name = text.slice(start, nameEnd);
  if (text.charCodeAt(at) === 0x22) {
    const end = skipQuoted(text, at);
    if (end < 0) return new ParseFailure('quoted value does not end', at);
    return { name, value: unescapeQuoted(text.slice(at + 1, end - 1)), quoted: true, start, end };
  }
  const end = skipBareValue(text, at);
  if (end === at) return new ParseFailure('value expected', at);
  return { name, value: text.slice(at, end), quoted: false, start, end };
}

/** Behind a quoted string that starts at `at`; -1 when it does not end or holds a control character. */
function skipQuoted(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) return i + 1;
    if (code === 0x5c) i++;
    else if (isControl(code)) return -1;
  }
  return -1;
}

function unescapeQuoted(inner: string): string {
  if (!inner.includes('\\')) return inner;
  let value = '';
  for (let i = 0; i < inner.length; i++) {
    if (inner.charCodeAt(i) === 0x5c) i++;
    value += inner.charAt(i);
  }
  return value;
}

/** An unquoted value ends at a comma or a blank; base64 and URIs pass, quotes and control characters do not. */
function skipBareValue(text: string, at: number): number {
  let i = at;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2c || code === 0x22 || isBlank(code) || isControl(code)) break;
  }
  return i;
}

function skipToken(text: string, at: number): number {
  let i = at;
  while (i < text.length && tokenTable[text.charCodeAt(i)] === 1) i++;
  return i;
}

function skipBlanks(text: string, at: number): number {
  let i = at;
  while (i < text.length && isBlank(text.charCodeAt(i))) i++;
  return i;
}

function skipSeparators(text: string, at: number): number {
  let i = at;
  while (i < text.length && (isBlank(text.charCodeAt(i)) || text.charCodeAt(i) === 0x2c)) i++;
  return i;
}

/** SP, HT, and the line ends of a folded header. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0a;
}

function isControl(code: number): boolean {
  return (code < 0x20 && code !== 0x09) || code === 0x7f;
}

function isHex(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66) || (code >= 0x41 && code <= 0x46);
}

function lowerHex(code: number): number {
  return code >= 0x41 && code <= 0x46 ? code | 0x20 : code;
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function octets(value: Uint8Array | string): Uint8Array {
  return typeof value === 'string' ? latin1(value) : value;
}
