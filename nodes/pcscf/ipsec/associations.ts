import { randomInt } from 'node:crypto';
import { reasons } from '#ims/reasons';
import type { AssociationPort } from '#ipsec/ipsec-backend';
import type { NodeContext } from '#service/node-context';
import type { HeaderList } from '#sip/message/header-list';
import type { Reason } from '#sip/reasons';
import type { Flow } from '#sip/transport/flow';
import { type AssociationSet, associationsOf, installedOf } from './association-set.ts';
import type { AssociationTable } from './association-table.ts';
import type { KeySeal } from './key-seal.ts';
import type { ProtectedPorts } from './protected-ports.ts';
import { verifies } from './security-agreement.ts';
import { allocateSet, type SetPlan } from './set-allocation.ts';

export interface AssociationsOptions {
  readonly table: AssociationTable;
  readonly ports: ProtectedPorts;
  /** Null: this host has no back end. */
  readonly port: AssociationPort | null;
  readonly seal: KeySeal;
  /** 64*T1 of Gm, milliseconds: as long as something may still be sent again. */
  readonly lingerMs: number;
  readonly context: Pick<
    NodeContext,
    'bootMs' | 'clock' | 'count' | 'crew' | 'holdConnection' | 'log' | 'worker' | 'workers'
  >;
}

/** How long a UE may take to answer a challenge. Source: TS 24.229 table 7.8.1 (reg-await-auth); requirement P-37. */
export const awaitAuthMs = 240_000;
/** How much longer than by our timers the back end keeps an association, seconds: a safety net. */
export const netSeconds = 60;
/** Sets that await the answer to their challenge, all workers' together. */
const maxTemporary = 16_384;

/**
 * The life of the sets of security associations: set up with a challenge, taken into use with the 200, replaced, let go.
 * Source: TS 33.203 7.4; requirements P-34 to P-39, P-52 to P-55, P-81.
 */
export class Associations {
  readonly #options: AssociationsOptions;
  /** Sets of this worker that await their answer, with the time they have. The oldest stands first. */
  readonly #temporary = new Map<string, number>();
  readonly #firstPort = randomInt(1024);

  constructor(options: AssociationsOptions) {
    this.#options = options;
  }

  /** Whether this host can protect anything. */
  get available(): boolean {
    return this.#options.port !== null;
  }

  /** Whether as many challenges are out as may be. Requirement X-I9. */
  get full(): boolean {
    const nowMs = this.#options.context.clock.wallMs();
    for (const [id, untilMs] of this.#temporary) {
      if (untilMs > nowMs) break;
      this.#temporary.delete(id);
    }
    return this.#temporary.size * this.#options.context.workers >= maxTemporary;
  }

  byId(id: string): AssociationSet | null {
    return this.#options.table.byId(id);
  }

  /**
   * The set a REGISTER came by, null without one. UEs that use their ports again may have two: then it is the one whose
   * Security-Server it repeats, else the newest. Requirement P-40.
   */
  ofRegister(flow: Flow, headers: HeaderList): AssociationSet | null {
    const sets = this.#options.table.ofFlow(flow).filter(({ state }) => state !== 'ended');
    return (sets.length > 1 ? sets.find(({ server }) => verifies(headers, server)) : undefined) ?? sets[0] ?? null;
  }

  /** The set any other request came by, of a UE that has proved who it is; null without one. Requirements P-40, P-70. */
  ofRequest(flow: Flow): AssociationSet | null {
    const sets = this.#options.table.ofFlow(flow);
    return sets.find(({ state }) => state === 'established' || state === 'old') ?? null;
  }

  /** Whether a request came by an association of a private identity; one that has ended counts as long as it is received by. */
  isOf(flow: Flow, impi: string): boolean {
    return this.#options.table.ofFlow(flow).some((set) => set.impi === impi && set.state !== 'temporary');
  }

  /** Whether anybody has an association for this flow. */
  covers(flow: Flow): boolean {
    return this.#options.table.ofFlow(flow).length > 0;
  }

