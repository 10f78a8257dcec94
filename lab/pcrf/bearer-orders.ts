import type { DiameterClient } from '#diameter/client';
import type { Avp } from '#diameter/codec/avp-types';
import type { CommandDefinition } from '#diameter/dictionary/dictionary';
import { rxCommands } from '#diameter/dictionary/rx';
import { resultCodes } from '#diameter/errors';
import { abortSessionAvps, type Flows, type RxSender, reAuthAvps } from '#diameter/rx/rx-requests';
import { type RxAnswer, readRxAnswer, rxResultWords } from '#diameter/rx/rx-results';
import { inspectAnswer } from '../diameter/answer-inspection.ts';
import type { Findings } from '../diameter/finding.ts';
import type { AfSession, AfSessions } from './af-sessions.ts';
import { type ActionName, actionNames, type CauseName, causeNames } from './order-names.ts';
import { rxProtocol } from './rx-protocol.ts';

/** Which sessions an order is for: one, by Session-Id or number, or all with a Framed address. */
export type OrderTarget =
  | { readonly session: string; readonly address?: undefined }
  | { readonly session?: undefined; readonly address: string };

export interface ReAuthOrder {
  readonly actions: readonly ActionName[];
  readonly flows?: readonly Flows[] | undefined;
  readonly cause?: CauseName | undefined;
  /** Access-Network-Charging-Identifier-Value. */
  readonly chargingIdentifier?: string | undefined;
  readonly ipCanType?: number | undefined;
  readonly ratType?: number | undefined;
  /** 3GPP-User-Location-Info. */
  readonly userLocation?: Buffer | undefined;
}

/** What came of an order in one session. */
export interface OrderOutcome {
  /** The P-CSCF answered 2001. */
  readonly done: boolean;
  readonly session: string;
  readonly host: string;
  /** 0: there was no answer. */
  readonly code: number;
  /** The result, or why there was none. */
  readonly words: string;
  readonly milliseconds: number;
  /** After an ASR: whether the STR has come. */
  readonly terminated?: boolean;
  /** What is odd about the order, or wrong with the answer. */
  readonly findings: readonly string[];
}

/** An order that cannot be sent. */
export class OrderError extends Error {
  readonly code = 'ERR_LAB_ORDER';
}

export interface BearerOrdersOptions {
  readonly client: DiameterClient;
  readonly sessions: AfSessions;
  readonly findings: Findings;
  readonly sender: RxSender;
  /** How long the STR after an ASR is waited for, milliseconds. */
  readonly terminationMs: number;
}

/** Sends what a PCRF asks of P-CSCFs by itself: RAR and ASR. Source: TS 29.214 4.4.6. */
export class BearerOrders {
  readonly #options: BearerOrdersOptions;

  constructor(options: BearerOrdersOptions) {
    this.#options = options;
  }

