import { reasons } from '#ims/reasons';
import { Header } from '#sip/message/header-names';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { PcscfState } from './pcscf-state.ts';

/**
 * Has the PCRF watch the signalling bearer of a binding that was made or refreshed. Where its consent is required the 2xx
 * waits for it: without it the UE gets 503, and nothing is registered here. `false`: something else was answered.
 *
 * Source: TS 29.214 4.4.5; TS 24.229 5.2.7.1; requirements P-121, P-122.
 */
export function authorizeRegistration(
  state: PcscfState,
  transaction: ProxyTransaction,
  token: string,
): void | Promise<void | false> {
  const { registrations, rx, signalling } = state;
  const binding = signalling === null ? null : registrations.byToken(token);
  if (signalling === null || binding === null) return;
  const asked = signalling.bound(binding);
  if (asked === null || rx?.modeOf(binding.flow.address) !== 'required') return;
  return asked.then((outcome) => {
    if (outcome.kind === 'continue') return;
    registrations.remove(binding);
    registrations.commit();
    transaction.refuse(reasons.signallingNotAuthorized, outcome.words, ({ headers }) => {
      if (outcome.kind === 'unavailable') headers.append(Header['Retry-After'], String(outcome.retryAfterSeconds));
    });
    return false;
  });
}
