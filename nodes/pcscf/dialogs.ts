import { ParseFailure } from '#sip/errors';
import { parseCSeq } from '#sip/header/cseq';
import { tagOf } from '#sip/header/name-addr';
import { parseClipped } from '#sip/header/number-value';
import { parseSessionExpires } from '#sip/header/session-expires';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipMessage, SipResponse } from '#sip/message/response';
import { flatText } from '#sip/parser/latin1';
import { Timer, type TimerOwner, type TimerWheel } from '#sip/transaction/timer-wheel';
import type { CallOwnership } from '#workers/frame-link';
import type { Binding } from './binding.ts';

/** One side of a dialog. */
export interface DialogLeg {
  /** '' until its first response came. */
  tag: string;
  /** Highest CSeq number this side has used. */
  cseq: number;
  /** Contact as last given. */
  contact: string;
}

/** A dialog of a UE with the core, as this node sees it pass. Source: TS 24.229 5.2.6.3; requirement P-102. */
export class Dialog implements TimerOwner {
  readonly callId: string;
  readonly binding: Binding;
  /** Who began it: the UE, or the core. */
  readonly direction: 'originating' | 'terminating';
  /** SUBSCRIBE and REFER open subscriptions. */
  readonly subscription: boolean;
  /** P-Charging-Vector of the dialog. */
  readonly charging: string;
  readonly ue: DialogLeg = { tag: '', cseq: 0, contact: '' };
  readonly far: DialogLeg = { tag: '', cseq: 0, contact: '' };
  /** Route of the UE's requests behind our own entries; null until it is known. */
  routes: readonly string[] | null = null;
  confirmed = false;
  /** What keeps its Call-ID with this worker. */
  hold = -1;
  /** The reliable provisional response that made an offer: its PRACK has the answer. Noted under a media policy only. */
  offer: { readonly rseq: number; readonly cseq: number } | null = null;
  readonly life = new Timer(this, 'dialog');
  readonly #ended: (dialog: Dialog) => void;

  constructor(
    callId: string,
    binding: Binding,
    direction: Dialog['direction'],
    subscription: boolean,
    charging: string,
    ended: (dialog: Dialog) => void,
  ) {
    this.callId = callId;
    this.binding = binding;
    this.direction = direction;
    this.subscription = subscription;
    this.charging = charging;
    this.#ended = ended;
  }

  /** The side that did not begin it; its tag tells the dialogs of a fork apart. */
  get answerer(): DialogLeg {
    return this.direction === 'originating' ? this.far : this.ue;
  }

  onTimer(): void {
    this.#ended(this);
  }
}

/** Why a request belongs to no dialog of its sender. */
export type Mismatch = 'other-party' | 'other-tags';

const maxCalls = 65_536;
/** Dialogs of one request, as forking makes them. */
const maxForks = 16;
const hourMs = 3_600_000;
/** A session without session timer whose BYE was lost is forgotten after this; its requests pass by token all the same. */
const sessionMs = 12 * hourMs;
const longestMs = 14 * 24 * hourMs;
const subscriptionDefaultMs = hourMs;
/** 64*T1 on Gm, for what is still on its way. */
const lingerMs = 128_000;

/**
 * The dialogs that go through this worker, in memory: what ties a request inside a dialog to its UE. They are gone after
 * a restart, and requests then pass by the token of the binding alone.
 */
export class Dialogs {
  readonly #byCall = new Map<string, Dialog[]>();
  readonly #calls: CallOwnership;
  readonly #wheel: TimerWheel;

  constructor(calls: CallOwnership, wheel: TimerWheel) {
    this.#calls = calls;
    this.#wheel = wheel;
  }

  /** Call-IDs with a dialog. */
  get size(): number {
    return this.#byCall.size;
  }

  /**
   * A dialog that a request would open; it ends with the transaction unless a 2xx comes. `routes`: Route of the UE's
   * requests, null when only a response will tell.
   */
  open(
    request: SipRequest,
    binding: Binding,
    direction: Dialog['direction'],
    charging: string,
    routes: readonly string[] | null,
  ): Dialog {
    const callId = flatText(request.headers.get(Header['Call-ID'])!);
    const subscription = request.method !== 'INVITE';
    const dialog = new Dialog(callId, binding, direction, subscription, flatText(charging), (ended) =>
      this.close(ended),
    );
    const opener = direction === 'originating' ? dialog.ue : dialog.far;
    dialog.routes = routes === null ? null : routes.map(flatText);
    opener.tag = flatText(tagOf(request.headers.get(Header.From) ?? ''));
    noteRequest(opener, request);
    this.#add(dialog);
    return dialog;
  }

  /**
   * Notes what a response to the opening request says of its dialogs; a tag not seen before is another dialog of the
   * fork. `routes`: Route of the UE's requests, null when it is not known by now. Gives the dialog of the response.
   */
  noteResponse(dialogs: Dialog[], response: SipResponse, routes: readonly string[] | null): Dialog | null {
    if (response.status >= 300) {
      this.closeUnconfirmed(dialogs);
      return null;
    }
    const tag = tagOf(response.headers.get(Header.To) ?? '');
    if (tag === '' || dialogs.length === 0) return null;
    const dialog = dialogs.find(({ answerer }) => answerer.tag === tag) ?? this.#newFork(dialogs, tag);
    if (dialog === null) return null;
    noteContact(dialog.answerer, response);
    // The 2xx has the last word on the route set. Source: RFC 3261 13.2.2.4.
    if (routes !== null && !dialog.confirmed) dialog.routes = routes.map(flatText);
    if (response.status >= 200) this.#confirm(dialog, response);
    return dialog;
  }

