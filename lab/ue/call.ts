import { tagOf } from '#sip/header/name-addr';
import { createResponse } from '#sip/message/create';
import type { HeaderKey } from '#sip/message/header-list';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipResponse } from '#sip/message/response';
import { readCSeq } from '#sip/parser/sanity';
import { InviteClient } from '#sip/transaction/invite-client';
import { Timer } from '#sip/transaction/timer-wheel';
import { giveUpMs } from '#sip/transaction/timers';
import type { ServerTransaction } from '#sip/transaction/transaction-port';
import type { Target } from '#sip/transport/flow';
import { contactUri, type Dialog, dialogOfRequest, dialogOfResponse, dialogRequest } from './dialog.ts';
import type { Endpoint } from './endpoint.ts';
import { senderOf } from './party.ts';
import { asksForQos, reservationOf, withQos } from './preconditions.ts';
import { refusalWords } from './refusal-words.ts';
import { audioAnswer, audioOffer } from './session-description.ts';

/** What a call needs of the phone that it runs on. */
export interface CallPhone {
  readonly endpoint: Endpoint;
  readonly target: Target;
  /** Contact value. */
  readonly contact: string;
  readonly mediaPort: number;
  /** Whether 18x are sent so that PRACK answers them. */
  readonly reliableProvisional: boolean;
  /** Whether calls of ours make quality of service a condition; those of others are answered as they ask. */
  readonly preconditions?: boolean;
  /** Header fields that go with what this phone says of itself. */
  identityHeaders(): [HeaderKey, string][];
  /** In-dialog requests with this Call-ID and tag of ours belong to the call. */
  enlist(call: Call, callId: string, localTag: string): void;
  dismiss(call: Call): void;
}

/** How a call ended. */
export interface CallEnd {
  /** `refused`: it was never answered; `failed`: answered, but the ACK or the other end was lost. */
  readonly by: 'us' | 'them' | 'refused' | 'failed';
  /** Status that refused it, 200 after a call that was answered. */
  readonly status: number;
  readonly words: string;
}

export interface CallEvents {
  /** A provisional response (180, 183) came. */
  ringing?(call: Call, status: number): void;
  /** The resources that were made a condition are there on both sides: time to ring. */
  reserved?(call: Call): void;
  /** Both ends are connected. */
  answered?(call: Call): void;
  ended?(call: Call, end: CallEnd): void;
}

export type CallState = 'early' | 'established' | 'releasing' | 'ended';

/** One call of a phone, made or taken. Source: RFC 3261 13 to 15, RFC 3262. */
export class Call {
  readonly direction: 'out' | 'in';
  /** The other party: whom we called, or P-Asserted-Identity (else From) of who called. */
  readonly peer: string;
  readonly callId: string;
  /** Whether it was answered, or how it ended instead. */
  readonly answered: Promise<true | CallEnd>;
  readonly ended: Promise<CallEnd>;
  events: CallEvents;
  readonly #phone: CallPhone;
  readonly #invite: SipRequest;
  readonly #inviteSeq: number;
  readonly #session = 1 + Math.floor(Math.random() * 0x7fff_fffe);
  #state: CallState = 'early';
  #client: InviteClient | null = null;
  #server: ServerTransaction | null = null;
  #dialog: Dialog | null = null;
  #cancelled = false;
  #sdp = '';
  /** RSeq of the last reliable provisional response, sent or seen. */
  #rseq = 0;
  /** A provisional response or a 2xx that is sent again until it is acknowledged. */
  #pending: SipResponse | null = null;
  #intervalMs = 0;
  #pendingUntilMs = 0;
  readonly #resend = new Timer(this, 'resend');
  #resolveAnswered: (outcome: true | CallEnd) => void = () => {};
  #resolveEnded: (end: CallEnd) => void = () => {};

