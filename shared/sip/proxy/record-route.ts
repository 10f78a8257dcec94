import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';

/**
 * Methods whose requests open a dialog, so that the way back must be recorded.
 * Source: RFC 3261 12.1, RFC 6665, RFC 3515; requirement P-76.
 */
export function opensDialog(method: string): boolean {
  return method === 'INVITE' || method === 'SUBSCRIBE' || method === 'REFER';
}

/** `<sip:TOKEN@host:port;lr>`; `hostPort` has IPv6 in brackets, an empty token leaves the user part out. */
export function routeValue(token: string, hostPort: string, transport: string): string {
  const user = token === '' ? '' : `${token}@`;
  return transport === 'udp' ? `<sip:${user}${hostPort};lr>` : `<sip:${user}${hostPort};transport=${transport};lr>`;
}

/**
 * Puts our entries on top of Record-Route: the one the next hop sees first is `outgoing`; `incoming` (towards the
 * sender) stands below it, and only when the two differ.
 * Source: RFC 3261 16.6 step 4, RFC 5658 4.
 */
export function recordRoute(request: SipRequest, incoming: string, outgoing: string): void {
  request.headers.prepend(Header['Record-Route'], incoming === outgoing ? outgoing : `${outgoing}, ${incoming}`);
}
