import { sameIdentity } from '#diameter/identity';
import type { FramedAddress } from '#diameter/rx/framed-address';
import type { MediaComponent, MediaSubComponent } from '#diameter/rx/media-component';
import type { AaService, SubscriptionId } from '#diameter/rx/rx-requests';
import { flowStatuses } from '#diameter/rx/rx-values';
import { addressNumber } from '#service/cidr';

/** `asked`: its first AAR awaits our answer; `aborting`: an ASR was answered, the STR is to come; `orphaned`: its P-CSCF restarted. */
export type AfSessionState = 'asked' | 'open' | 'aborting' | 'orphaned';

/** Why a session is no more; `unanswered`: its AAR was left without an answer, by a rule. */
export type SessionEnd = 'terminated' | 'refused' | 'unanswered' | 'unknown-to-peer';

/** One Rx session, as its P-CSCF told it. */
export interface AfSession {
  /** Short name for people. */
  readonly number: number;
  readonly id: string;
  /** Origin-Host and Origin-Realm of the P-CSCF. */
  readonly host: string;
  readonly realm: string;
  readonly startedMs: number;
  state: AfSessionState;
  changedMs: number;
  /** AARs so far. */
  requests: number;
  /** AARs that await our answer. */
  pending: number;
  framedAddress: FramedAddress | undefined;
  subscriptionIds: readonly SubscriptionId[];
  specificActions: readonly number[];
  applicationIdentifier: string | undefined;
  chargingIdentifier: string | undefined;
  serviceUrn: string | undefined;
  /** By number; those that were removed are not among them. */
  components: ReadonlyMap<number, MediaComponent>;
  /** Media-Type of all components that ever were, by number. */
  readonly mediaTypes: Map<number, number | undefined>;
  /** Which rule let it in. */
  rule: string;
}

/** Sessions and ended sessions that are kept. */
const maxSessions = 100_000;
const maxEnded = 10_000;
/** Media component numbers of one session that are kept in mind. */
const maxNumbers = 1024;
/** P-CSCFs whose Origin-State-Id is kept. */
const maxHosts = 1024;

