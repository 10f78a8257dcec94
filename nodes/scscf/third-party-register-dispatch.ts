import { formatServiceNews } from '#ims/service-info';
import { CidrTable } from '#service/cidr';
import type { ScscfConfig } from '#service/config/scscf-config';
import type { ClaimedCall, NodeContext } from '#service/node-context';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { StoreError } from '#store/store';
import type { ChargingAddresses } from './registration.ts';
import { isTrustedServer, thirdPartyRegister } from './third-party-register-message.ts';
import { ThirdPartyQueue } from './third-party-register-queue.ts';
import {
  decodeThirdParties,
  encodeThirdParties,
  THIRD_PARTIES,
  type ThirdParties,
  type ToldServer,
} from './third-party-register-record.ts';

/** One REGISTER to be sent. */
export interface Order extends ToldServer {
  /** 0: not registered any more. */
  readonly seconds: number;
  readonly charging: ChargingAddresses;
  /** The REGISTER of the UE; null where the network acts by itself. */
  readonly cause: SipRequest | null;
  /** That REGISTER and its response as the server wants to see them, '' where it does not. */
  readonly requestText: string;
  readonly responseText: string;
  /** Whether its failure ends the registration. */
  readonly isVital: boolean;
}

/** Ends a registration since its application server cannot be reached, as DefaultHandling says. */
export type EndRegistration = (key: string, server: string) => void;

/** What is to be kept after a change; null: nothing. Pure, it may run twice. */
export type NextParties = (current: ThirdParties) => ThirdParties | null;

/** Servers whose failure is remembered, so that it is logged once. */
const maxFailing = 1024;

/**
 * Sends third-party REGISTERs, all with the Call-ID of their registration and rising CSeq, and hears what became of them.
 * Source: TS 24.229 5.4.1.7; requirements S-50, S-51, S-53.
 */
export class ThirdPartyDispatch {
  readonly #context: NodeContext<ScscfConfig>;
  readonly #end: EndRegistration;
  readonly #queue: ThirdPartyQueue;
  readonly #trusted: CidrTable<true>;
  readonly #failing = new Set<string>();

  constructor(context: NodeContext<ScscfConfig>, end: EndRegistration) {
    this.#context = context;
    this.#end = end;
    this.#queue = new ThirdPartyQueue((request, user) => context.origin.originate(request, user));
    this.#trusted = new CidrTable(context.config.trusted.map((network) => [network, true] as const));
  }

  /** What servers know of a registration, null when there is nothing. */
  find(key: string): ThirdParties | null {
    const octets = this.#context.store.get(THIRD_PARTIES, key);
    return octets === null ? null : decodeThirdParties(octets);
  }

  /**
   * Writes down what servers know now and sends what is new to them. `begins`: of a registration that has just begun,
   * whatever was kept of an earlier one counts for nothing.
   *
   * @throws StoreError when it could not be kept; then nothing is sent.
   */
  place(key: string, orders: readonly Order[], next: NextParties, begins = false): void {
    const { store, clock, calls } = this.#context;
    const claimed = orders.length === 0 ? null : this.#claim(begins ? null : this.find(key));
    let cseq = 0;
    let sinceMs = 0;
    try {
      store.update(THIRD_PARTIES, key, (record) => {
        const stored = record === null || begins ? null : decodeThirdParties(record.value as Buffer);
        const current = stored ?? { sinceMs: clock.wallMs(), callId: '', cseq: 0, told: [], ending: [] };
        const { callId } = claimed ?? current;
        cseq = callId === current.callId ? current.cseq : 0;
        sinceMs = current.sinceMs;
        const kept = next(current);
        if (kept === null) return null;
        const value = encodeThirdParties(claimed === null ? kept : { ...kept, callId, cseq: cseq + orders.length });
        return { value, expiresAtMs: 0 };
      });
    } catch (error) {
      if (claimed !== null) calls.release(claimed.hold);
      throw error;
    }
    if (claimed === null) return;
    const { origin } = this.#context;
    orders.forEach((order, i) => {
      const call = i === 0 ? claimed : (origin.claim(claimed.callId) ?? origin.newCallId());
      this.#send(key, sinceMs, order, call, cseq + i + 1);
    });
  }

  /** While something with the Call-ID is under way in another worker a new one has to do. */
  #claim(known: ThirdParties | null): ClaimedCall {
    const { origin } = this.#context;
    const again = known === null || known.callId === '' ? null : origin.claim(known.callId);
    return again ?? origin.newCallId();
  }

  #send(key: string, sinceMs: number, order: Order, call: ClaimedCall, cseq: number): void {
    const { calls, config, origin } = this.#context;
    const { server, serviceInfo, requestText, responseText } = order;
    const request = thirdPartyRegister(
      {
        ...order,
        callId: call.callId,
        cseq,
        tag: origin.newTag(),
        content: formatServiceNews({ serviceInfo, request: requestText, response: responseText }),
        isTrusted: isTrustedServer(server, config, this.#trusted),
      },
      config,
    );
    const finish = (response: SipResponse | null, words: string) => {
      calls.release(call.hold);
      this.#finished(key, sinceMs, order, response, words);
    };
    const errand = { request, done: (response: SipResponse | null) => finish(response, 'it does not answer') };
    if (!this.#queue.take(server, errand)) finish(null, 'too much waits for it');
  }

  /** Other refusals are the server's own affair. Requirement S-53. */
  #finished(key: string, sinceMs: number, order: Order, response: SipResponse | null, words: string): void {
    const status = response?.status ?? 0;
    const { log } = this.#context;
    const { server, identity } = order;
    if (status > 0 && status !== 408 && (status < 500 || status > 599)) {
      this.#context.count(status < 300 ? 'third-party-register' : 'third-party-refusal');
      if (this.#failing.delete(server)) log.info({ server, status }, 'an application server takes registrations again');
      return;
    }
    this.#context.count('third-party-failure');
    if (!this.#failing.has(server) && this.#failing.size < maxFailing) {
      this.#failing.add(server);
      const why = status > 0 ? `it answers ${status}` : words;
      const fields = { reason: 'third-party-failure', server, identity, why };
      log.warn(fields, 'an application server was not told of a registration; further ones are only counted');
    }
    if (!order.isVital || this.find(key)?.sinceMs !== sinceMs) return;
    try {
      this.#end(key, server);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      log.error({ reason: 'store-failed', err: error, key, server }, 'a registration could not be ended');
    }
  }
}
