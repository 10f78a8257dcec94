import type { ParseFailure } from '../errors.ts';
import type { Flow } from '../transport/flow.ts';
import { parseUri, type Uri } from '../uri/uri.ts';
import type { HeaderList } from './header-list.ts';

/** A SIP request: what was received plus edits that are already true. Source: RFC 3261 7.1. */
export class SipRequest {
  readonly kind = 'request';
  readonly method: string;
  readonly headers: HeaderList;
  /** Where it came from; null for a request of our own. */
  readonly flow: Flow | null;
  #requestUri: string;
  #uri: Uri | ParseFailure | null = null;
  /** Body octets as latin1 text; `setBody` keeps Content-Type beside it. */
  #body: string;

  constructor(method: string, requestUri: string, headers: HeaderList, body: string, flow: Flow | null) {
    this.method = method;
    this.#requestUri = requestUri;
    this.headers = headers;
    this.#body = body;
    this.flow = flow;
  }

  get requestUri(): string {
    return this.#requestUri;
  }

  /** The Request-URI in its parts, read once. */
  get uri(): Uri | ParseFailure {
    this.#uri ??= parseUri(this.#requestUri);
    return this.#uri;
  }

  setRequestUri(uri: string): void {
    this.headers.journal?.note(`${this.method} ${this.#requestUri}`, `${this.method} ${uri}`);
    this.#requestUri = uri;
    this.#uri = null;
  }

  get body(): string {
    return this.#body;
  }

  replaceBody(body: string): void {
    this.#body = body;
  }

  /** Names the procedure that the next edits belong to, when somebody traces. */
  by(procedure: string): this {
    this.headers.journal?.enter(procedure);
    return this;
  }

  /** A request with the same content that is edited on its own (one per branch). */
  clone(): SipRequest {
    const copy = new SipRequest(this.method, this.#requestUri, this.headers.clone(), this.#body, this.flow);
    copy.#uri = this.#uri;
    return copy;
  }
}
