import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import { reasons } from '#ims/reasons';
import { Header } from '#sip/message/header-names';
import type { ProxyBranch } from '#sip/proxy/proxy-branch';
import type { BranchPlan, ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { bestResponse } from '#sip/proxy/response-context';
import { coreReasons } from '#sip/reasons';
import { StoreError } from '#store/store';
import { isSameTerminal } from './contact-selection.ts';
import { keepsServer } from './kept-assignment.ts';
import { type Binding, hasBindingOf, type Registration } from './registration.ts';
import { assignedImpus, release } from './server-assignment.ts';
import type { ServiceChain } from './service-chain-state.ts';
import type { ScscfState } from './state.ts';
import { branchTo, deliver, groupsFor } from './terminating.ts';

/** How the P-CSCF says that the connection of a UE is gone. Source: RFC 5626 11.1. */
const FLOW_FAILED = 430;

/**
 * What becomes of a contact that could not be reached: where its flow is dead the binding goes, and the next flow of the
 * same terminal is tried at once, while others ring on. A 430 is no answer for the caller: when nothing else is left he
 * hears 480. Gives whether something else took the place of this answer.
 *
 * Source: RFC 5626 5.3, 6, TS 24.229 5.4.3.3; requirement S-124.
 */
export function contactFailed(
  state: ScscfState,
  transaction: ProxyTransaction,
  chain: ServiceChain,
  branch: ProxyBranch,
): boolean {
  const { registration } = chain.served;
  if (chain.leave !== deliver || registration === null) return false;
  const failed = contactOf(branch, registration.bindings);
  if (failed === null || !isFlowDead(branch, failed)) return false;
  if (failed.regId > 0) removeFlow(state, registration.key, failed);
  const waiting = waitingGroups(state, transaction, registration);
  const next = waiting.flat().find((binding) => isSameTerminal(binding, failed));
  if (next !== undefined) {
    const others = waiting.map((group) => group.filter((binding) => binding !== next));
    transaction.fork(plansFor(transaction, [[next], ...others]));
    return true;
  }
  if (transaction.branches.some(({ pending }) => pending)) return true;
  if (waiting.length > 0) {
    transaction.fork(plansFor(transaction, waiting));
    return true;
  }
  const finals = transaction.branches.flatMap(({ final }) => final ?? []);
  const best = finals[bestResponse(finals)];
  if (best === branch.final || best?.status === FLOW_FAILED) {
    transaction.refuse(reasons.noContact, 'the connection of every contact is gone');
  }
  return false;
}

/** The contact that a branch went to. */
function contactOf({ request }: ProxyBranch, bindings: readonly Binding[]): Binding | null {
  const { requestUri } = request;
  const route = request.headers.get(Header.Route) ?? '';
  return bindings.find(({ uri, path }) => uri === requestUri && path === route) ?? null;
}

/** A P-CSCF tells it; without one between, the connection to the phone is ours. */
function isFlowDead({ failure, final }: ProxyBranch, { path }: Binding): boolean {
  if (failure === null) return final?.status === FLOW_FAILED;
  return path === '' && failure.id === coreReasons.nextHopUnreachable.id;
}

/** The contacts that were not tried yet, in their groups. */
function waitingGroups(state: ScscfState, transaction: ProxyTransaction, registration: Registration): Binding[][] {
  const tried = transaction.branches.flatMap((branch) => contactOf(branch, registration.bindings) ?? []);
  return (groupsFor(state, transaction.request, registration) ?? [])
    .map((group) => group.filter((binding) => !tried.includes(binding)))
    .filter((group) => group.length > 0);
}

function plansFor({ request }: ProxyTransaction, groups: readonly Binding[][]): BranchPlan[][] {
  return groups.map((group) => group.map((binding) => branchTo(request, binding)));
}

/** Takes a binding away, but for one that was refreshed meanwhile; with the last one of a user the HSS is told. */
function removeFlow(state: ScscfState, key: string, dead: Binding): void {
  const profile = state.registrations.profile(key);
  const isDead = ({ impi, instance, regId, expiresAtMs }: Binding) =>
    impi === dead.impi && instance === dead.instance && regId === dead.regId && expiresAtMs === dead.expiresAtMs;
  let before: Registration | null = null;
  let after: Registration | null = null;
  try {
    after = state.registrations.change(key, (current) => {
      before = current;
      if (current === null || !current.bindings.some(isDead)) return undefined;
      const bindings = current.bindings.filter((binding) => !isDead(binding));
      return bindings.length === 0 ? null : { ...current, bindings };
    });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    state.context.log.error({ error, key }, 'a contact whose connection is gone cannot be removed');
    return;
  }
  tellOfRemoval(state, before, after, dead, profile);
}

function tellOfRemoval(
  state: ScscfState,
  before: Registration | null,
  after: Registration | null,
  { impi, uri }: Binding,
  profile: Buffer | null,
): void {
  if (before === null || before === after) return;
  state.context.count('flow-removal');
  state.context.log.info({ key: before.key, impi, contact: uri }, 'the connection of a contact is gone');
  state.regEvents.changed(before, after, () => 'deactivated');
  if (after !== null && hasBindingOf(after, impi)) return;
  const { TIMEOUT_DEREGISTRATION, TIMEOUT_DEREGISTRATION_STORE_SERVER_NAME } = serverAssignmentTypes;
  const keeps = after === null && keepsServer(state.context.config, profile);
  const type = keeps ? TIMEOUT_DEREGISTRATION_STORE_SERVER_NAME : TIMEOUT_DEREGISTRATION;
  void release(state, impi, assignedImpus(before), type);
}
