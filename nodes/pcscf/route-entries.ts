import type { SipRequest } from '#sip/message/request';
import { recordRoute, routeValue } from '#sip/proxy/record-route';
import { randomOctets } from '#sip/random-octets';
import type { Flow, Listener } from '#sip/transport/flow';
import type { ListenerTable } from '#sip/transport/listener-table';

/** A token that finds a binding: 72 random bits, twelve characters that need no escape. Requirement P-14. */
export function newToken(): string {
  return randomOctets(9).toString('base64url');
}

/** The Path and Record-Route entries of this node: its addresses on both sides, with the token of a binding as user part. */
export class RouteEntries {
  readonly #listeners: readonly Listener[];
  #core: Listener;

  /** @throws Error when no listener serves Mw: the configuration was not checked. */
  constructor(listeners: ListenerTable) {
    this.#listeners = listeners.all;
    this.#core = coreListener(listeners);
  }

  /** Other listeners are there: new entries name one of these. Throws as the constructor does. */
  follow(listeners: ListenerTable): void {
    this.#core = coreListener(listeners);
  }

  /** `<sip:TOKEN@host:port;lr>`, with `;ob` for a UE that uses outbound. Source: RFC 3327 5.2, RFC 5626 5.1. */
  path(token: string, outbound: boolean): string {
    const value = this.toCore(token);
    return outbound ? `${value.slice(0, -1)};ob>` : value;
  }

  /** What core nodes reach us by. */
  toCore(token: string): string {
    return routeValue(token, this.#core.sentBy, this.#core.transport);
  }

  /**
   * What the UE at a flow reaches us by: the listener it came to. Inside security associations that is the protected server
   * port, by whichever transport. Requirement P-76.
   */
  toUe(token: string, flow: Flow): string {
    const listener = this.#listeners[flow.listener] ?? this.#core;
    return routeValue(token, listener.sentBy, listener.protection === undefined ? flow.transport : 'udp');
  }

  /** Records both sides in a request of the UE. Source: RFC 3261 16.6, RFC 5658 4; requirement P-76. */
  recordFromUe(request: SipRequest, token: string, flow: Flow): void {
    recordRoute(request, this.toUe(token, flow), this.toCore(token));
  }

  /** Records both sides in a request to the UE. Requirement P-93. */
  recordToUe(request: SipRequest, token: string, flow: Flow): void {
    recordRoute(request, this.toCore(token), this.toUe(token, flow));
  }
}

/** Core nodes reach us by UDP where we have that. */
function coreListener({ all }: ListenerTable): Listener {
  const mw = all.filter(({ sides, closed }) => sides.includes('mw') && closed !== true);
  const core = mw.find(({ transport }) => transport === 'udp') ?? mw[0];
  if (core === undefined) throw new Error('no listener serves mw');
  return core;
}
