import { createResponse } from '../message/create.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { writeMessage } from '../message/write.ts';
import type { Target } from '../transport/flow.ts';
import { Timer, type TimerOwner } from './timer-wheel.ts';
import { giveUpMs, type TimerProfile, tryingDelayMs } from './timers.ts';
import type { Ended, ServerTransaction, TransactionPort } from './transaction-port.ts';

export type InviteServerState = 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated';

/**
 * INVITE server transaction, with the Accepted state of RFC 6026.
 *
 * Timers: 100 after 200 ms of silence, G retransmits the non-2xx final, H waits for the ACK, I absorbs further ACKs,
 * L absorbs retransmitted INVITEs after a 2xx.
 * Source: RFC 3261 17.2.1; RFC 6026 7.1, 8.7; requirements C-01, C-02, C-04.
 */
export class InviteServer implements ServerTransaction, TimerOwner {
  readonly method = 'INVITE';
  readonly key: string;
  /** What keeps its Call-ID with this worker. */
  readonly hold: number;
  readonly profile: TimerProfile;
  /** Where responses go. */
  readonly target: Target;
  /** The address the INVITE came from. */
  readonly source: string;
  context: unknown = null;
  #request: SipRequest | null;
  #state: InviteServerState = 'proceeding';
  #last = '';
  #intervalMs: number;
  readonly #port: TransactionPort & Ended<InviteServer>;
  readonly #resend = new Timer(this, 'G');
  readonly #life = new Timer(this, 'H');

  constructor(
    request: SipRequest,
    key: string,
    hold: number,
    target: Target,
    source: string,
    profile: TimerProfile,
    port: TransactionPort & Ended<InviteServer>,
  ) {
    this.#request = request;
    this.key = key;
    this.hold = hold;
    this.target = target;
    this.source = source;
    this.profile = profile;
    this.#intervalMs = profile.t1Ms;
    this.#port = port;
    port.wheel.start(this.#resend, tryingDelayMs);
  }

  get state(): InviteServerState {
    return this.#state;
  }

  get answered(): boolean {
    return this.#state !== 'proceeding';
  }

  get finalText(): string {
    return this.#state === 'completed' ? this.#last : '';
  }

  respond(response: SipResponse): void {
    const success = response.status >= 200 && response.status < 300;
    switch (this.#state) {
      case 'proceeding':
        this.#port.wheel.stop(this.#resend);
        if (response.status < 200) this.#send(response);
        else if (success) this.#accept(response);
        else this.#complete(response);
        return;
      case 'accepted':
        if (success) this.#send(response);
        return;
      case 'completed':
      case 'confirmed':
      case 'terminated':
        return;
    }
  }

  drop(): void {
    this.#end();
  }

  /** The INVITE came again. */
  retransmitted(): void {
    switch (this.#state) {
      case 'proceeding':
      case 'completed':
        if (this.#last !== '') this.#port.send(this.#last, this.target, 0, null);
        return;
      case 'accepted':
      case 'confirmed':
      case 'terminated':
        return;
    }
  }

  /** An ACK for this branch; gives whether it was for our non-2xx final (else it belongs to the user). */
  acknowledged(): boolean {
    if (this.#state === 'completed') {
      this.#state = 'confirmed';
      this.#port.wheel.stop(this.#resend);
      if (this.#unreliable) this.#port.wheel.start(this.#life, this.profile.t4Ms);
      else this.#end();
      return true;
    }
    return this.#state === 'confirmed' || this.#state === 'terminated';
  }

  onTimer(timer: Timer): void {
    if (timer === this.#life) {
      this.#end();
      return;
    }
    if (this.#state === 'proceeding') {
      this.#last = writeMessage(createResponse(this.#request!, 100, ''));
      this.#port.send(this.#last, this.target, 0, null);
      return;
    }
    this.#port.send(this.#last, this.target, 0, null);
    this.#intervalMs = Math.min(this.#intervalMs * 2, this.profile.t2Ms);
    this.#port.wheel.start(this.#resend, this.#intervalMs);
  }

  get #unreliable(): boolean {
    return this.target.transport === 'udp';
  }

  #send(response: SipResponse): void {
    this.#last = writeMessage(response);
    this.#port.send(this.#last, this.target, 0, response);
  }

  #accept(response: SipResponse): void {
    this.#state = 'accepted';
    this.#request = null;
    this.#send(response);
    this.#last = '';
    this.#port.wheel.start(this.#life, this.#port.lingerMs(giveUpMs(this.profile)));
  }

  #complete(response: SipResponse): void {
    this.#state = 'completed';
    this.#request = null;
    this.#send(response);
    if (this.#unreliable) this.#port.wheel.start(this.#resend, this.#intervalMs);
    this.#port.wheel.start(this.#life, giveUpMs(this.profile));
  }

  #end(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#last = '';
    this.#request = null;
    this.#port.wheel.stop(this.#resend);
    this.#port.wheel.stop(this.#life);
    this.#port.ended(this);
  }
}
