import { reasons } from '#ims/reasons';
import { offerTimer } from '#sip/dialog/session-timer-passage';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import type { ForwardOptions, ProxyBranch } from '#sip/proxy/proxy-branch';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Reason } from '#sip/reasons';
import type { Flow } from '#sip/transport/flow';
import { matchesAt } from '#sip/uri/characters';
import { descriptionIn } from './agreed-media.ts';
import { authorizeAck, authorizeChange, authorizeRequest } from './authorize-media.ts';
import type { Binding } from './binding.ts';
import type { Dialog } from './dialogs.ts';
import { isSameSource } from './emergency-registration.ts';
import { anchorAck, anchorChange, anchorRequest, inTurn } from './media-anchor-passage.ts';
import { noteOffer, refuseForbiddenOffer } from './offers.ts';
import { newChargingVector } from './originating.ts';
import type { PcscfState } from './pcscf-state.ts';
import { restoreWayBack } from './response-integrity.ts';
import { answerReleased } from './session-release.ts';
import { crossBorder } from './trust-border.ts';
import { enforceDialogRoute, followsServiceRoute, leadsToCore, targetsOf, trimRequestUri } from './ue-routing.ts';
import { bindingOf, toUe } from './way-to-ue.ts';

/** A request inside a dialog, on its way through. */
export interface InDialogAttempt {
  readonly kind: 'in-dialog';
  readonly fromUe: boolean;
  /** Null when it is not known here (the daemon has started anew): the token alone led the request. */
  readonly dialog: Dialog | null;
  /** Whether the dialog is over with the answer. */
  readonly ends: boolean;
  readonly charging: string;
  /** What the UE has offered, where the core gets another description; '' for what the request says. */
  ueOffer: string;
}

/** How an ACK goes on, false when it does not. */
type AckWay = false | Pick<ForwardOptions, 'side' | 'targets' | 'guarded'>;

/** Sends a request of a UE inside a dialog to the core. Source: TS 24.229 5.2.6.3; requirements P-75, P-79, P-100, P-101. */
export function forwardInDialogFromUe(
  state: PcscfState,
  transaction: ProxyTransaction,
  bindings: readonly Binding[],
): void | Promise<void> {
  const { request } = transaction;
  const admission = admitFromUe(state, request, transaction.ownRoute?.user ?? '', bindings);
  if ('id' in admission) {
    transaction.refuse(admission);
    return;
  }
  const { dialog, guarded } = admission;
  if (dialog !== null && dialog.released !== '') {
    answerReleased(transaction);
    return;
  }
  if (!offerTimer(transaction, state.timer)) return;
  if (refuseForbiddenOffer(state, transaction, dialog)) return;
  const { headers } = request.by('crossBorder (TS 24.229 4.4)');
  crossBorder(headers, 'requestFromUe');
  const charging = dialog === null || dialog.charging === '' ? newChargingVector(state) : dialog.charging;
  headers.append(Header['P-Charging-Vector'], charging);
  if (dialog !== null) state.dialogs.noteRequest(dialog, request, true);
  const attempt = newAttempt(request, dialog, true, charging);
  if (dialog !== null && attempt.ends) dialog.ending = true;
  transaction.context = attempt;
  // The PCRF hears of what the UE says, whatever the core gets.
  if (dialog?.anchor != null) attempt.ueOffer = descriptionIn(request);
  let asked = authorizeRequest(state, transaction, dialog, true);
  if (dialog?.anchor != null) asked = inTurn(asked, () => anchorRequest(state, transaction, dialog, true));
  if (asked === null) transaction.forward({ side: 'mw', guarded });
  else return asked.then((mayGo) => (mayGo ? transaction.forward({ side: 'mw', guarded }) : undefined));
}

