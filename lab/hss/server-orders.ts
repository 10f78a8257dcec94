import type { DiameterClient, RequestFailure } from '#diameter/client';
import type { Avp } from '#diameter/codec/avp-types';
import {
  deregistrationReasons,
  pushProfileAvps,
  readRegistrationTerminationAnswer,
  registrationTerminationAvps,
} from '#diameter/cx/hss-requests';
import { cxCommands } from '#diameter/dictionary/cx';
import type { CommandDefinition } from '#diameter/dictionary/dictionary';
import type { DiameterResult } from '#diameter/result';
import type { ChargingConfig } from '#service/config/hss-config';
import { inspectAnswer } from '../diameter/answer-inspection.ts';
import type { Findings } from '../diameter/finding.ts';
import { cxProtocol } from './cx-protocol.ts';
import { endRegistrations, stateOf } from './registration-state.ts';
import { resultWords } from './result-words.ts';
import type { ServingNode, SubscriberStates } from './subscriber-state.ts';
import type { FoundPrivate, SubscriberTable } from './subscriber-table.ts';
import { userDataOf } from './user-data.ts';

/** Reasons of an RTR as the command line names them. Source: TS 29.229 6.3.17. */
export const terminationReasons = {
  permanent: deregistrationReasons.PERMANENT_TERMINATION,
  'new-server': deregistrationReasons.NEW_SERVER_ASSIGNED,
  'server-change': deregistrationReasons.SERVER_CHANGE,
  'remove-scscf': deregistrationReasons.REMOVE_S_CSCF,
} as const;

export type TerminationReason = keyof typeof terminationReasons;

export interface TerminationOrder {
  readonly impi: string;
  /** Empty: all identities of the private identity. */
  readonly impus: readonly string[];
  readonly reason: TerminationReason;
  readonly info?: string | undefined;
}

export interface PushOrder {
  readonly impi: string;
  /** A template or a profile; left out, with `charging` too: the profile as it is. */
  readonly profile?: string | undefined;
  readonly charging?: ChargingConfig | undefined;
}

/** What came of an order. */
export interface OrderOutcome {
  /** The S-CSCF answered 2001. */
  readonly done: boolean;
  /** Name of the S-CSCF and its Diameter name. */
  readonly server: string;
  readonly host: string;
  /** Origin-Host of the answer: another one when an agent answered; empty when nobody did. */
  readonly answeredBy: string;
  /** 0: there was no answer. */
  readonly code: number;
  /** The result, or why there was none. */
  readonly words: string;
  readonly milliseconds: number;
  /** Identities that the S-CSCF keeps, as they are registered for emergencies. */
  readonly emergencies: readonly string[];
  /** What is wrong with the answer. */
  readonly findings: readonly string[];
}

/** An order that cannot be sent. */
export class OrderError extends Error {
  readonly code = 'ERR_LAB_ORDER';
}

interface Answered {
  readonly result: DiameterResult;
  readonly answeredBy: string;
  readonly emergencies: Sent['emergencies'];
}

interface Sent {
  readonly outcome: OrderOutcome;
  readonly emergencies: readonly { readonly impi: string; readonly impu: string }[];
}

/** Sends what an HSS asks of S-CSCFs by itself: RTR and PPR, to the S-CSCF that serves. Source: TS 29.228 6.1.3, 6.2.2. */
export class ServerOrders {
  readonly #client: DiameterClient;
  readonly #subscribers: SubscriberTable;
  readonly #states: SubscriberStates;
  readonly #findings: Findings;

  constructor(client: DiameterClient, subscribers: SubscriberTable, states: SubscriberStates, findings: Findings) {
    this.#client = client;
    this.#subscribers = subscribers;
    this.#states = states;
    this.#findings = findings;
  }

