import { serverAssignmentTypes } from '#diameter/cx/cx-requests';
import { Timer, type TimerOwner } from '#sip/transaction/timer-wheel';
import { bucketOf, type Store } from '#store/store';
import { CHALLENGES, decodeChallenge } from './challenge-store.ts';
import { keepsServer } from './kept-assignment.ts';
import type { Registration } from './registration.ts';
import { GRACE_MS, PROFILES, REGISTRATIONS } from './registration-store.ts';
import { assignedImpus, release } from './server-assignment.ts';
import { releaseSessionsOf } from './session-release.ts';
import type { ScscfState } from './state.ts';
import { SUBSCRIPTIONS } from './subscription-store.ts';
import { UNREGISTERED } from './unregistered-store.ts';
import { dropUnregistered } from './unregistered-user.ts';

const PERIOD_MS = 1000;
/** Next look when there was more than one look could take. */
const BUSY_PERIOD_MS = 20;
const MAX_AT_ONCE = 200;

/**
 * Looks once a second for contacts and challenges whose time is over. Each worker takes its share of the keys.
 * Source: TS 24.229 5.4.1.2.3, 5.4.1.5; requirements S-09, S-39.
 */
export class ExpirySweep implements TimerOwner {
  readonly #state: ScscfState;
  readonly #timer = new Timer(this, 'expiry');

  constructor(state: ScscfState) {
    this.#state = state;
  }

  start(): void {
    this.#state.context.wheel.start(this.#timer, PERIOD_MS);
  }

  stop(): void {
    this.#state.context.wheel.stop(this.#timer);
  }

  onTimer(): void {
    let taken = 0;
    try {
      taken = this.#sweep();
    } catch (error) {
      // A full disk, most likely; what could not be written comes up again.
      this.#state.context.log.error({ error }, 'expired registrations cannot be removed');
    }
    this.#state.context.wheel.start(this.#timer, taken === MAX_AT_ONCE ? BUSY_PERIOD_MS : PERIOD_MS);
  }

  #sweep(): number {
    const { store, volatile } = this.#state.context;
    const taken = this.#take(store);
    // Where there may be several workers the two are one.
    return volatile === store ? taken : Math.max(taken, this.#take(volatile));
  }

  #take(store: Store): number {
    const { clock, worker, workers } = this.#state.context;
    const mine = (key: string, table: string) =>
      (workers === 1 || bucketOf('', key) % workers === worker) &&
      (table !== SUBSCRIPTIONS || this.#state.regEvents.seesTo(key));
    const records = store.takeExpired(clock.wallMs(), MAX_AT_ONCE, mine);
    for (const { table, key, value } of records) {
      if (table === CHALLENGES) expireChallenge(this.#state, key, value);
      else if (table === REGISTRATIONS) expireContacts(this.#state, key);
      else if (table === PROFILES) this.#state.registrations.dropProfile(key);
      else if (table === UNREGISTERED) dropUnregistered(this.#state, key);
      else if (table === SUBSCRIPTIONS) this.#state.regEvents.attend(key);
    }
    store.commit();
    return records.length;
  }
}

/** reg-await-auth ran out: the challenge goes; of a user who is not registered the HSS is told. Requirement S-09. */
function expireChallenge(state: ScscfState, impi: string, octets: Buffer): void {
  state.challenges.remove(impi);
  const challenge = decodeChallenge(octets);
  if (challenge === null || challenge.nonceCount > 0 || state.registrations.find(challenge.impu) !== null) return;
  state.context.count('authentication-timeout');
  release(state, impi, [challenge.impu], serverAssignmentTypes.AUTHENTICATION_TIMEOUT);
}

/** Removes the contacts whose time and grace are over; the HSS hears of private identities left without. */
function expireContacts(state: ScscfState, key: string): void {
  const endMs = state.context.clock.wallMs() - GRACE_MS;
  let left: string[] = [];
  let before: Registration | null = null;
  const profile = state.registrations.profile(key);
  const after = state.registrations.change(key, (current) => {
    left = [];
    before = current;
    if (current === null) return undefined;
    const bindings = current.bindings.filter((binding) => binding.expiresAtMs > endMs);
    for (const { impi } of current.bindings) {
      if (!left.includes(impi) && !bindings.some((binding) => binding.impi === impi)) left.push(impi);
    }
    return bindings.length === 0 ? null : { ...current, bindings };
  });
  if (before === null) {
    // A record that cannot be read serves nobody.
    state.context.store.remove(REGISTRATIONS, key);
    return;
  }
  state.regEvents.changed(before, after, () => 'expired');
  const expired = (before as Registration).bindings.filter(({ expiresAtMs }) => expiresAtMs <= endMs);
  releaseSessionsOf(state, before, after, expired);
  if (left.length === 0) return;
  const type =
    after === null && keepsServer(state.context.config, profile)
      ? serverAssignmentTypes.TIMEOUT_DEREGISTRATION_STORE_SERVER_NAME
      : serverAssignmentTypes.TIMEOUT_DEREGISTRATION;
  for (const impi of left) {
    state.context.count('expiry');
    release(state, impi, assignedImpus(before), type);
  }
}
