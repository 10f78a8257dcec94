import { reasons } from '#ims/reasons';
import { Header } from '#sip/message/header-names';
import type { SipResponse } from '#sip/message/response';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { SipUri } from '#sip/uri/sip-uri';
import { translateGruu } from './gruu-routing.ts';
import { allowMediaInside } from './media-profile.ts';
import { answerReleased } from './session-release.ts';
import type { ScscfState } from './state.ts';

/**
 * A request inside a dialog: it follows its Route. It passes for the user whose Record-Route entry was on top, and, where
 * both users of the session are served here, for the other one in the same go.
 *
 * Source: TS 24.229 5.4.3.2, 5.4.3.3; requirement S-85.
 */
export function handleInDialog(state: ScscfState, transaction: ProxyTransaction): void {
  const { request, ownRoute, nextRoute } = transaction;
  if (ownRoute === null) {
    if (request.headers.has(Header.Route)) transaction.forward();
    else transaction.refuse(reasons.noDialog);
    return;
  }
  if (!passes(state, transaction, ownRoute)) return;
  if (nextRoute !== null && !passes(state, transaction, nextRoute)) return;
  const reason = translateGruu(state, request);
  if (reason !== null) transaction.refuse(reason, request.requestUri);
  else transaction.forward();
}

/** Notes a 2xx to such a request for each user it passed for. */
export function noteInDialogAnswer(state: ScscfState, transaction: ProxyTransaction, response: SipResponse): void {
  const { request, ownRoute, nextRoute } = transaction;
  if (ownRoute !== null) state.sessions.noteRefresh(request, response, isForCaller(ownRoute));
  if (nextRoute !== null) state.sessions.noteRefresh(request, response, isForCaller(nextRoute));
}

/** Whether a request goes on for the user of this entry; else it is answered. */
function passes(state: ScscfState, transaction: ProxyTransaction, route: SipUri): boolean {
  const originating = isForCaller(route);
  if (!allowMediaInside(state, transaction, originating)) return false;
  if (state.sessions.noteInside(transaction.request, originating) === null) return true;
  answerReleased(transaction);
  return false;
}

function isForCaller(route: SipUri): boolean {
  return route.user === 'mo';
}
