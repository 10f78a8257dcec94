import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { parseCSeq } from '#sip/header/cseq';
import { parseRAck, parseRSeq } from '#sip/header/rack';
import { setBody } from '#sip/message/body';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Dialog } from './dialogs.ts';
import { allowedSdp, forbiddenMedia } from './media-policy.ts';
import type { PcscfState } from './pcscf-state.ts';

/**
 * Refuses a request that offers forbidden media, from the UE and towards it alike; gives whether it did. Answers are not
 * policed: those in an ACK, in a response, and in the PRACK of a response that made the offer.
 *
 * `dialog`: null when there is none, or none that is known here.
 *
 * Source: TS 24.229 6.2; RFC 3262 5; requirement P-79.
 */
export function refuseForbiddenOffer(
  { media }: PcscfState,
  transaction: ProxyTransaction,
  dialog: Dialog | null,
): boolean {
  if (media === null) return false;
  const { request } = transaction;
  const { method } = request;
  if (method !== 'INVITE' && method !== 'UPDATE' && method !== 'PRACK') return false;
  const { sdp } = request;
  if (sdp === null || (method === 'PRACK' && dialog !== null && answersOffer(request, dialog))) return false;
  const why = forbiddenMedia(sdp, media);
  if (why === null) return false;
  transaction.refuse(reasons.mediaNotAllowed, why, (response) => {
    const allowed = allowedSdp(sdp, media);
    if (allowed !== '') setBody(response, 'application/sdp', allowed);
  });
  return true;
}

/** Notes a reliable provisional response that makes the offer its INVITE did not make. Source: RFC 3262 5. */
export function noteOffer(
  { media }: PcscfState,
  dialog: Dialog | null,
  request: SipRequest,
  response: SipResponse,
): void {
  if (
    (media === null && dialog?.rx == null) ||
    dialog === null ||
    response.status >= 200 ||
    request.method !== 'INVITE'
  )
    return;
  const rseq = parseRSeq(response.headers.get(Header.RSeq) ?? '');
  const cseq = parseCSeq(response.headers.get(Header.CSeq) ?? '');
  if (rseq instanceof ParseFailure || cseq instanceof ParseFailure) return;
  if (response.sdp !== null && request.sdp === null) dialog.offer = { rseq, cseq: cseq.number };
}

function answersOffer(prack: SipRequest, { offer }: Dialog): boolean {
  if (offer === null) return false;
  const rack = parseRAck(prack.headers.get(Header.RAck) ?? '');
  return !(rack instanceof ParseFailure) && rack.rseq === offer.rseq && rack.cseq === offer.cseq;
}
