import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import type { Reason } from '../reasons.ts';
import type { SipUri } from '../uri/sip-uri.ts';
import type { ForwardOptions, ProxyBranch } from './proxy-branch.ts';
import type { ProxyTransaction } from './proxy-transaction.ts';

type AckVerdict = void | false | Pick<ForwardOptions, 'side' | 'targets' | 'guarded'>;

/**
 * What a node does differently from a plain proxy. Every method may be left out: a node that gives none of them is a
 * correct RFC 3261 section 16 proxy. Its edits on messages are true at once.
 */
export interface NodeLogic {
  /**
   * Vias of this node that a request may carry before it counts as looping: more than the usual 8 where requests come
   * back by design. Requirement C-20.
   */
  readonly maxOwnVias?: number;

  /**
   * Whether a request inside a dialog that would come back here at once, since the next Route entry is this node's again,
   * is handled for both in one go: it has both entries then (`ownRoute`, `nextRoute`). Source: RFC 3261 16.4.
   */
  readonly joinsPassages?: boolean;

  /**
   * Whether a request may enter at all, asked before routing. Gives why not, or null; `drop` says nothing to the sender.
   */
  admit?(request: SipRequest): Reason | 'drop' | null;

  /** Whether a request is for help in an emergency: those are taken though the node drains. Default: none is. */
  isEmergency?(request: SipRequest): boolean;

  /**
   * A request (not ACK, not CANCEL) after validation and route processing. It must lead to `transaction.forward()`,
   * `reply()` or `refuse()`, at once or after its promise. Default: `transaction.forward()`.
   */
  handleRequest?(transaction: ProxyTransaction): void | Promise<void>;

  /**
   * A request inside a dialog that this node itself is an end of: its Request-URI is ours and no Route leads on. It must
   * lead to `reply()` or `refuse()` as above. Default: `handleRequest`.
   */
  handleLocal?(transaction: ProxyTransaction): void | Promise<void>;

  /**
   * A response other than 100 on its way upstream, our Via already popped. A promise holds it (and what follows it in
   * this transaction) back. `false`: do not forward it (a final one then counts as answered elsewhere).
   */
  handleResponse?(
    transaction: ProxyTransaction,
    branch: ProxyBranch,
    response: SipResponse,
  ): void | false | Promise<void | false>;

  /**
   * A branch ended without 2xx (its final response stands in `branch.final`; made by us after a timeout or transport
   * error). `true`: taken over, a new branch was or will be started, this response is not a candidate any more.
   */
  handleFailure?(transaction: ProxyTransaction, branch: ProxyBranch): boolean | Promise<boolean>;

  /**
   * An ACK that goes end to end. Gives how to send it (as for a branch; nothing: by Route and Request-URI towards the
   * core), `false` to drop it; at once or after its promise.
   */
  handleAck?(request: SipRequest, ownRoute: SipUri | null): AckVerdict | Promise<AckVerdict>;

  /** The transaction is over: its last response has gone out, or it ended without one. */
  handleEnd?(transaction: ProxyTransaction): void;

  /** A request that the core refused by itself, for the node's log and counters. */
  refused?(request: SipRequest, reason: Reason, detail: string): void;
}
