import { leastSessionSeconds, readAgreement } from '#sip/dialog/session-timer';
import { ParseFailure } from '#sip/errors';
import { parseCSeq } from '#sip/header/cseq';
import { tagOf } from '#sip/header/name-addr';
import { parseClipped } from '#sip/header/number-value';
import { parseSessionExpires } from '#sip/header/session-expires';
import { Header } from '#sip/message/header-names';
import type { SipRequest } from '#sip/message/request';
import type { SipMessage, SipResponse } from '#sip/message/response';
import { flatText } from '#sip/parser/latin1';
import type { ProxyTransaction } from '#sip/proxy/proxy-transaction';
import { Timer, type TimerOwner, type TimerWheel } from '#sip/transaction/timer-wheel';
import type { CallOwnership } from '#workers/frame-link';
import type { Binding } from './binding.ts';
import type { MediaAnchor } from './media-anchor.ts';
import type { MediaAuthorization } from './media-authorization.ts';

/** One side of a dialog; see DialogSide. */
export interface DialogLeg {
  address: string;
  /** '' until its first response came. */
  tag: string;
  /** Highest CSeq number this side has used. */
  cseq: number;
  /** Contact as last given. */
  contact: string;
  /** Route of requests to this side behind our own entries; null until it is known. */
  routes: readonly string[] | null;
}