  /** Notes a request inside a dialog, of the UE or the far side. */
  noteRequest(dialog: Dialog, request: SipRequest, byUe: boolean): void {
    noteRequest(byUe ? dialog.ue : dialog.far, request);
  }

  /** Notes the 2xx of a request inside a dialog: targets and session timer may be new. */
  noteRefresh(dialog: Dialog, request: SipRequest, response: SipResponse, byUe: boolean): void {
    if (response.status < 200 || response.status >= 300) return;
    const { method } = request;
    if (method !== 'INVITE' && method !== 'UPDATE' && method !== 'SUBSCRIBE') return;
    noteContact(byUe ? dialog.ue : dialog.far, request);
    noteContact(byUe ? dialog.far : dialog.ue, response);
    if (dialog.confirmed && (method === 'SUBSCRIBE') === dialog.subscription) this.#confirm(dialog, response);
  }

  /**
   * The dialog a request of a UE belongs to: null when the Call-ID is not known here, else the dialog or why there is
   * none. Requirements P-100, X-I17.
   */
  ofUe(request: SipRequest, isOwn: (binding: Binding) => boolean): Dialog | Mismatch | null {
    const { headers } = request;
    const dialogs = this.#byCall.get(headers.get(Header['Call-ID'])!);
    if (dialogs === undefined) return null;
    const ueTag = tagOf(headers.get(Header.From) ?? '');
    const farTag = tagOf(headers.get(Header.To) ?? '');
    let own = false;
    for (const dialog of dialogs) {
      if (!isOwn(dialog.binding)) continue;
      own = true;
      if (dialog.ue.tag === ueTag && (dialog.far.tag === farTag || dialog.far.tag === '')) return dialog;
    }
    return own ? 'other-tags' : 'other-party';
  }

  /** The dialog of a binding that a request of the core belongs to, null when it is not known here. */
  ofCore(request: SipRequest, token: string): Dialog | null {
    const { headers } = request;
    const dialogs = this.#byCall.get(headers.get(Header['Call-ID'])!);
    if (dialogs === undefined) return null;
    const farTag = tagOf(headers.get(Header.From) ?? '');
    const ueTag = tagOf(headers.get(Header.To) ?? '');
    for (const dialog of dialogs) {
      if (dialog.binding.token !== token || dialog.ue.tag !== ueTag) continue;
      if (dialog.far.tag === farTag || dialog.far.tag === '') return dialog;
    }
    return null;
  }

  /** Forgets the dialogs of a transaction that came to nothing. */
  closeUnconfirmed(dialogs: Dialog[]): void {
    for (const dialog of dialogs) if (!dialog.confirmed) this.close(dialog);
  }

  /** Forgets a dialog; one that is forgotten already is no mistake. */
  close(dialog: Dialog): void {
    this.#wheel.stop(dialog.life);
    const dialogs = this.#byCall.get(dialog.callId);
    const at = dialogs?.indexOf(dialog) ?? -1;
    if (dialogs === undefined || at < 0) return;
    dialogs.splice(at, 1);
    if (dialogs.length === 0) this.#byCall.delete(dialog.callId);
    this.#calls.release(dialog.hold);
  }

  #confirm(dialog: Dialog, response: SipResponse): void {
    dialog.confirmed = true;
    this.#wheel.start(dialog.life, lifetimeMs(dialog, response));
  }

  #newFork(dialogs: Dialog[], tag: string): Dialog | null {
    const first = dialogs[0]!;
    if (first.answerer.tag === '') {
      first.answerer.tag = flatText(tag);
      return first;
    }
    if (dialogs.length >= maxForks) return null;
    const { callId, binding, direction, subscription, charging } = first;
    const fork = new Dialog(callId, binding, direction, subscription, charging, (ended) => this.close(ended));
    Object.assign(direction === 'originating' ? fork.ue : fork.far, direction === 'originating' ? first.ue : first.far);
    if (direction === 'terminating') fork.routes = first.routes;
    fork.answerer.tag = flatText(tag);
    dialogs.push(fork);
    this.#add(fork);
    return fork;
  }

  #add(dialog: Dialog): void {
    const dialogs = this.#byCall.get(dialog.callId);
    if (dialogs !== undefined) dialogs.push(dialog);
    else {
      if (this.#byCall.size >= maxCalls) this.#closeOldest();
      this.#byCall.set(dialog.callId, [dialog]);
    }
    dialog.hold = this.#calls.retain(dialog.callId);
  }

  #closeOldest(): void {
    for (const dialogs of this.#byCall.values()) {
      for (const dialog of dialogs.slice()) this.close(dialog);
      return;
    }
  }
}

function noteRequest(leg: DialogLeg, request: SipRequest): void {
  const cseq = parseCSeq(request.headers.get(Header.CSeq) ?? '');
  if (!(cseq instanceof ParseFailure) && cseq.number > leg.cseq) leg.cseq = cseq.number;
  if (leg.contact === '') noteContact(leg, request);
}

function noteContact(leg: DialogLeg, message: SipMessage): void {
  const contact = message.headers.get(Header.Contact);
  if (contact !== null && contact !== leg.contact) leg.contact = flatText(contact);
}

/** How long a dialog may stay without a sign of life. */
function lifetimeMs(dialog: Dialog, response: SipResponse): number {
  const { headers } = response;
  if (dialog.subscription) {
    const seconds = parseClipped(headers.get(Header.Expires) ?? '', longestMs / 1000);
    return (seconds instanceof ParseFailure ? subscriptionDefaultMs : seconds * 1000) + lingerMs;
  }
  const timer = parseSessionExpires(headers.get(Header['Session-Expires']) ?? '');
  return timer instanceof ParseFailure ? sessionMs : Math.min(timer.seconds * 1000, longestMs) + lingerMs;
}
