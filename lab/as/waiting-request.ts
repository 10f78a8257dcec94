import { createResponse } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { Timer, type TimerOwner, type TimerWheel } from '#sip/transaction/timer-wheel';
import type { ServerTransaction } from '#sip/transaction/transaction-port';

/** A request that keeps its sender waiting: for a refusal that comes later, or for nothing. */
export class WaitingRequest implements TimerOwner {
  readonly #server: ServerTransaction;
  readonly #request: SipRequest;
  readonly #tag: string;
  readonly #final: number | null;
  readonly #wheel: TimerWheel;
  readonly #due = new Timer(this, 'due');

  /** `final`: the status after `waitMs`, null to let go of the request by then without a word. */
  constructor(
    server: ServerTransaction,
    request: SipRequest,
    tag: string,
    wheel: TimerWheel,
    final: number | null,
    waitMs: number,
  ) {
    this.#server = server;
    this.#request = request;
    this.#tag = tag;
    this.#wheel = wheel;
    this.#final = final;
    server.context = this;
    wheel.start(this.#due, waitMs);
  }

  /** Says something on the way. */
  proceed(status: number, contact: string): void {
    const response = this.#response(status);
    if (status > 100) {
      response.headers.copyFrom(this.#request.headers, Header['Record-Route']);
      response.headers.append(Header.Contact, contact);
    }
    this.#server.respond(response);
  }

  onTimer(): void {
    if (this.#server.answered) return;
    if (this.#final === null) this.#server.drop();
    else this.#server.respond(this.#response(this.#final));
  }

  /** Source: RFC 3261 9.2. */
  onCancel(): void {
    this.#wheel.stop(this.#due);
    if (!this.#server.answered) this.#server.respond(this.#response(487));
  }

  #response(status: number): SipResponse {
    return createResponse(this.#request, status, this.#tag);
  }
}
