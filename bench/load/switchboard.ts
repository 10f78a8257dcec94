import { TimerWheel } from '#sip/transaction/timer-wheel';
import { CalledParty } from './called-party.ts';
import type { Patience } from './exchange.ts';
import type { Phone, Users } from './phone.ts';
import { cseqMethodOf, fieldOf, methodOf, requestUriOf, statusOf } from './sip-text.ts';
import type { Tally } from './tally.ts';
import { statelessAnswer } from './templates.ts';
import type { Wire, WireEvents } from './wire.ts';

/** Whoever waits for responses with one Call-ID. */
export interface Caller {
  readonly phone: Phone;
  /** A response to a request of this method came. */
  response(text: string, status: number, method: string): void;
  /** The connection of the phone is gone. */
  lost(): void;
}

/** Whoever takes the requests with one Call-ID that come to a called phone. */
export interface Called {
  request(text: string, method: string): void;
}

export interface SwitchboardOptions {
  readonly users: Users;
  /** `host:port` of the P-CSCF. */
  readonly proxy: string;
  readonly patience: Patience;
  /** How long a called phone rings. */
  readonly ringMs: number;
  readonly openWire: (events: WireEvents) => Wire;
}

/** All phones with what they have under way: hands what comes to whoever waits for it. */
export class Switchboard {
  readonly users: Users;
  readonly proxy: string;
  readonly patience: Patience;
  readonly ringMs: number;
  readonly wire: Wire;
  readonly wheel: TimerWheel;
  /** Where what begins now is counted. */
  tally: Tally;
  readonly #callers = new Map<string, Caller>();
  readonly #called = new Map<string, Called>();
  readonly #run = Math.random().toString(36).slice(2, 8);
  #alarm: NodeJS.Timeout | undefined;
  #numbers = 0;

  constructor(options: SwitchboardOptions, tally: Tally) {
    this.users = options.users;
    this.proxy = options.proxy;
    this.patience = options.patience;
    this.ringMs = options.ringMs;
    this.tally = tally;
    this.wheel = new TimerWheel(
      () => performance.now(),
      (atMs) => {
        clearTimeout(this.#alarm);
        this.#alarm = setTimeout(
          () => this.wire.batch(() => this.wheel.ring()),
          Math.max(0, Math.ceil(atMs - performance.now())),
        );
      },
    );
    this.wire = options.openWire({
      message: (text) => this.#take(text),
      lost: (phone) => this.#lost(phone),
    });
  }

  /** Something that is unique in this run and, by the random part, beyond it. */
  unique(): string {
    return `${this.#run}${(++this.#numbers).toString(36)}`;
  }

  enlist(callId: string, caller: Caller): void {
    this.#callers.set(callId, caller);
  }

  dismiss(callId: string): void {
    this.#callers.delete(callId);
  }

  /** Has requests with this Call-ID taken by somebody else than the called phone of old. */
  enlistCalled(callId: string, called: Called): void {
    this.#called.set(callId, called);
  }

  dismissCalled(callId: string): void {
    this.#called.delete(callId);
  }

  async close(): Promise<void> {
    clearTimeout(this.#alarm);
    await this.wire.close();
  }

  #take(text: string): void {
    this.wheel.advance();
    const status = statusOf(text);
    if (status === 0) {
      this.#request(text);
      return;
    }
    const caller = this.#callers.get(fieldOf(text, 'Call-ID'));
    if (caller === undefined) this.tally.odd(`late ${status} (${cseqMethodOf(text)})`);
    else caller.response(text, status, cseqMethodOf(text));
  }

  #request(text: string): void {
    const method = methodOf(text);
    const callId = fieldOf(text, 'Call-ID');
    const known = this.#called.get(callId);
    if (known !== undefined) {
      known.request(text, method);
      return;
    }
    const uri = requestUriOf(text);
    const phone = this.users.byUser(uri.slice(uri.indexOf(':') + 1, uri.indexOf('@')));
    if (phone === undefined) {
      this.tally.odd(`${method} for nobody`);
      return;
    }
    switch (method) {
      case 'INVITE':
        this.#called.set(callId, new CalledParty(this, phone, callId, text));
        return;
      case 'ACK':
        return;
      case 'MESSAGE':
      case 'OPTIONS':
      case 'NOTIFY':
        this.wire.send(statelessAnswer(text, 200), phone.number);
        return;
      default:
        this.tally.odd(`${method} outside of a call`);
        this.wire.send(statelessAnswer(text, 481), phone.number);
    }
  }

  #lost(phone: number): void {
    const lost = this.users.phones[phone];
    if (lost === undefined) return;
    lost.registered = false;
    for (const caller of [...this.#callers.values()]) if (caller.phone === lost) caller.lost();
  }
}
