import { ParseFailure } from '../errors.ts';
import { parseContacts } from '../header/contact.ts';
import { parametersStart } from '../header/name-addr.ts';
import { createRequest } from '../message/create.ts';
import type { HeaderKey } from '../message/header-list.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import { withoutParameter } from '../uri/parameters.ts';

/** One side of a dialog, as a node in the middle sees it: what a request to it, or in its name, is made of. */
export interface DialogSide {
  /** How it was named when the dialog began: value of From or To, with or without a tag. */
  readonly address: string;
  readonly tag: string;
  /** Highest CSeq number it has used, 0 before its first request. */
  cseq: number;
  /** Value of its Contact as last given, '' before the first. */
  readonly contact: string;
  /** Route of requests to it, nearest first; null while it is not known. */
  readonly routes: readonly string[] | null;
}

const maxCseq = 2 ** 31 - 1;

/**
 * A request to one side of a dialog in the name of the other, made by a node in the middle: the target, routes and tags
 * are those that the other side itself would use, CSeq is its next one. Without Via.
 *
 * A ParseFailure when the Contact to send to cannot be read. Source: RFC 3261 12.2.1.1, 15; requirements P-112, S-130.
 */
export function requestInside(
  callId: string,
  from: DialogSide,
  to: DialogSide,
  method: string,
  headers: readonly (readonly [HeaderKey, string])[] = [],
): SipRequest | ParseFailure {
  const number = Math.min(from.cseq + 1, maxCseq);
  const request = inside(callId, from, to, method, number, headers);
  if (!(request instanceof ParseFailure)) from.cseq = number;
  return request;
}

/**
 * The ACK to a 2xx that nobody but this node can acknowledge any more, since the call was ended while it was on its way.
 * `cseq`: number of the INVITE. Source: RFC 3261 13.2.2.4.
 */
export function ackInside(callId: string, from: DialogSide, to: DialogSide, cseq: number): SipRequest | ParseFailure {
  return inside(callId, from, to, 'ACK', cseq, []);
}

function inside(
  callId: string,
  from: DialogSide,
  to: DialogSide,
  method: string,
  cseq: number,
  headers: readonly (readonly [HeaderKey, string])[],
): SipRequest | ParseFailure {
  const contacts = to.contact === '' ? null : parseContacts([to.contact]);
  if (contacts instanceof ParseFailure) return contacts;
  const target = contacts?.contacts[0];
  if (target === undefined) return new ParseFailure('no Contact to send to');
  return createRequest(method, target.uri, [
    ...(to.routes ?? []).map((route) => [Header.Route, route] as const),
    [Header['Max-Forwards'], '70'],
    [Header.From, tagged(from)],
    [Header.To, tagged(to)],
    [Header['Call-ID'], callId],
    [Header.CSeq, `${cseq} ${method}`],
    ...headers,
  ]);
}

function tagged({ address, tag }: DialogSide): string {
  const plain = untagged(address);
  return tag === '' ? plain : `${plain};tag=${tag}`;
}

/** A From or To without its tag. */
export function untagged(address: string): string {
  const start = parametersStart(address);
  return address.slice(0, start) + withoutParameter(address.slice(start), 'tag');
}
