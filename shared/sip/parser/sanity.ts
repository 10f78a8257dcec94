import { ParseFailure } from '../errors.ts';
import { type CSeq, parseCSeq } from '../header/cseq.ts';
import { parseNameAddr } from '../header/name-addr.ts';
import { parseDecimal } from '../header/number-value.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { parseUri } from '../uri/uri.ts';

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

/**
 * Minimum checks on a request whose Via could be read: the other mandatory header fields stand there once and are
 * readable, CSeq names the method, the Request-URI is a URI.
 *
 * Gives null when it may go on, else status and words. Source: RFC 3261 8.1.1, 16.3; requirement C-23.
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
  if (request.method === 'INVITE' && !headers.has(Header.Contact)) return refuse(400, 'INVITE without Contact');
  const { uri } = request;
  if (uri instanceof ParseFailure) return refuse(400, `Request-URI is malformed: ${uri.reason}`);
  if (uri.kind === 'other' && uri.scheme !== 'urn') return refuse(416, `URI scheme ${uri.scheme} is not supported`);
  return null;
}

/** CSeq of a message, null when it is missing or malformed. */
export function readCSeq(message: SipRequest | SipResponse): CSeq | null {
  const value = message.headers.get(Header.CSeq);
  if (value === null) return null;
  const cseq = parseCSeq(value);
  return cseq instanceof ParseFailure ? null : cseq;
}
