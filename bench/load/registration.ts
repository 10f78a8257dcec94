import { Exchange, type Requester } from './exchange.ts';
import { answerTo, type Phone } from './phone.ts';
import { branchOf, fieldOf, fieldsOf } from './sip-text.ts';
import type { Caller, Switchboard } from './switchboard.ts';
import type { Kind, Tally } from './tally.ts';
import { emptyAuthorization, registerRequest } from './templates.ts';

/** As long as a registration is asked for, seconds; the S-CSCF gives what it likes. */
const usualExpires = 600_000;

/**
 * A registration: REGISTER, challenge, REGISTER with the answer, 200. Of a phone that is registered: its renewal, or with
 * `expires` 0 its end, which may do without a challenge.
 */
export class Registration implements Caller, Requester {
  readonly phone: Phone;
  readonly #board: Switchboard;
  readonly #tally: Tally;
  readonly #kind: Kind;
  readonly #callId: string;
  readonly #fromTag: string;
  readonly #exchange: Exchange;
  readonly #begunMs: number;
  #challenged = false;
  readonly #ended: (ok: boolean) => void;
  readonly #expires: number;

  /** Begins at once; `ended` hears how it ended. `expires`: seconds. */
  constructor(
    board: Switchboard,
    phone: Phone,
    ended: (ok: boolean) => void = () => {},
    expires: number = usualExpires,
  ) {
    this.#board = board;
    this.phone = phone;
    this.#ended = ended;
    this.#tally = board.tally;
    this.#expires = expires;
    this.#kind = expires === 0 ? 'deregister' : phone.registered ? 'renewal' : 'register';
    this.#callId = `${board.unique()}@${phone.user}`;
    this.#fromTag = board.unique();
    this.#exchange = new Exchange(board.wheel, board.patience, this);
    this.#begunMs = board.wheel.nowMs;
    phone.registering = true;
    this.#tally.begun(this.#kind, this.#begunMs);
    board.enlist(this.#callId, this);
    this.#send(1, emptyAuthorization(phone, board.users.domain));
  }

  send(text: string): void {
    this.#board.wire.send(text, this.phone.number);
  }

  retransmitted(): void {
    this.#tally.of(this.#kind).retransmitted++;
  }

  gaveUp(): void {
    this.#fail('timeout');
  }

  lost(): void {
    this.#fail('connection lost');
  }

  response(text: string, status: number): void {
    if (branchOf(text) !== this.#exchange.branch) {
      this.#tally.odd(`late ${status} (REGISTER)`);
      return;
    }
    if (status < 200) {
      this.#exchange.proceed();
      return;
    }
    this.#exchange.stop();
    if (status === 401 && !this.#challenged) this.#answer(fieldOf(text, 'WWW-Authenticate'));
    else if (status === 200 && this.#expires === 0) this.#done(false);
    else if (status === 200) this.#registered(text);
    else this.#fail(String(status));
  }

  #answer(challenge: string): void {
    this.#challenged = true;
    const answer = answerTo(challenge, this.phone, this.#board.users);
    if (typeof answer === 'string') this.#fail(answer);
    else this.#send(2, answer.authorization);
  }

  #registered(text: string): void {
    const route = fieldsOf(text, 'Service-Route').join(', ');
    if (!this.#challenged) this.#fail('200 without a challenge');
    else if (route === '' || fieldOf(text, 'Contact') === '') this.#fail('200 without Service-Route or Contact');
    else {
      this.phone.serviceRoute = route;
      this.#done(true);
    }
  }

  #done(registered: boolean): void {
    this.phone.registered = registered;
    const nowMs = this.#board.wheel.nowMs;
    this.#tally.completed(this.#kind, this.#begunMs, nowMs - this.#begunMs, nowMs);
    this.#end(true);
  }

  #send(cseq: number, authorization: string): void {
    const branch = `z9hG4bK${this.#board.unique()}`;
    const frame = { phone: this.phone, callId: this.#callId, fromTag: this.#fromTag, branch };
    this.#exchange.start(registerRequest(this.#board, frame, cseq, authorization, this.#expires), branch);
  }

  #fail(cause: string): void {
    this.#tally.failed(this.#kind, this.#begunMs, cause);
    this.#end(false);
  }

  #end(ok: boolean): void {
    this.#exchange.stop();
    this.#board.dismiss(this.#callId);
    this.phone.registering = false;
    this.#ended(ok);
  }
}
