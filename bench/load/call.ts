import { Timer, type TimerOwner } from '#sip/transaction/timer-wheel';
import { Exchange, type Requester } from './exchange.ts';
import type { Phone } from './phone.ts';
import { branchOf, fieldOf, fieldsOf, tagOf, uriOf } from './sip-text.ts';
import type { Caller, Switchboard } from './switchboard.ts';
import type { Tally } from './tally.ts';
import { type DialogRoute, hopRequest, inDialogRequest, inviteRequest } from './templates.ts';

/** `left`: counted as failed, and still known so that what comes late is acknowledged. */
type State = 'inviting' | 'talking' | 'releasing' | 'left';

/** How long a call that failed is known. */
const lingerMs = 32_000;

/**
 * A call by the caller's side: INVITE, 180, 200, ACK, BYE, 200. It is timed until it rings; its BYE is timed as `release`.
 * It has ended well when the BYE is answered.
 */
export class Call implements Caller, Requester, TimerOwner {
  readonly phone: Phone;
  readonly #board: Switchboard;
  readonly #tally: Tally;
  readonly #callId: string;
  readonly #fromTag: string;
  readonly #to: string;
  readonly #branch: string;
  readonly #holdMs: number;
  readonly #exchange: Exchange;
  readonly #timer: Timer;
  readonly #begunMs: number;
  #state: State = 'inviting';
  #proceeding = false;
  #ringingMs = 0;
  #byeMs = 0;
  #dialog: DialogRoute | null = null;
  #ack = '';

  /** Begins at once and talks for `holdMs`. */
  constructor(board: Switchboard, phone: Phone, to: Phone, holdMs: number) {
    this.#board = board;
    this.phone = phone;
    this.#holdMs = holdMs;
    this.#tally = board.tally;
    this.#callId = `${board.unique()}@${phone.user}`;
    this.#fromTag = board.unique();
    this.#to = `sip:${to.user}@${board.users.domain}`;
    this.#branch = `z9hG4bK${board.unique()}`;
    this.#exchange = new Exchange(board.wheel, board.patience, this);
    this.#timer = new Timer(this, 'call');
    this.#begunMs = board.wheel.nowMs;
    this.#tally.begun('call', this.#begunMs);
    board.enlist(this.#callId, this);
    this.#exchange.start(inviteRequest(board, this.#frame(this.#branch), this.#to), this.#branch, true);
  }

  send(text: string): void {
    this.#board.wire.send(text, this.phone.number);
  }

  retransmitted(): void {
    this.#tally.of(this.#state === 'releasing' ? 'release' : 'call').retransmitted++;
  }

  gaveUp(): void {
    if (this.#state === 'inviting' && this.#proceeding) {
      this.send(hopRequest(this.#board, this.#frame(this.#branch), 'CANCEL', this.#to, `<${this.#to}>`));
    }
    this.#fail(this.#state === 'releasing' ? 'timeout (BYE)' : 'timeout');
  }

  lost(): void {
    if (this.#state !== 'left') this.#fail('connection lost');
  }

  response(text: string, status: number, method: string): void {
    switch (method) {
      case 'INVITE':
        if (status < 200) this.#provisional(status);
        else if (status < 300) this.#answered(text);
        else this.#refused(text, status);
        return;
      case 'BYE':
        if (status >= 200 && branchOf(text) === this.#exchange.branch) this.#released(status);
        return;
      default:
    }
  }

  /** The call has lasted long enough, or, when it failed, was known for long enough. */
  onTimer(): void {
    if (this.#state === 'talking') this.#release();
    else this.#board.dismiss(this.#callId);
  }

  #provisional(status: number): void {
    if (this.#state !== 'inviting') return;
    this.#proceeding = true;
    this.#exchange.proceed();
    if (status >= 180 && this.#ringingMs === 0) this.#ringingMs = this.#board.wheel.nowMs - this.#begunMs;
  }

  #answered(text: string): void {
    if (this.#ack !== '' && tagOf(fieldOf(text, 'To')) === tagOf(this.#dialog!.to)) {
      this.send(this.#ack);
      return;
    }
    this.#exchange.stop();
    if (this.#ringingMs === 0) {
      this.#tally.odd('answered without ringing');
      this.#ringingMs = this.#board.wheel.nowMs - this.#begunMs;
    }
    this.#dialog = {
      target: uriOf(fieldOf(text, 'Contact')),
      routes: fieldsOf(text, 'Record-Route').flatMap(splitRoutes).reverse().join(', '),
      to: fieldOf(text, 'To'),
    };
    this.#ack = inDialogRequest(this.#board, this.#frame(), 'ACK', 1, this.#dialog);
    this.send(this.#ack);
    if (this.#state !== 'inviting') {
      // Answered after the user had given up: released at once.
      this.send(inDialogRequest(this.#board, this.#frame(), 'BYE', 2, this.#dialog));
    } else if (this.#dialog.target === '' || tagOf(this.#dialog.to) === '') this.#fail('200 without Contact or tag');
    else {
      this.#state = 'talking';
      this.#board.wheel.start(this.#timer, this.#holdMs);
    }
  }

  #refused(text: string, status: number): void {
    if (branchOf(text) !== this.#branch) return;
    this.send(hopRequest(this.#board, this.#frame(this.#branch), 'ACK', this.#to, fieldOf(text, 'To')));
    if (this.#state === 'inviting') this.#fail(String(status));
  }

  #release(): void {
    this.#state = 'releasing';
    this.#byeMs = this.#board.wheel.nowMs;
    const frame = this.#frame();
    this.#exchange.start(inDialogRequest(this.#board, frame, 'BYE', 2, this.#dialog!), frame.branch);
  }

  #released(status: number): void {
    this.#exchange.stop();
    if (status !== 200) this.#fail(`${status} (BYE)`);
    else {
      const nowMs = this.#board.wheel.nowMs;
      this.#tally.timed('release', nowMs - this.#byeMs);
      this.#tally.completed('call', this.#begunMs, this.#ringingMs, nowMs);
      this.#board.dismiss(this.#callId);
    }
  }

  #fail(cause: string): void {
    this.#state = 'left';
    this.#exchange.stop();
    this.#tally.failed('call', this.#begunMs, cause);
    this.#board.wheel.start(this.#timer, lingerMs);
  }

  #frame(branch = `z9hG4bK${this.#board.unique()}`) {
    return { phone: this.phone, callId: this.#callId, fromTag: this.#fromTag, branch };
  }
}

function splitRoutes(value: string): string[] {
  return value.split(/,\s*(?=<)/);
}
