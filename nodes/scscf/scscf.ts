import type { CxClient } from '#diameter/cx/cx-client';
import { pushProfileAnswer, readPushProfile, readRegistrationTermination } from '#diameter/cx/hss-requests';
import { cxCommands } from '#diameter/dictionary/cx';
import { resultCodes } from '#diameter/errors';
import { baseResult } from '#diameter/result';
import { openEnum } from '#ims/enum';
import { FilterCriteriaCache } from '#ims/filter-criteria-cache';
import { reasons } from '#ims/reasons';
import { sharedFilterSets } from '#ims/shared-filter-sets';
import { CidrTable } from '#service/cidr';
import type { ScscfConfig } from '#service/config/scscf-config';
import type { NodeContext } from '#service/node-context';
import type { StoreTables } from '#service/shared-store';
import { acceptTimer, defaultSessionTimer, offerTimer } from '#sip/dialog/session-timer-passage';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { NodeLogic } from '#sip/proxy/node-logic';
import { formatSipUri, parseSipUri } from '#sip/uri/sip-uri';
import { ChallengeLimit } from './challenge-limit.ts';
import { CHALLENGES, ChallengeStore } from './challenge-store.ts';
import { contactFailed } from './contact-failure.ts';
import { ExpirySweep } from './expiry.ts';
import { GRUU_SECRETS, gruuSecret, translateGruu } from './gruu-routing.ts';
import { handleInDialog, noteInDialogAnswer } from './in-dialog.ts';
import { answerQuestion } from './management.ts';
import { isOriginalDialog } from './original-dialog.ts';
import { handleReturned, hearReturn } from './original-dialog-return.ts';
import { handleOriginating, isOriginating } from './originating.ts';
import { pushProfile } from './profile-push.ts';
import { shortenOnDemand } from './reauthentication.ts';
import { RegEvents } from './reg-event.ts';
import { handleRegister } from './register.ts';
import { scscfMerges } from './registration-merge.ts';
import { RegistrationStore, registrationTables } from './registration-store.ts';
import { terminateRegistrations } from './registration-termination.ts';
import { restores } from './restoration.ts';
import { leaveForRestoration } from './restoration-record.ts';
import { endChain, serviceFailed, serviceResponded } from './service-chain.ts';
import { ServiceChain } from './service-chain-state.ts';
import { Services } from './services.ts';
import { endLateAnswer, hearRelease, releaseOnDemand, releaseSession } from './session-release.ts';
import { Sessions } from './sessions.ts';
import type { OwnRoutes, ScscfState } from './state.ts';
import { handleSubscribe } from './subscription.ts';
import { SUBSCRIPTIONS, subscriptionTables } from './subscription-store.ts';
import { handleTerminating } from './terminating.ts';
import { completeAnswer } from './terminating-response.ts';
import { ThirdPartyRegister } from './third-party-register.ts';
import { alsoTelling, endForServer } from './third-party-register-end.ts';
import { THIRD_PARTIES } from './third-party-register-record.ts';
import { UnregisteredStore, unregisteredTables } from './unregistered-store.ts';
import { forgetUnregistered } from './unregistered-user.ts';
import { WildcardIndex } from './wildcard-index.ts';

/** The tables that the store of an S-CSCF is opened with. */
export const scscfTables: readonly string[] = [
  ...registrationTables,
  ...subscriptionTables,
  ...unregisteredTables,
  CHALLENGES,
  THIRD_PARTIES,
  GRUU_SECRETS,
];

/** All of them may be served by another S-CSCF. */
export const storeTables: StoreTables = {
  shared: scscfTables,
  own: [],
  merges: scscfMerges,
  // Who sends the NOTIFYs of a subscription stands in its record.
  dueEverywhere: [SUBSCRIPTIONS],
};

export interface ScscfLogic extends NodeLogic {
  /** How many registrations there are, those of all workers. */
  registrations(): number;
  /** Word of another worker: the key of a registration whose watchers are to be looked at. */
  workerMessage(payload: string): void;
  /** Calls that this worker has a part of, by Call-ID. */
  sessions(): number;
  /** Does what the control side asks for: `ReauthenticationRequest`, or that the sessions of a Call-ID end. */
  control(request: unknown): unknown;
  /** Ends the timers. */
  stop(): void;
}

/**
 * The S-CSCF: registers users, and stands on both sides of their sessions.
 * Source: TS 24.229 5.4; requirements S-01, S-70 to S-73, S-80, S-85.
 *
 * @throws RangeError when `uri` of the configuration is no SIP URI; it is checked before.
 */
