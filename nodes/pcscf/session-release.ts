import { reasons } from '#ims/reasons';
import { ackInside, requestInside } from '#sip/dialog/mid-dialog-request';
import { ParseFailure } from '#sip/errors';
import { formatReason } from '#sip/header/reason';
import { setBody } from '#sip/message/body';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { readCSeq } from '#sip/parser/sanity';
import type { BranchUser, ForwardOptions } from '#sip/proxy/proxy-branch';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Reason } from '#sip/reasons';
import type { Dialog } from './dialogs.ts';
import type { PcscfState } from './pcscf-state.ts';
import { leadsToCore } from './ue-routing.ts';
import { bindingOfDialog, toUe } from './way-to-ue.ts';

/** Why and how this node ends a session; plain data. */
export interface SessionRelease {
  /** What a UE hears that calls and has no answer yet: 503, 500 when it is no want of capacity, or 488. */
  readonly status: number;
  /** Why, for the log, the counters and the Warning. */
  readonly reason: Reason;
  /** Reason header of CANCEL and BYE: `SIP;cause=503;text="Service Unavailable"`. */
  readonly cause: number;
  readonly text: string;
  /** The side that cannot be reached: nothing is sent to it. */
  readonly unreachable?: 'ue' | 'core';
  /** Retry-After of the refusal, seconds. */
  readonly retryAfter?: number;
  /** Body of a 488: what would be acceptable. */
  readonly sdp?: string;
}

/** How a release looks to the two ends where nothing better is known. Requirement P-111. */
export const serviceUnavailable = Object.freeze({ status: 503, cause: 503, text: 'Service Unavailable' });

/** Nobody waits for what becomes of a BYE of ours. */
const nobody: BranchUser = Object.freeze({ branchResponse() {}, branchFailed() {} });

/**
 * Ends a session from the middle. Before its answer: CANCEL to the called side and a refusal to the calling one; all
 * dialogs of the same INVITE end with it. Afterwards: BYE to both sides. What still comes of it is answered here.
 *
 * False when it is over already, or is no session. Source: TS 24.229 5.2.8; requirements P-110 to P-112.
 */
export function releaseSession(state: PcscfState, dialog: Dialog, release: SessionRelease): boolean {
  const { dialogs, context } = state;
  const reason = formatReason({ protocol: 'SIP', cause: release.cause, text: release.text });
  const { opening, confirmed, callId, binding } = dialog;
  if (dialog.subscription || !dialogs.release(dialog, reason)) return false;
  context.count('session-released');
  context.log.info(
    { reason: release.reason.id, callId, impi: binding.impi, answered: confirmed },
    'the network ends a session',
  );
  if (confirmed) {
    endBothSides(state, dialog, release);
    return true;
  }
  if (opening === null) return true;
  for (const other of dialogs.ofCall(callId)) if (other.opening === opening) dialogs.release(other, reason);
  refuseOpening(opening, dialog, release);
  return true;
}

/** Ends the sessions of a binding, those of other workers too; gives how many there were in this one. Requirement P-57. */
export function releaseSessionsOf(state: PcscfState, token: string, release: SessionRelease): number {
  const { worker, crew, origin } = state.context;
  const word = releaseWord + JSON.stringify({ token, release });
  for (let other = 0; other < crew.places; other++) {
    if (other !== worker && crew.has(other)) origin.tell(other, word);
  }
  return releaseHere(state, token, release);
}

/** Word of another worker that the sessions of a binding end; false for any other word. */
export function hearRelease(state: PcscfState, word: string): boolean {
  if (!word.startsWith(releaseWord)) return false;
  const { token, release } = JSON.parse(word.slice(releaseWord.length)) as { token: string; release: SessionRelease };
  releaseHere(state, token, release);
  return true;
}

const releaseWord = ' release ';

/** Asked of every worker: that the sessions of a Call-ID end. */
export interface ReleaseRequest {
  readonly command: 'release-session';
  readonly callId: string;
}

/** Answers a `ReleaseRequest` with the number of sessions; null for any other request. Requirement P-110. */
export function releaseOnDemand(state: PcscfState, request: unknown): number | null {
  if (typeof request !== 'object' || request === null || !('command' in request)) return null;
  const { command, callId } = request as Partial<ReleaseRequest>;
  if (command !== 'release-session' || typeof callId !== 'string') return null;
  const release = { ...serviceUnavailable, reason: reasons.sessionEndedByOperator };
  return state.dialogs.ofCall(callId).filter((dialog) => releaseSession(state, dialog, release)).length;
}

