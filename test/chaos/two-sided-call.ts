import { Timer, type TimerOwner } from '#sip/transaction/timer-wheel';
import { Exchange } from '../../bench/load/exchange.ts';
import type { Phone } from '../../bench/load/phone.ts';
import { branchOf, fieldOf, fieldsOf, tagOf, uriOf } from '../../bench/load/sip-text.ts';
import type { Called, Caller, Switchboard } from '../../bench/load/switchboard.ts';
import {
  type DialogRoute,
  hopRequest,
  inDialogRequest,
  inviteRequest,
  inviteResponse,
  statelessAnswer,
} from '../../bench/load/templates.ts';

/** What became of a call. */
export type CallEnd =
  /** Both ends know that it is over, by a BYE that was answered 200. */
  | { readonly kind: 'ended' }
  /** It never came about. */
  | { readonly kind: 'refused'; readonly cause: string }
  /** It was confirmed, and then a request inside it failed. */
  | { readonly kind: 'lost'; readonly cause: string };

export interface CallPlan {
  readonly from: Phone;
  readonly to: Phone;
  /** How long it lasts once it is answered, milliseconds. */
  readonly holdMs: number;
  /** Milliseconds between two requests that ask whether it still stands. */
  readonly probeMs: number;
  readonly hangsUp: 'caller' | 'called';
}

/** What happened in calls, for the report. */
export interface CallWitness {
  /** The caller has the 200 and has sent the ACK. */
  confirmed(): void;
  /** An INFO was answered 200 by the other end. */
  probed(): void;
  /** A request inside the call was refused by a node and is sent anew. */
  again(cause: string): void;
  ended(call: TwoSidedCall, end: CallEnd): void;
}

type State = 'inviting' | 'talking' | 'releasing' | 'over';

/** A request that a node refuses since its next hop is just being started anew is worth another try. */
const worthAgain: ReadonlySet<number> = new Set([408, 500, 502, 503, 504]);
const againMs = 1_000;
/** A node on a busy machine may take long to start. */
const mostAgain = 30;

/**
 * A call with both its ends: the caller invites, the called phone answers, both ask each other by INFO whether the call
 * still stands, and one of them hangs up. It is lost when anything of that fails once the caller has its 200.
 */
export class TwoSidedCall implements Caller, Called, TimerOwner {
  readonly phone: Phone;
  readonly callId: string;
  readonly #board: Switchboard;
  readonly #plan: CallPlan;
  readonly #witness: CallWitness;
  readonly #inviteBranch: string;
  readonly #tags: { readonly caller: string; readonly called: string };
  readonly #to: string;
  readonly #invite: Exchange;
  /** One request inside the call at a time, of either end. */
  readonly #inside: Exchange;
  readonly #next = new Timer(this, 'next');
  readonly #answer = new Timer(this, 'answer');
  readonly #end = new Timer(this, 'end');
  #state: State = 'inviting';
  #proceeding = false;
  #calledState: 'idle' | 'ringing' | 'answered' | 'acknowledged' | 'over' = 'idle';
  #calledInvite = '';
  #calledResponse = '';
  #calledIntervalMs = 0;
  #calledSinceMs = 0;
  #ack = '';
  #dialogs: { caller: DialogRoute; called: DialogRoute } | null = null;
  #cseq = { caller: 1, called: 0 };
  #asker: 'caller' | 'called' = 'caller';
  #asked: 'INFO' | 'BYE' = 'INFO';
  #tries = 0;

