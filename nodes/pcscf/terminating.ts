import { reasons } from '#ims/reasons';
import { offerTimer } from '#sip/dialog/session-timer-passage';
import { Header } from '#sip/message/header-names';
import type { SipResponse } from '#sip/message/response';
import { flatText } from '#sip/parser/latin1';
import type { ProxyBranch } from '#sip/proxy/proxy-branch';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { opensDialog } from '#sip/proxy/record-route';
import { answeringIdentity } from './asserted-identity.ts';
import { authorizeAnswer, beginCall } from './authorize-media.ts';
import type { Binding } from './binding.ts';
import type { Dialog } from './dialogs.ts';
import { anchorAnswer, anchorCall } from './media-anchor-passage.ts';
import { noteOffer, refuseForbiddenOffer } from './offers.ts';
import type { PcscfState } from './pcscf-state.ts';
import { restoreWayBack } from './response-integrity.ts';
import { endLateAnswer } from './session-release.ts';
import { crossBorder } from './trust-border.ts';
import { toUe } from './way-to-ue.ts';

/** A request of the core that opens a dialog or stands alone, on its way to the UE. */
export interface TerminatingAttempt {
  readonly kind: 'terminating';
  readonly binding: Binding;
  /** P-Called-Party-ID, null when there was none. */
  readonly calledParty: string | null;
  /** P-Charging-Vector as it came, '' when there was none. */
  readonly charging: string;
  readonly dialogs: Dialog[];
}

/**
 * Sends a request of the core to the UE whose Path entry stood on top of its Route.
 * Source: TS 24.229 5.2.6.4; requirements P-79, P-90, P-91, P-93, P-94.
 */
export function forwardTerminating(state: PcscfState, transaction: ProxyTransaction): void | Promise<void> {
  const { request, ownRoute } = transaction;
  const binding = state.registrations.byToken(ownRoute?.user ?? '');
  if (binding === null) {
    transaction.refuse(reasons.unknownToken);
    return;
  }
  if (state.signalling?.isLost(binding.token) === true) {
    transaction.refuse(reasons.signallingBearerLost);
    return;
  }
  if (!offerTimer(transaction, state.timer) || refuseForbiddenOffer(state, transaction, null)) return;
  const { headers } = request.by('crossBorder (TS 24.229 5.2.6.4.1)');
  const called = headers.get(Header['P-Called-Party-ID']);
  const charging = headers.get(Header['P-Charging-Vector']) ?? '';
  crossBorder(headers, 'requestToUe', state.context.config.policy.withholdIdentity);
  let dialogs: Dialog[] = [];
  if (opensDialog(request.method)) {
    request.by('recordRoute (TS 24.229 5.2.6.4.1)');
    dialogs = [
      state.dialogs.open(transaction, binding, 'terminating', charging, headers.values(Header['Record-Route'])),
    ];
    state.routes.recordToUe(request, binding.token, binding.flow);
  }
  // Copies, which do not keep the message alive.
  const kept = dialogs[0]?.charging ?? charging;
  const calledParty = called === null ? null : flatText(called);
  const attempt: TerminatingAttempt = { kind: 'terminating', binding, calledParty, charging: kept, dialogs };
  transaction.context = attempt;
  const anchored = anchorCall(state, transaction, dialogs[0]);
  if (anchored === null) sendOn(state, transaction, attempt);
  else return anchored.then((mayGo) => (mayGo ? sendOn(state, transaction, attempt) : undefined));
}

function sendOn(state: PcscfState, transaction: ProxyTransaction, { binding, dialogs }: TerminatingAttempt): void {
  // The PCRF hears of what the UE gets.
  if (dialogs.length > 0) beginCall(state, transaction, dialogs[0]!);
  transaction.forward(toUe(state, binding, transaction.request.method));
}

/** Takes a response of the called UE on its way to the core. Source: TS 24.229 5.2.6.4.2; requirements P-92, X-I5. */
export function takeTerminatingResponse(
  state: PcscfState,
  transaction: ProxyTransaction,
  branch: ProxyBranch,
  attempt: TerminatingAttempt,
  response: SipResponse,
): void | false | Promise<void | false> {
  const { headers } = response.by('crossBorder (TS 24.229 5.2.6.4.2)');
  restoreWayBack(response, transaction.request, branch.request, attempt.dialogs.length > 0);
  const identity = answeringIdentity(headers, attempt.binding, attempt.calledParty);
  crossBorder(headers, 'responseFromUe');
  if (response.status < 300) {
    response.by('answeringIdentity (TS 24.229 5.2.6.4.2)');
    headers.append(Header['P-Asserted-Identity'], identity);
    if (attempt.charging !== '') headers.append(Header['P-Charging-Vector'], attempt.charging);
  }
  if (attempt.dialogs.length === 0) return;
  const dialog = state.dialogs.noteResponse(attempt.dialogs, response, null);
  if (dialog !== null && dialog.released !== '') {
    endLateAnswer(state, dialog, response);
    return false;
  }
  noteOffer(state, dialog, transaction.request, response);
  const { dialogs } = attempt;
  const asked = authorizeAnswer(state, transaction, dialogs, dialog, response);
  if (asked === undefined) return passOn(anchorAnswer(state, transaction, dialogs, dialog, response));
  return asked.then((verdict) =>
    verdict === false ? verdict : passOn(anchorAnswer(state, transaction, dialogs, dialog, response)),
  );
}

function passOn(anchored: Promise<boolean> | null): void | Promise<void | false> {
  return anchored?.then((mayGo) => (mayGo ? undefined : false));
}