/** Answers what still comes of a session that this node has ended: a BYE is as good as done. Requirement P-112. */
export function answerReleased(transaction: ProxyTransaction): void {
  if (transaction.request.method === 'BYE') transaction.reply(200);
  else transaction.refuse(reasons.noDialog, 'the network has ended this session');
}

/**
 * The answer to a call that was ended while it was on its way: nobody else acknowledges it and hangs up any more. Called
 * for each 2xx; one that comes again is only acknowledged. Source: RFC 3261 9.1, 13.2.2.4; requirement P-111.
 */
export function endLateAnswer(state: PcscfState, dialog: Dialog, response: SipResponse): void {
  if (response.status < 200 || response.status > 299) return;
  const originating = dialog.direction === 'originating';
  const [from, to] = originating ? [dialog.ue, dialog.far] : [dialog.far, dialog.ue];
  const ack = ackInside(dialog.callId, from, to, readCSeq(response)?.number ?? from.cseq);
  const way = originating ? toCore(state, dialog, ack) : toUeOf(state, dialog);
  if (!(ack instanceof ParseFailure) && way !== null) state.context.origin.acknowledge(ack, way);
  if (dialog.confirmed) return;
  dialog.confirmed = true;
  if (originating) hangUpCore(state, dialog);
  else hangUpUe(state, dialog);
}

function releaseHere(state: PcscfState, token: string, release: SessionRelease): number {
  return state.dialogs.sessionsOf(token).filter((dialog) => releaseSession(state, dialog, release)).length;
}

function refuseOpening(opening: ProxyTransaction, dialog: Dialog, release: SessionRelease): void {
  const originating = dialog.direction === 'originating';
  if (release.unreachable === (originating ? 'core' : 'ue')) {
    for (const branch of opening.branches) branch.abandon();
  }
  const status = originating ? release.status : 503;
  const addBody = (response: SipResponse) => {
    if (release.retryAfter !== undefined) response.headers.append(Header['Retry-After'], String(release.retryAfter));
    if (status === 488 && release.sdp !== undefined) setBody(response, 'application/sdp', release.sdp);
  };
  opening.refuse({ ...release.reason, status }, '', addBody, dialog.released);
}

function endBothSides(state: PcscfState, dialog: Dialog, { unreachable }: SessionRelease): void {
  if (unreachable !== 'ue') hangUpUe(state, dialog);
  if (unreachable !== 'core') hangUpCore(state, dialog);
}

function hangUpUe(state: PcscfState, dialog: Dialog): void {
  const bye = requestInside(dialog.callId, dialog.far, dialog.ue, 'BYE', [[Header.Reason, dialog.released]]);
  send(state, dialog, bye, toUeOf(state, dialog));
}

function hangUpCore(state: PcscfState, dialog: Dialog): void {
  const headers: [HeaderKey, string][] = [[Header.Reason, dialog.released]];
  if (dialog.charging !== '') headers.push([Header['P-Charging-Vector'], dialog.charging]);
  const bye = requestInside(dialog.callId, dialog.ue, dialog.far, 'BYE', headers);
  send(state, dialog, bye, toCore(state, dialog, bye));
}

/** `way`: null when the next hop is none that may be used. */
function send(
  state: PcscfState,
  { callId }: Dialog,
  request: SipRequest | ParseFailure,
  way: ForwardOptions | null,
): void {
  const { log, origin } = state.context;
  if (!(request instanceof ParseFailure) && way !== null) {
    origin.originate(request, nobody, way);
    return;
  }
  const detail = request instanceof ParseFailure ? request.reason : reasons.untrustedNextHop.text;
  log.warn({ callId, detail }, 'one side of a session cannot be told that it ends');
}

function toUeOf(state: PcscfState, dialog: Dialog): ForwardOptions {
  return toUe(state, bindingOfDialog(state, dialog), 'BYE');
}

/** Without a route set the UE's peer alone has named the next hop: it has to be a core node. Requirements X-F5, X-I22. */
function toCore(
  state: PcscfState,
  { far, binding }: Dialog,
  request: SipRequest | ParseFailure,
): ForwardOptions | null {
  if (far.routes !== null && far.routes.length > 0) return { side: 'mw' };
  if (request instanceof ParseFailure || !leadsToCore(state, request, binding)) return null;
  return { side: 'mw', guarded: true };
}
