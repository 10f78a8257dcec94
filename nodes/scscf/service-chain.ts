import { type CompiledCriteria, nextMatch } from '#ims/filter-criteria';
import { explainCriteria } from '#ims/filter-criteria-explanation';
import { sessionCases } from '#ims/filter-criterion';
import { reasons } from '#ims/reasons';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { ProxyBranch } from '#sip/proxy/proxy-branch';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { opensDialog } from '#sip/proxy/record-route';
import { parseUri } from '#sip/uri/uri';
import { applicationServerRequest, isOriginatingCase } from './application-server-request.ts';
import { sealOriginalDialog } from './original-dialog.ts';
import type { ServiceChain } from './service-chain-state.ts';
import type { ScscfState } from './state.ts';

/**
 * Runs the services of a user that are left: sends the request to the application server of the next filter criterion
 * that it matches as it is now, or on its way when there is none.
 *
 * Source: TS 24.229 5.4.3.2, 5.4.3.3; requirements S-93, S-94, S-98, S-131.
 */
export function runServices(
  state: ScscfState,
  transaction: ProxyTransaction,
  chain: ServiceChain,
): void | Promise<void> {
  const { criteria } = chain.served;
  chain.hop = null;
  for (;;) {
    const position = criteria.criteria.length === 0 ? -1 : nextService(state, transaction.request, chain);
    if (position < 0) return chain.leave(state, transaction, chain);
    chain.position = position;
    const { serverName, defaultHandling } = criteria.criteria[position]!.applicationServer;
    if (chain.depth >= state.services.settings.maxServers) {
      transaction.refuse(reasons.tooManyServers, serverName);
      return;
    }
    chain.depth += 1;
    const server = parseUri(serverName);
    if (!(server instanceof ParseFailure) && server.kind === 'sip') {
      invoke(state, transaction, chain);
      return;
    }
    state.context.log.warn({ impu: chain.served.impu, serverName }, 'a filter criterion names no SIP URI');
    if (defaultHandling === 1) {
      state.context.count('service-terminated');
      transaction.refuse(reasons.serverMalformed, serverName);
      return;
    }
    state.context.count('service-bypassed');
  }
}

/**
 * Puts our Record-Route of this passage on a request that opens a dialog, once, and remembers the session that an INVITE
 * begins. Requirements S-86, S-130.
 */
export function recordPassage(state: ScscfState, transaction: ProxyTransaction, chain: ServiceChain): void {
  if (chain.recorded) return;
  chain.recorded = true;
  const { request } = transaction;
  if (!opensDialog(request.method)) return;
  const { originating, terminating } = state.routes;
  const isOriginating = isOriginatingCase(chain.sessionCase);
  if (request.method === 'INVITE') {
    chain.session = state.sessions.open(transaction, chain.served, isOriginating);
    transaction.context = chain;
  }
  request.headers.prepend(Header['Record-Route'], isOriginating ? originating : terminating);
}

/**
 * What becomes of the answer of an application server that refuses or fails: true when the next service, or the way on,
 * took its place. Until it has shown that it lives, a failure (silence, no way to it, 408, 5xx) is for the default
 * handling of its criterion; any other refusal is its answer.
 *
 * Source: TS 24.229 5.4.3.2, 5.4.3.3; requirements S-97, S-99.
 */
export function serviceFailed(
  state: ScscfState,
  transaction: ProxyTransaction,
  chain: ServiceChain,
  branch: ProxyBranch,
): boolean | Promise<boolean> {
  const { hop } = chain;
  if (hop === null) return false;
  chain.hop = null;
  const { status } = branch.final!;
  const failed = branch.failure !== null || status === 408 || status >= 500;
  if (!failed || hop.alive) return false;
  const { serverName, defaultHandling } = hop;
  const { impu } = chain.served;
  const why = branch.failure?.id ?? status;
  const continued = defaultHandling === 0;
  state.context.log.warn({ impu, serverName, why, continued }, 'an application server fails');
  if (!continued) {
    state.context.count('service-terminated');
    return false;
  }
  state.context.count('service-bypassed');
  const result = runServices(state, transaction, chain);
  return result instanceof Promise ? result.then(() => true) : true;
}

