import { userAuthorizationTypes } from '#diameter/cx/cx-requests';
import { type LocationInfoAnswer, liaFlags } from '#diameter/cx/cx-results';
import { reasons } from '#ims/reasons';
import { lirRefusal, outcomeDetail } from '#ims/result-reasons';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { ProxyBranch } from '#sip/proxy/proxy-branch';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { parseUri, type Uri } from '#sip/uri/uri';
import { askLocation } from './hss-questions.ts';
import type { IcscfState } from './icscf.ts';
import type { LocatedUser } from './location-cache.ts';
import { emergencyRoute, globaliseCalled, routeUnknownNumber } from './number-routing.ts';
import { mayRestart, refuseByHss } from './register.ts';
import { chooseScscf, whatIsMissing, withScheme } from './scscf-selection.ts';
import { calledUser, originatingUser } from './served-user.ts';

/** A request on its way to the S-CSCF of its served user. */
export interface LocationAttempt extends LocatedUser {
  readonly kind: 'location';
  /** What serves it is an application server, which no S-CSCF can stand for. Requirement I-24. */
  isDirect: boolean;
  /** A provisional response came: the request stays where it is. Requirement I-25. */
  rings: boolean;
  reselected: boolean;
  scscf: string;
  /** There is no other S-CSCF: this one is waited for. */
  lastResort: boolean;
}

/**
 * Asks the HSS which S-CSCF serves the called user (of a request out of the blue: the calling one) and sends the
 * request there; the Request-URI stays as it is, but for telephone numbers.
 *
 * Source: TS 24.229 5.3.2.1, TS 29.228 6.1.4; requirements I-04, I-20 to I-24.
 */
export async function routeInitialRequest(state: IcscfState, transaction: ProxyTransaction): Promise<void> {
  transaction.trying();
  const { request } = transaction;
  if (transaction.ownRoute?.parameters.has('orig') ?? false) {
    const impu = originatingUser(request);
    if (impu === null) transaction.refuse(reasons.servedUserMissing, request.requestUri);
    else await routeFor(state, transaction, { impu, originating: true }, false);
    return;
  }
  const emergency = emergencyRoute(state, transaction);
  if (emergency !== null) {
    request.by('routeEmergency (TS 24.229 5.3.2.1)').headers.prepend(Header.Route, emergency);
    transaction.forward();
  } else if (globaliseCalled(state, transaction)) await routeToCalled(state, transaction, true);
}

/** `mayTranslate`: a number that the HSS does not know may be looked for elsewhere. */
async function routeToCalled(state: IcscfState, transaction: ProxyTransaction, mayTranslate: boolean): Promise<void> {
  const impu = calledUser(transaction.request);
  if (impu === null) transaction.refuse(reasons.notRoutable, transaction.request.requestUri);
  else await routeFor(state, transaction, { impu, originating: false }, mayTranslate);
}

async function routeFor(
  state: IcscfState,
  transaction: ProxyTransaction,
  user: LocatedUser,
  mayTranslate: boolean,
): Promise<void> {
  const { impu, originating } = user;
  const { config } = state.context;
  const answer = await askLocation(state, user, null);
  if (mayTranslate && lirRefusal(answer, 404) === reasons.unknownUser) {
    const outcome = await routeUnknownNumber(state, transaction, impu);
    // Asked again with what ENUM says, but no more than once. Requirement I-22.
    if (outcome === 'found') await routeToCalled(state, transaction, false);
    if (outcome !== 'unknown') return;
  }
  const refusal = lirRefusal(answer, originating || impu.startsWith('tel:') ? 404 : config.unknownUser);
  if (refusal !== null || answer.failure !== undefined) {
    refuseByHss(transaction, refusal ?? reasons.hssMalformed, `${impu}, ${outcomeDetail('LIR', answer)}`);
    return;
  }
  const isDirect = (answer.liaFlags & liaFlags.PSI_DIRECT_ROUTING) !== 0;
  const attempt: LocationAttempt = {
    kind: 'location',
    ...user,
    isDirect,
    rings: false,
    reselected: false,
    scscf: '',
    lastResort: isDirect || !config.selection.restoration,
  };
  transaction.context = attempt;
  const wildcard = answer.wildcardedPublicIdentity;
  if (wildcard !== undefined) transaction.request.headers.set(Header['P-Profile-Key'], `<${wildcard}>`);
  const server =
    answer.serverName !== undefined && answer.serverName !== ''
      ? withScheme(answer.serverName)
      : chooseScscf(state, answer.capabilities, new Set());
  sendToScscf(state, transaction, attempt, server, answer);
}

/**
 * The S-CSCF did not answer: the HSS is asked once for capabilities and another S-CSCF is tried; where there is none, one
 * that refused is given the time of a restart; else 504.
 * Source: TS 24.229 5.3.2.2; requirement I-25; security row X-R2.
 */
export async function reselectForRequest(
  state: IcscfState,
  transaction: ProxyTransaction,
  attempt: LocationAttempt,
  branch: ProxyBranch,
): Promise<boolean> {
  const { restoration } = state.context.config.selection;
  const failed = attempt.scscf;
  if (restoration && !attempt.reselected) {
    attempt.reselected = true;
    const answer = await askLocation(state, attempt, userAuthorizationTypes.REGISTRATION_AND_CAPABILITIES);
    if (answer.failure === undefined && lirRefusal(answer, 404) === null) {
      const next = chooseScscf(state, answer.capabilities, new Set([failed]));
      attempt.lastResort = next === null && mayRestart(branch);
      if (next !== null || attempt.lastResort) {
        transaction.request.headers.removeFirst(Header.Route);
        sendToScscf(state, transaction, attempt, next ?? failed, answer);
        return true;
      }
    }
  }
  state.locations.forget(attempt.impu);
  transaction.refuse(reasons.noScscfAnswers, failed);
  return true;
}

function sendToScscf(
  state: IcscfState,
  transaction: ProxyTransaction,
  attempt: LocationAttempt,
  scscf: string | null,
  answer: LocationInfoAnswer,
): void {
  const uri: Uri | ParseFailure | null = scscf === null ? null : parseUri(scscf);
  if (scscf === null || uri === null) {
    transaction.refuse(reasons.noScscf, whatIsMissing(state.context.config.scscfs, answer.capabilities));
    return;
  }
  if (uri instanceof ParseFailure || uri.kind !== 'sip') {
    transaction.refuse(reasons.hssMalformed, `Server-Name ${scscf}`);
    return;
  }
  if (state.own.has(uri)) {
    transaction.refuse(reasons.scscfIsSelf, scscf);
    return;
  }
  attempt.scscf = scscf;
  const loose = uri.parameters.has('lr') ? scscf : `${scscf};lr`;
  const route = attempt.originating ? `<${loose};orig>` : `<${loose}>`;
  transaction.request.by('routeInitialRequest (TS 24.229 5.3.2.1)').headers.prepend(Header.Route, route);
  const responseTimeoutMs = state.context.config.selection.responseTimeout * 1000;
  transaction.forward({ responseTimeoutMs, lastResort: attempt.lastResort });
}