/** Sends a request of the core inside a dialog to the UE. Source: TS 24.229 5.2.6.4; requirements P-91, P-96. */
export function forwardInDialogToUe(state: PcscfState, transaction: ProxyTransaction): void | Promise<void> {
  const { request } = transaction;
  const token = transaction.ownRoute?.user ?? '';
  const dialog = state.dialogs.ofCore(request, token);
  const binding = bindingOf(state, token, dialog);
  if (binding === null) {
    transaction.refuse(reasons.noDialog);
    return;
  }
  if (dialog !== null && dialog.released !== '') {
    answerReleased(transaction);
    return;
  }
  if (!offerTimer(transaction, state.timer)) return;
  if (refuseForbiddenOffer(state, transaction, dialog)) return;
  const { headers } = request.by('crossBorder (TS 24.229 5.2.6.4.3)');
  const charging = headers.get(Header['P-Charging-Vector']) ?? '';
  crossBorder(headers, 'requestToUe', state.context.config.policy.withholdIdentity);
  if (dialog !== null) state.dialogs.noteRequest(dialog, request, false);
  const attempt = newAttempt(request, dialog, false, charging);
  if (dialog !== null && attempt.ends) dialog.ending = true;
  transaction.context = attempt;
  const asked =
    dialog?.anchor == null
      ? authorizeRequest(state, transaction, dialog, false)
      : inTurn(anchorRequest(state, transaction, dialog, false), () =>
          authorizeRequest(state, transaction, dialog, false),
        );
  if (asked === null) transaction.forward(toUe(state, binding, request.method));
  else return asked.then((mayGo) => (mayGo ? transaction.forward(toUe(state, binding, request.method)) : undefined));
}

function newAttempt(request: SipRequest, dialog: Dialog | null, fromUe: boolean, charging: string): InDialogAttempt {
  return { kind: 'in-dialog', fromUe, dialog, ends: ends(request, dialog), charging, ueOffer: '' };
}

/** Takes the response to a request inside a dialog, either way. */
export function takeInDialogResponse(
  state: PcscfState,
  transaction: ProxyTransaction,
  branch: ProxyBranch,
  attempt: InDialogAttempt,
  response: SipResponse,
): void | Promise<void> {
  const { dialog, fromUe } = attempt;
  const { headers } = response.by('crossBorder (TS 24.229 5.2.6)');
  if (fromUe) crossBorder(headers, 'responseToUe', state.context.config.policy.withholdIdentity);
  else {
    restoreWayBack(response, transaction.request, branch.request, false);
    crossBorder(headers, 'responseFromUe');
    if (attempt.charging !== '' && response.status < 300) headers.append(Header['P-Charging-Vector'], attempt.charging);
  }
  noteOffer(state, dialog, transaction.request, response);
  if (dialog === null) return;
  if (response.status >= 200) {
    if (attempt.ends && dialog.released === '') {
      if (response.status < 500) state.dialogs.close(dialog);
      else state.dialogs.leaveUnended(dialog);
    } else state.dialogs.noteRefresh(dialog, transaction.request, response, fromUe);
  }
  if (dialog.anchor === null) return authorizeChange(state, transaction, attempt, response);
  return takeAnchoredResponse(state, transaction, attempt, response);
}

/** The PCRF hears of what the UE says and gets, whatever the core says and gets. Requirement P-142. */
function takeAnchoredResponse(
  state: PcscfState,
  transaction: ProxyTransaction,
  attempt: InDialogAttempt,
  response: SipResponse,
): void | Promise<void> {
  const authorize = () => authorizeChange(state, transaction, attempt, response);
  const anchor = () => anchorChange(state, transaction, attempt, response) ?? undefined;
  const [first, second] = attempt.fromUe ? [anchor, authorize] : [authorize, anchor];
  const waits = first();
  return waits === undefined ? second() : waits.then(second);
}

/** Prepares an ACK of a UE. Gives how it goes on, by its Route, false when it may not. Requirements P-100, C-07. */
export function takeAckFromUe(
  state: PcscfState,
  request: SipRequest,
  token: string,
  bindings: readonly Binding[],
): AckWay | Promise<AckWay> {
  const admission = admitFromUe(state, request, token, bindings);
  if ('id' in admission) return false;
  const { dialog, guarded } = admission;
  crossBorder(request.headers, 'requestFromUe');
  authorizeAck(state, dialog, request, true);
  return anchorAck(state, dialog, request, true)?.then(() => ({ guarded })) ?? { guarded };
}

