import { ParseFailure } from '../errors.ts';
import { hasTag } from '../header/option-tags.ts';
import {
  formatMinSe,
  formatSessionExpires,
  parseMinSe,
  parseSessionExpires,
  type SessionExpires,
} from '../header/session-expires.ts';
import type { HeaderKey } from '../message/header-list.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipMessage, SipResponse } from '../message/response.ts';
import { coreReasons } from '../reasons.ts';
import { type Refusal, refusal } from './refusal.ts';

/** The least interval the protocol knows, seconds. Source: RFC 4028 4. */
export const leastSessionSeconds = 90;

/** What a node wants of session timers. Seconds. */
export interface SessionTimerPolicy {
  /** Interval for a session that has none. */
  readonly defaultSeconds: number;
  /** Shorter ones are refused or raised; 90 at least. */
  readonly minSeconds: number;
  /** Longer ones are lowered. */
  readonly maxSeconds: number;
  /** Whose sessions get one: of callers that support it, of all, of none that did not ask. */
  readonly insert: 'supporting' | 'all' | 'none';
}

/** What a proxy remembers of a request until its 2xx. */
export interface SessionOffer {
  /** Session-Expires of the request as it went on. */
  readonly seconds: number;
  readonly callerSupports: boolean;
}

/** A session timer that both ends know of. */
export interface SessionAgreement {
  readonly seconds: number;
  /** Who refreshes: caller or callee of the request that agreed it. */
  readonly refresher: 'uac' | 'uas';
}

/** Whether a request may begin or refresh a session. */
export function refreshesSession(method: string): boolean {
  return method === 'INVITE' || method === 'UPDATE';
}

/**
 * What a proxy does with the session timer of an INVITE or UPDATE: inserts one, lowers a long one, raises a short one of
 * a caller that could not be told, and refuses with 422 a short one of a caller that can.
 *
 * Gives what to remember for the 2xx (null: the session has no timer), a refusal, or a ParseFailure when Session-Expires
 * or Min-SE cannot be read. Source: RFC 4028 8.1; requirements P-80, S-115.
 */
export function offerSessionTimer(
  request: SipRequest,
  policy: SessionTimerPolicy,
): SessionOffer | Refusal | ParseFailure | null {
  const asked = readAsked(request);
  if (asked instanceof ParseFailure) return asked;
  const { expires, minSe, callerSupports } = asked;
  const { headers } = request;
  if (expires === null) {
    if (policy.insert === 'none' || (policy.insert === 'supporting' && !callerSupports)) return null;
    const seconds = Math.max(policy.defaultSeconds, policy.minSeconds, minSe);
    headers.append(Header['Session-Expires'], formatSessionExpires({ seconds, refresher: '' }));
    return { seconds, callerSupports };
  }
  if (expires.seconds < policy.minSeconds) {
    if (callerSupports) return tooBrief(policy);
    headers.set(Header['Min-SE'], formatMinSe(Math.max(minSe, policy.minSeconds)));
  }
  const most = Math.max(policy.maxSeconds, minSe, policy.minSeconds);
  const seconds = Math.min(Math.max(expires.seconds, policy.minSeconds), most);
  if (seconds !== expires.seconds)
    headers.set(Header['Session-Expires'], formatSessionExpires({ ...expires, seconds }));
  return { seconds, callerSupports };
}

/**
 * What a proxy does with the 2xx to an INVITE or UPDATE: a callee that knows no session timers leaves the refreshing to a
 * caller that does.
 *
 * Gives what the ends have agreed on, null when the session has no timer. Source: RFC 4028 8.2; requirements P-80, S-115.
 */
export function acceptSessionTimer(response: SipResponse, offer: SessionOffer | null): SessionAgreement | null {
  const { headers } = response;
  const agreed = readAgreement(response);
  if (agreed !== null) return agreed;
  if (headers.has(Header['Session-Expires']) || offer === null || !offer.callerSupports) return null;
  headers.append(Header['Session-Expires'], formatSessionExpires({ seconds: offer.seconds, refresher: 'uac' }));
  requireTimer(response);
  return { seconds: offer.seconds, refresher: 'uac' };
}

