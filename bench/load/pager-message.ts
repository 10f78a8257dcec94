import { Exchange, type Requester } from './exchange.ts';
import type { Phone } from './phone.ts';
import { branchOf } from './sip-text.ts';
import type { Caller, Switchboard } from './switchboard.ts';
import type { Tally } from './tally.ts';
import { messageRequest } from './templates.ts';

/** A MESSAGE from one phone to another, and its 200. */
export class PagerMessage implements Caller, Requester {
  readonly phone: Phone;
  readonly #board: Switchboard;
  readonly #tally: Tally;
  readonly #callId: string;
  readonly #exchange: Exchange;
  readonly #begunMs: number;

  constructor(board: Switchboard, phone: Phone, to: Phone) {
    this.#board = board;
    this.phone = phone;
    this.#tally = board.tally;
    this.#callId = `${board.unique()}@${phone.user}`;
    this.#exchange = new Exchange(board.wheel, board.patience, this);
    this.#begunMs = board.wheel.nowMs;
    this.#tally.begun('message', this.#begunMs);
    board.enlist(this.#callId, this);
    const branch = `z9hG4bK${board.unique()}`;
    const frame = { phone, callId: this.#callId, fromTag: board.unique(), branch };
    this.#exchange.start(messageRequest(board, frame, `sip:${to.user}@${board.users.domain}`), branch);
  }

  send(text: string): void {
    this.#board.wire.send(text, this.phone.number);
  }

  retransmitted(): void {
    this.#tally.of('message').retransmitted++;
  }

  gaveUp(): void {
    this.#fail('timeout');
  }

  lost(): void {
    this.#fail('connection lost');
  }

  response(text: string, status: number): void {
    if (branchOf(text) !== this.#exchange.branch) this.#tally.odd(`late ${status} (MESSAGE)`);
    else if (status < 200) this.#exchange.proceed();
    else if (status === 200) {
      const nowMs = this.#board.wheel.nowMs;
      this.#tally.completed('message', this.#begunMs, nowMs - this.#begunMs, nowMs);
      this.#end();
    } else this.#fail(String(status));
  }

  #fail(cause: string): void {
    this.#tally.failed('message', this.#begunMs, cause);
    this.#end();
  }

  #end(): void {
    this.#exchange.stop();
    this.#board.dismiss(this.#callId);
  }
}