function newLeg(routes: readonly string[] | null): DialogLeg {
  return { address: '', tag: '', cseq: 0, contact: '', routes };
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
  readonly ue: DialogLeg;
  readonly far: DialogLeg;
  /** The request that opens it, until its answer: what a CANCEL and a refusal go by. */
  opening: ProxyTransaction | null;
  confirmed = false;
  /** Value of Reason with which this node has ended it: it stays known for what is still on its way. '' before. */
  released = '';
  /** What ends it is on its way from one side to the other: there is nothing left to end. */
  ending = false;
  /** Whether its ends have agreed on a session timer. */
  timed = false;
  /** What keeps its Call-ID with this worker. */
  hold = -1;
  /** The reliable provisional response that made an offer: its PRACK has the answer. Noted under a media policy only. */
  offer: { readonly rseq: number; readonly cseq: number } | null = null;
  /** What authorizes its media, null where no PCRF is asked. */
  rx: MediaAuthorization | null = null;
  /** What its media goes through, null where media is not anchored. */
  anchor: MediaAnchor | null = null;
  readonly life = new Timer(this, 'dialog');
  readonly #ring: (dialog: Dialog) => void;

  constructor(
    callId: string,
    binding: Binding,
    direction: Dialog['direction'],
    subscription: boolean,
    charging: string,
    opening: ProxyTransaction | null,
    legs: { readonly ue: DialogLeg; readonly far: DialogLeg },
    ring: (dialog: Dialog) => void,
  ) {
    this.callId = callId;
    this.binding = binding;
    this.direction = direction;
    this.subscription = subscription;
    this.charging = charging;
    this.opening = opening;
    this.ue = legs.ue;
    this.far = legs.far;
    this.#ring = ring;
  }

  /** The side that did not begin it; its tag tells the dialogs of a fork apart. */
  get answerer(): DialogLeg {
    return this.direction === 'originating' ? this.far : this.ue;
  }

  onTimer(): void {
    this.#ring(this);
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

export interface DialogsOptions {
  readonly calls: CallOwnership;
  readonly wheel: TimerWheel;
  /** A session was not refreshed in the time its ends agreed on. */
  readonly expired: (dialog: Dialog) => void;
  /** A dialog is over, whoever has ended it; each is told of once. */
  readonly over?: (dialog: Dialog) => void;
}

/**
 * The dialogs that go through this worker, in memory: what ties a request inside a dialog to its UE, and what it takes to
 * end them. They are gone after a restart, and requests then pass by the token of the binding alone.
 */
export class Dialogs {
  readonly #byCall = new Map<string, Dialog[]>();
  readonly #options: DialogsOptions;
  readonly #calls: CallOwnership;
  readonly #wheel: TimerWheel;
  readonly #ring = (dialog: Dialog) => this.#onLife(dialog);

  constructor(options: DialogsOptions) {
    this.#options = options;
    this.#calls = options.calls;
    this.#wheel = options.wheel;
  }

  /** Call-IDs with a dialog. */
  get size(): number {
    return this.#byCall.size;
  }

  /**
   * A dialog that a request would open; it ends with the transaction unless a 2xx comes. `farRoutes`: Route of the UE's
   * requests, null when only a response will tell. `ueRoutes`: Route of requests to the UE.
   */
  open(
    opening: ProxyTransaction,
    binding: Binding,
    direction: Dialog['direction'],
    charging: string,
    farRoutes: readonly string[] | null,
    ueRoutes: readonly string[] = none,
  ): Dialog {
    const { request } = opening;
    const callId = flatText(request.headers.get(Header['Call-ID'])!);
    const legs = { ue: newLeg(kept(ueRoutes)), far: newLeg(farRoutes === null ? null : kept(farRoutes)) };
    const subscription = request.method !== 'INVITE';
    const dialog = new Dialog(callId, binding, direction, subscription, flatText(charging), opening, legs, this.#ring);
    const opener = direction === 'originating' ? dialog.ue : dialog.far;
    opener.address = flatText(request.headers.get(Header.From) ?? '');
    opener.tag = tagOf(opener.address);
    dialog.answerer.address = flatText(request.headers.get(Header.To) ?? '');
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
    if (routes !== null && !dialog.confirmed) dialog.far.routes = kept(routes);
    if (response.status >= 200 && dialog.released === '') this.#confirm(dialog, response);
    return dialog;
  }

  /** Notes a request inside a dialog, of the UE or the far side. */
  noteRequest(dialog: Dialog, request: SipRequest, byUe: boolean): void {
    noteRequest(byUe ? dialog.ue : dialog.far, request);
  }

  /** Notes the 2xx of a request inside a dialog: targets and session timer may be new. */
  noteRefresh(dialog: Dialog, request: SipRequest, response: SipResponse, byUe: boolean): void {
    if (dialog.released !== '' || response.status < 200 || response.status >= 300) return;
    const { method } = request;
    if (method !== 'INVITE' && method !== 'UPDATE' && method !== 'SUBSCRIBE') return;
    noteContact(byUe ? dialog.ue : dialog.far, request);
    noteContact(byUe ? dialog.far : dialog.ue, response);
    if (dialog.confirmed && (method === 'SUBSCRIBE') === dialog.subscription) this.#confirm(dialog, response);
  }

  /** All dialogs of this worker. */
  *all(): Iterable<Dialog> {
    for (const dialogs of this.#byCall.values()) yield* dialogs;
  }

  /** All dialogs of a Call-ID. */
  ofCall(callId: string): readonly Dialog[] {
    return this.#byCall.get(callId)?.slice() ?? none;
  }

  /** All sessions of a binding that this worker has. */
  sessionsOf(token: string): readonly Dialog[] {
    const found: Dialog[] = [];
    for (const dialogs of this.#byCall.values()) {
      for (const dialog of dialogs) if (dialog.binding.token === token && !dialog.subscription) found.push(dialog);
    }
    return found;
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
    for (const dialog of dialogs) if (!dialog.confirmed && dialog.released === '') this.close(dialog);
  }

  /**
   * A dialog that this node ends: it is over, but stays known for as long as something of it may be under way. `reason`:
   * value of the Reason header. False when it is over already.
   */
  release(dialog: Dialog, reason: string): boolean {
    if (dialog.released !== '' || dialog.ending || !this.#has(dialog)) return false;
    dialog.released = reason;
    dialog.opening = null;
    this.#wheel.start(dialog.life, lingerMs);
    this.#options.over?.(dialog);
    return true;
  }

  /**
   * What was to end a dialog has not come to the other side (no answer of it, or 5xx): it stays for as long as it may be sent again. A session
   * with a timer is released by this node then, so that the other side is not left with it. Requirement P-100; X-R2.
   */
  leaveUnended(dialog: Dialog): void {
    if (!this.#has(dialog)) return;
    dialog.ending = false;
    this.#wheel.start(dialog.life, lingerMs);
  }

  /** Forgets a dialog; one that is forgotten already is no mistake. */
  close(dialog: Dialog): void {
    this.#wheel.stop(dialog.life);
    dialog.opening = null;
    const dialogs = this.#byCall.get(dialog.callId);
    const at = dialogs?.indexOf(dialog) ?? -1;
    if (dialogs === undefined || at < 0) return;
    dialogs.splice(at, 1);
    if (dialogs.length === 0) this.#byCall.delete(dialog.callId);
    this.#calls.release(dialog.hold);
    if (dialog.released === '') this.#options.over?.(dialog);
  }

  #has(dialog: Dialog): boolean {
    return this.#byCall.get(dialog.callId)?.includes(dialog) === true;
  }

  #onLife(dialog: Dialog): void {
    if (dialog.timed && dialog.released === '') this.#options.expired(dialog);
    else this.close(dialog);
  }

  #confirm(dialog: Dialog, response: SipResponse): void {
    dialog.confirmed = true;
    dialog.opening = null;
    dialog.timed = !dialog.subscription && readAgreement(response) !== null;
    this.#wheel.start(dialog.life, lifetimeMs(dialog, response));
  }

  #newFork(dialogs: Dialog[], tag: string): Dialog | null {
    const first = dialogs[0]!;
    if (first.answerer.tag === '') {
      first.answerer.tag = flatText(tag);
      return first;
    }
    if (dialogs.length >= maxForks) return null;
    const { callId, binding, direction, subscription, charging, opening } = first;
    const legs =
      direction === 'originating'
        ? { ue: { ...first.ue }, far: { ...newLeg(null), address: first.far.address } }
        : { ue: { ...newLeg(first.ue.routes), address: first.ue.address }, far: { ...first.far } };
    const fork = new Dialog(callId, binding, direction, subscription, charging, opening, legs, this.#ring);
    fork.answerer.tag = flatText(tag);
    if (dialogs.every(({ released }) => released !== '')) fork.released = first.released;
    dialogs.push(fork);
    this.#add(fork);
    if (fork.released !== '') this.#wheel.start(fork.life, lingerMs);
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

const none: readonly never[] = Object.freeze([]);

/** Copies that do not keep the message alive which they were cut from. */
function kept(values: readonly string[]): readonly string[] {
  return values.length === 0 ? none : values.map(flatText);
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
  if (timer instanceof ParseFailure) return sessionMs;
  return Math.min(Math.max(timer.seconds, leastSessionSeconds) * 1000, longestMs) + lingerMs;
}