  /**
   * Ends registrations; when the S-CSCF has done it they are ended here too, but for those for emergencies. Throws
   * OrderError when there is nobody to send to. Source: TS 29.228 6.1.3.1.
   */
  async terminate(order: TerminationOrder): Promise<OrderOutcome> {
    const found = this.#find(order.impi);
    const sets = this.#setsOf(found, order.impus);
    const state = this.#states.read(found.subscription);
    // The S-CSCF that was replaced is the one that has to let go.
    const isOld = order.reason === 'new-server' && state.former !== null;
    const server = isOld ? state.former : state.server;
    if (server === null) throw new OrderError(`no S-CSCF serves ${order.impi}`);
    const { emergencies, outcome } = await this.#send(
      cxCommands.registrationTermination,
      'RTA',
      server,
      registrationTerminationAvps({
        impi: order.impi,
        impus: order.impus,
        reasonCode: terminationReasons[order.reason],
        ...(order.info === undefined ? {} : { reasonInfo: order.info }),
      }),
    );
    if (!outcome.done) return outcome;
    const kept = emergencies.map(({ impu }) => this.#subscribers.byImpu(impu)?.set);
    this.#states.change(found.subscription, (current) => {
      if (isOld) current.former = null;
      else endRegistrations(current, setsBut(sets, kept), order.impi);
    });
    return outcome;
  }

  /**
   * Brings a profile, or charging addresses, to the S-CSCF: one PPR for each implicit set that it has. What was brought stays
   * in the answers to come. Throws OrderError when there is nobody to send to. Source: TS 29.228 6.2.2.1.
   */
  async push(order: PushOrder): Promise<OrderOutcome> {
    const found = this.#find(order.impi);
    const { subscription } = found;
    const state = this.#states.read(subscription);
    if (state.server === null) throw new OrderError(`no S-CSCF serves ${order.impi}`);
    const before = state.pushed ? this.#states.pushed(subscription) : {};
    const pushed = {
      profile: order.profile ?? before.profile,
      charging: order.charging === undefined ? before.charging : { ...before.charging, ...order.charging },
    };
    const { charging } = order.charging === undefined ? { charging: undefined } : pushed;
    const contents = [];
    if (order.profile === undefined && charging !== undefined) contents.push({ impi: order.impi, charging });
    else {
      const sets = this.#setsOf(found, []).filter((set) => stateOf(state.sets[set]) !== 'not-registered');
      if (sets.length === 0) throw new OrderError(`no identity of ${order.impi} is registered`);
      for (const set of sets) {
        contents.push({ impi: order.impi, userData: userDataOf(subscription, set, order.impi, pushed), charging });
      }
    }
    let outcome: OrderOutcome | undefined;
    for (const content of contents) {
      ({ outcome } = await this.#send(cxCommands.pushProfile, 'PPA', state.server, pushProfileAvps(content)));
      if (!outcome.done) return outcome;
    }
    if (order.profile !== undefined || order.charging !== undefined) this.#states.push(subscription, pushed);
    return outcome!;
  }

  async #send(command: CommandDefinition, name: string, server: ServingNode, avps: readonly Avp[]): Promise<Sent> {
    const sessionId = this.#client.newSessionId();
    const startMs = performance.now();
    let findings: string[] = [];
    const answer = await this.#client.request(
      { command, destinationRealm: server.realm, destinationHost: server.host, avps, sessionId },
      (message): Answered | RequestFailure => {
        const found = inspectAnswer(message, command, sessionId, cxProtocol);
        for (const finding of found) this.#findings.add(name, server.host, finding);
        findings = found.map(({ words }) => words);
        const read = readRegistrationTerminationAnswer(message);
        if (read.failure !== undefined) return read;
        return { result: read.result, answeredBy: read.originHost, emergencies: read.emergencies };
      },
    );
    const milliseconds = Math.round((performance.now() - startMs) * 10) / 10;
    const common = { server: server.name, host: server.host, milliseconds, findings };
    if ('failure' in answer) {
      const outcome = { ...common, answeredBy: '', done: false, code: 0, words: answer.words, emergencies: [] };
      return { outcome, emergencies: [] };
    }
    const { answeredBy, emergencies, result } = answer;
    const outcome = {
      ...common,
      answeredBy,
      done: result.kind === 'base' && result.code === 2001,
      code: result.code,
      words: resultWords(result),
      emergencies: emergencies.map(({ impu }) => impu),
    };
    return { outcome, emergencies };
  }

  #find(impi: string): FoundPrivate {
    const found = this.#subscribers.byImpi(impi);
    if (found === undefined) throw new OrderError(`there is no subscriber ${impi}`);
    return found;
  }

  /** The sets that public identities are in; without any, all that the private identity may register. */
  #setsOf({ subscription, user }: FoundPrivate, impus: readonly string[]): number[] {
    if (impus.length === 0) {
      return subscription.sets.flatMap(({ impis }, set) => (impis.includes(user.impi) ? [set] : []));
    }
    return impus.map((impu) => {
      const identity = this.#subscribers.byImpu(impu);
      if (identity?.subscription.key !== subscription.key) {
        throw new OrderError(`${impu} is no identity of ${user.impi}`);
      }
      return identity.set;
    });
  }
}

function setsBut(sets: readonly number[], kept: readonly (number | undefined)[]): number[] {
  return sets.filter((set) => !kept.includes(set));
}
