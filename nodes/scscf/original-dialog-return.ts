import type { CompiledCriteria } from '#ims/filter-criteria';
import { type SessionCase, sessionCases } from '#ims/filter-criterion';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { isOriginatingCase } from './application-server-request.ts';
import { type OriginalDialog, openOriginalDialog } from './original-dialog.ts';
import { handleOriginating, leaveOriginatingSide } from './originating.ts';
import { runServices, servesDiversion, serviceReturned } from './service-chain.ts';
import { type LeaveServices, type ServedUser, ServiceChain } from './service-chain-state.ts';
import { noServices } from './services.ts';
import type { ScscfState } from './state.ts';
import { deliver, handleTerminating, isForServedUser } from './terminating.ts';
import { knownUnregistered } from './unregistered-user.ts';

/** How long an ODI is good beyond Timer C, which bounds the set-up of a dialog. Requirement S-95. */
const spareSeconds = 180;
/** A word to another worker; no identity begins so. */
const returnedWord = ' returned ';

/**
 * A request that an application server has sent back: its services go on behind the filter criterion that led there. One
 * whose original dialog identifier is too old, or none of ours, is a new request of the same case.
 *
 * Source: TS 24.229 5.4.3.2, 5.4.3.3, 5.4.3.4; requirements S-80, S-95, S-96.
 */
export function handleReturned(state: ScscfState, transaction: ProxyTransaction): void | Promise<void> {
  const { ownRoute } = transaction;
  const dialog = openOriginalDialog(ownRoute!.user, state.services.key);
  const hop = dialog instanceof ParseFailure ? undefined : hopOf(state, dialog);
  if (dialog instanceof ParseFailure || (hop === undefined && isTooOld(state, dialog))) {
    state.context.count('unknown-original-dialog');
    return ownRoute!.parameters.has('orig')
      ? handleOriginating(state, transaction)
      : handleTerminating(state, transaction);
  }
  if (hop !== undefined && !serviceReturned(hop, dialog.link)) {
    transaction.refuse(reasons.serviceOvertaken, dialog.impu);
    return;
  }
  if (hop === undefined) tellOwner(state, dialog);
  const served = servedAgain(state, dialog, hop);
  const { position, sessionCase } = goingOn(state, transaction, dialog, served);
  if (position === null) return diverted(state, transaction, served, dialog);
  return runServices(state, transaction, chainOf(state, served, sessionCase, position, dialog.depth));
}

/** Word of another worker that a request of this one came back from its application server; false for any other word. */
export function hearReturn(state: ScscfState, word: string): boolean {
  if (!word.startsWith(returnedWord)) return false;
  const link = Number(word.slice(returnedWord.length));
  const chain = state.services.links.get(link);
  if (chain !== undefined) serviceReturned(chain, link);
  return true;
}

/** What this worker remembers of the hop. */
function hopOf(state: ScscfState, { worker, link, impu }: OriginalDialog): ServiceChain | undefined {
  if (worker !== state.context.worker) return undefined;
  const chain = state.services.links.get(link);
  // Numbers start anew with the worker.
  return chain?.served.impu === impu ? chain : undefined;
}

function isTooOld(state: ScscfState, { issuedS }: OriginalDialog): boolean {
  const { clock, config } = state.context;
  const setUpSeconds = (config.timers?.timerC ?? 185_000) / 1000;
  return clock.wallMs() / 1000 > issuedS + setUpSeconds + spareSeconds;
}

/** The worker that waits for the application server must not take it for dead: a new Call-ID may lead elsewhere. */
function tellOwner(state: ScscfState, { worker, link }: OriginalDialog): void {
  const { worker: self, crew, origin } = state.context;
  if (worker !== self && crew.has(worker)) origin.tell(worker, `${returnedWord}${link}`);
}

/**
 * The served user as he is now. A profile that changed while the application server had the request counts only where
 * the one that was used is not remembered. Requirement S-73.
 */
function servedAgain(state: ScscfState, dialog: OriginalDialog, hop: ServiceChain | undefined): ServedUser {
  const { impu, profileKey, registered } = dialog;
  const registration = registered ? state.registrations.find(profileKey) : null;
  if (registration !== null) {
    const criteria = hop?.served.criteria ?? state.services.criteriaOf(registration.key, profileKey);
    return { impu, profileKey, registration, charging: registration.charging, criteria };
  }
  if (hop !== undefined) return { ...hop.served, registration: null };
  const charging = { ccf: '', ecf: '' };
  const known = registered ? null : knownUnregistered(state, impu, profileKey);
  return known ?? { impu, profileKey, registration: null, charging, criteria: noServices };
}

/** Where the services go on; `position` null: the request was sent elsewhere. Requirement S-96. */
function goingOn(
  state: ScscfState,
  transaction: ProxyTransaction,
  dialog: OriginalDialog,
  served: ServedUser,
): { readonly position: number | null; readonly sessionCase: SessionCase } {
  const { sessionCase } = dialog;
  if (!isOriginatingCase(sessionCase) && !isForServedUser(state, transaction.request, served)) {
    return { position: null, sessionCase };
  }
  return { position: positionIn(served.criteria, dialog), sessionCase };
}

/** The position of the criterion that fired; in a profile that has changed since, that of the last one before the next. */
function positionIn({ criteria }: CompiledCriteria, { position, priority }: OriginalDialog): number {
  if (criteria[position]?.source.priority === priority) return position;
  return criteria.findLastIndex(({ source }) => source.priority <= priority);
}

/**
 * An application server of the called user has sent the request elsewhere: no service for called users runs any more, but
 * those for users who divert. Source: TS 24.229 5.4.3.3; requirement S-96.
 */
function diverted(
  state: ScscfState,
  transaction: ProxyTransaction,
  served: ServedUser,
  { depth }: OriginalDialog,
): void | Promise<void> {
  state.context.count('diversion');
  const chain = chainOf(state, served, sessionCases.originatingCdiv, -1, depth);
  return servesDiversion(served.criteria)
    ? runServices(state, transaction, chain)
    : leaveOriginatingSide(state, transaction, chain);
}

function chainOf(
  state: ScscfState,
  served: ServedUser,
  sessionCase: SessionCase,
  position: number,
  depth: number,
): ServiceChain {
  const recordsAtServers = state.services.settings.recordRoute === 'always';
  const leave: LeaveServices = isOriginatingCase(sessionCase) ? leaveOriginatingSide : deliver;
  return new ServiceChain(served, sessionCase, leave, { position, depth, recordsAtServers });
}