/** Prepares an ACK of the core. Gives how it goes to the UE, false when there is none. */
export function takeAckToUe(state: PcscfState, request: SipRequest, token: string): AckWay | Promise<AckWay> {
  const dialog = state.dialogs.ofCore(request, token);
  const binding = bindingOf(state, token, dialog);
  if (binding === null) return false;
  crossBorder(request.headers, 'requestToUe', state.context.config.policy.withholdIdentity);
  const way = { side: 'gm', targets: targetsOf(state, binding) };
  const anchored = anchorAck(state, dialog, request, false);
  if (anchored === null) {
    authorizeAck(state, dialog, request, false);
    return way;
  }
  return anchored.then(() => {
    authorizeAck(state, dialog, request, false);
    return way;
  });
}

/**
 * Whether a request inside a dialog is the UE's own: its token is one of the UE's, and where the dialog is known, it is
 * a dialog of that UE. Puts the Route right on the way. `guarded`: nobody but the UE has named the next hop.
 * Requirements P-100, P-101, X-F5, X-I4, X-I17.
 */
function admitFromUe(
  state: PcscfState,
  request: SipRequest,
  token: string,
  bindings: readonly Binding[],
): { readonly dialog: Dialog | null; readonly guarded: boolean } | Reason {
  const { flow } = request;
  const impi = bindings[0]?.impi;
  const isOwn = (binding: Binding) =>
    // What a UE began before it registered anew, or has not ended when it de-registers, is still its own.
    impi === undefined ? isOfUe(state, binding, flow!) : binding.impi === impi;
  const dialog = state.dialogs.ofUe(request, isOwn);
  if (dialog === 'other-party') return impi === undefined ? reasons.notRegistered : reasons.otherUsersDialog;
  if (dialog === 'other-tags') return reasons.noDialog;
  if (dialog === null) {
    const binding = bindings.find((own) => own.token === token);
    if (binding === undefined) return strangerReason(state, request, token, impi);
    trimRequestUri(request);
    if (!leadsToCore(state, request, binding)) return reasons.untrustedNextHop;
    return { dialog, guarded: !followsServiceRoute(request, binding) };
  }
  if (token !== '' && token !== dialog.binding.token) return reasons.otherUsersDialog;
  trimRequestUri(request);
  if (dialog.far.routes !== null && !enforceDialogRoute(state, request, dialog.far.routes)) return reasons.badRoute;
  const routed = dialog.far.routes !== null && dialog.far.routes.length > 0;
  // Where an emergency call is answered the network has decided, and it may be anywhere.
  const isFree = routed || state.emergency.calls.has(dialog.binding);
  if (!isFree && !leadsToCore(state, request, dialog.binding)) return reasons.untrustedNextHop;
  return { dialog, guarded: !routed && !followsServiceRoute(request, dialog.binding) };
}

/** Requirement P-100: 403 for another's token and for what would change a session, else 481. */
function strangerReason(state: PcscfState, request: SipRequest, token: string, impi: string | undefined): Reason {
  if (impi === undefined) return reasons.notRegistered;
  const owner = state.registrations.byToken(token);
  if (owner !== null && owner.impi !== impi) return reasons.otherUsersDialog;
  return request.method === 'INVITE' || request.method === 'UPDATE' ? reasons.otherUsersDialog : reasons.noDialog;
}

/**
 * Whether a flow is that of the UE which had a binding: inside security associations it may have any transport and
 * connection, and the ports of any of the UE's associations. Requirements P-55, P-70, P-100.
 */
function isOfUe({ ipsec }: PcscfState, { association, flow: bound, impi }: Binding, flow: Flow): boolean {
  const isProtected = ipsec !== null && ipsec.ports.listenerOf(flow) !== null;
  if (isProtected || association !== '') {
    return isProtected && association !== '' && bound.address === flow.address && ipsec.associations.isOf(flow, impi);
  }
  return isSameSource(bound, flow);
}

function ends(request: SipRequest, dialog: Dialog | null): boolean {
  if (dialog === null) return false;
  if (!dialog.subscription) return request.method === 'BYE';
  return (
    request.method === 'NOTIFY' && matchesAt(request.headers.get(Header['Subscription-State']) ?? '', 0, 'terminated')
  );
}