  private constructor(phone: CallPhone, direction: 'out' | 'in', peer: string, invite: SipRequest, events: CallEvents) {
    this.#phone = phone;
    this.direction = direction;
    this.peer = peer;
    this.events = events;
    this.#invite = invite;
    this.callId = invite.headers.get(Header['Call-ID'])!;
    this.#inviteSeq = readCSeq(invite)?.number ?? 1;
    this.answered = new Promise((resolve) => (this.#resolveAnswered = resolve));
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
  }

  /** Makes a call with a finished INVITE, which gets the offer. */
  static dial(phone: CallPhone, peer: string, invite: SipRequest, events: CallEvents): Call {
    const call = new Call(phone, 'out', peer, invite, events);
    call.#sdp = audioOffer(phone.endpoint.address, phone.mediaPort, call.#session);
    if (phone.preconditions) {
      call.#sdp = withQos(call.#sdp, { own: false, other: false });
      invite.headers.append(Header.Supported, 'precondition');
    }
    invite.headers.append(Header['Content-Type'], 'application/sdp');
    invite.replaceBody(call.#sdp);
    phone.enlist(call, call.callId, tagOf(invite.headers.get(Header.From)!));
    const client = phone.endpoint.layer.startClient(invite, phone.target, {
      onResponse: (response) => call.#onResponse(response),
      onTimeout: () => call.#end({ by: 'refused', status: 408, words: 'no answer came' }),
      onTransportError: () => call.#end({ by: 'refused', status: 503, words: 'the INVITE could not be sent' }),
    });
    if (client instanceof InviteClient) call.#client = client;
    else call.#end({ by: 'refused', status: 503, words: 'the INVITE could not be sent' });
    return call;
  }

  /** Takes a call; then `ring`, `answer` or `reject` it. */
  static take(phone: CallPhone, transaction: ServerTransaction, invite: SipRequest, events: CallEvents): Call {
    const call = new Call(phone, 'in', senderOf(invite), invite, events);
    call.#server = transaction;
    transaction.context = call;
    const localTag = phone.endpoint.layer.newTag();
    call.#dialog = dialogOfRequest(invite, localTag);
    phone.enlist(call, call.callId, localTag);
    return call;
  }

  get state(): CallState {
    return this.#state;
  }

  /** Says 180 (or 183 with an answer in it). */
  ring(status: 180 | 183 = 180): void {
    if (this.#server === null || this.#server.answered) return;
    const response = this.#respondent(status);
    if (status === 183) this.#attachAnswer(response);
    const asks = [...this.#invite.headers.values(Header.Supported), ...this.#invite.headers.values(Header.Require)];
    if (this.#phone.reliableProvisional && asks.includes('100rel')) {
      this.#rseq = this.#rseq === 0 ? 1 + Math.floor(Math.random() * 0xffff) : this.#rseq + 1;
      response.headers.append(Header.Require, '100rel');
      response.headers.append(Header.RSeq, String(this.#rseq));
      this.#repeat(response);
    }
    this.#server.respond(response);
  }

  /** Says 200; the call is established when the ACK comes. A 488 goes out when the offer has nothing for us. */
  answer(): void {
    if (this.#server === null || this.#server.answered) return;
    const response = this.#respondent(200);
    if (!this.#attachAnswer(response)) {
      this.reject(488);
      return;
    }
    this.#repeat(response);
    this.#server.respond(response);
  }

  /** Refuses an incoming call. */
  reject(status = 486): void {
    if (this.#server === null || this.#server.answered) return;
    this.#stopRepeating();
    this.#server.respond(this.#respondent(status));
    this.#end({ by: 'us', status, words: 'refused here' });
  }

  /** Ends the call, however far it has got: CANCEL, a refusal, or BYE. */
  hangUp(): void {
    if (this.#state === 'established') this.#bye();
    else if (this.#state === 'early' && this.direction === 'in') this.reject(480);
    else if (this.#state === 'early') {
      this.#cancelled = true;
      // Not before a provisional response. Source: RFC 3261 9.1.
      if (this.#client?.state === 'proceeding') this.#phone.endpoint.layer.cancel(this.#client, null);
    }
  }

  /** A CANCEL came for our INVITE. */
  onCancel(): void {
    if (this.#server === null || this.#server.answered) return;
    this.#stopRepeating();
    this.#server.respond(this.#respondent(487));
    this.#end({ by: 'them', status: 487, words: 'the caller gave up' });
  }

  onAck(): void {
    if (this.#server === null || this.#state !== 'early' || !this.#server.answered) return;
    this.#stopRepeating();
    this.#establish();
  }

  /** A request within the dialog. */
  onRequest(transaction: ServerTransaction, request: SipRequest): void {
    const dialog = this.#dialog;
    const sequence = readCSeq(request)?.number ?? 0;
    if (dialog === null || this.#state === 'ended') {
      transaction.respond(createResponse(request, 481, ''));
      return;
    }
    if (sequence <= dialog.remoteSeq) {
      transaction.respond(createResponse(request, 500, ''));
      return;
    }
    dialog.remoteSeq = sequence;
    switch (request.method) {
      case 'BYE':
        transaction.respond(createResponse(request, 200, ''));
        this.#stopRepeating();
        this.#end({ by: 'them', status: 200, words: 'the other party hung up' });
        return;
      case 'PRACK':
        transaction.respond(createResponse(request, this.#acknowledged(request) ? 200 : 481, ''));
        return;
      case 'INVITE':
      case 'UPDATE': {
        const target = contactUri(request);
        if (target !== undefined) dialog.remoteTarget = target;
        const response = createResponse(request, 200, '');
        response.headers.append(Header.Contact, this.#phone.contact);
        this.#attachSdp(response, request.body, true);
        transaction.respond(response);
        if (this.#state === 'early' && asksForQos(request.body) && reservationOf(request.body).own) {
          this.events.reserved?.(this);
        }
        return;
      }
      default:
        transaction.respond(createResponse(request, 200, ''));
    }
  }

  onTimer(): void {
    if (this.#pending === null || this.#server === null) return;
    const { wheel } = this.#phone.endpoint;
    if (wheel.nowMs < this.#pendingUntilMs) {
      this.#server.respond(this.#pending);
      this.#wait(Math.min(this.#intervalMs * 2, this.#phone.endpoint.timers.t2Ms));
      return;
    }
    const final = this.#pending.status >= 200;
    this.#pending = null;
    // Nobody acknowledged. Source: RFC 3261 13.3.1.4, RFC 3262 3.
    if (final) {
      this.#state = 'established';
      this.#bye();
    } else this.reject(504);
  }

  #onResponse(response: SipResponse): void {
    const { status } = response;
    if (status < 200) this.#onProvisional(response);
    else if (status < 300) this.#onSuccess(response);
    else this.#end({ by: this.#cancelled ? 'us' : 'refused', status, words: refusalWords(response) });
  }

  #onProvisional(response: SipResponse): void {
    if (this.#cancelled && this.#client !== null) this.#phone.endpoint.layer.cancel(this.#client, null);
    if (response.status === 100) return;
    if (tagOf(response.headers.get(Header.To) ?? '') !== '') this.#dialog ??= dialogOfResponse(this.#invite, response);
    const rseq = Number(response.headers.get(Header.RSeq) ?? 0);
    if (rseq > 0 && this.#dialog !== null && response.headers.values(Header.Require).includes('100rel')) {
      if (rseq <= this.#rseq) return;
      this.#rseq = rseq;
      const rack: [HeaderKey, string][] = [[Header.RAck, `${rseq} ${this.#inviteSeq} INVITE`]];
      const acknowledged = this.#send(dialogRequest(this.#dialog, 'PRACK', rack));
      if (asksForQos(response.body) && !reservationOf(response.body).own) {
        acknowledged.then(() => this.#tellReservation());
      }
    }
    this.events.ringing?.(this, response.status);
  }

  /** Our resources are there: the called party may ring. Source: RFC 3312 6, TS 24.229 5.1.3.1. */
  #tellReservation(): void {
    if (this.#state !== 'early' || this.#dialog === null) return;
    const update = dialogRequest(this.#dialog, 'UPDATE', [
      [Header.Contact, this.#phone.contact],
      [Header['Content-Type'], 'application/sdp'],
    ]);
    const { endpoint, mediaPort } = this.#phone;
    update.replaceBody(withQos(audioOffer(endpoint.address, mediaPort, this.#session), { own: true, other: false }));
    this.#send(update).then((response) => {
      if (response.status < 300 && reservationOf(response.body).own) this.events.reserved?.(this);
    });
  }

  #onSuccess(response: SipResponse): void {
    const dialog = dialogOfResponse(this.#invite, response);
    const known = this.#dialog !== null && this.#dialog.remoteTag === dialog.remoteTag;
    if (this.#state === 'early' && !this.#cancelled) {
      if (known) dialog.localSeq = this.#dialog!.localSeq;
      this.#dialog = dialog;
      this.#acknowledge(dialog);
      this.#establish();
      return;
    }
    this.#acknowledge(dialog);
    if (this.#state === 'early') {
      // The answer crossed our CANCEL.
      this.#dialog = dialog;
      this.#bye();
    } else if (!known) this.#send(dialogRequest(dialog, 'BYE'));
  }

  #acknowledge(dialog: Dialog): void {
    const ack = dialogRequest(dialog, 'ACK', [], '', this.#inviteSeq);
    this.#phone.endpoint.layer.sendStateless(ack, this.#phone.target);
  }

  /** Whether a PRACK is for the last reliable response. */
  #acknowledged(prack: SipRequest): boolean {
    const [rseq, cseq, method] = (prack.headers.get(Header.RAck) ?? '').split(' ');
    const fits = Number(rseq) === this.#rseq && Number(cseq) === this.#inviteSeq && method === 'INVITE';
    if (fits && this.#pending !== null && this.#pending.status < 200) this.#stopRepeating();
    return fits;
  }

  #bye(): void {
    this.#state = 'releasing';
    this.#send(dialogRequest(this.#dialog!, 'BYE')).then(({ status }) => {
      const fine = status < 300 || status === 481;
      this.#end({ by: fine ? 'us' : 'failed', status, words: fine ? 'hung up here' : `BYE was answered ${status}` });
    });
  }

  #send(request: SipRequest): Promise<SipResponse> {
    const { endpoint, target } = this.#phone;
    for (const [key, value] of this.#phone.identityHeaders()) request.headers.append(key, value);
    return endpoint.request(request, target);
  }

  #respondent(status: number): SipResponse {
    const response = createResponse(this.#invite, status, this.#dialog?.localTag ?? '');
    if (status < 300) {
      response.headers.copyFrom(this.#invite.headers, Header['Record-Route']);
      response.headers.append(Header.Contact, this.#phone.contact);
      for (const [key, value] of this.#phone.identityHeaders()) response.headers.append(key, value);
    }
    return response;
  }

  #attachAnswer(response: SipResponse): boolean {
    return this.#attachSdp(response, this.#invite.body);
  }

  /** The answer to an offer, or an offer where there was none. `reserved`: whether our own resources are there. */
  #attachSdp(response: SipResponse, offer: string, reserved = response.status >= 200): boolean {
    const { endpoint, mediaPort } = this.#phone;
    const sdp =
      offer === ''
        ? audioOffer(endpoint.address, mediaPort, this.#session)
        : audioAnswer(offer, endpoint.address, mediaPort, this.#session);
    if (sdp === null) return false;
    response.headers.append(Header['Content-Type'], 'application/sdp');
    const state = { own: reserved, other: reservationOf(offer).own };
    response.replaceBody(asksForQos(offer) ? withQos(sdp, state, !reserved) : sdp);
    return true;
  }

  #repeat(response: SipResponse): void {
    const { wheel, timers } = this.#phone.endpoint;
    this.#pending = response;
    this.#pendingUntilMs = wheel.nowMs + giveUpMs(timers);
    this.#wait(timers.t1Ms);
  }

  #wait(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.#phone.endpoint.wheel.start(this.#resend, intervalMs);
  }

  #stopRepeating(): void {
    this.#pending = null;
    this.#phone.endpoint.wheel.stop(this.#resend);
  }

  #establish(): void {
    this.#state = 'established';
    this.#resolveAnswered(true);
    this.events.answered?.(this);
  }

  #end(end: CallEnd): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#stopRepeating();
    this.#phone.dismiss(this);
    this.#resolveAnswered(end);
    this.#resolveEnded(end);
    this.events.ended?.(this, end);
  }
}
