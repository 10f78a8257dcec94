import { createRequest } from '../message/create.ts';
import type { HeaderKey } from '../message/header-list.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { writeMessage } from '../message/write.ts';
import { readCSeq } from '../parser/sanity.ts';
import type { Target } from '../transport/flow.ts';
import type { TransportFailure } from '../transport/transport-failure.ts';
import type { Datagram } from './stream-switch.ts';
import { Timer, type TimerOwner } from './timer-wheel.ts';
import { giveUpMs, type TimerProfile, timerDMs } from './timers.ts';
import { type ClientUser, type Ended, ignoreOutcome, type TransactionPort } from './transaction-port.ts';

export type InviteClientState = 'calling' | 'proceeding' | 'accepted' | 'completed' | 'terminated';

/**
 * INVITE client transaction, with the Accepted state of RFC 6026.
 *
 * Timers: A retransmits, B gives up, D absorbs further non-2xx finals, M collects further 2xx.
 * Source: RFC 3261 17.1.1; RFC 6026 7.2, 8.4; requirements C-01, C-02, C-07.
 */
export class InviteClient implements TimerOwner {
  readonly method = 'INVITE';
  readonly branch: string;
  readonly token: number;
  /** Where it goes now: a large request may begin by TCP and fall back. */
  target: Target;
  /** The form for UDP, while a large request goes by TCP and nobody has answered; else null. */
  datagram: Datagram | null;
  readonly profile: TimerProfile;
  #state: InviteClientState = 'calling';
  #request: SipRequest | null;
  #text: string;
  #ack = '';
  #intervalMs: number;
  #user: ClientUser;
  readonly #port: TransactionPort & Ended<InviteClient>;
  readonly #retransmit = new Timer(this, 'A');
  readonly #giveUp = new Timer(this, 'B');

  /** `text`: the request as it goes to `target`. */
  constructor(
    request: SipRequest,
    text: string,
    branch: string,
    token: number,
    target: Target,
    datagram: Datagram | null,
    profile: TimerProfile,
    user: ClientUser,
    port: TransactionPort & Ended<InviteClient>,
  ) {
    this.branch = branch;
    this.token = token;
    this.target = target;
    this.datagram = datagram;
    this.profile = profile;
    this.#request = request;
    this.#text = text;
    this.#user = user;
    this.#port = port;
    this.#intervalMs = profile.t1Ms;
  }

  get state(): InviteClientState {
    return this.#state;
  }

  /** Sends the request and starts timers A (UDP) and B. */
  start(request: SipRequest): void {
    this.#port.send(this.#text, this.target, this.token, request);
    if (this.#state !== 'calling') return;
    if (this.#unreliable) this.#port.wheel.start(this.#retransmit, this.#intervalMs);
    this.#port.wheel.start(this.#giveUp, giveUpMs(this.profile));
  }

  receive(response: SipResponse): void {
    this.datagram = null;
    switch (this.#state) {
      case 'calling':
      case 'proceeding':
        if (response.status < 200) this.#proceed(response);
        else if (response.status < 300) this.#accept(response);
        else this.#complete(response);
        return;
      case 'accepted':
        if (response.status >= 200 && response.status < 300) this.#user.onResponse(response);
        return;
      case 'completed':
        if (response.status >= 300) this.#port.send(this.#ack, this.target, 0, null);
        return;
      case 'terminated':
        return;
    }
  }

  transportFailed(failure: TransportFailure): void {
    if (this.#state !== 'calling') return;
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

  /**
   * The CANCEL for this INVITE: same Request-URI, topmost Via, From, To, Call-ID, CSeq number and Route.
   * Gives null once the INVITE has its final response. Source: RFC 3261 9.1.
   */
  cancelRequest(reason: string | null): SipRequest | null {
    if (this.#request === null) return null;
    return hopRequest(this.#request, 'CANCEL', this.#request.headers.get(Header.To)!, reason);
  }

  onTimer(timer: Timer): void {
    if (timer === this.#retransmit) {
      this.#intervalMs *= 2;
      this.#port.send(this.#text, this.target, this.token, null);
      if (this.#state === 'calling' && this.#unreliable) this.#port.wheel.start(this.#retransmit, this.#intervalMs);
      return;
    }
    const silent = this.#state === 'calling';
    this.#end();
    if (silent) this.#user.onTimeout();
  }

  /** Ends without telling the user: nobody waits for the answer any more. */
  abandon(): void {
    this.#end();
  }

  get #unreliable(): boolean {
    return this.target.transport === 'udp';
  }

  #fallBack({ target, text, via }: Datagram): void {
    this.datagram = null;
    this.target = target;
    this.#text = text;
    // CANCEL and ACK copy it.
    this.#request!.headers.replaceFirst(Header.Via, via);
    this.#port.send(text, target, this.token, null);
    this.#port.wheel.start(this.#retransmit, this.#intervalMs);
    this.#port.wheel.start(this.#giveUp, giveUpMs(this.profile));
  }

  #proceed(response: SipResponse): void {
    if (this.#state === 'calling') {
      this.#port.wheel.stop(this.#retransmit);
      this.#port.wheel.stop(this.#giveUp);
      this.#text = '';
      this.#state = 'proceeding';
    }
    this.#user.onResponse(response);
  }

  #accept(response: SipResponse): void {
    this.#port.wheel.stop(this.#retransmit);
    this.#forget();
    this.#state = 'accepted';
    this.#port.wheel.start(this.#giveUp, this.#port.lingerMs(giveUpMs(this.profile)));
    this.#user.onResponse(response);
  }

  #complete(response: SipResponse): void {
    this.#port.wheel.stop(this.#retransmit);
    const ack = hopRequest(this.#request!, 'ACK', response.headers.get(Header.To)!, null);
    this.#ack = writeMessage(ack);
    this.#forget();
    this.#state = 'completed';
    this.#port.send(this.#ack, this.target, 0, null);
    if (this.#unreliable) this.#port.wheel.start(this.#giveUp, this.#port.lingerMs(timerDMs(this.profile)));
    else this.#end();
    const user = this.#user;
    this.#user = ignoreOutcome;
    user.onResponse(response);
  }

  #forget(): void {
    this.#request = null;
    this.datagram = null;
    this.#text = '';
  }

  #end(): void {
    if (this.#state === 'terminated') return;
    this.#state = 'terminated';
    this.#port.wheel.stop(this.#retransmit);
    this.#port.wheel.stop(this.#giveUp);
    this.#forget();
    this.#port.ended(this);
  }
}

/** ACK and CANCEL that a transaction makes for its own hop. Source: RFC 3261 9.1, 17.1.1.3. */
function hopRequest(invite: SipRequest, method: 'ACK' | 'CANCEL', to: string, reason: string | null): SipRequest {
  const headers: [HeaderKey, string][] = [[Header.Via, invite.headers.first(Header.Via)!]];
  for (const route of invite.headers.values(Header.Route)) headers.push([Header.Route, route]);
  headers.push([Header['Max-Forwards'], '70']);
  headers.push([Header.From, invite.headers.get(Header.From)!]);
  headers.push([Header.To, to]);
  headers.push([Header['Call-ID'], invite.headers.get(Header['Call-ID'])!]);
  headers.push([Header.CSeq, `${readCSeq(invite)?.number ?? 0} ${method}`]);
  if (reason !== null) headers.push([Header.Reason, reason]);
  return createRequest(method, invite.requestUri, headers);
}