export function createScscf(context: NodeContext<ScscfConfig>, cx: CxClient): ScscfLogic {
  let trusted = trustedNetworks(context.config);
  const registrations = new RegistrationStore(context.store, () => context.clock.wallMs());
  const secret = gruuSecret(context.store);
  const criteria = new FilterCriteriaCache(sharedFilterSets(context.config.sharedIfcSets ?? []));
  const services = new Services(context.config, context.store, secret, context.log, criteria);
  const thirdParties = new ThirdPartyRegister(context, registrations, criteria, (key, server) =>
    endForServer(state, key, server),
  );
  const timerPolicy = context.config.sessionTimer ?? defaultSessionTimer;
  const state: ScscfState = {
    context,
    cx,
    registrations,
    regEvents: alsoTelling(new RegEvents(context, registrations, secret), (before, after) => {
      thirdParties.changed(before, after);
      if (restores(context.config)) leaveForRestoration(state, before, after);
    }),
    thirdParties,
    wildcards: new WildcardIndex(context.store, (wildcard, reason) =>
      context.log.error({ wildcard, reason }, 'a wildcarded identity cannot be used, it matches nobody'),
    ),
    services,
    sessions: new Sessions({
      calls: context.calls,
      wheel: context.wheel,
      expired: (session) => void releaseSession(state, session, reasons.sessionNotRefreshed),
    }),
    unregistered: new UnregisteredStore(context.volatile, services),
    challenges: new ChallengeStore(context.volatile),
    challengeLimit: new ChallengeLimit(),
    routes: ownRoutes(context.config.uri),
    gruuSecret: secret,
    enumDirectory: openEnum(context.config.numbers.enum, context.config.dns.servers, () => context.clock.nowMs()),
  };
  context.onConfig((next) => {
    trusted = trustedNetworks(next);
    criteria.share(sharedFilterSets(next.sharedIfcSets ?? []));
  });
  const sweep = new ExpirySweep(state);
  sweep.start();
  context.serveDiameter(cxCommands.registrationTermination, (request) => {
    forgetUnregistered(state, readRegistrationTermination(request));
    return terminateRegistrations(state, request);
  });
  context.serveDiameter(cxCommands.pushProfile, (request) => {
    const push = readPushProfile(request);
    if (forgetUnregistered(state, push)) return pushProfileAnswer(baseResult(resultCodes.SUCCESS));
    const answer = pushProfile(state, request);
    // Whatever became of it: only what has changed is told.
    const { impi } = push;
    for (const { key } of registrations.ofPrivateIdentity(impi)) thirdParties.profileChanged(key);
    return answer;
  });
  return {
    admit: (request) => (request.flow === null || trusted.find(request.flow.address) ? null : reasons.untrustedPeer),

    // Each application server that proxies brings a request back; both sides of a call may be served here.
    maxOwnVias: 2 * services.settings.maxServers + 8,
    joinsPassages: true,

    handleRequest(transaction) {
      const { request, ownRoute, inDialog } = transaction;
      if (request.method === 'REGISTER') return handleRegister(state, transaction);
      if (request.method === 'SUBSCRIBE' && handleSubscribe(state, transaction, false)) return;
      if (!offerTimer(transaction, timerPolicy)) return;
      if (inDialog) return handleInDialog(state, transaction);
      if (ownRoute !== null && isOriginalDialog(ownRoute.user)) return handleReturned(state, transaction);
      else if (isOriginating(ownRoute)) return handleOriginating(state, transaction);
      else return handleTerminating(state, transaction);
    },

    handleResponse(transaction, _branch, response) {
      const { context: chain, request } = transaction;
      if (chain instanceof ServiceChain) {
        serviceResponded(chain, response.status);
        completeAnswer(state, chain, request, response);
      }
      acceptTimer(request, response);
      if (response.status < 200 || response.status > 299) return;
      if (!(chain instanceof ServiceChain)) {
        return noteInDialogAnswer(state, transaction, response);
      }
      const { session } = chain;
      const callee = session === null ? null : state.sessions.noteAnswer(session, response);
      if (session === null || callee === null || session.released === '') return;
      endLateAnswer(state, session, callee, response);
      return false;
    },

    handleFailure(transaction, branch) {
      const { context: chain } = transaction;
      if (!(chain instanceof ServiceChain)) return false;
      const failed = chain.hop === null ? contactFailed : serviceFailed;
      return failed(state, transaction, chain, branch);
    },

    handleEnd({ context: chain }) {
      if (!(chain instanceof ServiceChain)) return;
      endChain(state, chain);
      if (chain.session !== null) state.sessions.openingEnded(chain.session);
    },

    handleLocal(transaction) {
      const { request } = transaction;
      if (request.method === 'SUBSCRIBE' && handleSubscribe(state, transaction, true)) return;
      transaction.refuse(reasons.noDialog);
    },

    // Without a Route an ACK has nowhere to go that we could know of.
    handleAck(request, ownRoute) {
      if (ownRoute === null) return request.headers.has(Header.Route) ? undefined : false;
      return translateGruu(state, request) === null ? undefined : false;
    },

    refused: (request, reason, detail) => context.refused(request, reason, detail),
    registrations: () => state.registrations.count(),
    workerMessage: (word) => {
      if (!hearReturn(state, word) && !hearRelease(state, word)) state.regEvents.attend(word);
    },
    sessions: () => state.sessions.size,
    control: (request) =>
      shortenOnDemand(state, request) ?? releaseOnDemand(state, request) ?? answerQuestion(state, request),
    stop: () => sweep.stop(),
  };
}

function trustedNetworks({ trusted }: ScscfConfig): CidrTable<true> {
  return new CidrTable(trusted.map((network) => [network, true] as const));
}

/** Entries that lead back here, made of our URI. Requirements S-36, S-86. */
function ownRoutes(uri: string): OwnRoutes {
  const own = parseSipUri(uri);
  if (own instanceof ParseFailure) throw new RangeError(`uri: ${own.reason}`);
  const base = { ...own, password: '', headers: '' };
  const entry = (user: string) => {
    const text = formatSipUri({ ...base, user });
    return own.parameters.has('lr') ? `<${text}>` : `<${text};lr>`;
  };
  const [before, after] = entry('*').split('*') as [string, string];
  const afterOriginating = `${after.slice(0, -1)};orig>`;
  return {
    service: entry('orig'),
    originating: entry('mo'),
    terminating: entry('mt'),
    wayBack: (odi, originating) => before + odi + (originating ? afterOriginating : after),
  };
}
