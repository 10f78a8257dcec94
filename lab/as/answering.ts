import { createResponse } from '#sip/message/create';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { TimerWheel } from '#sip/transaction/timer-wheel';
import type { ServerTransaction } from '#sip/transaction/transaction-port';
import type { Parameters } from '#sip/uri/parameters';
import { numberParameter, uriParameter } from './behaviour.ts';
import { missingTarget } from './proxying.ts';
import { WaitingRequest } from './waiting-request.ts';

/** A request and what is needed to answer it. */
export interface Asked {
  readonly server: ServerTransaction;
  readonly request: SipRequest;
  readonly wheel: TimerWheel;
  newTag(): string;
  /** Contact value of an address of ours. */
  contactOf(user: string): string;
}

/** How long a request waits that never gets its final answer. */
const forgetMs = 300_000;
const ringMs = 500;
const maxWaitMs = 60_000;

/** Answers at once. */
export function answer(
  { server, request, newTag }: Asked,
  status: number,
  phrase?: string,
  headers: readonly [HeaderKey, string][] = [],
): void {
  const response = createResponse(request, status, newTag(), phrase);
  for (const [key, value] of headers) response.headers.append(key, value);
  server.respond(response);
}

/** Says 100 to an INVITE, and never more. */
export function keepTrying({ server, request, wheel, newTag }: Asked): void {
  const waiting = new WaitingRequest(server, request, newTag(), wheel, null, forgetMs);
  if (request.method === 'INVITE') waiting.proceed(100, '');
}

/** Refuses with `status` (503), `early` before it, `after` milliseconds. */
export function fail(asked: Asked, parameters: Parameters): void {
  const { server, request, wheel, newTag, contactOf } = asked;
  const status = numberParameter(parameters, 'status', { min: 300, max: 699, otherwise: 503 });
  const early = numberParameter(parameters, 'early', { min: 100, max: 199, otherwise: 0 });
  const otherwise = early === 0 ? 0 : ringMs;
  const afterMs = numberParameter(parameters, 'after', { min: 0, max: maxWaitMs, otherwise });
  if (early === 0 && afterMs === 0) {
    answer(asked, status);
    return;
  }
  const waiting = new WaitingRequest(server, request, newTag(), wheel, status, afterMs);
  if (early > 0 && request.method === 'INVITE') waiting.proceed(early, contactOf('failing'));
}

/** Sends the caller to `to`. Source: RFC 3261 21.3. */
export function redirect(asked: Asked, parameters: Parameters): void {
  const to = uriParameter(parameters, 'to');
  const status = numberParameter(parameters, 'status', { min: 300, max: 399, otherwise: 302 });
  if (to === null) answer(asked, 500, missingTarget);
  else answer(asked, status, undefined, [[Header.Contact, `<${to}>`]]);
}