/**
 * What a called UA agrees to, written into its 2xx. Who shall refresh is the caller's wish, else the caller where it
 * can, else the callee.
 *
 * Gives null for a session without timer, a refusal with 422 or a ParseFailure as `offerSessionTimer`.
 * Source: RFC 4028 9.
 */
export function answerSessionTimer(
  request: SipRequest,
  response: SipResponse,
  policy: SessionTimerPolicy,
): SessionAgreement | Refusal | ParseFailure | null {
  const asked = readAsked(request);
  if (asked instanceof ParseFailure) return asked;
  const { expires, minSe, callerSupports } = asked;
  if (expires === null && (policy.insert === 'none' || (policy.insert === 'supporting' && !callerSupports)))
    return null;
  const wanted = expires?.seconds ?? policy.defaultSeconds;
  if (wanted < policy.minSeconds && callerSupports) return tooBrief(policy);
  const most = Math.max(policy.maxSeconds, minSe, policy.minSeconds);
  const seconds = Math.min(Math.max(wanted, policy.minSeconds), most);
  const refresher = !callerSupports ? 'uas' : expires === null || expires.refresher === '' ? 'uac' : expires.refresher;
  response.headers.set(Header['Session-Expires'], formatSessionExpires({ seconds, refresher }));
  if (refresher === 'uac') requireTimer(response);
  return { seconds, refresher };
}

/** What a 2xx says, null when it says nothing that can be read. Without a refresher it is the caller. */
export function readAgreement(response: SipResponse): SessionAgreement | null {
  const value = response.headers.get(Header['Session-Expires']);
  if (value === null) return null;
  const expires = parseSessionExpires(value);
  if (expires instanceof ParseFailure || expires.seconds === 0) return null;
  return { seconds: expires.seconds, refresher: expires.refresher === '' ? 'uac' : expires.refresher };
}

/** Header fields of an INVITE or UPDATE of our own that asks for a session timer. Source: RFC 4028 7.1, 7.4. */
export function sessionTimerHeaders(
  seconds: number,
  minSeconds: number,
  refresher: SessionExpires['refresher'] = '',
): [HeaderKey, string][] {
  const headers: [HeaderKey, string][] = [
    [Header.Supported, 'timer'],
    [Header['Session-Expires'], formatSessionExpires({ seconds: Math.max(seconds, minSeconds), refresher })],
  ];
  if (minSeconds > leastSessionSeconds) headers.push([Header['Min-SE'], formatMinSe(minSeconds)]);
  return headers;
}

/** The least interval that a 422 to our request asks for, 90 when it cannot be read. Source: RFC 4028 7.3. */
export function leastAfterRefusal(response: SipResponse): number {
  const minSe = parseMinSe(response.headers.get(Header['Min-SE']) ?? '');
  return minSe instanceof ParseFailure ? leastSessionSeconds : Math.max(minSe, leastSessionSeconds);
}

/** What a request asks for. */
interface Asked {
  readonly expires: SessionExpires | null;
  readonly minSe: number;
  readonly callerSupports: boolean;
}

function readAsked({ headers }: SipRequest): Asked | ParseFailure {
  const value = headers.get(Header['Session-Expires']);
  const expires = value === null ? null : parseSessionExpires(value);
  if (expires instanceof ParseFailure) return expires;
  const minValue = headers.get(Header['Min-SE']);
  const minSe = minValue === null ? leastSessionSeconds : parseMinSe(minValue);
  if (minSe instanceof ParseFailure) return minSe;
  const callerSupports =
    hasTag(headers.values(Header.Supported), 'timer') || hasTag(headers.values(Header.Require), 'timer');
  return { expires, minSe: Math.max(minSe, leastSessionSeconds), callerSupports };
}

function tooBrief(policy: SessionTimerPolicy): Refusal {
  return refusal(coreReasons.sessionTooBrief, '', [[Header['Min-SE'], formatMinSe(policy.minSeconds)]]);
}

function requireTimer({ headers }: SipMessage): void {
  if (!hasTag(headers.values(Header.Require), 'timer')) headers.append(Header.Require, 'timer');
}
