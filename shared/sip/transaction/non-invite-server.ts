import { createResponse } from '../message/create.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { writeMessage } from '../message/write.ts';
import type { Target } from '../transport/flow.ts';
import type { KeptText } from './kept-texts.ts';
import { Timer, type TimerOwner } from './timer-wheel.ts';
import { giveUpMs, lateTryingMs, type TimerProfile } from './timers.ts';
import type { Ended, ServerTransaction, TransactionPort } from './transaction-port.ts';

export type NonInviteServerState = 'trying' | 'proceeding' | 'completed' | 'terminated';

/**
 * Non-INVITE server transaction. A late 100 tells the peer that somebody is at work, over whatever transport
 * (RFC 4320 4.1); Timer J absorbs retransmissions after the final response; without a final response it ends when the
 * peer must have given up.
 * Source: RFC 3261 17.2.2; RFC 4320; requirements C-01, C-04.
 */
export class NonInviteServer implements ServerTransaction, TimerOwner {
  readonly method: string;
  readonly key: string;
  /** What keeps its Call-ID with this worker. */
  readonly hold: number;
  readonly profile: TimerProfile;
  readonly target: Target;
  context: unknown = null;
  #request: SipRequest | null;
  #state: NonInviteServerState = 'trying';
  /** What goes out again when the request does. */
  #last: KeptText | null = null;
  readonly #port: TransactionPort & Ended<NonInviteServer>;
  /** When the late 100 is due, then when a request is given up that nobody has answered, in the end timer J. */
  readonly #timer = new Timer(this, 'J');

  constructor(
    request: SipRequest,
    key: string,
    hold: number,
    target: Target,
    profile: TimerProfile,
    port: TransactionPort & Ended<NonInviteServer>,
  ) {
    this.#request = request;
    this.method = request.method;
    this.key = key;
    this.hold = hold;
    this.target = target;
    this.profile = profile;
    this.#port = port;
    port.wheel.start(this.#timer, lateTryingMs(profile));
  }

  get state(): NonInviteServerState {
    return this.#state;
  }

  get answered(): boolean {
    return this.#state === 'completed' || this.#state === 'terminated';
  }

  get finalText(): string {
    return this.#state === 'completed' ? (this.#last?.text ?? '') : '';
  }

  respond(response: SipResponse): void {
    if (this.answered || response.status < 200) return;
    this.#state = 'completed';
    this.#request = null;
    this.#say(response, response);
    if (this.target.transport === 'udp') {
      this.#port.wheel.start(this.#timer, this.#port.lingerMs(giveUpMs(this.profile)));
    } else this.#end();
  }

  drop(): void {
    this.#end();
  }

  /** The request came again. */
  retransmitted(): void {
    if (this.#last !== null) this.#port.send(this.#last.text, this.target, 0, null);
  }

  onTimer(timer: Timer): void {
    if (this.#state !== 'trying') {
      this.#end();
      return;
    }
    this.#state = 'proceeding';
    this.#say(createResponse(this.#request!, 100, ''), null);
    // The user answers well before this (Timer F of its own branches is as long); it only ends what was forgotten.
    this.#port.wheel.start(timer, 2 * giveUpMs(this.profile) - lateTryingMs(this.profile));
  }

  /** `traced`: what whoever traces hears of it. */
  #say(response: SipResponse, traced: SipResponse | null): void {
    const text = writeMessage(response);
    this.#last?.release();
    this.#last = this.target.transport === 'udp' || response.status < 200 ? this.#port.keptTexts.keep(text) : null;
    this.#port.send(text, this.target, 0, traced);
  }

  #end(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#last?.release();
    this.#last = null;
    this.#request = null;
    this.#port.wheel.stop(this.#timer);
    this.#port.ended(this);
  }
}
