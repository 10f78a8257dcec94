import { systemClock } from '#diameter/clock';
import type { RxOutcome } from '#diameter/rx/rx-outcome';
import { parseChargingVector } from '#ims/charging';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { parseServiceIdentities } from '#sip/header/service-identity';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { flatText } from '#sip/parser/latin1';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { matchesAt } from '#sip/uri/characters';
import { acceptableSdp } from './acceptable-media.ts';
import { descriptionIn } from './agreed-media.ts';
import type { Dialog } from './dialogs.ts';
import type { InDialogAttempt } from './in-dialog.ts';
import { type BearerEvents, inTime, MediaAuthorization } from './media-authorization.ts';
import type { PcscfState } from './pcscf-state.ts';
import { endLateAnswer, releaseSession, type SessionRelease, serviceUnavailable } from './session-release.ts';

/**
 * Notes an INVITE whose media a PCRF may have to authorize. Nothing is asked before the answer is known; where the
 * configuration wants it, the PCRF is told of the offer, and the INVITE does not wait.
 *
 * `dialog`: the one that the INVITE would open. Source: TS 29.214 4.4.1; requirements P-120, P-123, P-132, Q-12.
 */
export function beginCall(state: PcscfState, transaction: ProxyTransaction, dialog: Dialog): void {
  const { rx } = state;
  const { request } = transaction;
  if (rx === null || request.method !== 'INVITE') return;
  const mode = rx.modeOf(dialog.binding.flow.address);
  if (mode === 'off') return;
  const facts = {
    service: serviceOf(request),
    icid: icidOf(dialog.charging),
    serviceUrn: serviceUrnOf(request.requestUri),
  };
  dialog.rx = new MediaAuthorization(rx, mode, facts, descriptionIn(request), bearerEvents(state));
  dialog.rx.join(dialog);
  if (rx.tellsOffers) dialog.rx.tellOffer(dialog);
}

/**
 * Takes a response that belongs to `dialog` of an INVITE which opens it, on its way to the caller: one that completes an
 * exchange of descriptions waits for the PCRF. `dialogs`: all of the fork. Requirements P-120, P-123, P-125.
 */
export function authorizeAnswer(
  state: PcscfState,
  transaction: ProxyTransaction,
  dialogs: readonly Dialog[],
  dialog: Dialog | null,
  response: SipResponse,
): void | Promise<void | false> {
  const call = dialogs[0]?.rx ?? null;
  if (call === null || dialog === null || call.over) return;
  if (dialog.rx === null) {
    dialog.rx = call;
    call.join(dialog);
  }
  const byUe = dialog.direction === 'terminating';
  const asked = noteAnswer(dialog, call, byUe, response);
  if (asked === null) {
    if (byUe) call.access.addTo(response);
    return;
  }
  return inTime(asked, call.mode).then((outcome) => {
    if (dialog.released === '') {
      if (outcome.kind === 'continue') {
        if (byUe) call.access.addTo(response);
        return;
      }
      refuseAnswer(state, transaction, dialog, response, outcome);
    }
    endLateAnswer(state, dialog, response);
    return false;
  });
}

/**
 * Takes a request inside a dialog before it goes on: a BYE ends the authorization, an answer in a PRACK waits for the PCRF.
 * Null when it may go on at once, else whether it may. Requirements P-75, P-77, P-123, P-126.
 */
export function authorizeRequest(
  state: PcscfState,
  transaction: ProxyTransaction,
  dialog: Dialog | null,
  fromUe: boolean,
): Promise<boolean> | null {
  const call = dialog?.rx ?? null;
  if (dialog === null || call === null) return null;
  const { request } = transaction;
  if (fromUe) call.access.addTo(request);
  if (request.method === 'BYE') call.leave(dialog);
  if (request.method !== 'PRACK' || !call.awaitsAnswer(dialog)) return null;
  const text = descriptionIn(request);
  const asked = text === '' ? null : call.answer(dialog, text);
  if (asked === null) return null;
  return inTime(asked, call.mode).then((outcome) => {
    if (outcome.kind === 'continue') return true;
    const release = releaseOf(outcome);
    transaction.refuse({ ...release.reason, status: release.status }, outcome.words);
    releaseSession(state, dialog, release);
    return false;
  });
}

/** Takes a response to a request inside a dialog, as `authorizeAnswer`. Requirements P-123, P-124, P-125. */
export function authorizeChange(
  state: PcscfState,
  transaction: ProxyTransaction,
  { dialog, fromUe, ueOffer }: InDialogAttempt,
  response: SipResponse,
): void | Promise<void> {
  const call = dialog?.rx ?? null;
  if (dialog === null || call === null || call.over) return;
  const asked = noteChange(transaction.request, dialog, call, fromUe, response, ueOffer);
  const byUe = !fromUe && response.status < 300;
  if (asked === null) {
    if (byUe) call.access.addTo(response);
    return;
  }
  return inTime(asked, call.mode).then((outcome) => {
    if (byUe) call.access.addTo(response);
    releaseAfterwards(state, dialog, outcome);
  });
}

