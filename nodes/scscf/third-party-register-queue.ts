import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import type { BranchUser } from '#sip/proxy/proxy-branch';

/** Sends a request of our own: `Originator.originate`. */
export type Originate = (request: SipRequest, user: BranchUser) => unknown;

/** A request that is to be sent, and who hears what came of it. */
export interface Errand {
  readonly request: SipRequest;
  /** `response`: the final one, null when there is none. Called once. */
  done(response: SipResponse | null): void;
}

/** Errands of one server. */
interface Lane {
  underWay: number;
  draining: boolean;
  readonly waiting: Errand[];
}

/** Bounds of one worker: what is under way to one server, what waits for one and for all, servers. */
export const queueLimits = Object.freeze({ underWay: 64, waiting: 1024, allWaiting: 8192, servers: 1024 });

/**
 * Sends requests to application servers, in order and so many at a time to each: a server that does not answer makes
 * nobody wait but those who have something for it. What there is no room for fails at once.
 *
 * Source: requirements S-50, S-53.
 */
export class ThirdPartyQueue {
  readonly #originate: Originate;
  readonly #lanes = new Map<string, Lane>();
  #waiting = 0;

  constructor(originate: Originate) {
    this.#originate = originate;
  }

  /** Takes an errand to a server; false when there was no room for it, and it is not called back. */
  take(server: string, errand: Errand): boolean {
    let lane = this.#lanes.get(server);
    if (lane === undefined) {
      if (this.#lanes.size === queueLimits.servers) return false;
      lane = { underWay: 0, draining: false, waiting: [] };
      this.#lanes.set(server, lane);
    }
    if (lane.underWay < queueLimits.underWay) {
      this.#send(server, lane, errand);
      return true;
    }
    if (lane.waiting.length === queueLimits.waiting || this.#waiting === queueLimits.allWaiting) return false;
    lane.waiting.push(errand);
    this.#waiting++;
    return true;
  }

  #send(server: string, lane: Lane, errand: Errand): void {
    lane.underWay++;
    const finish = (response: SipResponse | null) => {
      lane.underWay--;
      try {
        errand.done(response);
      } finally {
        this.#drain(server, lane);
      }
    };
    this.#originate(errand.request, {
      branchResponse: (_branch, response) => finish(response),
      branchFailed: () => finish(null),
    });
  }

  /** Not from within itself: what fails at once would make it as deep as the lane is long. */
  #drain(server: string, lane: Lane): void {
    if (lane.draining) return;
    lane.draining = true;
    while (lane.underWay < queueLimits.underWay) {
      const errand = lane.waiting.shift();
      if (errand === undefined) break;
      this.#waiting--;
      this.#send(server, lane, errand);
    }
    lane.draining = false;
    if (lane.underWay === 0 && this.#lanes.get(server) === lane) this.#lanes.delete(server);
  }
}
