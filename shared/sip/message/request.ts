import type { ParseFailure } from '../errors.ts';
import { flatText } from '../parser/latin1.ts';
import type { SessionDescription } from '../sdp/session-description.ts';
import type { Flow } from '../transport/flow.ts';
import { parseUri, type Uri } from '../uri/uri.ts';
import { SdpInBody } from './body.ts';
import { type FoldedHeaders, foldHeaders, unfoldHeaders } from './folded-headers.ts';
import type { HeaderList } from './header-list.ts';
import { Header } from './header-names.ts';

/** A SIP request: what was received plus edits that are already true. Source: RFC 3261 7.1. */
export class SipRequest {
  readonly kind = 'request';
  readonly method: string;
  /** Where it came from; null for a request of our own. */
  readonly flow: Flow | null;
  /** Null while they are folded. */
  #headers: HeaderList | null;
  #folded: FoldedHeaders | null = null;
  #requestUri: string;
  #uri: Uri | ParseFailure | null = null;
  /** Body octets as latin1 text; `setBody` keeps Content-Type beside it. */
  #body: string;
  /** Null until somebody asks for the SDP; from then on it holds the body. */
  #sdp: SdpInBody | null = null;

  constructor(method: string, requestUri: string, headers: HeaderList, body: string, flow: Flow | null) {
    this.method = method;
    this.#requestUri = requestUri;
    this.#headers = headers;
    this.#body = body;
    this.flow = flow;
  }

  get headers(): HeaderList {
    if (this.#headers === null) {
      this.#headers = unfoldHeaders(this.#folded!);
      this.#folded = null;
    }
    return this.#headers;
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
    return this.#sdp === null ? this.#body : this.#sdp.body;
  }

  /** Puts other octets in the place of the body; SDP that was found in the old one is not part of the message any more. */
  replaceBody(body: string): void {
    this.#body = body;
    this.#sdp = null;
  }

  /**
   * The SDP in the body, read at the first question: null when there is none, a ParseFailure when it is malformed, or
   * several. Edits to it are edits to the body, also where it is one part of a multipart body.
   *
   * Source: RFC 3264, RFC 5621; requirement C-28.
   */
  get sdp(): SessionDescription | ParseFailure | null {
    if (this.#sdp === null || this.#sdp.contentType !== this.headers.get(Header['Content-Type'])) {
      this.#sdp = new SdpInBody(this.headers, this.body);
    }
    return this.#sdp.sdp;
  }

  /**
   * Keeps some header fields (`wanted`: 1 at their numbers), and lets go of the rest and of the text it came in: an INVITE
   * that was answered is remembered for up to 128 s. Source: RFC 6026 7.1.
   */
  settle(wanted: Uint8Array): void {
    // While somebody traces, the edits are still to be told.
    if (this.headers.journal === null) {
      this.#folded = foldHeaders(this.headers, wanted);
      if (this.#folded !== null) this.#headers = null;
    }
    this.#requestUri = flatText(this.#requestUri);
    this.#uri = null;
    this.replaceBody('');
  }

  /** Names the procedure that the next edits belong to, when somebody traces. */
  by(procedure: string): this {
    this.headers.journal?.enter(procedure);
    return this;
  }

  /** A request with the same content that is edited on its own (one per branch). */
  clone(): SipRequest {
    const copy = new SipRequest(this.method, this.#requestUri, this.headers.clone(), this.body, this.flow);
    copy.#uri = this.#uri;
    return copy;
  }
}
