import { offerAlternative } from '#ims/alternative-service';
import { formatChargingVector, newIcid } from '#ims/charging';
import { reasons } from '#ims/reasons';
import { offerTimer } from '#sip/dialog/session-timer-passage';
import { Header } from '#sip/message/header-names';
import type { SipResponse } from '#sip/message/response';
import type { ForwardOptions } from '#sip/proxy/proxy-branch';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { opensDialog } from '#sip/proxy/record-route';
import { assertIdentity } from './asserted-identity.ts';
import { authorizeAnswer, beginCall } from './authorize-media.ts';
import type { Binding } from './binding.ts';
import type { Dialog } from './dialogs.ts';
import { anchorAnswer, anchorCall } from './media-anchor-passage.ts';
import { noteOffer, refuseForbiddenOffer } from './offers.ts';
import type { PcscfState } from './pcscf-state.ts';
import { endLateAnswer } from './session-release.ts';
import { crossBorder } from './trust-border.ts';
import { enforceRoute, trimRequestUri } from './ue-routing.ts';

/** A request of a UE that opens a dialog or stands alone, on its way to the S-CSCF. */
export interface OriginatingAttempt {
  readonly kind: 'originating';
  /** Dialogs it may open, one more for each fork; empty for a request that stands alone. */
  readonly dialogs: Dialog[];
  /** Record-Route values the request left with. */
  readonly recorded: number;
  /** Token of the binding. */
  readonly token: string;
  /** Whether it is a call without an answer that counts for `policy.callsPerUe`. */
  counted: boolean;
  /** P-Asserted-Identity of the answers where this node says who answers, else ''. */
  readonly answeredBy: string;
}

/** How a request of a UE goes on that has the header fields it needs. */
export interface WayFromUe {
  readonly way: ForwardOptions;
  /** As in OriginatingAttempt. */
  readonly counted?: boolean;
  readonly answeredBy?: string;
  /** Request-URI that it leaves with, '' for the one it has. */
  readonly requestUri?: string;
}

/** The S-CSCF of a registration is gone: the UE is told. Requirement P-84. */
const toHome: ForwardOptions = Object.freeze({
  side: 'mw',
  guarded: false,
  unreachable: reasons.homeUnreachable,
  silent: reasons.homeUnreachable,
});
const toEntryPoint: ForwardOptions = Object.freeze({ side: 'mw', guarded: true });

/**
 * Sends a request of a registered UE to its S-CSCF, with the identity this node vouches for.
 *
 * `bindings`: those of the UE's flow. Source: TS 24.229 5.2.6.3; requirements P-70 to P-79, P-83.
 */
export function forwardOriginating(
  state: PcscfState,
  transaction: ProxyTransaction,
  bindings: readonly Binding[],
): void | Promise<void> {
  const { request } = transaction;
  const { headers } = request;
  const { binding, value } = assertIdentity(headers, bindings);

  request.by('enforceRoute (TS 24.229 5.2.6.3.1)');
  trimRequestUri(request);
  if (!enforceRoute(state, request, binding.serviceRoute)) {
    transaction.refuse(reasons.badRoute);
    return;
  }
  if (!offerTimer(transaction, state.timer) || refuseForbiddenOffer(state, transaction, null)) return;
  const counted = request.method === 'INVITE';
  if (counted && !state.earlyCalls.begin(binding.token, state.context.config.policy.callsPerUe)) {
    transaction.refuse(reasons.tooManyCalls, '', retryLater);
    return;
  }
  if (binding.serviceRoute.length === 0) headers.append(Header.Route, `<sip:${binding.home};lr>`);

  request.by('crossBorder (TS 24.229 4.4)');
  crossBorder(headers, 'requestFromUe');
  request.by('assertIdentity (TS 24.229 5.2.6.3.1)');
  headers.append(Header['P-Asserted-Identity'], value);
  return sendFromUe(state, transaction, binding, {
    way: binding.serviceRoute.length === 0 ? toEntryPoint : toHome,
    counted,
  });
}