/** A response of an application server that is no failure shows that it lives. Requirement S-97. */
export function serviceResponded({ hop }: ServiceChain, status: number): void {
  if (hop !== null && status > 100 && status < 200) hop.alive = true;
}

/**
 * The request has come back from the application server of a hop: it lives, and is not silent however long the answer
 * takes. False when the services went on without it in the meantime. Requirements S-95, S-97.
 */
export function serviceReturned(chain: ServiceChain, link: number): boolean {
  const { hop } = chain;
  if (hop?.link !== link) return false;
  hop.alive = true;
  hop.transaction.branches.at(-1)?.heard();
  return true;
}

/** The transaction of a chain is over. */
export function endChain(state: ScscfState, chain: ServiceChain): void {
  for (const link of chain.links) state.services.links.delete(link);
}

function nextService(state: ScscfState, request: SipRequest, chain: ServiceChain): number {
  const { sessionCase, registered, served } = chain;
  const { criteria, impu } = served;
  const context = { request, sessionCase, registered, registrationType: null };
  let position = nextMatch(criteria, chain.position, context);
  if (sessionCase === sessionCases.originatingCdiv) {
    while (position >= 0 && !isForDiversion(criteria, position)) position = nextMatch(criteria, position, context);
  }
  if (state.services.explains) {
    const explanation = explainCriteria(criteria, context);
    state.context.log.debug({ impu, sessionCase, after: chain.position, position, explanation }, 'filter criteria');
  }
  return position;
}

/**
 * Whether a criterion asks for the case after a diversion by name. One that just asks for no case would give the
 * diverted request to the server that has diverted it.
 */
function isForDiversion({ criteria }: CompiledCriteria, position: number): boolean {
  const spts = criteria[position]!.source.triggerPoint?.spts ?? [];
  return spts.some(
    (spt) => spt.kind === 'session-case' && !spt.negated && spt.sessionCase === sessionCases.originatingCdiv,
  );
}

/** Whether a profile has services for the case after a diversion. Requirement S-96. */
export function servesDiversion(criteria: CompiledCriteria): boolean {
  return criteria.criteria.some((_, position) => isForDiversion(criteria, position));
}

function invoke(state: ScscfState, transaction: ProxyTransaction, chain: ServiceChain): void {
  const { served, sessionCase, registered, position, depth } = chain;
  const { context, services } = state;
  const { source, applicationServer } = served.criteria.criteria[position]!;
  const { serverName, defaultHandling } = applicationServer;
  if (chain.recordsAtServers) {
    transaction.request.by('invokeService (TS 24.229 5.4.3.4)');
    recordPassage(state, transaction, chain);
  }
  const link = services.remember(chain);
  chain.links.push(link);
  chain.hop = { link, transaction, serverName, defaultHandling, alive: false };
  transaction.context = chain;
  const { impu, profileKey } = served;
  const issuedS = Math.floor(context.clock.wallMs() / 1000);
  const { priority } = source;
  const dialog = { link, worker: context.worker, issuedS, sessionCase, registered, position, priority, depth };
  const odi = sealOriginalDialog({ ...dialog, impu, profileKey }, services.key);
  const request = applicationServerRequest(transaction.request, {
    serverName,
    wayBack: state.routes.wayBack(odi, isOriginatingCase(sessionCase)),
    impu,
    sessionCase,
    registered,
    charging: served.charging,
    homeDomain: context.config.homeDomain,
  });
  context.count('service');
  const { continuedTimeout, terminatedTimeout } = services.settings;
  const options = {
    responseTimeoutMs: 1000 * (defaultHandling === 0 ? continuedTimeout : terminatedTimeout),
    silent: reasons.serverSilent,
    unreachable: reasons.serverUnreachable,
  };
  transaction.fork([[{ request, options }]]);
}
