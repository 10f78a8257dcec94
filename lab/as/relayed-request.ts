import { createResponse } from '#sip/message/create';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import type { BranchUser, ProxyBranch } from '#sip/proxy/proxy-branch';
import type { Reason } from '#sip/reasons';
import type { ServerTransaction } from '#sip/transaction/transaction-port';
import type { DialogPort } from './dialog-port.ts';
import { contactOfLeg, copyEndToEnd } from './end-to-end-headers.ts';

/** Who else looks at the answers of a relayed request, before they go back. */
export type AnswerSeen = (response: SipResponse) => void;

/** A request that goes on as another one, whose answers come back as answers to the first. */
export class RelayedRequest implements BranchUser {
  readonly #port: DialogPort;
  readonly #server: ServerTransaction;
  readonly #request: SipRequest;
  readonly #seen: AnswerSeen;
  readonly #tag: string;
  readonly #branch: ProxyBranch;

  constructor(
    port: DialogPort,
    server: ServerTransaction,
    request: SipRequest,
    onwards: SipRequest,
    seen: AnswerSeen = () => {},
  ) {
    this.#port = port;
    this.#server = server;
    this.#request = request;
    this.#seen = seen;
    this.#tag = port.newTag();
    server.context = this;
    this.#branch = port.originate(onwards, this);
  }

  branchResponse(_branch: ProxyBranch, response: SipResponse): void {
    this.#seen(response);
    this.#server.respond(answerOfLeg(this.#port, this.#request, response, this.#tag));
  }

  branchFailed(_branch: ProxyBranch, { status }: Reason): void {
    const response = createResponse(this.#request, status, this.#tag);
    this.#seen(response);
    if (!this.#server.answered) this.#server.respond(response);
  }

  /** The answer to the CANCEL of the other leg ends this one. */
  onCancel(): void {
    this.#branch.cancel(null);
  }
}

/** The answer of one leg as the other leg has it; `tag` goes into a To that has none. */
export function answerOfLeg(port: DialogPort, request: SipRequest, response: SipResponse, tag: string): SipResponse {
  const answer = createResponse(request, response.status, tag, response.reasonPhrase);
  const contact = response.headers.first(Header.Contact);
  const isRedirection = response.status >= 300;
  if (!isRedirection) answer.headers.copyFrom(request.headers, Header['Record-Route']);
  if (contact !== null) {
    for (const value of isRedirection ? response.headers.values(Header.Contact) : [contact]) {
      answer.headers.append(Header.Contact, isRedirection ? value : contactOfLeg(port.contactUri, value));
    }
  }
  copyEndToEnd(response.headers, answer.headers);
  answer.replaceBody(response.body);
  return answer;
}