/** The Rx sessions of all P-CSCFs, in memory, and why the latest of those before have ended. */
export class AfSessions {
  readonly #wallMs: () => number;
  readonly #sessions = new Map<string, AfSession>();
  readonly #byNumber = new Map<number, AfSession>();
  readonly #ended = new Map<string, SessionEnd>();
  readonly #awaited = new Map<string, () => void>();
  /** Origin-State-Id by Origin-Host in lower case. */
  readonly #stateIds = new Map<string, number>();
  #next = 1;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  get size(): number {
    return this.#sessions.size;
  }

  byId(id: string): AfSession | undefined {
    return this.#sessions.get(id);
  }

  /** By Session-Id, or by the number that lists show. */
  find(name: string): AfSession | undefined {
    return this.#sessions.get(name) ?? this.#byNumber.get(Number(name));
  }

  /** All sessions whose Framed address is this one, or that have it in their prefix. */
  byAddress(address: string): AfSession[] {
    const wanted = addressNumber(address);
    return [...this.#sessions.values()].filter(({ framedAddress }) => {
      const held = framedAddress === undefined ? undefined : addressNumber(framedAddress.address);
      if (wanted === undefined || held?.family !== wanted.family) return false;
      const shift = BigInt((held.family === 4 ? 32 : 128) - framedAddress!.prefixLength);
      return held.value >> shift === wanted.value >> shift;
    });
  }

  /** The oldest first. */
  list(): AfSession[] {
    return [...this.#sessions.values()];
  }

  /** Why a session is no more; undefined for one that was never here, or long ago. */
  whyEnded(id: string): SessionEnd | undefined {
    return this.#ended.get(id);
  }

  /** Undefined: there are too many. */
  open(id: string, host: string, realm: string): AfSession | undefined {
    if (this.#sessions.size >= maxSessions) return undefined;
    const nowMs = this.#wallMs();
    const session: AfSession = {
      number: this.#next++,
      id,
      host,
      realm,
      startedMs: nowMs,
      state: 'asked',
      changedMs: nowMs,
      requests: 0,
      pending: 0,
      framedAddress: undefined,
      subscriptionIds: [],
      specificActions: [],
      applicationIdentifier: undefined,
      chargingIdentifier: undefined,
      serviceUrn: undefined,
      components: new Map(),
      mediaTypes: new Map(),
      rule: '',
    };
    this.#sessions.set(id, session);
    this.#byNumber.set(session.number, session);
    this.#ended.delete(id);
    return session;
  }

  /** Takes over what an AAR told that was granted. */
  grant(session: AfSession, service: AaService, rule: string): void {
    // An AAR overtaken by our ASR changes nothing about the STR that is to come.
    if (session.state !== 'aborting') session.state = 'open';
    session.changedMs = this.#wallMs();
    session.rule = rule;
    session.framedAddress = service.framedAddress ?? session.framedAddress;
    if (service.subscriptionIds.length > 0) session.subscriptionIds = service.subscriptionIds;
    if (service.specificActions.length > 0) session.specificActions = service.specificActions;
    session.applicationIdentifier = service.applicationIdentifier ?? session.applicationIdentifier;
    session.chargingIdentifier = service.chargingIdentifier ?? session.chargingIdentifier;
    session.serviceUrn = service.serviceUrn ?? session.serviceUrn;
    session.components = mergeComponents(session.components, service.mediaComponents);
    for (const [number, { mediaType }] of session.components) {
      if (session.mediaTypes.size < maxNumbers || session.mediaTypes.has(number))
        session.mediaTypes.set(number, mediaType);
    }
  }

  end(session: AfSession, why: SessionEnd): void {
    if (this.#sessions.get(session.id) !== session) return;
    this.#sessions.delete(session.id);
    this.#byNumber.delete(session.number);
    this.remember(session.id, why);
    this.#awaited.get(session.id)?.();
  }

  /** Keeps in mind how a session ended, or that it never began. */
  remember(id: string, why: SessionEnd): void {
    this.#ended.delete(id);
    this.#ended.set(id, why);
    if (this.#ended.size > maxEnded) for (const [oldest] of this.#ended) return void this.#ended.delete(oldest);
  }

  /** Whether the session ends within this time. */
  endsWithin(session: AfSession, milliseconds: number): Promise<boolean> {
    if (this.#sessions.get(session.id) !== session) return Promise.resolve(true);
    return new Promise((resolve) => {
      const before = this.#awaited.get(session.id);
      const settle = (ended: boolean) => {
        clearTimeout(timer);
        if (this.#awaited.get(session.id) === ends) this.#awaited.delete(session.id);
        resolve(ended);
      };
      const ends = () => {
        before?.();
        settle(true);
      };
      const timer = setTimeout(() => settle(false), milliseconds).unref();
      this.#awaited.set(session.id, ends);
    });
  }

  /**
   * Takes the Origin-State-Id that a P-CSCF told. Gives how many sessions it has forgotten by a restart, which a higher one
   * than before tells. Source: RFC 6733 8.16; requirement D-09.
   */
  noteState(host: string, stateId: number): number {
    const name = host.toLowerCase();
    const before = this.#stateIds.get(name);
    if (before !== undefined && stateId <= before) return 0;
    if (before === undefined && this.#stateIds.size >= maxHosts) return 0;
    this.#stateIds.set(name, stateId);
    return before === undefined ? 0 : this.orphan(host);
  }

  /** A P-CSCF restarted without saying what became of its sessions. Source: RFC 6733 8.16; requirement D-09. */
  orphan(host: string): number {
    let count = 0;
    for (const session of this.#sessions.values()) {
      if (session.state === 'orphaned' || !sameIdentity(session.host, host)) continue;
      session.state = 'orphaned';
      count++;
    }
    return count;
  }
}

/**
 * The components after an AAR: what it leaves out stays as it was, what it removes is gone. Source: TS 29.214 5.3.16, 5.3.17.
 */
export function mergeComponents(
  before: ReadonlyMap<number, MediaComponent>,
  told: readonly MediaComponent[],
): ReadonlyMap<number, MediaComponent> {
  const after = new Map(before);
  for (const component of told) {
    if (component.flowStatus === flowStatuses.REMOVED) after.delete(component.number);
    else after.set(component.number, mergeComponent(after.get(component.number), component));
  }
  return new Map([...after].sort(([a], [b]) => a - b));
}

function mergeComponent(before: MediaComponent | undefined, told: MediaComponent): MediaComponent {
  if (before === undefined) return told;
  const subs = new Map(before.subComponents.map((sub) => [sub.flowNumber, sub]));
  for (const sub of told.subComponents) subs.set(sub.flowNumber, mergeSub(subs.get(sub.flowNumber), sub));
  return {
    ...before,
    ...defined(told),
    subComponents: [...subs.values()].filter(({ flowStatus }) => flowStatus !== flowStatuses.REMOVED),
    codecData: told.codecData.length > 0 ? told.codecData : before.codecData,
  };
}

function mergeSub(before: MediaSubComponent | undefined, told: MediaSubComponent): MediaSubComponent {
  if (before === undefined) return told;
  const flowDescriptions = told.flowDescriptions.length > 0 ? told.flowDescriptions : before.flowDescriptions;
  return { ...before, ...defined(told), flowDescriptions };
}

function defined<T extends object>(of: T): Partial<T> {
  return Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined)) as Partial<T>;
}
