import type { SipRequest } from '../message/request.ts';
import type { ServerTransaction } from '../transaction/transaction-port.ts';

/** Requests of one Call-ID that may wait for the one before them. */
const maxWaiting = 64;
/** Requests that may wait in all. */
const maxWaitingInAll = 16_384;

interface Waiting {
  readonly server: ServerTransaction;
  readonly request: SipRequest;
}

/**
 * Keeps the requests of one Call-ID in their order while a procedure waits for somebody: what comes meanwhile has its
 * turn after it. So many may wait, no more. Requirement C-35.
 */
export class CallOrder {
  /** Call-IDs with a procedure that waits, and what came after it. */
  readonly #busy = new Map<string, Waiting[]>();
  #waiting = 0;

  /** Whether a request may go on at once, has been kept for later, or finds no room. */
  enter(callId: string, server: ServerTransaction, request: SipRequest): 'free' | 'kept' | 'full' {
    const waiting = this.#busy.get(callId);
    if (waiting === undefined) return 'free';
    if (waiting.length >= maxWaiting || this.#waiting >= maxWaitingInAll) return 'full';
    waiting.push({ server, request });
    this.#waiting++;
    return 'kept';
  }

  /** The request of a server transaction that is kept for later, null when it is not. */
  kept(callId: string, server: ServerTransaction): SipRequest | null {
    const waiting = this.#busy.get(callId);
    return waiting?.find((other) => other.server === server)?.request ?? null;
  }

  /** A procedure waits. */
  hold(callId: string): void {
    this.#busy.set(callId, []);
  }

  /** It is over: hands on what was kept, until one of those waits in its turn. `next` must not throw. */
  release(callId: string, next: (server: ServerTransaction, request: SipRequest) => void): void {
    const waiting = this.#busy.get(callId) ?? [];
    this.#busy.delete(callId);
    for (let i = 0; i < waiting.length; i++) {
      const { server, request } = waiting[i]!;
      this.#waiting--;
      // By now it may be cancelled or too old.
      if (!server.answered) next(server, request);
      const again = this.#busy.get(callId);
      if (again === undefined) continue;
      again.push(...waiting.slice(i + 1));
      return;
    }
  }
}
