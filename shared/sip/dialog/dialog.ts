import { ParseFailure } from '../errors.ts';
import { parseContact } from '../header/contact.ts';
import { tagOf } from '../header/name-addr.ts';
import { createRequest } from '../message/create.ts';
import type { HeaderKey } from '../message/header-list.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipMessage, SipResponse } from '../message/response.ts';
import { readCSeq } from '../parser/sanity.ts';
import { coreReasons, type Reason } from '../reasons.ts';
import { untagged } from './mid-dialog-request.ts';

/**
 * One end's view of a dialog. Plain data: it may be kept in a store and read back.
 * Source: RFC 3261 12; requirement C-31.
 */
export interface Dialog {
  readonly callId: string;
  readonly localTag: string;
  /** '' when the peer has none (RFC 2543). */
  readonly remoteTag: string;
  /** From of our requests without its tag, and To of the peer's. */
  readonly localAddress: string;
  /** To of our requests without its tag. */
  readonly remoteAddress: string;
  /** URI that our requests are for: the peer's Contact as last given. */
  remoteTarget: string;
  /** Values of Route in the order of our requests. */
  routeSet: readonly string[];
  /** CSeq number of our last request, 0 before the first. */
  localCseq: number;
  /** Highest CSeq number of the peer, -1 before the first. */
  remoteCseq: number;
  /** Begun over TLS with a sips URI: our requests must not go otherwise. */
  readonly secure: boolean;
  state: DialogState;
}

export type DialogState = 'early' | 'confirmed' | 'terminated';

/** Requests that may give a dialog another target. Source: RFC 3261 12.2, RFC 3311 5.1, RFC 6665 4.4.1. */
const refreshing: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY']);

/**
 * The dialog that a response with a To tag, 101 to 299, makes of our request.
 *
 * Without a Contact the Request-URI stays the target; one that cannot be read is a ParseFailure.
 * Source: RFC 3261 12.1.2.
 */
export function dialogOfResponse(request: SipRequest, response: SipResponse, secure = false): Dialog | ParseFailure {
  const remoteTarget = targetOf(response, request.requestUri);
  if (remoteTarget instanceof ParseFailure) return remoteTarget;
  const from = request.headers.get(Header.From) ?? '';
  const to = response.headers.get(Header.To) ?? '';
  return {
    callId: kept(request.headers.get(Header['Call-ID']) ?? ''),
    localTag: kept(tagOf(from)),
    remoteTag: kept(tagOf(to)),
    localAddress: kept(untagged(from)),
    remoteAddress: kept(untagged(request.headers.get(Header.To) ?? '')),
    remoteTarget: kept(remoteTarget),
    routeSet: routesOf(response).reverse(),
    localCseq: readCSeq(request)?.number ?? 0,
    remoteCseq: -1,
    secure,
    state: response.status < 200 ? 'early' : 'confirmed',
  };
}

/**
 * The dialog that our response with this To tag makes of a request; `state` by the status of that response.
 *
 * A Contact that is missing or cannot be read is a ParseFailure. Source: RFC 3261 12.1.1.
 */
export function dialogOfRequest(
  request: SipRequest,
  localTag: string,
  state: DialogState,
  secure = false,
): Dialog | ParseFailure {
  const remoteTarget = targetOf(request, null);
  if (remoteTarget instanceof ParseFailure) return remoteTarget;
  const { headers } = request;
  const from = headers.get(Header.From) ?? '';
  return {
    callId: kept(headers.get(Header['Call-ID']) ?? ''),
    localTag,
    remoteTag: kept(tagOf(from)),
    localAddress: kept(untagged(headers.get(Header.To) ?? '')),
    remoteAddress: kept(untagged(from)),
    remoteTarget: kept(remoteTarget),
    routeSet: routesOf(request),
    localCseq: 0,
    remoteCseq: readCSeq(request)?.number ?? -1,
    secure,
    state,
  };
}