  /**
   * Where the answer to a request by a protected port goes: over UDP from our client port to the UE's server port, over
   * TCP back by the connection. Source: TS 33.203 7.1; requirement P-81.
   */
  answerFlow(flow: Flow): Flow {
    if (flow.transport !== 'udp') return flow;
    const set = this.#options.table.ofFlow(flow)[0];
    if (set === undefined || flow.port !== set.ue.clientPort) return flow;
    const { own, ue } = set;
    const listener = this.#options.ports.indexOf('client', 'udp', own.address, own.clientPort);
    return listener < 0 ? flow : { ...flow, listener, port: ue.serverPort };
  }

  /**
   * A UE sends by a set: from the first request on, the set before it has 64*T1 to live; and its connection is noted, to
   * send to it by that. Source: TS 33.203 7.4; requirements P-53, P-82.
   */
  noteUse(flow: Flow): void {
    const set = this.ofRequest(flow);
    if (set === null) return;
    const { table, lingerMs, context } = this.#options;
    let next = set;
    if (set.state === 'established' && set.replaces !== '') {
      const old = table.byId(set.replaces);
      if (old !== null)
        table.save({ ...old, expiresAtMs: Math.min(old.expiresAtMs, context.clock.wallMs() + lingerMs) });
      next = { ...next, replaces: '' };
    }
    next = this.#withConnection(next, flow);
    if (next !== set) table.save(next);
  }