  /** Tells of events at the bearers. Throws OrderError where there is no session. Source: requirement P-127. */
  reAuth(target: OrderTarget, order: ReAuthOrder): Promise<OrderOutcome[]> {
    const { sender } = this.#options;
    const actions = order.actions.map((name) => actionNames[name]);
    const isCharging = order.chargingIdentifier !== undefined;
    return this.#each(target, async (session) => {
      const unasked = order.actions.filter((name) => !session.specificActions.includes(actionNames[name]));
      const odd = unasked.length === 0 ? [] : [`the session did not subscribe to ${unasked.join(', ')}`];
      const address = { sessionId: session.id, destinationHost: session.host };
      const charging = { value: Buffer.from(order.chargingIdentifier ?? ''), flows: order.flows ?? [] };
      const avps = reAuthAvps(
        {
          ...address,
          specificActions: actions,
          accessCharging: isCharging ? [charging] : [],
          flows: order.flows,
          abortCause: order.cause === undefined ? undefined : causeNames[order.cause],
          accessNetwork: { ipCanType: order.ipCanType, ratType: order.ratType, userLocation: order.userLocation },
        },
        sender,
        session.realm,
      );
      const outcome = await this.#send(rxCommands.reAuth, 'RAA', session, avps);
      return { ...outcome, findings: [...odd, ...outcome.findings] };
    });
  }

  /**
   * Takes the bearers away; the P-CSCF has to end the session with a STR. Throws OrderError where there is no session.
   * Source: TS 29.214 4.4.6.1; requirements D-60, P-128.
   */
  abort(target: OrderTarget, cause: CauseName): Promise<OrderOutcome[]> {
    const { findings, sender, sessions, terminationMs } = this.#options;
    return this.#each(target, async (session) => {
      const address = { sessionId: session.id, destinationHost: session.host };
      const avps = abortSessionAvps({ ...address, cause: causeNames[cause] }, sender, session.realm);
      const outcome = await this.#send(rxCommands.abortSession, 'ASA', session, avps);
      if (!outcome.done) return outcome;
      if (sessions.byId(session.id) === session) session.state = 'aborting';
      const terminated = await sessions.endsWithin(session, terminationMs);
      if (!terminated) {
        const words = `no STR within ${terminationMs} ms of the ASA`;
        findings.add('ASA', session.host, { id: 'no-str-after-asr', words, resultCode: resultCodes.UNABLE_TO_COMPLY });
      }
      return { ...outcome, terminated };
    });
  }

  #each(target: OrderTarget, send: (session: AfSession) => Promise<OrderOutcome>): Promise<OrderOutcome[]> {
    const { sessions } = this.#options;
    if (target.session !== undefined) {
      const session = sessions.find(target.session);
      if (session === undefined) throw new OrderError(`there is no session ${target.session}`);
      return Promise.all([send(session)]);
    }
    const found = sessions.byAddress(target.address);
    if (found.length === 0) throw new OrderError(`there is no session of ${target.address}`);
    return Promise.all(found.map(send));
  }

  async #send(command: CommandDefinition, name: string, session: AfSession, avps: Avp[]): Promise<OrderOutcome> {
    const { client, findings, sessions } = this.#options;
    const { host, id, realm } = session;
    const startMs = performance.now();
    let words: string[] = [];
    const answer = await client.request(
      { command, sessionId: id, destinationRealm: realm, destinationHost: host, avps, isWhole: true },
      (message) => {
        const found = inspectAnswer(message, command, id, rxProtocol);
        for (const finding of found) findings.add(name, host, finding);
        words = found.map((finding) => finding.words);
        return readRxAnswer(message);
      },
    );
    const milliseconds = Math.round((performance.now() - startMs) * 10) / 10;
    const outcome = { session: id, host, milliseconds, findings: words };
    if (answer.failure !== undefined) return { ...outcome, done: false, code: 0, words: answer.words };
    const { result } = answer;
    if (isUnknownSession(answer)) sessions.end(session, 'unknown-to-peer');
    return { ...outcome, done: isDone(answer), code: result.code, words: wordsOf(answer) };
  }
}

function isDone({ result }: RxAnswer): boolean {
  return result.kind === 'base' && result.code === resultCodes.SUCCESS;
}

function isUnknownSession({ result }: RxAnswer): boolean {
  return result.kind === 'base' && result.code === resultCodes.UNKNOWN_SESSION_ID;
}

function wordsOf(answer: RxAnswer): string {
  const words = rxResultWords(answer.result, answer.errorMessage);
  return isUnknownSession(answer) ? `${words}: the P-CSCF does not know this session` : words;
}

/**
 * Reads flows as the command line writes them, `1:1,1:2,2`: flow 1 and 2 of component 1, all of component 2. Throws
 * OrderError for what is none.
 */
export function parseFlows(text: string): Flows[] {
  const numbers = new Map<number, number[]>();
  for (const part of text.split(',')) {
    const [component = '', flow, more] = part.split(':');
    const isSound = isNumber(component) && (flow === undefined || isNumber(flow)) && more === undefined;
    if (!isSound) throw new OrderError(`flows are COMPONENT:FLOW or COMPONENT, as in 1:1,1:2, not ${part}`);
    const flows = numbers.get(Number(component)) ?? [];
    if (flow !== undefined) flows.push(Number(flow));
    numbers.set(Number(component), flows);
  }
  return [...numbers].map(([componentNumber, flowNumbers]) => ({ componentNumber, flowNumbers }));
}

function isNumber(text: string): boolean {
  return /^[0-9]{1,5}$/.test(text);
}
