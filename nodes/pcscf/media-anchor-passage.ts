import { systemClock } from '#diameter/clock';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipMessage, SipResponse } from '#sip/message/response';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Dialog } from './dialogs.ts';
import type { InDialogAttempt } from './in-dialog.ts';
import { type Anchored, type AnchorFault, type End, MediaAnchor } from './media-anchor.ts';
import type { PcscfState } from './pcscf-state.ts';
import { endLateAnswer, releaseSession, serviceUnavailable } from './session-release.ts';

/**
 * Takes an INVITE that opens `dialog` on its way out. Null when it may go on at once, else whether it may: without the
 * relay it goes on as it is, or is refused with 503, as `media.onFailure` says. Emergency calls always go on.
 *
 * Source: RFC 3264 5; requirement P-142.
 */
export function anchorCall(
  state: PcscfState,
  transaction: ProxyTransaction,
  dialog: Dialog | undefined,
): Promise<boolean> | null {
  const { anchors } = state;
  const { request } = transaction;
  if (anchors === null || dialog === undefined || request.method !== 'INVITE') return null;
  const mode = anchors.modeOf(dialog.binding.flow.address);
  if (mode === 'off') return null;
  const anchor = new MediaAnchor(anchors, mode, dialog.callId);
  dialog.anchor = anchor;
  anchor.join(dialog);
  const text = descriptionOf(request);
  if (text === null) return null;
  const by = dialog.direction === 'originating' ? 'ue' : 'far';
  return anchor.open(dialog, by, text).then((result) => mayOfferGo(state, transaction, dialog, result));
}

/** Takes a response to such an INVITE, in `dialog` of `dialogs`; null and false as for `anchorCall`. Requirement P-142. */
export function anchorAnswer(
  state: PcscfState,
  transaction: ProxyTransaction,
  dialogs: readonly Dialog[],
  dialog: Dialog | null,
  response: SipResponse,
): Promise<boolean> | null {
  const anchor = dialogs[0]?.anchor ?? null;
  if (anchor === null || dialog === null) return null;
  if (!anchor.knows(dialog)) {
    if (dialog.released !== '') return null;
    dialog.anchor = anchor;
    anchor.join(dialog);
  }
  const text = descriptionOf(response);
  if (text === null) return null;
  const by = dialog.direction === 'originating' ? 'far' : 'ue';
  const isAnswer = transaction.request.sdp !== null;
  const asked = isAnswer ? anchor.answerOpening(dialog, by, text) : offerInResponse(anchor, dialog, by, response, text);
  return asked.then((result) => {
    if (response.status >= 200) anchor.settle(dialog);
    if (dialog.released !== '') {
      endLateAnswer(state, dialog, response);
      return false;
    }
    if (!isFault(result)) {
      replace(response, result);
      return true;
    }
    if (mayGoWithout(state, dialog, result, !isAnswer)) return true;
    refuseAnswer(state, transaction, dialog, response);
    return false;
  });
}

/** Takes a request inside a dialog; null and false as for `anchorCall`. Requirement P-142. */
export function anchorRequest(
  state: PcscfState,
  transaction: ProxyTransaction,
  dialog: Dialog | null,
  fromUe: boolean,
): Promise<boolean> | null {
  const anchor = dialog?.anchor ?? null;
  const { request } = transaction;
  const { method } = request;
  if (dialog === null || anchor === null) return null;
  if (method !== 'INVITE' && method !== 'UPDATE' && method !== 'PRACK') return null;
  const text = descriptionOf(request);
  if (text === null) return null;
  const by = fromUe ? 'ue' : 'far';
  if (method !== 'PRACK' || !anchor.awaitsAnswer(dialog, by)) {
    return anchor.offer(dialog, by, text).then((result) => mayOfferGo(state, transaction, dialog, result));
  }
  return anchor.answer(dialog, by, text).then((result) => {
    if (!isFault(result)) {
      replace(request, result);
      return true;
    }
    if (mayGoWithout(state, dialog, result, false)) return true;
    transaction.refuse(reasons.mediaNotAnchored, result.words);
    releaseSession(state, dialog, unavailable);
    return false;
  });
}

