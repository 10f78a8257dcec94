import { ParseFailure } from '../errors.ts';
import { hasTag } from '../header/option-tags.ts';
import { parseSessionExpires } from '../header/session-expires.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import type { ProxyTransaction } from '../proxy/proxy-transaction.ts';
import { isRefusal } from './refusal.ts';
import {
  acceptSessionTimer,
  offerSessionTimer,
  readAgreement,
  refreshesSession,
  type SessionTimerPolicy,
} from './session-timer.ts';

/** What holds where the configuration does not say. */
export const defaultSessionTimer: SessionTimerPolicy = Object.freeze({
  insert: 'supporting',
  defaultSeconds: 1800,
  minSeconds: 90,
  maxSeconds: 86_400,
});

/**
 * Gives an INVITE a session timer, or changes the one that an INVITE or UPDATE has, as the operator wants; any other
 * request stays as it is, and one whose timer cannot be read too. An UPDATE is given none: most only change what is being
 * negotiated. Gives false when the request was refused with 422.
 *
 * Source: RFC 4028 8.1; requirements P-80, S-115.
 */
export function offerTimer(transaction: ProxyTransaction, policy: SessionTimerPolicy): boolean {
  const { request } = transaction;
  if (!refreshesSession(request.method)) return true;
  const { headers, method } = request.by('offerTimer (RFC 4028 8.1)');
  if (method === 'UPDATE' && !headers.has(Header['Session-Expires'])) return true;
  const offer = offerSessionTimer(request, policy);
  if (offer === null || offer instanceof ParseFailure || !isRefusal(offer)) return true;
  transaction.refuse(offer.reason, offer.detail, (response) => {
    for (const [key, value] of offer.headers) response.headers.append(key, value);
  });
  return false;
}

/**
 * Lets the caller refresh a session whose callee knows no session timers. All it needs stands in the request as it went
 * on. Source: RFC 4028 8.2; requirements P-80, S-115.
 */
export function acceptTimer(request: SipRequest, response: SipResponse): void {
  if (response.status < 200 || response.status > 299 || !refreshesSession(request.method)) return;
  const value = request.headers.get(Header['Session-Expires']);
  if (value === null || readAgreement(response) !== null) return;
  const asked = parseSessionExpires(value);
  if (asked instanceof ParseFailure) return;
  const { headers } = request;
  const callerSupports =
    hasTag(headers.values(Header.Supported), 'timer') || hasTag(headers.values(Header.Require), 'timer');
  acceptSessionTimer(response.by('acceptTimer (RFC 4028 8.2)'), { seconds: asked.seconds, callerSupports });
}
