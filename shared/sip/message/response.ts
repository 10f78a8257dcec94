import type { Flow } from '../transport/flow.ts';
import type { HeaderList } from './header-list.ts';
import type { SipRequest } from './request.ts';

/** A SIP response: what was received plus edits that are already true. Source: RFC 3261 7.2. */
export class SipResponse {
  readonly kind = 'response';
  readonly status: number;
  readonly reasonPhrase: string;
  readonly headers: HeaderList;
  /** Where it came from; null for a response of our own. */
  readonly flow: Flow | null;
  #body: string;

  constructor(status: number, reasonPhrase: string, headers: HeaderList, body: string, flow: Flow | null) {
    this.status = status;
    this.reasonPhrase = reasonPhrase;
    this.headers = headers;
    this.#body = body;
    this.flow = flow;
  }

  get body(): string {
    return this.#body;
  }

  replaceBody(body: string): void {
    this.#body = body;
  }

  by(procedure: string): this {
    this.headers.journal?.enter(procedure);
    return this;
  }
}

export type SipMessage = SipRequest | SipResponse;
