import { formatChargingVector } from '#ims/charging';
import { reasons } from '#ims/reasons';
import { hasTag } from '#sip/header/option-tags';
import { formatVisitedNetwork } from '#sip/header/visited-network';
import { Header } from '#sip/message/header-names';
import type { SipResponse } from '#sip/message/response';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import type { Reason } from '#sip/reasons';
import { applyRegistration } from './apply-registration.ts';
import { authorizeRegistration } from './authorize-registration.ts';
import { readAkaKeys } from './ipsec/aka-keys.ts';
import { claimIntegrity } from './ipsec/integrity-claim.ts';
import { type ProtectionRefusal, protectChallenge } from './ipsec/register-protection.ts';
import { agreeToKeepAlive } from './keep-alive.ts';
import type { PcscfState } from './pcscf-state.ts';
import { type RegisterAttempt, readAttempt } from './register-attempt.ts';
import { crossBorder, dropIntegrityClaims, dropKeys } from './trust-border.ts';

/**
 * Sends a REGISTER of a UE to its home network: what the UE must not say is taken out, what the home network needs to
 * know of us is put in.
 * Source: TS 24.229 5.2.2.1; requirements P-10, P-14 to P-23, P-42.
 */
export function forwardRegister(state: PcscfState, transaction: ProxyTransaction): void {
  const { request } = transaction;
  const attempt = readAttempt(state, request);
  if (attempt.kind === 'refused') {
    transaction.refuse(attempt.reason, attempt.detail, attempt.edit);
    return;
  }
  const { config } = state.context;
  const { headers } = request.by('forwardRegister (TS 24.229 5.2.2.1)');
  crossBorder(headers, 'registerFromUe');
  dropIntegrityClaims(headers);
  if (attempt.protection.kind !== 'plain') {
    claimIntegrity(headers, attempt.protection.kind === 'inside' ? 'yes' : 'no');
  }
  headers.remove(Header.Route);
  headers.prepend(Header.Path, state.routes.path(attempt.token, attempt.outbound));
  if (!hasTag(headers.values(Header.Require), 'path')) headers.append(Header.Require, 'path');
  headers.set(Header['P-Visited-Network-ID'], formatVisitedNetwork(config.visitedNetwork));
  headers.set(
    Header['P-Charging-Vector'],
    formatChargingVector({
      icid: attempt.icid,
      icidGeneratedAt: config.name,
      origIoi: config.visitedNetwork,
      termIoi: '',
      others: [],
    }),
  );
  if (!attempt.query) state.pending.put(attempt.pendingKey, attempt.token, headers.get(Header['Call-ID'])!);
  transaction.context = attempt;
  transaction.forward({ side: 'mw', guarded: true });
}

/**
 * Takes an answer of the home network: keys and charging data stay here, a 2xx is stored before it goes out. `false`
 * when something else was answered.
 * Source: TS 24.229 5.2.2.1; requirements P-30, P-50, P-51, P-55 to P-58.
 */
export function takeRegisterResponse(
  state: PcscfState,
  transaction: ProxyTransaction,
  attempt: RegisterAttempt,
  response: SipResponse,
): void | false | Promise<void | false> {
  if (response.status < 200) return;
  if (response.status !== 401) state.pending.delete(attempt.pendingKey);
  if (response.status < 300 && !attempt.query) {
    const refusal = storeRegistration(state, transaction, attempt, response);
    if (refusal !== null) {
      transaction.refuse(refusal);
      return false;
    }
  }
  const { headers } = response.by('takeRegisterResponse (TS 24.229 5.2.2.1)');
  // Before they are taken out for good, whatever becomes of the answer.
  const keys = response.status === 401 && state.ipsec !== null ? readAkaKeys(headers) : 'none';
  dropKeys(headers);
  crossBorder(headers, 'responseToUe');
  if (response.status < 300) agreeToKeepAlive(response);
  if (response.status < 300)
    return attempt.query ? undefined : authorizeRegistration(state, transaction, attempt.token);
  if (response.status === 401) return takeChallenge(state, transaction, attempt, response, keys);
  endTemporary(state, attempt);
}

/** Stores what a 2xx grants. Gives why it may not be: then nothing of it holds at this node. */
function storeRegistration(
  state: PcscfState,
  transaction: ProxyTransaction,
  attempt: RegisterAttempt,
  response: SipResponse,
): Reason | null {
  const flow = transaction.request.flow!;
  const isNeeded = state.ipsec !== null && state.access.securityOf(flow.address) === 'ipsec-required';
  // The home network has taken a REGISTER without a challenge, or with one that gives no keys.
  if (isNeeded && attempt.protection.kind !== 'inside' && attempt.contacts.length > 0) return reasons.accessNotSecured;
  return applyRegistration(state, transaction, attempt, response) ? null : reasons.storeFailed;
}

/**
 * Takes a challenge whose keys are out of it already: the security associations stand before it goes on.
 * Source: TS 24.229 5.2.2.1; requirements P-31, P-35, P-36, P-39.
 */
function takeChallenge(
  { ipsec, pending }: PcscfState,
  transaction: ProxyTransaction,
  attempt: RegisterAttempt,
  response: SipResponse,
  keys: ReturnType<typeof readAkaKeys>,
): void | false | Promise<void | false> {
  const answer = (outcome: string | ProtectionRefusal): void | false => {
    if (typeof outcome === 'string') {
      response.by('protectChallenge (TS 24.229 5.2.2.1)').headers.append(Header['Security-Server'], outcome);
      return;
    }
    pending.delete(attempt.pendingKey);
    transaction.refuse(outcome.reason, outcome.detail, outcome.edit);
    return false;
  };
  const outcome = ipsec === null ? null : protectChallenge(ipsec, transaction.request, attempt, keys);
  if (outcome === null) return;
  return outcome instanceof Promise ? outcome.then(answer) : answer(outcome);
}

/** The home network has refused who answered a challenge; a registration that there is stays. Requirement P-58. */
function endTemporary({ ipsec }: PcscfState, { protection }: RegisterAttempt): void {
  if (protection.kind === 'inside' && protection.set.state === 'temporary') ipsec?.associations.end(protection.set.id);
}
