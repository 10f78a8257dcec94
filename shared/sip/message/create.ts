import { tagOf } from '../header/name-addr.ts';
import { type HeaderKey, HeaderList, makeLine } from './header-list.ts';
import { Header } from './header-names.ts';
import { reasonPhrase } from './reason-phrases.ts';
import { SipRequest } from './request.ts';
import { SipResponse } from './response.ts';

/** A request of our own, with the header fields in the order given. */
export function createRequest(
  method: string,
  requestUri: string,
  headers: readonly (readonly [HeaderKey, string])[],
  body = '',
): SipRequest {
  return new SipRequest(
    method,
    requestUri,
    new HeaderList(headers.map(([key, value]) => makeLine(key, value))),
    body,
    null,
  );
}

/**
 * A response to a request: Via lines, From, To (with our tag, if the request had none and the response is not 100),
 * Call-ID and CSeq are the request's, Timestamp too in a 100.
 *
 * Source: RFC 3261 8.2.6.
 */
export function createResponse(
  request: SipRequest,
  status: number,
  toTag: string,
  phrase = reasonPhrase(status),
): SipResponse {
  const headers = new HeaderList([]);
  const from = request.headers;
  headers.copyFrom(from, Header.Via);
  headers.copyFrom(from, Header.From);
  const to = from.get(Header.To);
  if (to === null || status === 100 || toTag === '' || hasTag(to)) headers.copyFrom(from, Header.To);
  else headers.push(makeLine(Header.To, `${to};tag=${toTag}`));
  headers.copyFrom(from, Header['Call-ID']);
  headers.copyFrom(from, Header.CSeq);
  if (status === 100) headers.copyFrom(from, Header.Timestamp);
  if (from.journal !== null) headers.journal = from.journal.fork();
  return new SipResponse(status, phrase, headers, '', null);
}

function hasTag(value: string): boolean {
  return tagOf(value) !== '';
}
