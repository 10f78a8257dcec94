import type { FilterCriteriaCache } from '#ims/filter-criteria-cache';
import { type RegistrationType, registrationTypes } from '#ims/filter-criterion';
import type { ScscfConfig } from '#service/config/scscf-config';
import type { NodeContext } from '#service/node-context';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { writeMessage } from '#sip/message/write';
import { StoreError } from '#store/store';
import type { ChargingAddresses, Registration } from './registration.ts';
import type { RegistrationStore } from './registration-store.ts';
import { type EndRegistration, type Order, ThirdPartyDispatch } from './third-party-register-dispatch.ts';
import {
  equivalentRegister,
  type Match,
  matchesOf,
  maxMatches,
  type ServedProfile,
  servedProfiles,
} from './third-party-register-matching.ts';
import { isSameServer, type ToldServer } from './third-party-register-record.ts';

/** What a REGISTER of a UE did. */
export interface RegisterOutcome {
  readonly request: SipRequest;
  /** The 200, which has left. */
  readonly response: SipResponse;
  readonly impu: string;
  readonly before: Registration | null;
  /** Null when nothing is left of it. */
  readonly after: Registration | null;
  /** The profile of a registration that the REGISTER has ended: with it went what was stored. */
  readonly endedProfile: Buffer | null;
}

/**
 * Tells application servers of registrations, as the filter criteria say: of those that UEs make, refresh and end, and of
 * those that the network ends or gives another profile. What servers were told is kept in the store, only of those
 * registrations that some server hears of. Nothing waits for a server.
 *
 * Source: TS 24.229 5.4.1.7, 5.4.1.7A; requirements S-50 to S-54, S-71, S-73.
 */
export class ThirdPartyRegister {
  readonly #context: NodeContext<ScscfConfig>;
  readonly #registrations: RegistrationStore;
  readonly #criteria: FilterCriteriaCache;
  readonly #dispatch: ThirdPartyDispatch;

  constructor(
    context: NodeContext<ScscfConfig>,
    registrations: RegistrationStore,
    criteria: FilterCriteriaCache,
    end: EndRegistration,
  ) {
    this.#context = context;
    this.#registrations = registrations;
    this.#criteria = criteria;
    this.#dispatch = new ThirdPartyDispatch(context, end);
  }

