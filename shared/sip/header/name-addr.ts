import { ParseFailure } from '#sip/errors';
import {
  displayClass,
  isBlank,
  isOf,
  quotedEnd,
  skipBlanks,
  skipClass,
  trimEnd,
  uriTextClass,
} from '#sip/uri/characters';
import {
  findParameter,
  isNamed,
  maxParameters,
  newParameterSpan,
  noParameters,
  Parameters,
  scanHeaderParameter,
} from '#sip/uri/parameters';
import { maxUriLength } from '#sip/uri/sip-uri';

/** One value of From, To, Contact, Route, Record-Route, Path, Service-Route, P-Asserted-Identity and their like. */
export interface NameAddr {
  /** As received, quotes included; '' when there is none. */
  readonly displayName: string;
  /** The text between `<` and `>`, or the bare URI; not parsed yet. */
  readonly uri: string;
  /** Parameters of the header, not of the URI. */
  readonly parameters: Parameters;
  /** Whether the URI stood between `<` and `>`. */
  readonly bracketed: boolean;
}

const span = newParameterSpan();

/**
 * Reads one value (a list is split before). Without brackets, parameters belong to the header, and a URI with a comma or
 * a question mark is refused; so is a tag given twice.
 *
 * Source: RFC 3261 20.10, 20.20, 25.1.
 */
export function parseNameAddr(value: string): NameAddr | ParseFailure {
  const from = skipBlanks(value, 0, value.length);
  const to = trimEnd(value, from, value.length);
  let displayName = '';
  let open = from;
  if (value.charCodeAt(from) === 34) {
    const close = quotedEnd(value, from, to);
    if (close < 0) return new ParseFailure('unclosed quote', from);
    displayName = value.slice(from, close);
    open = skipBlanks(value, close, to);
    if (value.charCodeAt(open) !== 60) return new ParseFailure('no URI after the display name', open);
  } else {
    open = skipClass(value, from, to, displayClass);
    if (value.charCodeAt(open) !== 60) return parseBare(value, from, to);
    if (open > from) displayName = value.slice(from, trimEnd(value, from, open));
  }
  const close = skipClass(value, open + 1, to, uriTextClass);
  if (close === open + 1 || value.charCodeAt(close) !== 62) return new ParseFailure('malformed URI in brackets', close);
  if (close - open - 1 > maxUriLength) return new ParseFailure('URI too long', open);
  const parameters = readParameters(value, close + 1, to);
  if (parameters instanceof ParseFailure) return parameters;
  return { displayName, uri: value.slice(open + 1, close), parameters, bracketed: true };
}

function parseBare(value: string, from: number, to: number): NameAddr | ParseFailure {
  let end = from;
  for (; end < to; end++) {
    const code = value.charCodeAt(end);
    if (code === 59 || isBlank(code)) break;
    if (code === 44 || code === 63 || !isOf(code, uriTextClass)) {
      return new ParseFailure('unexpected character in a URI without brackets', end);
    }
  }
  if (end === from) return new ParseFailure('no URI', from);
  if (end - from > maxUriLength) return new ParseFailure('URI too long', from);
  const parameters = readParameters(value, end, to);
  if (parameters instanceof ParseFailure) return parameters;
  return { displayName: '', uri: value.slice(from, end), parameters, bracketed: false };
}

function readParameters(value: string, from: number, to: number): Parameters | ParseFailure {
  const start = skipBlanks(value, from, to);
  if (start === to) return noParameters;
  let i = start;
  let tags = 0;
  for (let count = 0; i < to; count++) {
    if (value.charCodeAt(i) !== 59) return new ParseFailure('unexpected character after the URI', i);
    if (count === maxParameters) return new ParseFailure('too many parameters', i);
    i = scanHeaderParameter(value, i, to, span);
    if (i < 0) return new ParseFailure('malformed parameter', -1 - i);
    if (isNamed(value, span, 'tag') && ++tags > 1) return new ParseFailure('more than one tag', span.start);
  }
  return new Parameters(value.slice(start, to));
}

/** Writes a name-addr; brackets are kept away only from a bare URI that needs none. */
export function formatNameAddr(address: NameAddr): string {
  const { displayName, uri } = address;
  if (displayName !== '') return `${displayName} <${uri}>${address.parameters.raw}`;
  const bare = !address.bracketed && !uri.includes(';') && !uri.includes(',') && !uri.includes('?');
  return bare ? uri + address.parameters.raw : `<${uri}>${address.parameters.raw}`;
}

/** Tag of a From or To, '' when there is none; a text is scanned for it without being checked. Source: RFC 3261 19.3. */
export function tagOf(address: NameAddr | string): string {
  if (typeof address !== 'string') return address.parameters.get('tag') ?? '';
  const start = parametersStart(address);
  return findParameter(address, start, 'tag', span) ? address.slice(span.valueStart, span.valueEnd) : '';
}

/** Where the header parameters of a name-addr value begin: after its `>`, or at the first `;` of a bare URI. */
export function parametersStart(value: string): number {
  const end = value.length;
  let i = 0;
  while (i < end) {
    const code = value.charCodeAt(i);
    if (code === 59) return i;
    if (code === 60) {
      const close = value.indexOf('>', i);
      return close < 0 ? end : close + 1;
    }
    if (code === 34) {
      const close = quotedEnd(value, i, end);
      if (close < 0) return end;
      i = close;
    } else {
      i++;
    }
  }
  return end;
}
