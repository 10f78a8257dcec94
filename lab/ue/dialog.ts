import { ParseFailure } from '#sip/errors';
import { parseNameAddr, tagOf } from '#sip/header/name-addr';
import { createRequest } from '#sip/message/create';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { readCSeq } from '#sip/parser/sanity';

/** One dialog as one of its ends knows it. Source: RFC 3261 12. */
export interface Dialog {
  readonly callId: string;
  /** From and To values, tags included. */
  readonly local: string;
  readonly remote: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly routes: readonly string[];
  remoteTarget: string;
  localSeq: number;
  remoteSeq: number;
}

/** The dialog that a response of the called party makes. Source: RFC 3261 12.1.2. */
export function dialogOfResponse(request: SipRequest, response: SipResponse): Dialog {
  const remote = response.headers.get(Header.To) ?? '';
  const local = request.headers.get(Header.From)!;
  return {
    callId: request.headers.get(Header['Call-ID'])!,
    local,
    remote,
    localTag: tagOf(local),
    remoteTag: tagOf(remote),
    routes: response.headers.values(Header['Record-Route']).reverse(),
    remoteTarget: contactUri(response) ?? request.requestUri,
    localSeq: readCSeq(request)?.number ?? 1,
    remoteSeq: -1,
  };
}

/** The dialog that a request makes at the called party. Source: RFC 3261 12.1.1. */
export function dialogOfRequest(request: SipRequest, localTag: string): Dialog {
  const remote = request.headers.get(Header.From)!;
  return {
    callId: request.headers.get(Header['Call-ID'])!,
    local: `${request.headers.get(Header.To)};tag=${localTag}`,
    remote,
    localTag,
    remoteTag: tagOf(remote),
    routes: request.headers.values(Header['Record-Route']),
    remoteTarget: contactUri(request) ?? '',
    localSeq: 0,
    remoteSeq: readCSeq(request)?.number ?? 0,
  };
}

/** A request within the dialog; ACK keeps the number of the INVITE that it is for. Source: RFC 3261 12.2.1.1. */
export function dialogRequest(
  dialog: Dialog,
  method: string,
  headers: readonly (readonly [HeaderKey, string])[] = [],
  body = '',
  sequence = ++dialog.localSeq,
): SipRequest {
  return createRequest(
    method,
    dialog.remoteTarget,
    [
      ...dialog.routes.map((route): [HeaderKey, string] => [Header.Route, route]),
      [Header['Max-Forwards'], '70'],
      [Header.From, dialog.local],
      [Header.To, dialog.remote],
      [Header['Call-ID'], dialog.callId],
      [Header.CSeq, `${sequence} ${method}`],
      ...headers,
    ],
    body,
  );
}

/** The URI of the first Contact. */
export function contactUri(message: SipRequest | SipResponse): string | undefined {
  const value = message.headers.first(Header.Contact);
  const parsed = value === null ? undefined : parseNameAddr(value);
  return parsed === undefined || parsed instanceof ParseFailure ? undefined : parsed.uri;
}