/** A 2xx to the request that began an early dialog: it is confirmed, with the routes and target the 2xx tells. */
export function confirmDialog(dialog: Dialog, response: SipResponse): void {
  if (dialog.state !== 'early') return;
  dialog.state = 'confirmed';
  dialog.routeSet = routesOf(response).reverse();
  setTarget(dialog, response);
}

/**
 * Our next request of a dialog, with the next CSeq number (an ACK: `cseq`, that of its INVITE) and without Via. Whoever
 * sends it serves a strict router on top of the routes (`nextHop`). A Contact is the caller's to add.
 *
 * Source: RFC 3261 12.2.1.1, 13.2.2.4.
 */
export function dialogRequest(
  dialog: Dialog,
  method: string,
  headers: readonly (readonly [HeaderKey, string])[] = [],
  body = '',
  cseq = 0,
): SipRequest {
  if (cseq === 0) dialog.localCseq += 1;
  const toTag = dialog.remoteTag === '' ? '' : `;tag=${dialog.remoteTag}`;
  return createRequest(
    method,
    dialog.remoteTarget,
    [
      ...dialog.routeSet.map((route) => [Header.Route, route] as const),
      [Header['Max-Forwards'], '70'],
      [Header.From, `${dialog.localAddress};tag=${dialog.localTag}`],
      [Header.To, dialog.remoteAddress + toTag],
      [Header['Call-ID'], dialog.callId],
      [Header.CSeq, `${cseq === 0 ? dialog.localCseq : cseq} ${method}`],
      ...headers,
    ],
    body,
  );
}

/**
 * Looks at a request of the peer inside a dialog: null when it may be served, else why not. Its CSeq number is noted.
 *
 * Source: RFC 3261 12.2.2; requirement C-31.
 */
export function receiveInDialog(dialog: Dialog, request: SipRequest): Reason | null {
  if (dialog.state === 'terminated' || !isOfDialog(dialog, request)) return coreReasons.unknownDialog;
  const { method } = request;
  const number = readCSeq(request)?.number ?? -1;
  // An ACK and a CANCEL have the number of their INVITE.
  if (method === 'ACK' || method === 'CANCEL') return null;
  if (number < dialog.remoteCseq) return coreReasons.outOfOrder;
  dialog.remoteCseq = number;
  return null;
}

/**
 * Takes the target that a request, or the 2xx to a request, of the peer may have changed. `method`: that of the request.
 * Gives whether the dialog has changed. Source: RFC 3261 12.2.1.2, 12.2.2.
 */
export function refreshTarget(dialog: Dialog, method: string, message: SipMessage): boolean {
  if (!refreshing.has(method)) return false;
  if (message.kind === 'response' && (message.status < 200 || message.status > 299)) return false;
  return setTarget(dialog, message);
}

/** Whether a request of the peer has the Call-ID and tags of a dialog. */
export function isOfDialog(dialog: Dialog, request: SipRequest): boolean {
  const { headers } = request;
  return (
    headers.get(Header['Call-ID']) === dialog.callId &&
    tagOf(headers.get(Header.To) ?? '') === dialog.localTag &&
    tagOf(headers.get(Header.From) ?? '') === dialog.remoteTag
  );
}

/** Whether a failure of one of our requests means that the peer knows the dialog no more. Source: RFC 3261 12.2.1.2. */
export function endsDialog(status: number): boolean {
  return status === 408 || status === 481;
}

function setTarget(dialog: Dialog, message: SipMessage): boolean {
  const target = targetOf(message, dialog.remoteTarget);
  if (target instanceof ParseFailure || target === dialog.remoteTarget) return false;
  dialog.remoteTarget = kept(target);
  return true;
}

/** URI of the first Contact; without one `otherwise`, null being a failure. */
function targetOf(message: SipMessage, otherwise: string | null): string | ParseFailure {
  const value = message.headers.first(Header.Contact);
  if (value === null) return otherwise ?? new ParseFailure('no Contact');
  const contact = parseContact(value);
  return contact instanceof ParseFailure ? contact : contact.uri;
}

function routesOf(message: SipMessage): string[] {
  return message.headers.values(Header['Record-Route']).map(kept);
}

/** A copy that does not keep the message alive which the text was cut from. */
function kept(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