  /** A REGISTER of a UE was answered with 200: each server that it matches is told, by priority. */
  registered(outcome: RegisterOutcome): void {
    const { request, before, after, impu } = outcome;
    const registration = after ?? before;
    if (registration === null || before === after) return;
    const { key } = registration;
    this.#guard(key, () => {
      const xml = after === null ? outcome.endedProfile : this.#registrations.profile(key);
      const profiles = servedProfiles(xml, registration, impu, this.#criteria);
      if (profiles.length === 0 && this.#dispatch.find(key) === null) return;
      const orders = matchesOf(profiles, request, typeOf(before, after)).map((match) =>
        this.#orderOf(match, outcome, registration),
      );
      const ending = after === null ? [] : this.#endingOf(profiles, after);
      const begins = before === null;
      if (begins && orders.length === 0 && ending.length === 0) return;
      this.#dispatch.place(
        key,
        orders,
        (current) => {
          const told = merged(current.told, orders);
          if (after === null || (told.length === 0 && ending.length === 0)) return null;
          return { ...current, told, ending };
        },
        begins,
      );
    });
  }

  /**
   * A registration was changed by whomever: servers hear of the end of one, and under another key what they know is kept.
   * Both as they were read and written. Nothing is sent before the caller is done. Requirement S-71.
   */
  changed(before: Registration | null, after: Registration | null): void {
    if (before === null || before.key === after?.key || this.#dispatch.find(before.key) === null) return;
    this.#later(before.key, () => {
      const known = this.#dispatch.find(before.key);
      if (known === null) return;
      const orders = after === null ? known.ending.map((each) => plainOrder(each, 0, before.charging)) : [];
      this.#dispatch.place(before.key, orders, () => null);
      if (after !== null) this.#dispatch.place(after.key, [], () => known, true);
    });
  }

  /**
   * A registration may have another profile: servers that it names for the first time, or with other ServiceInfo, are told
   * of the registration, those that it does not name any more of the end. Requirement S-73.
   */
  profileChanged(key: string): void {
    this.#later(key, () => {
      const registration = this.#registrations.get(key);
      const known = this.#dispatch.find(key);
      if (registration === null) return;
      const profiles = servedProfiles(this.#registrations.profile(key), registration, '', this.#criteria);
      if (profiles.length === 0 && known === null) return;
      const { charging } = registration;
      const seconds = this.#secondsLeft(registration);
      const named = new Set(profiles.flatMap(({ compiled }) => compiled.criteria.map(serverOf)));
      const gone = (known?.told ?? []).filter(({ server }) => !named.has(server));
      const wanted = this.#equivalentMatches(profiles, registration, seconds, registrationTypes.initial);
      const fresh = wanted.filter((each) => !(known?.told ?? []).some((other) => isSameNews(each, other)));
      const orders = [
        ...gone.map((each) => plainOrder(each, 0, charging)),
        ...fresh.map((each) => plainOrder(each, seconds, charging)),
      ];
      const ending = this.#endingOf(profiles, registration);
      this.#dispatch.place(key, orders, (current) => {
        const told = merged(current.told, fresh).filter(({ server }) => named.has(server));
        return told.length === 0 && ending.length === 0 ? null : { ...current, told, ending };
      });
    });
  }

  #orderOf(match: Match, { request, response, before, after }: RegisterOutcome, { charging }: Registration): Order {
    const { includeRegisterRequest, includeRegisterResponse, defaultHandling } = match.applicationServer;
    return {
      ...plainOrder(toldOf(match), after === null ? 0 : this.#secondsLeft(after), charging),
      cause: request,
      requestText: includeRegisterRequest ? writeMessage(request) : '',
      responseText: includeRegisterResponse ? writeMessage(response) : '',
      isVital: before === null && defaultHandling === 1,
    };
  }

  #endingOf(profiles: readonly ServedProfile[], registration: Registration): ToldServer[] {
    return this.#equivalentMatches(profiles, registration, 0, registrationTypes.ended);
  }

  /** Who would hear of a REGISTER of each of the service profiles. */
  #equivalentMatches(
    profiles: readonly ServedProfile[],
    { bindings }: Registration,
    seconds: number,
    type: RegistrationType,
  ): ToldServer[] {
    const { homeDomain } = this.#context.config;
    const contact = bindings[0]?.contact ?? '';
    return profiles.flatMap((profile) => {
      const request = equivalentRegister(profile.identity, homeDomain, contact, seconds);
      return matchesOf([profile], request, type).map(toldOf);
    });
  }

  /** Until the last contact runs out. */
  #secondsLeft({ bindings }: Registration): number {
    const nowMs = this.#context.clock.wallMs();
    const endMs = bindings.reduce((latest, { expiresAtMs }) => Math.max(latest, expiresAtMs), nowMs);
    return Math.ceil((endMs - nowMs) / 1000);
  }

  /** When the caller is done: what it answers goes first. */
  #later(key: string, action: () => void): void {
    queueMicrotask(() => this.#guard(key, action));
  }

  /** What servers are told must not keep a registration from being made. */
  #guard(key: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      const reason = error instanceof StoreError ? 'store-failed' : 'internal';
      this.#context.log.error({ reason, err: error, key }, 'application servers could not be told of a registration');
    }
  }
}

function typeOf(before: Registration | null, after: Registration | null): RegistrationType {
  if (after === null) return registrationTypes.ended;
  return before === null ? registrationTypes.initial : registrationTypes.again;
}

function serverOf({ applicationServer }: Pick<Match, 'applicationServer'>): string {
  return applicationServer.serverName;
}

function toldOf({ applicationServer, identity }: Match): ToldServer {
  return { server: applicationServer.serverName, identity, serviceInfo: applicationServer.serviceInfo };
}

function plainOrder(told: ToldServer, seconds: number, charging: ChargingAddresses): Order {
  return { ...told, seconds, charging, cause: null, requestText: '', responseText: '', isVital: false };
}

function isSameNews(a: ToldServer, b: ToldServer): boolean {
  return isSameServer(a, b) && a.serviceInfo === b.serviceInfo;
}

/** Who has been told, those told last in the place of what they knew before. */
function merged(earlier: readonly ToldServer[], later: readonly ToldServer[]): ToldServer[] {
  const kept = earlier.filter((each) => !later.some((other) => isSameServer(each, other)));
  return [...kept, ...later].slice(-maxMatches);
}
