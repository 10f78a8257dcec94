import { ParseFailure } from '../errors.ts';
import { type CSeq, parseCSeq } from '../header/cseq.ts';
import { splitListValues } from '../header/list-values.ts';
import { parseNameAddr } from '../header/name-addr.ts';
import { parseDecimal } from '../header/number-value.ts';
import { type HeaderList, lineValue } from '../message/header-list.ts';
import { Header, headerName } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { parseUri } from '../uri/uri.ts';
import { limits } from './limits.ts';

/** Why a request is refused before any transaction or procedure sees it. */
export interface SanityFailure {
  readonly status: number;
  readonly reason: string;
}

const addresses = [
  [Header.From, 'From'],
  [Header.To, 'To'],
] as const;

const refuse = (status: number, reason: string): SanityFailure => ({ status, reason });

const via = Header.Via;
const route = Header.Route;
const contact = Header.Contact;

/**
 * Minimum checks on a request whose Via could be read: the other mandatory header fields stand there once and are
 * readable, CSeq names the method, the Request-URI is a URI.
 *
 * Gives null when it may go on, else status and words. Source: RFC 3261 8.1.1, 16.3; requirements C-23, C-25.
 */
export function checkRequest(request: SipRequest): SanityFailure | null {
  const headers = request.headers;
  const callId = headers.get(Header['Call-ID']);
  if (callId === null || callId === '') return refuse(400, 'no Call-ID');
  for (let i = 0; i < addresses.length; i++) {
    const [key, name] = addresses[i]!;
    const value = headers.get(key);
    if (value === null) return refuse(400, `no ${name}`);
    const address = parseNameAddr(value);
    if (address instanceof ParseFailure) return refuse(400, `${name} is malformed: ${address.reason}`);
    if (parseUri(address.uri) instanceof ParseFailure) return refuse(400, `${name} holds no valid URI`);
  }
  const cseq = readCSeq(request);
  if (cseq === null) return refuse(400, 'CSeq is missing or malformed');
  if (cseq.method !== request.method) return refuse(400, 'CSeq names another method than the start line');
  const maxForwards = headers.get(Header['Max-Forwards']);
  if (maxForwards !== null && parseDecimal(maxForwards, 255) instanceof ParseFailure) {
    return refuse(400, 'Max-Forwards is not a number from 0 to 255');
  }
  if (request.method === 'INVITE' && !headers.has(contact) && !isOldStyle(headers)) {
    return refuse(400, 'INVITE without Contact');
  }
  const crowded = crowdedHeader(headers);
  if (crowded !== null) return refuse(400, crowded);
  const { uri } = request;
  if (uri instanceof ParseFailure) return refuse(400, `Request-URI is malformed: ${uri.reason}`);
  if (uri.kind === 'other' && uri.scheme !== 'urn') return refuse(416, `URI scheme ${uri.scheme} is not supported`);
  return null;
}

/** Whether a request comes from an element of RFC 2543, which knew no branch cookie and needed no Contact. */
function isOldStyle(headers: HeaderList): boolean {
  return headers.first(via)?.includes('z9hG4bK') === false;
}

/**
 * Why Via, Route or Contact holds more values than it may, null when none does. Values are counted only where the fields
 * are long enough to hold too many. Requirement X-S16.
 */
function crowdedHeader(headers: HeaderList): string | null {
  const { lines } = headers;
  let vias = 0;
  let routes = 0;
  let contacts = 0;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    if (line.id === via) vias += line.valueEnd - line.valueStart;
    else if (line.id === route) routes += line.valueEnd - line.valueStart;
    else if (line.id === contact) contacts += line.valueEnd - line.valueStart;
  }
  return (
    (vias > limits.vias * shortestVia ? crowd(headers, via, limits.vias) : null) ??
    (routes > limits.routes * shortestAddress ? crowd(headers, route, limits.routes) : null) ??
    (contacts > limits.contacts * shortestAddress ? crowd(headers, contact, limits.contacts) : null)
  );
}

/** Length of `SIP/2.0/UDP a`. */
const shortestVia = 13;
/** Length of `<a:b>`. */
const shortestAddress = 5;

function crowd(headers: HeaderList, id: number, max: number): string | null {
  let count = 0;
  for (const line of headers.lines) {
    if (line.id !== id) continue;
    const value = lineValue(line);
    const values = value.indexOf(',') < 0 ? 1 : splitListValues(value);
    if (values instanceof ParseFailure) return `${headerName(id)}: ${values.reason}`;
    count += typeof values === 'number' ? values : values.length;
  }
  return count > max ? `${headerName(id)}: too many values` : null;
}

/** CSeq of a message, null when it is missing or malformed. */
export function readCSeq(message: SipRequest | SipResponse): CSeq | null {
  const value = message.headers.get(Header.CSeq);
  if (value === null) return null;
  const cseq = parseCSeq(value);
  return cseq instanceof ParseFailure ? null : cseq;
}
