import { lookupIdentityOf } from '#ims/identity';
import { reasons } from '#ims/reasons';
import { regInfoType } from '#ims/reginfo';
import type { ScscfConfig } from '#service/config/scscf-config';
import { isRefusal, type Refusal, refusal } from '#sip/dialog/refusal';
import { ParseFailure } from '#sip/errors';
import { type EventPackage, readSubscribe } from '#sip/event/subscribe-request';
import { acceptSubscribe } from '#sip/event/subscription';
import { parseEvent } from '#sip/header/event';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { isKey, StoreError } from '#store/store';
import { findServed, isOriginating } from './originating.ts';
import type { AcceptedSubscribe } from './reg-event.ts';
import { identityOf, type Registration } from './registration.ts';
import type { ScscfState } from './state.ts';
import { mayWatch } from './subscription-access.ts';
import { findWildcarded } from './wildcard-index.ts';

/**
 * Answers a SUBSCRIBE that is for this S-CSCF: to the registration of one of its users, in the dialog of such a
 * subscription, or to the S-CSCF itself. False for any other, which takes its way: it is an ordinary request of a user, or
 * for one. `local`: it is inside a dialog and for our Contact.
 *
 * A user of ours who subscribes to a registration that is here is served at once, without the way by the I-CSCF.
 * Source: RFC 3680 4, TS 24.229 5.4.2.1.1; requirements S-60, S-61, S-67, X-I16.
 */
export function handleSubscribe(state: ScscfState, transaction: ProxyTransaction, local: boolean): boolean {
  const { request, ownRoute, inDialog } = transaction;
  if (request.headers.has(Header.Route)) return false;
  if (inDialog) {
    if (!local && !(isForRegEvent(request) && state.regEvents.knows(request))) return false;
    answer(transaction, (accepted) => state.regEvents.refresh(request, offeredBy(state.context.config), accepted));
    return true;
  }
  if (isForUs(state, request)) {
    answer(transaction, () => {
      const asked = readSubscribe(request, offeredBy(state.context.config));
      return isRefusal(asked) ? asked : refusal(reasons.notServed, request.requestUri);
    });
    return true;
  }
  if (!isForRegEvent(request)) return false;
  const impu = lookupIdentityOf(request.requestUri);
  if (impu instanceof ParseFailure || !isKey(impu)) return false;
  const registration = watched(state, request, impu);
  // The user may be served elsewhere: the HSS knows.
  if (registration === null && isOriginating(ownRoute)) return false;
  answer(transaction, (accepted) => begin(state, transaction, impu, registration, accepted));
  return true;
}

/** Sends the 200 or the refusal that `decide` gives. */
function answer(
  transaction: ProxyTransaction,
  decide: (accepted: (accepted: AcceptedSubscribe) => void) => Refusal | null,
): void {
  const { request } = transaction;
  if (!transaction.serveAsUas([])) return;
  try {
    const refused = decide(({ subscription, asked }) =>
      transaction.reply(200, (response) => acceptSubscribe(subscription, request, asked, response)),
    );
    if (refused === null) return;
    transaction.refuse(refused.reason, refused.detail, (response) => {
      for (const [name, value] of refused.headers) response.headers.append(name, value);
    });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    transaction.refuse(reasons.storeFailed, error.code);
  }
}

/** Who may not watch hears the same, whoever is registered and whatever is asked for. Requirement X-I16. */
function begin(
  state: ScscfState,
  transaction: ProxyTransaction,
  impu: string,
  registration: Registration | null,
  accepted: (accepted: AcceptedSubscribe) => void,
): Refusal | null {
  const { request } = transaction;
  const { config } = state.context;
  if (registration === null && !impu.startsWith('tel:') && !impu.endsWith(`@${config.homeDomain}`)) {
    return refusal(reasons.foreignDomain, request.requestUri);
  }
  if (!mayWatch(state, request, impu, registration)) return refusal(reasons.mayNotWatch);
  if (registration !== null && identityOf(registration, impu)?.barred === true) {
    return refusal(reasons.calleeBarred, impu);
  }
  const asked = readSubscribe(request, offeredBy(config));
  if (isRefusal(asked)) return asked;
  return state.regEvents.subscribe(request, registration?.key ?? impu, asked, transaction.toTag, accepted);
}

function watched(state: ScscfState, request: SipRequest, impu: string): Registration | null {
  return findServed(state.registrations, request, impu) ?? findWildcarded(state, impu)?.registration ?? null;
}

function offeredBy({ regEvent }: ScscfConfig): EventPackage {
  const { defaultExpires, minExpires, maxExpires } = regEvent;
  const seconds = { defaultSeconds: defaultExpires, minSeconds: minExpires, maxSeconds: maxExpires };
  return { event: 'reg', contentType: regInfoType, ...seconds };
}

function isForRegEvent({ headers }: SipRequest): boolean {
  const value = headers.get(Header.Event);
  const event = value === null ? null : parseEvent(value);
  return event !== null && !(event instanceof ParseFailure) && event.package === 'reg';
}

/** Whether the Request-URI is the S-CSCF itself. */
function isForUs({ context }: ScscfState, { uri }: SipRequest): boolean {
  return !(uri instanceof ParseFailure) && uri.kind === 'sip' && context.own.has(uri);
}
