import { lookupIdentityOf } from '#ims/identity';
import { ParseFailure } from '#sip/errors';
import { parseNameAddr } from '#sip/header/name-addr';
import { parseServedUser } from '#sip/header/served-user';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';

/**
 * The user a request out of the blue is originated for: P-Served-User, else the sip, else the tel identity of
 * P-Asserted-Identity. Null when none is named. Source: TS 24.229 5.3.2.1; requirement I-20.
 */
export function originatingUser(request: SipRequest): string | null {
  const served = request.headers.get(Header['P-Served-User']);
  if (served !== null) {
    const user = parseServedUser(served);
    if (!(user instanceof ParseFailure)) return canonical(user.uri);
  }
  const asserted: string[] = [];
  for (const value of request.headers.values(Header['P-Asserted-Identity'])) {
    const address = parseNameAddr(value);
    if (!(address instanceof ParseFailure)) asserted.push(address.uri);
  }
  const uri = asserted.find((text) => text.toLowerCase().startsWith('sip')) ?? asserted[0];
  return uri === undefined ? null : canonical(uri);
}

/**
 * The called identity as the HSS knows it; null for what no subscriber can be (urn, unreadable).
 * Source: TS 24.229 5.3.2.1; requirement I-21.
 */
export function calledUser(request: SipRequest): string | null {
  return canonical(request.requestUri);
}

function canonical(uri: string): string | null {
  const impu = lookupIdentityOf(uri);
  return impu instanceof ParseFailure ? null : impu;
}
