import type { CxClient } from '#diameter/cx/cx-client';
import { cxCommands } from '#diameter/dictionary/cx';
import { openEnum } from '#ims/enum';
import { reasons } from '#ims/reasons';
import { CidrTable } from '#service/cidr';
import type { ScscfConfig } from '#service/config-shape';
import type { NodeContext } from '#service/node-context';
import { ParseFailure } from '#sip/errors';
import { Header } from '#sip/message/header-names';
import type { NodeLogic } from '#sip/proxy/node-logic';
import { formatSipUri, parseSipUri } from '#sip/uri/sip-uri';
import { ChallengeLimit } from './challenge-limit.ts';
import { CHALLENGES, ChallengeStore } from './challenge-store.ts';
import { ExpirySweep } from './expiry.ts';
import { GRUU_SECRETS, gruuSecret, translateGruu } from './gruu-routing.ts';
import { handleOriginating, isOriginating } from './originating.ts';
import { pushProfile } from './profile-push.ts';
import { shortenOnDemand } from './reauthentication.ts';
import { RegEvents } from './reg-event.ts';
import { handleRegister } from './register.ts';
import { RegistrationStore, registrationTables } from './registration-store.ts';
import { terminateRegistrations } from './registration-termination.ts';
import type { OwnRoutes, ScscfState } from './state.ts';
import { handleSubscribe } from './subscription.ts';
import { subscriptionTables } from './subscription-store.ts';
import { handleTerminating } from './terminating.ts';
import { WildcardIndex } from './wildcard-index.ts';

/** The tables that the store of an S-CSCF is opened with. */
export const scscfTables: readonly string[] = [...registrationTables, ...subscriptionTables, CHALLENGES, GRUU_SECRETS];

export interface ScscfLogic extends NodeLogic {
  /** How many registrations there are, those of all workers. */
  registrations(): number;
  /** Word of another worker: the key of a registration whose watchers are to be looked at. */
  workerMessage(payload: string): void;
  /** Does what the control side asks for: `ReauthenticationRequest`. */
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
  const trusted = new CidrTable(context.config.trusted.map((network) => [network, true] as const));
  const registrations = new RegistrationStore(context.store);
  const secret = gruuSecret(context.store);
  const state: ScscfState = {
    context,
    cx,
    registrations,
    regEvents: new RegEvents(context, registrations, secret),
    wildcards: new WildcardIndex(context.store, (wildcard, reason) =>
      context.log.error({ wildcard, reason }, 'a wildcarded identity cannot be used, it matches nobody'),
    ),
    challenges: new ChallengeStore(context.volatile),
    challengeLimit: new ChallengeLimit(),
    routes: ownRoutes(context.config.uri),
    gruuSecret: secret,
    enumDirectory: openEnum(context.config.numbers.enum, context.config.dns.servers, () => context.clock.nowMs()),
  };
  const sweep = new ExpirySweep(state);
  sweep.start();
  context.serveDiameter(cxCommands.registrationTermination, (request) => terminateRegistrations(state, request));
  context.serveDiameter(cxCommands.pushProfile, (request) => pushProfile(state, request));
  return {
    admit: (request) => (request.flow === null || trusted.find(request.flow.address) ? null : reasons.untrustedPeer),

    handleRequest(transaction) {
      const { request, ownRoute, inDialog } = transaction;
      if (request.method === 'REGISTER') return handleRegister(state, transaction);
      if (request.method === 'SUBSCRIBE' && handleSubscribe(state, transaction, false)) return;
      if (inDialog) {
        const reason = ownRoute === null ? null : translateGruu(state, request);
        if (reason !== null) transaction.refuse(reason, request.requestUri);
        else if (ownRoute !== null || request.headers.has(Header.Route)) transaction.forward();
        else transaction.refuse(reasons.noDialog);
      } else if (isOriginating(ownRoute)) return handleOriginating(state, transaction);
      else handleTerminating(state, transaction);
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
    workerMessage: (key) => state.regEvents.attend(key),
    control: (request) => shortenOnDemand(state, request),
    stop: () => sweep.stop(),
  };
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
  return { service: entry('orig'), originating: entry('mo'), terminating: entry('mt') };
}