/** Takes a response to a request inside a dialog. It always goes on; null when at once. Requirement P-142. */
export function anchorChange(
  state: PcscfState,
  transaction: ProxyTransaction,
  { dialog, fromUe }: InDialogAttempt,
  response: SipResponse,
): Promise<void> | null {
  const anchor = dialog?.anchor ?? null;
  const { method } = transaction.request;
  if (dialog === null || anchor === null) return null;
  if (method !== 'INVITE' && method !== 'UPDATE' && method !== 'PRACK') return null;
  const offered = transaction.request.sdp !== null;
  if (response.status >= 300) {
    if (offered && method !== 'PRACK') void anchor.revert(dialog);
    return null;
  }
  const text = descriptionOf(response);
  if (text === null) return null;
  const by = fromUe ? 'far' : 'ue';
  const asked = offered ? anchor.answer(dialog, by, text) : offerInResponse(anchor, dialog, by, response, text);
  return asked.then((result) => {
    if (response.status >= 200) anchor.settle(dialog);
    if (!isFault(result)) replace(response, result);
    else if (!mayGoWithout(state, dialog, result, !offered)) releaseSoon(state, dialog);
  });
}

/** Takes an ACK, which may have the answer to an offer in a 2xx; null when it may go on at once. Requirement P-142. */
export function anchorAck(
  state: PcscfState,
  dialog: Dialog | null,
  request: SipRequest,
  fromUe: boolean,
): Promise<void> | null {
  const anchor = dialog?.anchor ?? null;
  const by = fromUe ? 'ue' : 'far';
  if (dialog === null || anchor === null) return null;
  const text = descriptionOf(request);
  if (text === null) return null;
  const again = anchor.awaitsAnswer(dialog, by) ? undefined : anchor.repeated(dialog, by, text);
  if (again !== undefined && !isFault(again)) {
    replace(request, again);
    return null;
  }
  return anchor.answer(dialog, by, text).then((result) => {
    if (!isFault(result)) replace(request, result);
    else if (!mayGoWithout(state, dialog, result, false)) releaseSoon(state, dialog);
  });
}

/** One procedure after the other, where the first one lets a message pass; null when neither waits. */
export function inTurn(first: Promise<boolean> | null, second: () => Promise<boolean> | null): Promise<boolean> | null {
  if (first === null) return second();
  return first.then((mayGo) => (mayGo ? (second() ?? true) : false));
}

const unavailable = Object.freeze({ ...serviceUnavailable, reason: reasons.mediaNotAnchored });

/** A reliable response may offer what its INVITE did not; an unreliable one says nothing that binds. */
function offerInResponse(
  anchor: MediaAnchor,
  dialog: Dialog,
  by: End,
  response: SipResponse,
  text: string,
): Promise<Anchored> {
  const again = anchor.repeated(dialog, by, text);
  if (again !== undefined) return Promise.resolve(again);
  if (response.status < 200 && !response.headers.has(Header.RSeq)) return Promise.resolve(null);
  return anchor.offer(dialog, by, text);
}

/** Puts what the relay gave into an offer; without the relay, says whether the offer goes on. */
function mayOfferGo(state: PcscfState, transaction: ProxyTransaction, dialog: Dialog, result: Anchored): boolean {
  if (!isFault(result)) {
    replace(transaction.request, result);
    return true;
  }
  if (mayGoWithout(state, dialog, result, true)) return true;
  transaction.refuse(reasons.mediaNotAnchored, result.words);
  return false;
}

/**
 * Whether a description goes on as it came though the relay was asked in vain. An answer does not: its offer has named the
 * relay. Nor does an offer in a call whose media goes through the relay by now.
 */
function mayGoWithout(state: PcscfState, dialog: Dialog, { words }: AnchorFault, isOffer: boolean): boolean {
  const anchors = state.anchors!;
  anchors.report(words, { callId: dialog.callId, impi: dialog.binding.impi });
  if (state.emergency.calls.has(dialog.binding)) return true;
  return isOffer && anchors.onFailure === 'continue' && dialog.anchor?.anchored !== true;
}

/** The caller is refused, the other side is told. */
function refuseAnswer(state: PcscfState, transaction: ProxyTransaction, dialog: Dialog, response: SipResponse): void {
  if (dialog.released === '') {
    if (response.status >= 200) {
      // The caller has not seen the answer: to him it is still a call without one.
      dialog.confirmed = false;
      dialog.opening = transaction;
    }
    releaseSession(state, dialog, unavailable);
  }
  endLateAnswer(state, dialog, response);
}

/** The message goes through, then the session ends. */
function releaseSoon(state: PcscfState, dialog: Dialog): void {
  systemClock.setTimer(0, () => void releaseSession(state, dialog, unavailable));
}

function descriptionOf(message: SipMessage): string | null {
  const { sdp } = message;
  return sdp === null || sdp instanceof ParseFailure ? null : sdp.text;
}

function replace(message: SipMessage, text: string | null): void {
  const { sdp } = message;
  if (text !== null && sdp !== null && !(sdp instanceof ParseFailure)) sdp.replaceText(text);
}

function isFault(result: Anchored): result is AnchorFault {
  return typeof result === 'object' && result !== null;
}
