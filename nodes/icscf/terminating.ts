import { userAuthorizationTypes } from '#diameter/cx/cx-requests';
import type { LocationInfoAnswer } from '#diameter/cx/cx-results';
import { reasons } from '#ims/reasons';
import { lirRefusal, outcomeDetail } from '#ims/result-reasons';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { parseUri, type Uri } from '#sip/uri/uri';
import type { IcscfState } from './icscf.ts';
import { refuseByHss } from './register.ts';
import { selectScscf, whatIsMissing, withScheme } from './scscf-selection.ts';
import { calledUser, originatingUser } from './served-user.ts';

/** A request on its way to the S-CSCF of its served user. */
export interface LocationAttempt {
  readonly kind: 'location';
  readonly impu: string;
  readonly originating: boolean;
  /** A provisional response came: the request stays where it is. Requirement I-25. */
  rings: boolean;
  reselected: boolean;
  scscf: string;
}

/**
 * Asks the HSS which S-CSCF serves the called user (of a request out of the blue: the calling one) and sends the
 * request there; the Request-URI stays as it is.
 *
 * Source: TS 24.229 5.3.2.1, TS 29.228 6.1.4; requirements I-04, I-20 to I-24.
 */
export async function routeInitialRequest(state: IcscfState, transaction: ProxyTransaction): Promise<void> {
  transaction.trying();
  const { request } = transaction;
  const originating = transaction.ownRoute?.parameters.has('orig') ?? false;
  const impu = originating ? originatingUser(request) : calledUser(request);
  if (impu === null) {
    transaction.refuse(originating ? reasons.servedUserMissing : reasons.notRoutable, request.requestUri);
    return;
  }
  const answer = await state.cx.locationInfo(originating ? { impu, originating: true } : { impu });
  const refusal = lirRefusal(answer, originating || impu.startsWith('tel:') ? 404 : state.context.config.unknownUser);
  if (refusal !== null || answer.failure !== undefined) {
    refuseByHss(transaction, refusal ?? reasons.hssMalformed, `${impu}, ${outcomeDetail('LIR', answer)}`);
    return;
  }
  const attempt: LocationAttempt = { kind: 'location', impu, originating, rings: false, reselected: false, scscf: '' };
  transaction.context = attempt;
  const wildcard = answer.wildcardedPublicIdentity;
  if (wildcard !== undefined) request.headers.set(Header['P-Profile-Key'], `<${wildcard}>`);
  const server =
    answer.serverName !== undefined && answer.serverName !== ''
      ? withScheme(answer.serverName)
      : selectScscf(state.context.config.scscfs, answer.capabilities, new Set(), Math.random);
  sendToScscf(state, transaction, attempt, server, answer);
}

/**
 * The S-CSCF did not answer: the HSS is asked once for capabilities and another S-CSCF is tried, else 504.
 * Source: TS 24.229 5.3.2.2; requirement I-25.
 */
export async function reselectForRequest(
  state: IcscfState,
  transaction: ProxyTransaction,
  attempt: LocationAttempt,
): Promise<boolean> {
  if (!attempt.reselected) {
    attempt.reselected = true;
    const answer = await state.cx.locationInfo({
      impu: attempt.impu,
      type: userAuthorizationTypes.REGISTRATION_AND_CAPABILITIES,
      ...(attempt.originating ? { originating: true } : {}),
    });
    if (answer.failure === undefined) {
      const next = selectScscf(state.context.config.scscfs, answer.capabilities, new Set([attempt.scscf]), Math.random);
      if (next !== null) {
        transaction.request.headers.removeFirst(Header.Route);
        sendToScscf(state, transaction, attempt, next, answer);
        return true;
      }
    }
  }
  transaction.refuse(reasons.noScscfAnswers, attempt.scscf);
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
  transaction.forward();
}