/** Takes an ACK, which may have the answer to an offer in a 2xx; it does not wait. Requirement P-123. */
export function authorizeAck(state: PcscfState, dialog: Dialog | null, request: SipRequest, fromUe: boolean): void {
  const call = dialog?.rx ?? null;
  if (dialog === null || call === null) return;
  if (fromUe) call.access.addTo(request);
  if (!call.awaitsAnswer(dialog)) return;
  const text = descriptionIn(request);
  const asked = text === '' ? null : call.answer(dialog, text);
  if (asked !== null) void asked.then((outcome) => releaseAfterwards(state, dialog, outcome));
}

/** Notes what a response to the opening INVITE says of media. Null when there is nothing to ask. */
function noteAnswer(
  dialog: Dialog,
  call: MediaAuthorization,
  byUe: boolean,
  response: SipResponse,
): Promise<RxOutcome> | null {
  const isFinal = response.status >= 200;
  const described = descriptionIn(response);
  const isLast = isFinal || (described !== '' && response.headers.has(Header.RSeq));
  const text = isLast && call.noteAnswer(dialog) ? '' : described;
  if (isFinal) call.confirm();
  const offer = call.initialOffer;
  if (text !== '' && offer === '') call.offer(dialog, byUe, text);
  return text !== '' && offer !== '' ? call.agree(dialog, !byUe, offer, text) : call.refresh();
}

function noteChange(
  request: SipRequest,
  dialog: Dialog,
  call: MediaAuthorization,
  fromUe: boolean,
  response: SipResponse,
  ueOffer: string,
): Promise<RxOutcome> | null {
  const { method } = request;
  if (method !== 'INVITE' && method !== 'UPDATE' && method !== 'PRACK') return null;
  const isReinvite = method === 'INVITE';
  if (response.status >= 300) {
    if (isReinvite) call.settle(dialog, true);
    return null;
  }
  if (isReinvite && response.status < 200) call.mayRevert(dialog);
  const text = descriptionIn(response);
  const offer = text === '' ? '' : ueOffer || descriptionIn(request);
  if (text !== '' && offer === '') call.offer(dialog, !fromUe, text);
  const asked = offer === '' ? null : call.agree(dialog, fromUe, offer, text);
  if (isReinvite && response.status >= 200) call.settle(dialog, false);
  return asked;
}

/** A call that is not to be, though its answer may be here: the caller is refused, the other side is told. Requirement P-111. */
function refuseAnswer(
  state: PcscfState,
  transaction: ProxyTransaction,
  dialog: Dialog,
  response: SipResponse,
  outcome: Refusal,
): void {
  if (response.status >= 200) {
    // The caller has not seen the answer: to him it is still a call without one.
    dialog.confirmed = false;
    dialog.opening = transaction;
  }
  releaseSession(state, dialog, releaseOf(outcome, dialog));
}

/** The sides have agreed already: the message goes through, then the session ends. Requirement P-125. */
function releaseAfterwards(state: PcscfState, dialog: Dialog, outcome: RxOutcome): void {
  if (outcome.kind === 'continue' || outcome.kind === 'retry-after-str') return;
  systemClock.setTimer(0, () => void releaseSession(state, dialog, releaseOf(outcome)));
}

type Refusal = Exclude<RxOutcome, { readonly kind: 'continue' }>;

/** `dialog`: of a call that has no answer yet; its UE is told what would be acceptable. */
function releaseOf(outcome: Refusal, dialog: Dialog | null = null): SessionRelease {
  if (outcome.kind === 'not-acceptable') {
    const refusal = { status: 488, reason: reasons.mediaNotAuthorized, cause: 488, text: 'Not Acceptable Here' };
    const offer = dialog?.rx?.initialOffer ?? '';
    const sdp = outcome.acceptable === undefined ? '' : acceptableSdp(offer, outcome.acceptable);
    return sdp === '' ? refusal : { ...refusal, sdp };
  }
  const retryAfter = outcome.kind === 'unavailable' ? { retryAfter: outcome.retryAfterSeconds } : {};
  return { ...serviceUnavailable, reason: reasons.policyUnavailable, ...retryAfter };
}

function bearerEvents(state: PcscfState): BearerEvents {
  return {
    released(call, words) {
      for (const dialog of call.dialogs) {
        state.context.log.info(
          { reason: reasons.bearerReleased.id, callId: dialog.callId, words },
          'Rx ends a session',
        );
        releaseSession(state, dialog, { ...serviceUnavailable, reason: reasons.bearerReleased });
      }
    },
  };
}

/** The service that the network, else the UE, names. */
function serviceOf({ headers }: SipRequest): string | null {
  for (const id of [Header['P-Asserted-Service'], Header['P-Preferred-Service']]) {
    const service = headers.has(id) ? parseServiceIdentities(headers.values(id))[0] : undefined;
    if (service !== undefined) return flatText(service);
  }
  return null;
}

function icidOf(vector: string): string | null {
  const charging = vector === '' ? null : parseChargingVector(vector);
  return charging === null || charging instanceof ParseFailure ? null : flatText(charging.icid);
}

const emergencyUrn = 'urn:service:';

/** What Service-URN says of an emergency call: without `urn:service:`. Source: TS 29.214 5.3.23; requirement P-132. */
function serviceUrnOf(requestUri: string): string | undefined {
  if (!matchesAt(requestUri, 0, `${emergencyUrn}sos`)) return undefined;
  const service = requestUri.slice(emergencyUrn.length).toLowerCase();
  return service === 'sos' || service.startsWith('sos.') ? flatText(service) : undefined;
}
