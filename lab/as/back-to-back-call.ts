import { randomUUID } from 'node:crypto';
import { ParseFailure } from '#sip/errors';
import { tagOf } from '#sip/header/name-addr';
import { parseDecimal } from '#sip/header/number-value';
import { createRequest, createResponse } from '#sip/message/create';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { readCSeq } from '#sip/parser/sanity';
import type { BranchUser, ProxyBranch } from '#sip/proxy/proxy-branch';
import type { Reason } from '#sip/reasons';
import type { ServerTransaction } from '#sip/transaction/transaction-port';
import { contactUri, type Dialog, dialogOfRequest, dialogOfResponse, dialogRequest } from '../ue/dialog.ts';
import type { DialogParty, DialogPort } from './dialog-port.ts';
import { contactOfLeg, copyEndToEnd, withTag } from './end-to-end-headers.ts';
import { answerOfLeg, RelayedRequest } from './relayed-request.ts';

/** The side of the caller, and that of the called party. */
type Side = 'caller' | 'called';

/** The two dialogs of one answering party. */
interface Legs {
  readonly caller: Dialog;
  called: Dialog;
  /** The BYE of a call that was answered after its CANCEL has gone out. */
  released: boolean;
}

/** A request that came in on one side of a pair. */
interface Placed {
  readonly legs: Legs;
  readonly side: Side;
}

const ignored: BranchUser = Object.freeze({ branchResponse() {}, branchFailed() {} });
/** Requests whose Contact becomes the remote target. Source: RFC 3261 12.2, RFC 3311 5.1. */
const refreshesTarget: ReadonlySet<string> = new Set(['INVITE', 'UPDATE']);

/**
 * One call through a back-to-back user agent: a dialog of its own on each side, for each party that answers. Answers,
 * requests within the dialogs and ACKs are taken across. Source: RFC 3261 6, 12; TS 24.229 5.7.5.2.
 */
export class BackToBackCall implements BranchUser, DialogParty {
  readonly #port: DialogPort;
  readonly #server: ServerTransaction;
  readonly #invite: SipRequest;
  readonly #onwards: SipRequest;
  readonly #branch: ProxyBranch;
  /** By the tag of who answered. */
  readonly #legs = new Map<string, Legs>();
  /** CSeq of the latest INVITE that came in on a side, and that of its copy on the other. */
  readonly #invites = new Map<Side, { readonly received: number; readonly sent: number }>();
  #canceled = false;

