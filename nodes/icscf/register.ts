import { isSilence } from '#diameter/client';
import { userAuthorizationTypes } from '#diameter/cx/cx-requests';
import { cxResultCodes, type UserAuthorizationAnswer } from '#diameter/cx/cx-results';
import { impiFrom, registeringIdentityOf } from '#ims/identity';
import { reasons } from '#ims/reasons';
import { outcomeDetail, retryAfterSeconds, uarRefusal } from '#ims/result-reasons';
import { parseDigest } from '#sip/auth/digest';
import { ParseFailure } from '#sip/errors';
import { parseContacts } from '#sip/header/contact';
import { parseNameAddr } from '#sip/header/name-addr';
import { parseClipped } from '#sip/header/number-value';
import { parseVisitedNetwork } from '#sip/header/visited-network';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import type { ProxyBranch } from '#sip/proxy/proxy-branch';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { coreReasons, type Reason } from '#sip/reasons';
import { parseUri } from '#sip/uri/uri';
import { askAuthorization } from './hss-questions.ts';
import type { IcscfState } from './icscf.ts';
import { chooseScscf, whatIsMissing, withScheme } from './scscf-selection.ts';

/** What a REGISTER asks the HSS about. */
export interface RegisterIdentity {
  readonly impi: string;
  readonly impu: string;
  readonly visitedNetwork: string;
  readonly deregistration: boolean;
  readonly emergency: boolean;
}

/** A REGISTER on its way through this I-CSCF. */
export interface RegisterAttempt extends RegisterIdentity {
  readonly kind: 'register';
  readonly callId: string;
  readonly tried: Set<string>;
  scscf: string;
  /** There is no other S-CSCF: this one is waited for. */
  lastResort: boolean;
}

/**
 * Asks the HSS whether the user may register and which S-CSCF serves him, and sends the REGISTER there.
 * Source: TS 24.229 5.3.1.2, TS 29.228 6.1.1; requirements I-10 to I-14, I-17.
 */
export async function routeRegister(state: IcscfState, transaction: ProxyTransaction): Promise<void> {
  const { request } = transaction;
  const identity = registerIdentity(request, state.context.config.homeDomain);
  if (identity === null) {
    transaction.refuse(reasons.badIdentity, 'To or Authorization of the REGISTER');
    return;
  }
  const type = identity.deregistration ? userAuthorizationTypes.DE_REGISTRATION : null;
  const answer = await askAuthorization(state, identity, type);
  const attempt: RegisterAttempt = {
    kind: 'register',
    ...identity,
    callId: request.headers.get(Header['Call-ID'])!,
    tried: new Set(),
    lastResort: state.context.config.selection.tries === 1,
    scscf: '',
  };
  const server = isSilence(answer) ? state.registered.serverOf(identity) : null;
  if (server !== null) {
    state.context.log.info(
      { impi: identity.impi, scscf: server },
      'no HSS answers: a REGISTER goes where the last one went',
    );
    transaction.context = attempt;
    tryScscf(state, transaction, attempt, server);
    return;
  }
  const refusal = uarRefusal(answer);
  if (refusal !== null || answer.failure !== undefined) {
    refuseByHss(transaction, refusal ?? reasons.hssMalformed, outcomeDetail('UAR', answer));
    return;
  }
  transaction.context = attempt;
  tryChosen(state, transaction, attempt, chosenServer(state, attempt, answer), answer);
}

/** Whether a branch ended in a way that calls for another S-CSCF; else its response goes back as it is. Requirement I-15. */
export function needsOtherScscf(branch: ProxyBranch): boolean {
  return branch.failure !== null || movesOn(branch.final!.status);
}

/** Whether a branch says that the S-CSCF itself is out of order, not only that it will not serve this user. */
export function isOutOfOrder(branch: ProxyBranch): boolean {
  return branch.failure !== null || branch.final!.status === 503;
}

/** Whether nobody listens where the S-CSCF was: it may be restarting. */
export function mayRestart(branch: ProxyBranch): boolean {
  return branch.failure === coreReasons.nextHopUnreachable;
}

/**
 * The S-CSCF failed: another one is asked for and tried, at most as often as configured, then 504. Where there is no other
 * one, the last that refused is given the time of a restart. Always true: the request is taken care of.
 * Source: TS 24.229 5.3.1.3; requirements I-15, I-16; security row X-R2.
 */
export async function reselectScscf(
  state: IcscfState,
  transaction: ProxyTransaction,
  attempt: RegisterAttempt,
  branch: ProxyBranch,
): Promise<boolean> {
  state.challenges.delete(attempt.impi, attempt.callId);
  if (!attempt.lastResort && attempt.tried.size < state.context.config.selection.tries) {
    const answer = await askAuthorization(state, attempt, userAuthorizationTypes.REGISTRATION_AND_CAPABILITIES);
    if (answer.failure === undefined && uarRefusal(answer) === null) {
      const next = chooseScscf(state, answer.capabilities, attempt.tried);
      if (next !== null) {
        tryScscf(state, transaction, attempt, next);
        return true;
      }
      if (mayRestart(branch)) {
        attempt.lastResort = true;
        tryScscf(state, transaction, attempt, attempt.scscf);
        return true;
      }
    }
  }
  transaction.refuse(reasons.noScscfAnswers, `${attempt.tried.size} tried`);
  return true;
}

