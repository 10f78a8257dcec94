import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import type { Target } from '../transport/flow.ts';
import type { TransportFailure } from '../transport/transport-failure.ts';
import type { Datagram } from './stream-switch.ts';
import { Timer, type TimerOwner } from './timer-wheel.ts';
import { giveUpMs, type TimerProfile } from './timers.ts';
import { type ClientUser, type Ended, ignoreOutcome, type TransactionPort } from './transaction-port.ts';

export type NonInviteClientState = 'trying' | 'proceeding' | 'completed' | 'terminated';

/**
 * Non-INVITE client transaction. Timers: E retransmits, F gives up, K absorbs further finals.
 * Source: RFC 3261 17.1.2; requirement C-01.
 */
export class NonInviteClient implements TimerOwner {
  readonly method: string;
  readonly branch: string;
  readonly token: number;
  /** Where it goes now: a large request may begin by TCP and fall back. */
  target: Target;
  /** The form for UDP, while a large request goes by TCP and nobody has answered; else null. */
  datagram: Datagram | null;
  readonly profile: TimerProfile;
  #state: NonInviteClientState = 'trying';
  #text: string;
  #intervalMs: number;
  #user: ClientUser;
  readonly #port: TransactionPort & Ended<NonInviteClient>;
  readonly #retransmit = new Timer(this, 'E');
  readonly #giveUp = new Timer(this, 'F');

  /** `text`: the request as it goes to `target`. */
  constructor(
    method: string,
    text: string,
    branch: string,
    token: number,
    target: Target,
    datagram: Datagram | null,
    profile: TimerProfile,
    user: ClientUser,
    port: TransactionPort & Ended<NonInviteClient>,
  ) {
    this.method = method;
    this.branch = branch;
    this.token = token;
    this.target = target;
    this.datagram = datagram;
    this.profile = profile;
    this.#text = text;
    this.#user = user;
    this.#port = port;
    this.#intervalMs = profile.t1Ms;
  }

  get state(): NonInviteClientState {
    return this.#state;
  }

  /** Sends the request and starts timers E (UDP) and F. */
  start(request: SipRequest): void {
    this.#port.send(this.#text, this.target, this.token, request);
    if (this.#state !== 'trying') return;
    if (this.target.transport === 'udp') this.#port.wheel.start(this.#retransmit, this.#intervalMs);
    this.#port.wheel.start(this.#giveUp, giveUpMs(this.profile));
  }

  receive(response: SipResponse): void {
    this.datagram = null;
    switch (this.#state) {
      case 'trying':
      case 'proceeding':
        this.#take(response);
        return;
      case 'completed':
      case 'terminated':
        return;
    }
  }

  transportFailed(failure: TransportFailure): void {
    if (this.#state !== 'trying' && this.#state !== 'proceeding') return;
    if (this.datagram !== null) {
      this.#fallBack(this.datagram);
      return;
    }
    if (this.#user.ridesOut?.(failure) === true) {
      // Over a stream nothing is sent again but this.
      if (!this.#retransmit.running) this.#port.wheel.start(this.#retransmit, this.#intervalMs);
      return;
    }
    this.#end();
    this.#user.onTransportError();
  }

  onTimer(timer: Timer): void {
    if (timer === this.#retransmit) {
      const { t2Ms } = this.profile;
      this.#intervalMs = this.#state === 'proceeding' ? t2Ms : Math.min(this.#intervalMs * 2, t2Ms);
      this.#port.send(this.#text, this.target, this.token, null);
      const waits = this.#state === 'trying' || this.#state === 'proceeding';
      if (waits && this.target.transport === 'udp') this.#port.wheel.start(this.#retransmit, this.#intervalMs);
      return;
    }
    const silent = this.#state !== 'completed';
    this.#end();
    if (silent) this.#user.onTimeout();
  }

  abandon(): void {
    this.#end();
  }

  #fallBack({ target, text }: Datagram): void {
    this.datagram = null;
    this.target = target;
    this.#text = text;
    this.#port.send(text, target, this.token, null);
    this.#port.wheel.start(this.#retransmit, this.#intervalMs);
    this.#port.wheel.start(this.#giveUp, giveUpMs(this.profile));
  }

  #take(response: SipResponse): void {
    const user = this.#user;
    if (response.status < 200) this.#state = 'proceeding';
    else {
      this.#complete();
      this.#user = ignoreOutcome;
    }
    user.onResponse(response);
  }

  #complete(): void {
    this.#state = 'completed';
    this.#text = '';
    this.#port.wheel.stop(this.#retransmit);
    if (this.target.transport === 'udp') this.#port.wheel.start(this.#giveUp, this.profile.t4Ms);
    else this.#end();
  }

  #end(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#text = '';
    this.datagram = null;
    this.#port.wheel.stop(this.#retransmit);
    this.#port.wheel.stop(this.#giveUp);
    this.#port.ended(this);
  }
}