  constructor(board: Switchboard, plan: CallPlan, witness: CallWitness) {
    this.#board = board;
    this.#plan = plan;
    this.#witness = witness;
    this.phone = plan.from;
    this.callId = `${board.unique()}@${plan.from.user}`;
    this.#tags = { caller: board.unique(), called: board.unique() };
    this.#to = `sip:${plan.to.user}@${board.users.domain}`;
    this.#inviteBranch = `z9hG4bK${board.unique()}`;
    this.#invite = new Exchange(board.wheel, board.patience, {
      send: (text) => this.#send('caller', text),
      retransmitted: () => {},
      gaveUp: () => this.#gaveUpInviting(),
    });
    this.#inside = new Exchange(board.wheel, board.patience, {
      send: (text) => this.#send(this.#asker, text),
      retransmitted: () => {},
      gaveUp: () => this.#lost(`${this.#asked} was not answered`),
    });
    board.enlist(this.callId, this);
    board.enlistCalled(this.callId, this);
    this.#invite.start(
      inviteRequest(board, this.#frame('caller', this.#inviteBranch), this.#to),
      this.#inviteBranch,
      true,
    );
  }

  /** Whether it has been answered and is not yet over. */
  get standing(): boolean {
    return this.#state === 'talking' || this.#state === 'releasing';
  }

  /** Words for a report. */
  get words(): string {
    return `${this.callId} ${this.#state}, the called phone ${this.#calledState}`;
  }

  /** Ends it as soon as it is established. */
  hangUp(): void {
    if (this.#state === 'talking' && this.#inside.branch === '') this.#ask('BYE', this.#plan.hangsUp);
    else this.#board.wheel.start(this.#end, 0);
  }

  lost(): void {}

  /** A request came to the called phone, or one from it to the caller. */
  request(text: string, method: string): void {
    switch (method) {
      case 'INVITE':
        this.#takeInvite(text);
        return;
      case 'ACK':
        if (this.#calledState === 'answered') this.#calledState = 'acknowledged';
        this.#board.wheel.stop(this.#answer);
        return;
      case 'CANCEL':
        this.#reply(text, 200);
        if (this.#calledState === 'ringing') this.#callee(487, 'over');
        return;
      case 'BYE':
        this.#reply(text, 200);
        return;
      default:
        this.#reply(text, 200);
    }
  }

  response(text: string, status: number, method: string): void {
    if (method === 'INVITE') this.#inviteResponse(text, status);
    else if (status >= 200 && branchOf(text) === this.#inside.branch) this.#insideResponse(status);
  }

  onTimer(timer: Timer): void {
    const { wheel } = this.#board;
    if (timer === this.#answer) this.#calledTimer();
    else if (this.#state === 'over') this.#forget();
    else if (timer === this.#end) {
      if (this.#state === 'talking' && this.#inside.branch === '') this.#ask('BYE', this.#plan.hangsUp);
      else if (this.#state !== 'releasing') wheel.start(this.#end, 200);
    } else if (this.#state === 'talking' || this.#state === 'releasing') this.#ask(this.#asked, this.#asker);
  }

  // The caller.

  #inviteResponse(text: string, status: number): void {
    if (status < 200) {
      if (this.#state !== 'inviting') return;
      this.#proceeding = true;
      this.#invite.proceed();
      return;
    }
    if (status < 300) {
      this.#answered(text);
      return;
    }
    if (branchOf(text) !== this.#inviteBranch) return;
    const frame = this.#frame('caller', this.#inviteBranch);
    this.#send('caller', hopRequest(this.#board, frame, 'ACK', this.#to, fieldOf(text, 'To')));
    this.#invite.stop();
    if (this.#state === 'inviting') this.#finish({ kind: 'refused', cause: String(status) });
  }

  #answered(text: string): void {
    if (this.#ack !== '') {
      this.#send('caller', this.#ack);
      return;
    }
    this.#invite.stop();
    const caller: DialogRoute = {
      target: uriOf(fieldOf(text, 'Contact')),
      routes: fieldsOf(text, 'Record-Route').flatMap(splitRoutes).reverse().join(', '),
      to: fieldOf(text, 'To'),
    };
    this.#ack = inDialogRequest(this.#board, this.#frame('caller'), 'ACK', 1, caller);
    this.#send('caller', this.#ack);
    if (this.#state !== 'inviting') {
      // Its user had given up by then: released at once, and nobody counts on it.
      this.#send('caller', inDialogRequest(this.#board, this.#frame('caller'), 'BYE', 2, caller));
      return;
    }
    const invite = this.#calledInvite;
    const called: DialogRoute = {
      target: uriOf(fieldOf(invite, 'Contact')),
      routes: fieldsOf(invite, 'Record-Route').flatMap(splitRoutes).join(', '),
      to: fieldOf(invite, 'From'),
    };
    this.#dialogs = { caller, called };
    this.#state = 'talking';
    this.#witness.confirmed();
    this.#board.wheel.start(this.#end, this.#plan.holdMs);
    this.#askLater('INFO', 'caller', this.#plan.probeMs);
  }

  #gaveUpInviting(): void {
    if (this.#proceeding) {
      const frame = this.#frame('caller', this.#inviteBranch);
      this.#send('caller', hopRequest(this.#board, frame, 'CANCEL', this.#to, `<${this.#to}>`));
    }
    this.#finish({ kind: 'refused', cause: 'no answer' });
  }

  // Requests inside the call.

  #askLater(method: 'INFO' | 'BYE', asker: 'caller' | 'called', ms: number): void {
    this.#asked = method;
    this.#asker = asker;
    this.#board.wheel.start(this.#next, ms);
  }

  #ask(method: 'INFO' | 'BYE', asker: 'caller' | 'called'): void {
    if (this.#inside.branch !== '') return;
    this.#board.wheel.stop(this.#next);
    this.#asked = method;
    this.#asker = asker;
    if (method === 'BYE') this.#state = 'releasing';
    const frame = this.#frame(asker);
    const text = inDialogRequest(this.#board, frame, method, ++this.#cseq[asker], this.#dialogs![asker]);
    this.#inside.start(text, frame.branch);
  }

  #insideResponse(status: number): void {
    this.#inside.stop();
    if (status === 200) {
      this.#tries = 0;
      if (this.#asked === 'BYE') this.#finish({ kind: 'ended' });
      else {
        this.#witness.probed();
        this.#askLater('INFO', this.#asker === 'caller' ? 'called' : 'caller', this.#plan.probeMs);
      }
    } else if (worthAgain.has(status) && this.#tries++ < mostAgain) {
      this.#witness.again(`${status} (${this.#asked})`);
      this.#askLater(this.#asked, this.#asker, againMs);
    } else this.#lost(`${this.#asked} was answered ${status}`);
  }

  #lost(cause: string): void {
    this.#finish({ kind: 'lost', cause: `${cause}: ${this.words}` });
  }

  #finish(end: CallEnd): void {
    this.#state = 'over';
    const { wheel } = this.#board;
    wheel.stop(this.#next);
    // What comes late is still acknowledged.
    wheel.start(this.#end, this.#board.patience.answerMs + 4_000);
    this.#witness.ended(this, end);
  }

  #forget(): void {
    this.#board.wheel.stop(this.#answer);
    this.#board.dismiss(this.callId);
    this.#board.dismissCalled(this.callId);
  }

  // The called phone.

  #takeInvite(text: string): void {
    if (this.#calledState !== 'idle') {
      this.#send('called', this.#calledResponse);
      return;
    }
    this.#calledInvite = text;
    this.#callee(180, 'ringing');
    this.#board.wheel.start(this.#answer, this.#board.ringMs);
  }

  /** It has rung long enough, or its 200 is not acknowledged yet. Source: RFC 3261 13.3.1.4. */
  #calledTimer(): void {
    const { wheel, patience } = this.#board;
    if (this.#calledState === 'ringing') {
      this.#callee(200, 'answered');
      this.#calledSinceMs = wheel.nowMs;
      this.#calledIntervalMs = patience.t1Ms;
    } else if (this.#calledState !== 'answered') return;
    else if (wheel.nowMs - this.#calledSinceMs > patience.t1Ms * 64) {
      this.#calledState = 'over';
      this.#byeOfCalled();
      return;
    } else {
      this.#send('called', this.#calledResponse);
      this.#calledIntervalMs = Math.min(this.#calledIntervalMs * 2, patience.t2Ms);
    }
    wheel.start(this.#answer, this.#calledIntervalMs);
  }

  /** Nobody has acknowledged the 200: the called phone ends what nobody else knows as a call. */
  #byeOfCalled(): void {
    const invite = this.#calledInvite;
    const dialog = {
      target: uriOf(fieldOf(invite, 'Contact')),
      routes: fieldsOf(invite, 'Record-Route').flatMap(splitRoutes).join(', '),
      to: fieldOf(invite, 'From'),
    };
    this.#send('called', inDialogRequest(this.#board, this.#frame('called'), 'BYE', ++this.#cseq.called, dialog));
  }

  #callee(status: number, state: 'ringing' | 'answered' | 'over'): void {
    this.#calledState = state;
    this.#calledResponse = inviteResponse(this.#board, this.#plan.to, this.#calledInvite, status, this.#tags.called);
    this.#send('called', this.#calledResponse);
  }

  #reply(request: string, status: number): void {
    // A request of the called phone is for the caller: which end answers shows in the tag of From.
    const ofCalled = tagOf(fieldOf(request, 'From')) === this.#tags.called;
    this.#send(ofCalled ? 'caller' : 'called', statelessAnswer(request, status));
  }

  #send(end: 'caller' | 'called', text: string): void {
    this.#board.wire.send(text, (end === 'caller' ? this.#plan.from : this.#plan.to).number);
  }

  #frame(end: 'caller' | 'called', branch = `z9hG4bK${this.#board.unique()}`) {
    const phone = end === 'caller' ? this.#plan.from : this.#plan.to;
    return { phone, callId: this.callId, fromTag: this.#tags[end], branch };
  }
}

function splitRoutes(value: string): string[] {
  return value.split(/,\s*(?=<)/);
}