/** Opens the dialog of a request of a UE where it may have one, and sends it to the core. Requirements P-75, P-76, P-102. */
export function sendFromUe(
  state: PcscfState,
  transaction: ProxyTransaction,
  binding: Binding,
  { way, counted = false, answeredBy = '', requestUri = '' }: WayFromUe,
): void | Promise<void> {
  const { request } = transaction;
  const { headers } = request;
  const charging = newChargingVector(state);
  headers.append(Header['P-Charging-Vector'], charging);
  let dialogs: Dialog[] = [];
  let recorded = 0;
  if (opensDialog(request.method)) {
    request.by('recordRoute (TS 24.229 5.2.6.3.1)');
    const ueRoutes = headers.has(Header['Record-Route']) ? headers.values(Header['Record-Route']) : [];
    state.routes.recordFromUe(request, binding.token, request.flow!);
    dialogs = [state.dialogs.open(transaction, binding, 'originating', charging, null, ueRoutes)];
    beginCall(state, transaction, dialogs[0]!);
    recorded = headers.values(Header['Record-Route']).length;
  }
  if (requestUri !== '') request.setRequestUri(requestUri);
  const { token } = binding;
  const attempt: OriginatingAttempt = { kind: 'originating', dialogs, recorded, token, counted, answeredBy };
  transaction.context = attempt;
  const anchored = anchorCall(state, transaction, dialogs[0]);
  if (anchored === null) transaction.forward(way);
  else return anchored.then((mayGo) => (mayGo ? transaction.forward(way) : undefined));
}

/** The S-CSCF of the registration cannot be reached: the UE has to register anew. Source: TS 24.229 5.2.6.3.2A; requirement P-84. */
export function refuseForRestoration(
  state: PcscfState,
  transaction: ProxyTransaction,
  { token }: OriginatingAttempt,
): void {
  transaction.refuse(reasons.homeUnreachable, '', (response) => {
    response.headers.append(Header['P-Asserted-Identity'], state.routes.path(token, false));
    offerAlternative(response, { type: 'restoration', reason: '', action: 'initial-registration' });
  });
}

/** A call has its answer, or ends without one. Requirement X-I21. */
export function endEarlyCall(state: PcscfState, attempt: OriginatingAttempt): void {
  if (!attempt.counted) return;
  attempt.counted = false;
  state.earlyCalls.end(attempt.token);
}

/** Takes a response from the core on its way to the calling UE. Requirements P-77, P-103. */
export function takeOriginatingResponse(
  state: PcscfState,
  transaction: ProxyTransaction,
  attempt: OriginatingAttempt,
  response: SipResponse,
): void | false | Promise<void | false> {
  const { headers } = response.by('crossBorder (TS 24.229 5.2.6.3.2)');
  crossBorder(headers, 'responseToUe', state.context.config.policy.withholdIdentity);
  if (response.status >= 200) endEarlyCall(state, attempt);
  if (attempt.answeredBy !== '' && response.status < 300) {
    headers.set(Header['P-Asserted-Identity'], attempt.answeredBy);
  }
  if (attempt.dialogs.length === 0) return;
  const dialog = state.dialogs.noteResponse(attempt.dialogs, response, routesOf(attempt, response));
  if (dialog !== null && dialog.released !== '') {
    endLateAnswer(state, dialog, response);
    return false;
  }
  noteOffer(state, dialog, transaction.request, response);
  const { dialogs } = attempt;
  // The PCRF hears of what the UE gets.
  const anchored = anchorAnswer(state, transaction, dialogs, dialog, response);
  if (anchored === null) return authorizeAnswer(state, transaction, dialogs, dialog, response);
  return anchored.then((mayGo) => mayGo && authorizeAnswer(state, transaction, dialogs, dialog, response));
}

function retryLater(response: SipResponse): void {
  response.headers.append(Header['Retry-After'], '10');
}

/** A charging identifier for a new dialog or a request that stands alone. Requirement P-75. */
export function newChargingVector(state: PcscfState): string {
  return formatChargingVector({
    icid: newIcid(),
    icidGeneratedAt: state.context.config.name,
    origIoi: '',
    termIoi: '',
    others: [],
  });
}

/** The route set the calling UE learns from a response, without our own entries. Source: RFC 3261 12.1.2. */
function routesOf({ recorded }: OriginatingAttempt, response: SipResponse): readonly string[] | null {
  if (!response.headers.has(Header['Record-Route'])) return null;
  const values = response.headers.values(Header['Record-Route']);
  return values.length < recorded ? null : values.slice(0, values.length - recorded).reverse();
}
