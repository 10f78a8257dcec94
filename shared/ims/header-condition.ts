import { ParseFailure } from '#sip/errors';
import { splitListValues } from '#sip/header/list-values';
import { type HeaderLine, lineValue } from '#sip/message/header-list';
import { headerId, headerName, isListHeader } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { Effort, ExpressionSearch } from './expression-search.ts';

/** Header fields by name, ready to be found. Exactly one of `header` and `expression` is there. */
export interface HeaderNames {
  /** One header: its number, or 0 and its name in lower case. */
  readonly header: { readonly id: number; readonly extension: string } | null;
  /** Any header with a name that the expression is found in, letters in any case. */
  readonly expression: ExpressionSearch | null;
  /** By number of a header: 1 when its name fits. */
  readonly known: Uint8Array;
}

/** Whether a text is a header name and nothing but that: it then means the whole name. */
export function isHeaderName(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i) | 0x20;
    const letter = code >= 0x61 && code <= 0x7a;
    const other = text[i] === '-' || text[i] === '_' || (code >= 0x30 && code <= 0x39 && text.charCodeAt(i) < 0x40);
    if (!letter && !other) return false;
  }
  return text.length > 0;
}

/** The header with that name, compact forms included. */
export function headerNamed(name: string): HeaderNames {
  const id = headerId(name);
  const extension = id === 0 ? name.toLowerCase() : '';
  return { header: { id, extension }, expression: null, known: noHeader };
}

/** The headers with a name that fits. `effort`: of the search through all names that are known by number. */
export function headersLike(expression: ExpressionSearch, effort: Effort): HeaderNames {
  const known = new Uint8Array(256);
  for (let id = 1; headerName(id) !== ''; id++) known[id] = expression.isIn(headerName(id), effort) ? 1 : 0;
  return { header: null, expression, known };
}

const noHeader = new Uint8Array(0);

/**
 * Whether a request has such a header and, where `content` is given, a value that it is found in. What is searched: the
 * value of each header line, unfolded; where several values may share a line, also each value alone and all of them
 * together, so that it does not matter how they were spread over lines.
 *
 * Source: RFC 3261 7.3.1, TS 29.228 annex F; requirement S-92.
 */
export function headerHolds(
  names: HeaderNames,
  content: ExpressionSearch | null,
  request: SipRequest,
  effort: Effort,
): boolean {
  const { lines } = request.headers;
  let first = -1;
  let more = false;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (!isNamed(names, line, effort)) continue;
    if (content === null) return true;
    if (valueHolds(content, line, effort)) return true;
    if (first < 0) first = i;
    else more = true;
  }
  return more && content !== null && togetherHold(names, content, lines, first, effort);
}

/** The lines of such headers; the name of each and its value. */
export function headersNamed(names: HeaderNames, request: SipRequest, effort: Effort): string[] {
  return request.headers.lines
    .filter((line) => isNamed(names, line, effort))
    .map((line) => `${line.id === 0 ? line.extension : headerName(line.id)}: ${lineValue(line)}`);
}

function isNamed({ header, expression, known }: HeaderNames, line: HeaderLine, effort: Effort): boolean {
  if (header !== null) return line.id === header.id && line.extension === header.extension;
  return line.id === 0 ? expression!.isIn(line.extension, effort) : known[line.id] === 1;
}

function valueHolds(content: ExpressionSearch, line: HeaderLine, effort: Effort): boolean {
  const value = lineValue(line);
  if (content.isIn(value, effort)) return true;
  // Without ^ and $, what is in one of the values is in the line.
  if (!content.anchored || !isListHeader(line.id) || !value.includes(',')) return false;
  const values = splitListValues(value);
  effort.steps -= 2 * value.length;
  return !(values instanceof ParseFailure) && values.some((part) => content.isIn(part, effort));
}

/** Lines of one header put together, for each header that has several. */
function togetherHold(
  names: HeaderNames,
  content: ExpressionSearch,
  lines: readonly HeaderLine[],
  first: number,
  effort: Effort,
): boolean {
  const together = new Map<string | number, { count: number; text: string }>();
  for (let i = first; i < lines.length; i++) {
    const line = lines[i]!;
    if (!isListHeader(line.id) || !isNamed(names, line, effort)) continue;
    const key = line.id === 0 ? line.extension : line.id;
    const known = together.get(key);
    if (known === undefined) together.set(key, { count: 1, text: lineValue(line) });
    else {
      known.count++;
      known.text += `, ${lineValue(line)}`;
    }
  }
  for (const { count, text } of together.values()) if (count > 1 && content.isIn(text, effort)) return true;
  return false;
}
