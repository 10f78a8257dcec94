import type { SipRequest } from '../message/request.ts';
import type { SipMessage, SipResponse } from '../message/response.ts';
import type { Target } from '../transport/flow.ts';
import type { TransportFailure } from '../transport/transport-failure.ts';
import type { KeptTexts } from './kept-texts.ts';
import type { TimerWheel } from './timer-wheel.ts';

/** What the four machines act through. */
export interface TransactionPort {
  readonly wheel: TimerWheel;
  /** Where answers are kept that may have to go out again. */
  readonly keptTexts: KeptTexts;
  /**
   * Sends a written message; `token` (0: none) names the client transaction that hears of a failure. `message`: what
   * the text was written from, for whoever traces; null for retransmissions and what a machine makes by itself.
   */
  send(text: string, target: Target, token: number, message: SipMessage | null): void;
  /** How long an answered transaction is kept that is to be kept for `fullMs`: less where there are very many. */
  lingerMs(fullMs: number): number;
}

/** Who started a client transaction hears this. */
export interface ClientUser {
  /** A response to pass on: every provisional, the first final, and further 2xx to an INVITE. */
  onResponse(response: SipResponse): void;
  /** Timer B or F. */
  onTimeout(): void;
  /** The request could not be sent. Source: RFC 3261 17.1.4, 18.4. */
  onTransportError(): void;
  /**
   * The request did not get there, and nobody has answered it. True: the next hop may be back in a moment, the
   * transaction sends again when Timer A or E fires; else it ends with `onTransportError`.
   */
  ridesOut?(failure: TransportFailure): boolean;
}

/** The user of a transaction whose outcome nobody waits for (any more): it keeps nothing alive. */
export const ignoreOutcome: ClientUser = Object.freeze({ onResponse() {}, onTimeout() {}, onTransportError() {} });

/** Who handles server transactions hears this. */
export interface ServerUser {
  /** A new request, after sanity checks and retransmission matching. */
  onRequest(transaction: ServerTransaction, request: SipRequest): void;
  /** An ACK that belongs to no INVITE server transaction with a non-2xx final: it goes end to end. */
  onAck(request: SipRequest): void;
  /** A CANCEL, already answered 200, for this INVITE server transaction. */
  onCancel(invite: ServerTransaction, cancel: SipRequest): void;
  /** The transaction is over and forgotten. */
  onServerEnded(transaction: ServerTransaction): void;
}

/** A server transaction as its user sees it. */
export interface ServerTransaction {
  readonly method: string;
  /** Whether a final response has gone out. */
  readonly answered: boolean;
  /** The final response as it went out, while it is kept to be sent again; else ''. */
  readonly finalText: string;
  /** Whoever handles the transaction may leave his state here. */
  context: unknown;
  /** Sends a response; after a final one only further 2xx to an INVITE still go. */
  respond(response: SipResponse): void;
  /** Ends without a word: the sender hears nothing, and a retransmission is a new request. */
  drop(): void;
}

/** How a machine reports its end to the layer that indexes it. */
export interface Ended<T> {
  ended(transaction: T): void;
}