  /** The set with the connection that its UE sends by. */
  #withConnection(set: AssociationSet, { transport, port, connection }: Flow): AssociationSet {
    const isNew = transport === 'tcp' && port === set.ue.clientPort && connection !== this.connectionOf(set);
    if (!isNew) return set;
    this.#hold(set, false);
    const next = { ...set, connection, connectionAtMs: Math.round(this.#options.context.clock.wallMs()) };
    this.#hold(next, true);
    return next;
  }

  /** The connection that the UE of a set has opened, 0 without one: numbers of an earlier life of the daemon say nothing. */
  connectionOf({ connection, connectionAtMs }: AssociationSet): number {
    return connectionAtMs >= this.#options.context.bootMs ? connection : 0;
  }

  /** Sets of other private identities whose UE has the address and client port of a set. Requirement P-56. */
  rivalsOf({ impi, own, ue }: AssociationSet): readonly AssociationSet[] {
    const { ports, table } = this.#options;
    return ports
      .serverPorts(own.address)
      .flatMap((port) => table.bySelector(own.address, port, ue.address, ue.clientPort))
      .filter((set) => set.impi !== impi && set.state !== 'temporary');
  }

  /** A UE answers its challenge, however late: its set lives on while the answer is judged. Requirement P-37. */
  answered(set: AssociationSet): void {
    const { table, lingerMs, context } = this.#options;
    const untilMs = Math.round(context.clock.wallMs() + lingerMs / 2);
    if (set.expiresAtMs < untilMs) table.save({ ...set, expiresAtMs: untilMs });
  }

  /**
   * Sets up the four associations of a challenge. Gives the set, or why there is none; then nothing is left of it.
   * Source: TS 33.203 7.4; requirements P-34, P-35, P-37, P-39, X-I13.
   */
  async begin(plan: SetPlan): Promise<{ readonly set: AssociationSet } | { readonly refusal: Reason }> {
    const { port, table, context, lingerMs } = this.#options;
    if (port === null) return { refusal: reasons.ipsecUnavailable };
    if (this.full) return { refusal: reasons.tooManyAssociations };
    const allocated = allocateSet(plan, {
      ...this.#options,
      worker: context.worker,
      workers: context.crew.places,
      firstPort: this.#firstPort,
      nowMs: Math.round(context.clock.wallMs()),
      lifetimeMs: awaitAuthMs,
    });
    if ('refusal' in allocated) return allocated;
    const { set, victims } = allocated;
    for (const victim of victims) table.remove(victim);
    // Before anything is waited for: it is written with the batch of the challenge.
    table.add(set);
    this.#temporary.set(set.id, set.expiresAtMs);
    try {
      await Promise.all(victims.map((victim) => this.#uninstall(victim)));
      const seconds = (awaitAuthMs + lingerMs) / 1000 + netSeconds;
      await port.add(associationsOf(set, plan.keys, seconds));
    } catch (error) {
      this.#abandon(set, error);
      return { refusal: reasons.ipsecFailed };
    }
    context.count('association-set-up');
    return { set };
  }

  /**
   * A 200 went to a REGISTER of a set: it is established, or its time is prolonged, until `untilMs` at least. The set
   * that it replaces is received by until the UE has used this one. Requirements P-52 to P-54.
   */
  establish(id: string, untilMs: number, flow: Flow): void {
    const { table, context } = this.#options;
    const set = table.byId(id);
    if (set === null) return;
    const old = table.byId(set.replaces);
    const expiresAtMs = Math.round(Math.max(set.expiresAtMs, old?.expiresAtMs ?? 0, untilMs));
    if (old !== null && old.state !== 'ended') table.save({ ...old, state: 'old' });
    if (set.state === 'temporary') {
      this.#temporary.delete(set.id);
      context.count('association-established');
    }
    const established = this.#withConnection({ ...set, state: 'established', client: [], expiresAtMs }, flow);
    table.save(established);
    this.#extend(established);
  }

  /**
   * Nobody is registered by a set any more: for `lingerMs` (64*T1 unless told) it still carries answers, then it goes.
   * Requirements P-55, P-57, P-58.
   */
  end(id: string, lingerMs: number = this.#options.lingerMs): void {
    const { table, context } = this.#options;
    const set = table.byId(id);
    if (set === null || set.state === 'ended') return;
    this.#temporary.delete(id);
    const ended: AssociationSet = {
      ...set,
      state: 'ended',
      client: [],
      expiresAtMs: Math.round(context.clock.wallMs() + lingerMs),
    };
    table.save(ended);
    if (lingerMs > 0) this.#extend(ended);
  }

  /** The time of a set may be over: then it goes, from the store and from the host. Requirements P-37, P-57, P-59. */
  expire(id: string): void {
    const { table, context } = this.#options;
    const set = table.stored(id);
    if (set === null || set.expiresAtMs > context.clock.wallMs()) return;
    table.remove(set);
    this.#temporary.delete(id);
    this.#hold(set, false);
    if (set.state === 'temporary') context.count('association-unanswered');
    else context.count('association-removed');
    void this.#uninstall(set);
  }

  /** Requirement P-39. */
  #abandon(set: AssociationSet, error: unknown): void {
    const { table, context } = this.#options;
    table.remove(set);
    this.#temporary.delete(set.id);
    context.count('association-failed');
    const fields = { reason: reasons.ipsecFailed.id, impi: set.impi, ue: set.ue.address, err: error };
    context.log.error(fields, 'security associations cannot be set up: REGISTERs are refused with 503');
    void this.#uninstall(set);
  }

  /** Never rejects: what stays behind goes by its own lifetime, or at the next start. */
  async #uninstall(set: AssociationSet): Promise<void> {
    const { port, context } = this.#options;
    try {
      await port?.remove(installedOf(set));
    } catch (error) {
      context.log.error(
        { reason: reasons.ipsecFailed.id, impi: set.impi, ue: set.ue.address, err: error },
        'security associations cannot be removed',
      );
    }
  }

  #extend(set: AssociationSet): void {
    const { port, context } = this.#options;
    const seconds = Math.ceil((set.expiresAtMs - context.clock.wallMs()) / 1000) + netSeconds;
    port?.extend(installedOf(set), seconds).catch((error: unknown) => {
      context.log.error(
        { reason: reasons.ipsecFailed.id, impi: set.impi, ue: set.ue.address, err: error },
        'the lifetime of security associations cannot be prolonged: they will end too early',
      );
    });
  }

  #hold(set: AssociationSet, held: boolean): void {
    const connection = this.connectionOf(set);
    if (connection > 0) this.#options.context.holdConnection(connection, held);
  }
}
