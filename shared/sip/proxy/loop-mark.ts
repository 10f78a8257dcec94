import { hash } from 'node:crypto';
import { tagOf } from '../header/name-addr.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import { readCSeq } from '../parser/sanity.ts';
import { formatSipUri, type SipUri } from '../uri/sip-uri.ts';

/** Header fields that may change where a fork leads. */
const steering = [
  Header.Route,
  Header['Proxy-Require'],
  Header['Proxy-Authorization'],
  Header['P-Served-User'],
  Header['Request-Disposition'],
  Header['Accept-Contact'],
  Header['Reject-Contact'],
];

/**
 * What tells a looping request from a spiral, taken where a node forks: a digest over the dialog identifiers, the CSeq
 * number and everything that decides the targets. 16 hexadecimal digits; they end the branch of what is forked.
 *
 * The method is not part of it, so that CANCEL and ACK could carry the same. Source: RFC 3261 16.6 step 8, RFC 5393 4.2;
 * requirement C-36.
 */
export function loopMark(request: SipRequest, ownRoute: SipUri | null): string {
  const { headers } = request;
  const parts = [
    request.requestUri,
    ownRoute === null ? '' : formatSipUri(ownRoute),
    headers.get(Header['Call-ID']) ?? '',
    tagOf(headers.get(Header.From) ?? ''),
    tagOf(headers.get(Header.To) ?? ''),
    String(readCSeq(request)?.number ?? ''),
  ];
  for (const key of steering) parts.push(headers.values(key).join());
  return hash('sha1', parts.join('\n'), 'hex').slice(0, 16);
}

/** Whether one of the Vias that `isOwn` takes for ours bears a mark: this node has forked the very request before. */
export function bearsMark(request: SipRequest, mark: string, isOwn: (via: string) => boolean): boolean {
  return request.headers.values(Header.Via).some((via) => via.includes(`-${mark}`) && isOwn(via));
}
