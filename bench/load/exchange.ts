import { Timer, type TimerOwner, type TimerWheel } from '#sip/transaction/timer-wheel';

/** How long a phone waits, milliseconds. */
export interface Patience {
  readonly t1Ms: number;
  readonly t2Ms: number;
  /** Without a final answer for so long, the user gives up. */
  readonly answerMs: number;
  /** Whether requests are sent again: not on a stream. */
  readonly retransmits: boolean;
}

/** Whose request it is. */
export interface Requester {
  send(text: string): void;
  retransmitted(): void;
  gaveUp(): void;
}

/**
 * One request that awaits its final response: sends it again by Timer A or E, and gives up. Used anew for the next
 * request of the same procedure. Source: RFC 3261 17.1.1.2, 17.1.2.2.
 */
export class Exchange implements TimerOwner {
  readonly #wheel: TimerWheel;
  readonly #patience: Patience;
  readonly #requester: Requester;
  readonly #timer = new Timer(this, 'exchange');
  #text = '';
  #invite = false;
  #proceeding = false;
  #intervalMs = 0;
  #deadlineMs = 0;
  /** Branch of the request that is under way; empty when none is. */
  branch = '';

  constructor(wheel: TimerWheel, patience: Patience, requester: Requester) {
    this.#wheel = wheel;
    this.#patience = patience;
    this.#requester = requester;
  }

  start(text: string, branch: string, invite = false): void {
    this.#text = text;
    this.branch = branch;
    this.#invite = invite;
    this.#proceeding = false;
    this.#intervalMs = this.#patience.t1Ms;
    this.#deadlineMs = this.#wheel.nowMs + this.#patience.answerMs;
    this.#requester.send(text);
    this.#wait();
  }

  /** A provisional response came. */
  proceed(): void {
    this.#proceeding = true;
    this.#intervalMs = this.#patience.t2Ms;
  }

  /** The final response came, or nobody wants it any more. */
  stop(): void {
    this.branch = '';
    this.#text = '';
    this.#wheel.stop(this.#timer);
  }

  onTimer(): void {
    if (this.#wheel.nowMs >= this.#deadlineMs) {
      this.stop();
      this.#requester.gaveUp();
      return;
    }
    if (this.#sendsAgain()) {
      this.#requester.retransmitted();
      this.#requester.send(this.#text);
      this.#intervalMs = this.#invite ? this.#intervalMs * 2 : Math.min(this.#intervalMs * 2, this.#patience.t2Ms);
    }
    this.#wait();
  }

  #sendsAgain(): boolean {
    return this.#patience.retransmits && !(this.#invite && this.#proceeding);
  }

  #wait(): void {
    const left = Math.max(0, this.#deadlineMs - this.#wheel.nowMs);
    this.#wheel.start(this.#timer, this.#sendsAgain() ? Math.min(this.#intervalMs, left) : left);
  }
}
