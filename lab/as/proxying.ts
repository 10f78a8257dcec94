import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { NodeLogic } from '#sip/proxy/node-logic';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { opensDialog, routeValue } from '#sip/proxy/record-route';
import type { OwnNames } from '#sip/proxy/route-processing';
import type { SipUri } from '#sip/uri/sip-uri';
import { type Behaviour, behaviourAt, numberParameter, ownRequestUri, uriParameter } from './behaviour.ts';
import { divert, unconditional } from './diversion.ts';

const maxCopies = 8;

/** The behaviours that are proxies: forwards by the Route that is left, stays in the dialog. Source: TS 24.229 5.7.4. */
export function proxying(own: OwnNames, hostPort: string): NodeLogic {
  return {
    handleRequest(transaction) {
      const { request, ownRoute, inDialog } = transaction;
      const arrived = ownRoute ?? ownRequestUri(request, own);
      const behaviour = behaviourAt(arrived);
      const given: Behaviour =
        behaviour instanceof ParseFailure ? { name: 'proxy', parameters: arrived!.parameters } : behaviour;
      if (!inDialog && !change(transaction, given)) return;
      if (endsHere(transaction, own)) {
        transaction.reply(404, undefined, nothingLeadsOn);
        return;
      }
      if (inDialog || !opensDialog(request.method)) {
        transaction.forward();
        return;
      }
      request.by('recordRoute (RFC 3261 16.6)');
      request.headers.prepend(Header['Record-Route'], routeValue(userOf(arrived), hostPort, 'udp'));
      spread(transaction, numberParameter(given.parameters, 'copies', { min: 1, max: maxCopies, otherwise: 1 }));
    },
    handleAck: (request) =>
      request.headers.has(Header.Route) || ownRequestUri(request, own) === null ? undefined : false,
  };
}

/** Diverts where that is asked for. False: it was answered. */
function change(transaction: ProxyTransaction, { name, parameters }: Behaviour): boolean {
  if (name !== 'forwarding') return true;
  const to = uriParameter(parameters, 'to');
  if (to === null) {
    transaction.reply(500, undefined, missingTarget);
    return false;
  }
  divert(
    transaction.request,
    to,
    numberParameter(parameters, 'cause', { min: 300, max: 699, otherwise: unconditional }),
  );
  return true;
}

/** Reason phrase where an address lacks what it needs. */
export const missingTarget = 'The Address Of This Server Needs to=URI';

export const nothingLeadsOn = 'Nothing Leads On From Here';

/** No Route leads on and the request is for this server itself. */
function endsHere({ request }: ProxyTransaction, own: OwnNames): boolean {
  return !request.headers.has(Header.Route) && ownRequestUri(request, own) !== null;
}

/** Sends one request, or several copies of it by the same way, as an application server that forks does. */
function spread(transaction: ProxyTransaction, copies: number): void {
  if (copies === 1) transaction.forward();
  else transaction.fork([Array.from({ length: copies }, () => ({ request: transaction.request.clone() }))]);
}

function userOf(uri: SipUri | null): string {
  return uri?.user ?? 'proxy';
}
