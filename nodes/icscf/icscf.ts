import type { CxClient } from '#diameter/cx/cx-client';
import { type EnumDirectory, openEnum } from '#ims/enum';
import { reasons } from '#ims/reasons';
import { CidrTable } from '#service/cidr';
import type { IcscfConfig } from '#service/config/icscf-config';
import type { NodeContext } from '#service/node-context';
import { Header } from '#sip/message/header-names';
import type { NodeLogic } from '#sip/proxy/node-logic';
import type { OwnNames } from '#sip/proxy/route-processing';
import { ChallengeMemory } from './challenge-memory.ts';
import { FailedScscfs } from './failed-scscfs.ts';
import { HssMemory } from './hss-memory.ts';
import { LocationCache } from './location-cache.ts';
import {
  isOutOfOrder,
  needsOtherScscf,
  noteRegisterResponse,
  type RegisterAttempt,
  reselectScscf,
  routeRegister,
} from './register.ts';
import { RegisteredServers } from './registered-servers.ts';
import { type LocationAttempt, reselectForRequest, routeInitialRequest } from './terminating.ts';

/** What the procedures of the I-CSCF share. */
export interface IcscfState {
  readonly context: NodeContext<IcscfConfig>;
  readonly cx: CxClient;
  readonly own: OwnNames;
  readonly challenges: ChallengeMemory;
  readonly failed: FailedScscfs;
  readonly locations: LocationCache;
  readonly registered: RegisteredServers;
  readonly hssOf: HssMemory;
  /** Null where the configuration has no ENUM. */
  readonly enumDirectory: EnumDirectory | null;
}

/**
 * The I-CSCF: finds the S-CSCF of a user by asking the HSS, adds nothing but Via.
 * Source: TS 24.229 5.3; requirements I-01 to I-04, I-18, I-28.
 */
export function createIcscf(context: NodeContext<IcscfConfig>, cx: CxClient): NodeLogic {
  const { config } = context;
  let trusted = trustedNetworks(config);
  const now = () => context.clock.nowMs();
  const state: IcscfState = {
    context,
    cx,
    own: context.own,
    challenges: new ChallengeMemory(now, context.calls),
    failed: new FailedScscfs(now, config.transport.setAside * 1000),
    locations: new LocationCache(now, config.locationCache * 1000),
    registered: new RegisteredServers(now),
    hssOf: new HssMemory(now, hssHosts(config)),
    enumDirectory: openEnum(config.numbers.enum, config.dns.servers, now),
  };
  context.onConfig((next) => {
    trusted = trustedNetworks(next);
    state.locations.keepFor(next.locationCache * 1000);
    state.hssOf.follow(hssHosts(next));
  });
  return {
    admit: (request) => (trusted.find(request.flow!.address) ? null : reasons.untrustedPeer),

    handleRequest(transaction) {
      const { request } = transaction;
      if (request.method === 'REGISTER') return routeRegister(state, transaction);
      if (request.headers.has(Header.Route)) return transaction.forward();
      if (transaction.inDialog) return transaction.refuse(reasons.inDialogWithoutRoute);
      return routeInitialRequest(state, transaction);
    },

    handleResponse(transaction, _branch, response) {
      const attempt = transaction.context as RegisterAttempt | LocationAttempt | null;
      if (attempt === null) return;
      if (attempt.kind === 'register') noteRegisterResponse(state, attempt, response);
      else {
        attempt.rings = true;
        state.failed.answered(attempt.scscf);
      }
    },

    handleFailure(transaction, branch) {
      const attempt = transaction.context as RegisterAttempt | LocationAttempt | null;
      if (attempt !== null && isOutOfOrder(branch)) state.failed.note(attempt.scscf);
      if (attempt?.kind === 'register' && needsOtherScscf(branch))
        return reselectScscf(state, transaction, attempt, branch);
      if (attempt?.kind === 'location' && branch.failure !== null && !attempt.rings && !attempt.isDirect) {
        return reselectForRequest(state, transaction, attempt, branch);
      }
      return false;
    },

    // An ACK that matches no transaction has somewhere to go only by Route. Requirement I-03.
    handleAck: (request) => (request.headers.has(Header.Route) ? undefined : false),

    refused: (request, reason, detail) => context.refused(request, reason, detail),
  };
}

function trustedNetworks({ trusted }: IcscfConfig): CidrTable<true> {
  return new CidrTable(trusted.map((network) => [network, true] as const));
}

/** The hosts that the realm table sends requests for the HSS to. */
function hssHosts({ diameter }: IcscfConfig): string[] {
  const { cx, realms, defaultRoute } = diameter;
  const row = realms.find(({ realm, application }) => application === 'cx' && realm === cx.realm);
  return (row?.peers ?? defaultRoute).map(({ host }) => host);
}
