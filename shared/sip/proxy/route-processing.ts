import { ParseFailure } from '../errors.ts';
import { parseNameAddr } from '../header/name-addr.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import { Parameters, withoutParameter } from '../uri/parameters.ts';
import { formatSipUri, type SipUri } from '../uri/sip-uri.ts';
import { parseUri } from '../uri/uri.ts';

/** The addresses and names under which this node is known in Route and Request-URI. */
export class OwnNames {
  readonly #names = new Set<string>();

  /** `names`: `host:port`, lower case, IPv6 in brackets; port 0 for a name without one. */
  constructor(names: Iterable<string>) {
    this.add(names);
  }

  /** Further names. What was one stays one: the routes of dialogs may name it. */
  add(names: Iterable<string>): void {
    for (const name of names) this.#names.add(name.toLowerCase());
  }

  has(uri: SipUri): boolean {
    const host = uri.host.indexOf(':') >= 0 ? `[${uri.host}]` : uri.host;
    if (this.#names.has(`${host}:${uri.port}`)) return true;
    return uri.port === 0 && this.#names.has(`${host}:${uri.scheme === 'sips' ? 5061 : 5060}`);
  }
}

/**
 * What RFC 3261 16.4 does with the routes of a request: undoes a strict router's exchange, a maddr of ours, and pops
 * our own topmost Route entry (both of an RFC 5658 pair).
 *
 * Gives the popped entry (the topmost of a pair), null when the topmost Route was not ours. Requirement C-21.
 */
export function takeOwnRoute(request: SipRequest, own: OwnNames): SipUri | null {
  const requestUri = request.uri;
  if (!(requestUri instanceof ParseFailure) && requestUri.kind === 'sip') undoRequestUri(request, requestUri, own);
  return popOwnRoute(request, own);
}

/** Pops the topmost Route entry (both of an RFC 5658 pair) and gives it, null when it is not ours. */
export function popOwnRoute({ headers }: SipRequest, own: OwnNames): SipUri | null {
  const route = sipRoute(headers.first(Header.Route));
  if (route === null || !own.has(route)) return null;
  headers.removeFirst(Header.Route);
  const pair = sipRoute(headers.first(Header.Route));
  if (pair !== null && own.has(pair) && isPair(route, pair)) headers.removeFirst(Header.Route);
  return route;
}

/** Two entries that one traversal wrote: the same token, two addresses or transports of ours. Source: RFC 5658 5. */
function isPair(first: SipUri, second: SipUri): boolean {
  if (first.user !== second.user || first.user === '') return false;
  return first.host !== second.host || first.port !== second.port || transportOf(first) !== transportOf(second);
}

function transportOf(uri: SipUri): string {
  return (uri.parameters.get('transport') || 'udp').toLowerCase();
}

function undoRequestUri(request: SipRequest, uri: SipUri, own: OwnNames): void {
  const { headers } = request;
  if (uri.parameters.has('lr') && own.has(uri) && headers.has(Header.Route)) {
    const routes = headers.values(Header.Route);
    const last = parseNameAddr(routes[routes.length - 1]!);
    if (last instanceof ParseFailure) return;
    headers.remove(Header.Route);
    headers.prepend(Header.Route, [`<${request.requestUri}>`, ...routes.slice(0, -1)].join(', '));
    request.setRequestUri(last.uri);
    return;
  }
  const maddr = uri.parameters.get('maddr');
  if (maddr === null || maddr === '') return;
  const there: SipUri = { ...uri, host: maddr.toLowerCase() };
  if (!own.has(there)) return;
  let raw = uri.parameters.raw;
  for (const name of ['maddr', 'transport', 'ttl']) raw = withoutParameter(raw, name);
  request.setRequestUri(formatSipUri({ ...uri, port: 0, parameters: new Parameters(raw) }));
}

function sipRoute(value: string | null): SipUri | null {
  if (value === null) return null;
  const address = parseNameAddr(value);
  if (address instanceof ParseFailure) return null;
  const uri = parseUri(address.uri);
  return uri instanceof ParseFailure || uri.kind !== 'sip' ? null : uri;
}