/** Refuses because of what the HSS said, with Retry-After where waiting helps. Requirements I-12, I-22. */
export function refuseByHss(transaction: ProxyTransaction, reason: Reason, detail: string): void {
  const seconds = retryAfterSeconds(reason);
  transaction.refuse(reason, detail, (response) => {
    if (seconds > 0) response.headers.append(Header['Retry-After'], String(seconds));
  });
}

/** Remembers where the challenge came from, until the REGISTER that answers it, and who has accepted one. Requirements I-17, X-R4. */
export function noteRegisterResponse(state: IcscfState, attempt: RegisterAttempt, response: SipResponse): void {
  const { status } = response;
  state.failed.answered(attempt.scscf);
  if (status < 200) return;
  if (status === 401) {
    state.challenges.set(attempt.impi, attempt.callId, attempt.scscf);
    return;
  }
  state.challenges.delete(attempt.impi, attempt.callId);
  // Anybody can be refused in the name of a user: that says nothing of where he is.
  if (status >= 300) return;
  if (attempt.deregistration) {
    state.registered.left(attempt);
    state.locations.forget(attempt.impu);
  } else {
    state.registered.accepted(attempt, attempt.scscf);
    state.locations.doubt(attempt.impu);
  }
}

function movesOn(status: number): boolean {
  return (status >= 300 && status < 400) || status === 408 || status === 480 || status === 503;
}

function chosenServer(state: IcscfState, attempt: RegisterAttempt, answer: UserAuthorizationAnswer): string | null {
  const first = answer.result.kind === 'experimental' && answer.result.code === cxResultCodes.FIRST_REGISTRATION;
  const challenger = state.challenges.get(attempt.impi, attempt.callId);
  if (first && challenger !== null) return challenger;
  if (answer.serverName !== undefined && answer.serverName !== '') return withScheme(answer.serverName);
  return chooseScscf(state, answer.capabilities, attempt.tried);
}

function tryChosen(
  state: IcscfState,
  transaction: ProxyTransaction,
  attempt: RegisterAttempt,
  scscf: string | null,
  { capabilities }: UserAuthorizationAnswer,
): void {
  if (scscf !== null) tryScscf(state, transaction, attempt, scscf);
  else transaction.refuse(reasons.noScscf, whatIsMissing(state.context.config.scscfs, capabilities));
}

function tryScscf(state: IcscfState, transaction: ProxyTransaction, attempt: RegisterAttempt, scscf: string): void {
  const uri = parseUri(scscf);
  if (uri instanceof ParseFailure || uri.kind !== 'sip') {
    transaction.refuse(reasons.hssMalformed, `Server-Name ${scscf}`);
    return;
  }
  if (state.own.has(uri)) {
    transaction.refuse(reasons.scscfIsSelf, scscf);
    return;
  }
  attempt.tried.add(scscf);
  attempt.scscf = scscf;
  transaction.request.by('routeRegister (TS 24.229 5.3.1.2)').setRequestUri(scscf);
  const responseTimeoutMs = state.context.config.selection.responseTimeout * 1000;
  transaction.forward({ responseTimeoutMs, lastResort: attempt.lastResort });
}

/**
 * Who registers, and what for: the public identity of To, the private one of Authorization (else derived from To).
 * Gives null when they can't be read. Requirements I-10, I-11.
 */
export function registerIdentity(request: SipRequest, homeDomain: string): RegisterIdentity | null {
  const { headers } = request;
  const to = parseNameAddr(headers.get(Header.To) ?? '');
  if (to instanceof ParseFailure) return null;
  const impu = registeringIdentityOf(to.uri);
  if (impu instanceof ParseFailure) return null;
  const authorization = headers.get(Header.Authorization);
  const credentials = authorization === null ? null : parseDigest(authorization);
  const username = credentials === null || credentials instanceof ParseFailure ? null : credentials.get('username');
  const impi = impiFrom(username, impu);
  if (impi instanceof ParseFailure) return null;
  const visited = headers.first(Header['P-Visited-Network-ID']);
  const network = visited === null ? homeDomain : parseVisitedNetwork(visited);
  const contacts = parseContacts(headers.values(Header.Contact));
  return {
    impi,
    impu,
    visitedNetwork: network instanceof ParseFailure || network === '' ? homeDomain : network,
    deregistration: !(contacts instanceof ParseFailure) && asksToLeave(request, contacts),
    emergency: !(contacts instanceof ParseFailure) && contacts.contacts.some((contact) => isEmergency(contact.uri)),
  };
}

function asksToLeave(
  request: SipRequest,
  contacts: { readonly star: boolean; readonly contacts: readonly { readonly expires: number }[] },
): boolean {
  if (contacts.star) return true;
  if (contacts.contacts.length === 0) return false;
  const header = request.headers.get(Header.Expires);
  const parsed = header === null ? -1 : parseClipped(header, 0xffff_ffff);
  const fallback = parsed instanceof ParseFailure ? -1 : parsed;
  return contacts.contacts.every((contact) => (contact.expires >= 0 ? contact.expires : fallback) === 0);
}

/** Source: TS 24.229 7.11A (the sos SIP URI parameter). */
function isEmergency(contactUri: string): boolean {
  const uri = parseUri(contactUri);
  return !(uri instanceof ParseFailure) && uri.kind === 'sip' && uri.parameters.has('sos');
}
