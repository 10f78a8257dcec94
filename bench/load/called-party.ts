import { Timer, type TimerOwner } from '#sip/transaction/timer-wheel';
import type { Phone } from './phone.ts';
import type { Switchboard } from './switchboard.ts';
import type { Tally } from './tally.ts';
import { inviteResponse, statelessAnswer } from './templates.ts';

/** A state of a call at the phone that is called. */
type State = 'ringing' | 'answered' | 'talking' | 'ended';

/** How long a call that nobody ends, or a late retransmission of it, is known. */
const forgottenMs = 40_000;
const lingerMs = 6_000;

/** The called phone's side of a call: rings, answers, sends its 200 again until the ACK comes, takes BYE and CANCEL. */
export class CalledParty implements TimerOwner {
  readonly #board: Switchboard;
  readonly #tally: Tally;
  readonly #phone: Phone;
  readonly #callId: string;
  readonly #invite: string;
  readonly #tag: string;
  readonly #next: Timer;
  readonly #last: Timer;
  #state: State = 'ringing';
  #response: string;
  #intervalMs: number;

  constructor(board: Switchboard, phone: Phone, callId: string, invite: string) {
    this.#board = board;
    this.#tally = board.tally;
    this.#phone = phone;
    this.#callId = callId;
    this.#invite = invite;
    this.#tag = board.unique();
    this.#next = new Timer(this, 'next');
    this.#last = new Timer(this, 'last');
    this.#intervalMs = board.patience.t1Ms;
    this.#response = this.#respond(180);
    board.wheel.start(this.#next, board.ringMs);
    board.wheel.start(this.#last, forgottenMs);
  }

  request(text: string, method: string): void {
    switch (method) {
      case 'INVITE':
        this.#board.wire.send(this.#response, this.#phone.number);
        return;
      case 'ACK':
        if (this.#state === 'answered') this.#state = 'talking';
        this.#board.wheel.stop(this.#next);
        return;
      case 'BYE':
        this.#answer(text, 200);
        if (this.#state === 'answered') this.#tally.odd('BYE before the ACK');
        this.#end();
        return;
      case 'CANCEL':
        this.#answer(text, 200);
        if (this.#state !== 'ringing') return;
        this.#response = this.#respond(487);
        this.#end();
        return;
      default:
        this.#answer(text, 200);
    }
  }

  /** It has rung long enough, or the 200 is not acknowledged yet, or it is time to forget. Source: RFC 3261 13.3.1.4. */
  onTimer(timer: Timer): void {
    if (timer === this.#last) {
      if (this.#state !== 'ended') this.#tally.odd(`call left ${this.#state} at the called phone`);
      this.#board.wheel.stop(this.#next);
      this.#board.dismissCalled(this.#callId);
      return;
    }
    if (this.#state === 'ringing') {
      this.#state = 'answered';
      this.#response = this.#respond(200);
    } else {
      this.#tally.of('call').retransmitted++;
      this.#board.wire.send(this.#response, this.#phone.number);
      this.#intervalMs = Math.min(this.#intervalMs * 2, this.#board.patience.t2Ms);
    }
    this.#board.wheel.start(this.#next, this.#intervalMs);
  }

  #respond(status: number): string {
    const response = inviteResponse(this.#board, this.#phone, this.#invite, status, this.#tag);
    this.#board.wire.send(response, this.#phone.number);
    return response;
  }

  #answer(request: string, status: number): void {
    this.#board.wire.send(statelessAnswer(request, status), this.#phone.number);
  }

  #end(): void {
    this.#state = 'ended';
    this.#board.wheel.stop(this.#next);
    this.#board.wheel.start(this.#last, lingerMs);
  }
}
