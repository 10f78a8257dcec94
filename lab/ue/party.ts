import { ParseFailure } from '#sip/errors';
import { parseNameAddr } from '#sip/header/name-addr';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';

/** The URI of a name-addr value; the value itself where it cannot be read. */
export function bareUri(value: string): string {
  const parsed = parseNameAddr(value);
  return parsed instanceof ParseFailure ? value : parsed.uri;
}

/** Who sent a request: P-Asserted-Identity, else From. Source: RFC 3325 9.1. */
export function senderOf(request: SipRequest): string {
  return bareUri(request.headers.first(Header['P-Asserted-Identity']) ?? request.headers.get(Header.From) ?? '');
}
