import { hash } from 'node:crypto';
import { tagOf } from '../header/name-addr.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import { flatText } from '../parser/latin1.ts';
import { readCSeq } from '../parser/sanity.ts';
import type { ServerTransaction } from '../transaction/transaction-port.ts';

interface Claimed {
  readonly server: ServerTransaction;
  /** What tells whether a copy is what the same sender sent, by the same client transaction. */
  readonly print: string;
}

/**
 * What a request is to the node that shall answer it: its `own`; `merged`, a copy of one that came another way; or one
 * that its sender has sent again, by way of a node that has restarted in between: then `again` is how it was answered.
 */
export type Claim = 'own' | 'merged' | { readonly again: string };

/**
 * The requests that this node answers as their recipient, while their server transactions live: what came twice by
 * different ways is told apart from a retransmission. What is proxied is never looked at.
 *
 * Source: RFC 3261 8.2.2.2; requirement C-05.
 */
export class MergedRequests {
  readonly #claimed = new Map<string, Claimed>();
  readonly #keys = new Map<ServerTransaction, string>();

  /** Takes a request as this node's own, unless another transaction has the same one. In-dialog requests pass. */
  claim(server: ServerTransaction, request: SipRequest): Claim {
    const { headers } = request;
    if (server.answered || tagOf(headers.get(Header.To) ?? '') !== '') return 'own';
    const cseq = readCSeq(request);
    const fromTag = tagOf(headers.get(Header.From) ?? '');
    const key = flatText(`${cseq?.number} ${request.method} ${fromTag} ${headers.get(Header['Call-ID'])}`);
    const known = this.#claimed.get(key);
    if (known !== undefined) return claimOf(known, server, request);
    this.#claimed.set(key, { server, print: printOf(request) });
    this.#keys.set(server, key);
    return 'own';
  }

  /** A server transaction has ended. */
  release(server: ServerTransaction): void {
    if (this.#keys.size === 0) return;
    const key = this.#keys.get(server);
    if (key === undefined) return;
    this.#keys.delete(server);
    this.#claimed.delete(key);
  }
}

function claimOf({ server: first, print }: Claimed, server: ServerTransaction, request: SipRequest): Claim {
  if (first === server) return 'own';
  return first.finalText !== '' && print === printOf(request) ? { again: first.finalText } : 'merged';
}

/**
 * A digest over the sender's own Via, in which the first node wrote where it came from, and over what nobody changes on
 * the way. Credentials are not part of it: a P-CSCF adds to them what it knows.
 */
function printOf({ headers, requestUri }: SipRequest): string {
  const via = headers.values(Header.Via);
  const parts = [requestUri, via[via.length - 1], headers.get(Header.To), headers.get(Header.Expires)];
  return hash('sha1', parts.concat(headers.values(Header.Contact)).join('\n'), 'base64');
}