  /** `to`: another Request-URI for the second leg, null for the same. */
  constructor(port: DialogPort, server: ServerTransaction, invite: SipRequest, to: string | null) {
    this.#port = port;
    this.#server = server;
    this.#invite = invite;
    this.#onwards = secondLeg(port, invite, to);
    this.#invites.set('caller', { received: readCSeq(invite)?.number ?? 0, sent: 1 });
    server.context = this;
    server.respond(createResponse(invite, 100, ''));
    port.enlist(this, callIdOf(this.#onwards), tagOf(this.#onwards.headers.get(Header.From)!));
    this.#branch = port.originate(this.#onwards, this);
  }

  branchResponse(_branch: ProxyBranch, response: SipResponse): void {
    const { status } = response;
    if (status >= 300) {
      this.#refuse(answerOfLeg(this.#port, this.#invite, response, this.#port.newTag()));
      return;
    }
    const legs = this.#legsOf(response);
    if (status >= 200 && this.#canceled) this.#release(legs);
    else if (!this.#canceled) {
      const { localTag } = legs.caller;
      this.#server.respond(answerOfLeg(this.#port, this.#invite, response, localTag));
    }
  }

  branchFailed(_branch: ProxyBranch, { status }: Reason): void {
    this.#refuse(createResponse(this.#invite, status, this.#port.newTag()));
  }

  /** The caller hears at once that it is over; the called party gets a CANCEL. */
  onCancel(): void {
    if (this.#server.answered) return;
    this.#canceled = true;
    this.#server.respond(createResponse(this.#invite, 487, this.#port.newTag()));
    this.#branch.cancel(null);
  }

  onRequest(server: ServerTransaction, request: SipRequest): void {
    const placed = this.#place(request);
    const sequence = readCSeq(request)?.number ?? 0;
    if (placed === null) {
      server.respond(createResponse(request, 481, ''));
      return;
    }
    const from = placed.legs[placed.side];
    if (sequence <= from.remoteSeq) {
      server.respond(createResponse(request, 500, ''));
      return;
    }
    from.remoteSeq = sequence;
    this.#relay(server, request, placed, sequence);
  }

  onAck(request: SipRequest): void {
    const placed = this.#place(request);
    const invite = placed === null ? undefined : this.#invites.get(placed.side);
    if (placed === null || invite?.received !== readCSeq(request)?.number) return;
    const ack = dialogRequest(placed.legs[otherSide(placed.side)], 'ACK', [], request.body, invite!.sent);
    copyEndToEnd(request.headers, ack.headers);
    this.#port.acknowledge(ack);
  }

  #relay(server: ServerTransaction, request: SipRequest, { legs, side }: Placed, sequence: number): void {
    const { method } = request;
    const to = legs[otherSide(side)];
    const onwards = dialogRequest(to, method, this.#ownHeaders(request, side), request.body);
    lowerMaxForwards(request, onwards);
    copyEndToEnd(request.headers, onwards.headers);
    if (method === 'INVITE') this.#invites.set(side, { received: sequence, sent: to.localSeq });
    if (refreshesTarget.has(method)) refreshTarget(legs[side], request);
    new RelayedRequest(this.#port, server, request, onwards, (response) => {
      if (refreshesTarget.has(method) && response.status < 300) refreshTarget(to, response);
      if (method === 'BYE' && response.status >= 200) this.#dismiss(legs);
    });
  }

  #ownHeaders(request: SipRequest, side: Side): [HeaderKey, string][] {
    const headers: [HeaderKey, string][] = [];
    const contact = request.headers.first(Header.Contact);
    if (contact !== null) headers.push([Header.Contact, contactOfLeg(this.#port.contactUri, contact)]);
    const rack = request.headers.get(Header.RAck);
    const invite = this.#invites.get(side);
    if (rack !== null && invite !== undefined) {
      headers.push([Header.RAck, `${rack.split(' ')[0]} ${invite.sent} INVITE`]);
    }
    return headers;
  }

  #place(request: SipRequest): Placed | null {
    const callId = callIdOf(request);
    const localTag = tagOf(request.headers.get(Header.To) ?? '');
    const remoteTag = tagOf(request.headers.get(Header.From) ?? '');
    for (const legs of this.#legs.values()) {
      for (const side of ['caller', 'called'] as const) {
        const dialog = legs[side];
        const fits = dialog.callId === callId && dialog.localTag === localTag && dialog.remoteTag === remoteTag;
        if (fits) return { legs, side };
      }
    }
    return null;
  }

  /** The dialogs of who sent a response; a 2xx says anew where they lead. Source: RFC 3261 13.2.2.4. */
  #legsOf(response: SipResponse): Legs {
    const called = dialogOfResponse(this.#onwards, response);
    const known = this.#legs.get(called.remoteTag);
    if (known !== undefined) {
      if (response.status >= 200) {
        const { localSeq, remoteSeq } = known.called;
        known.called = { ...called, localSeq, remoteSeq };
      }
      return known;
    }
    const legs: Legs = { caller: dialogOfRequest(this.#invite, this.#port.newTag()), called, released: false };
    this.#legs.set(called.remoteTag, legs);
    this.#port.enlist(this, legs.caller.callId, legs.caller.localTag);
    return legs;
  }

  /** The answer crossed the CANCEL. Source: RFC 3261 9.1, 13.2.2.4. */
  #release(legs: Legs): void {
    this.#port.acknowledge(dialogRequest(legs.called, 'ACK', [], '', 1));
    if (legs.released) return;
    legs.released = true;
    // Copies of the answer still come by the transaction.
    this.#port.dismiss(legs.caller.callId, legs.caller.localTag);
    this.#port.dismiss(legs.called.callId, legs.called.localTag);
    this.#port.originate(dialogRequest(legs.called, 'BYE'), ignored);
  }

  #refuse(response: SipResponse): void {
    if (!this.#server.answered) this.#server.respond(response);
    for (const legs of this.#legs.values()) this.#dismiss(legs);
    this.#port.dismiss(callIdOf(this.#onwards), tagOf(this.#onwards.headers.get(Header.From)!));
  }

  #dismiss({ caller, called }: Legs): void {
    this.#port.dismiss(caller.callId, caller.localTag);
    this.#legs.delete(called.remoteTag);
    if (this.#legs.size === 0) this.#port.dismiss(called.callId, called.localTag);
  }
}

/** A request outside a dialog as the second leg has it: own Call-ID, tag, CSeq and Contact, the Route that is left. */
export function secondLeg(port: DialogPort, request: SipRequest, to: string | null): SipRequest {
  const { headers, method } = request;
  const contact = headers.first(Header.Contact);
  const onwards = createRequest(
    method,
    to ?? request.requestUri,
    [
      ...headers.values(Header.Route).map((route): [HeaderKey, string] => [Header.Route, route]),
      [Header['Max-Forwards'], '70'],
      [Header.From, withTag(headers.get(Header.From)!, port.newTag())],
      [Header.To, headers.get(Header.To)!],
      [Header['Call-ID'], randomUUID()],
      [Header.CSeq, `1 ${method}`],
      ...(contact === null ? [] : [[Header.Contact, contactOfLeg(port.contactUri, contact)] as [HeaderKey, string]]),
    ],
    request.body,
  );
  lowerMaxForwards(request, onwards);
  copyEndToEnd(headers, onwards.headers);
  return onwards;
}

/** A loop through a back-to-back user agent must end as any other. Source: RFC 3261 16.6 step 3. */
function lowerMaxForwards(request: SipRequest, onwards: SipRequest): void {
  const value = request.headers.get(Header['Max-Forwards']);
  const hops = value === null ? 70 : parseDecimal(value, 255);
  onwards.headers.set(Header['Max-Forwards'], String(hops instanceof ParseFailure ? 70 : Math.max(0, hops - 1)));
}

function refreshTarget(dialog: Dialog, message: SipRequest | SipResponse): void {
  const uri = contactUri(message);
  if (uri !== undefined) dialog.remoteTarget = uri;
}

function otherSide(side: Side): Side {
  return side === 'caller' ? 'called' : 'caller';
}

function callIdOf(request: SipRequest): string {
  return request.headers.get(Header['Call-ID'])!;
}
