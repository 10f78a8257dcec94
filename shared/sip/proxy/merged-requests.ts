import { tagOf } from '../header/name-addr.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import { readCSeq } from '../parser/sanity.ts';
import type { ServerTransaction } from '../transaction/transaction-port.ts';

/**
 * The requests that this node answers as their recipient, while their server transactions live: what came twice by
 * different ways is told apart from a retransmission. What is proxied is never looked at.
 *
 * Source: RFC 3261 8.2.2.2; requirement C-05.
 */
export class MergedRequests {
  readonly #servers = new Map<string, ServerTransaction>();
  readonly #keys = new Map<ServerTransaction, string>();

  /** Takes a request as this node's own; false when another transaction has the same one. In-dialog requests pass. */
  claim(server: ServerTransaction, request: SipRequest): boolean {
    const { headers } = request;
    if (server.answered || tagOf(headers.get(Header.To) ?? '') !== '') return true;
    const cseq = readCSeq(request);
    const fromTag = tagOf(headers.get(Header.From) ?? '');
    const key = `${cseq?.number} ${request.method} ${fromTag} ${headers.get(Header['Call-ID'])}`;
    const known = this.#servers.get(key);
    if (known !== undefined) return known === server;
    this.#servers.set(key, server);
    this.#keys.set(server, key);
    return true;
  }

  /** A server transaction has ended. */
  release(server: ServerTransaction): void {
    if (this.#keys.size === 0) return;
    const key = this.#keys.get(server);
    if (key === undefined) return;
    this.#keys.delete(server);
    this.#servers.delete(key);
  }
}
