import type { ParseFailure } from '../errors.ts';
import type { SessionDescription } from '../sdp/session-description.ts';
import type { Flow } from '../transport/flow.ts';
import { SdpInBody } from './body.ts';
import type { HeaderList } from './header-list.ts';
import { Header } from './header-names.ts';
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
  /** Null until somebody asks for the SDP; from then on it holds the body. */
  #sdp: SdpInBody | null = null;

  constructor(status: number, reasonPhrase: string, headers: HeaderList, body: string, flow: Flow | null) {
    this.status = status;
    this.reasonPhrase = reasonPhrase;
    this.headers = headers;
    this.#body = body;
    this.flow = flow;
  }

  get body(): string {
    return this.#sdp === null ? this.#body : this.#sdp.body;
  }

  /** As that of a request. */
  replaceBody(body: string): void {
    this.#body = body;
    this.#sdp = null;
  }

  /** The SDP in the body, as that of a request. */
  get sdp(): SessionDescription | ParseFailure | null {
    if (this.#sdp === null || this.#sdp.contentType !== this.headers.get(Header['Content-Type'])) {
      this.#sdp = new SdpInBody(this.headers, this.body);
    }
    return this.#sdp.sdp;
  }

  by(procedure: string): this {
    this.headers.journal?.enter(procedure);
    return this;
  }
}

export type SipMessage = SipRequest | SipResponse;
