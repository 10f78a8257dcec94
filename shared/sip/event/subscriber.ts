import { dialogOfRequest, dialogOfResponse, receiveInDialog, refreshTarget } from '../dialog/dialog.ts';
import { type Refusal, refusal } from '../dialog/refusal.ts';
import { ParseFailure } from '../errors.ts';
import { parseEvent, parseSubscriptionState, type SubscriptionState } from '../header/event.ts';
import { tagOf } from '../header/name-addr.ts';
import { maxDeltaSeconds, parseClipped } from '../header/number-value.ts';
import { parseRetryAfter } from '../header/retry-after.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipMessage, SipResponse } from '../message/response.ts';
import { readCSeq } from '../parser/sanity.ts';
import { coreReasons } from '../reasons.ts';
import {
  backoffSeconds,
  firstNotifyMs,
  isLasting,
  isLost,
  refreshAfterSeconds,
  type SubscriberPolicy,
  secondsAfterEnd,
  soundLifeMs,
} from './resubscription.ts';
import { nextSubscribe, type SubscriberState, type SubscriptionTarget } from './subscriber-state.ts';

/** What a subscriber acts through. */
export interface SubscriberPort {
  /** Milliseconds of the wall clock. */
  readonly nowMs: () => number;
  /** A Call-ID whose answers and NOTIFYs come to this worker; null when there is none now. */
  newCallId(): string | null;
  newTag(): string;
  /** A Call-ID is not used any more. */
  releaseCallId(callId: string): void;
  /** Sends a SUBSCRIBE; what becomes of it is told with `answered` or `unanswered`. */
  send(state: SubscriberState, subscribe: SipRequest): void;
  /** A subscription has changed: it should be kept, and looked at (`due`) at its `dueMs`. */
  changed(state: SubscriberState): void;
  /** A NOTIFY to be answered 200 brought this. */
  notified(state: SubscriberState, notify: SipRequest, subscription: SubscriptionState): void;
  /** It is over and will not be tried again. */
  ended(state: SubscriberState, why: SubscriberEnd): void;
}

/** Why a subscription is not tried again: we left, the peer refused or ended it for good, or too much failed. */
export type SubscriberEnd = 'left' | 'refused' | 'terminated' | 'failed';

/**
 * Holds subscriptions: begins them, refreshes them, begins them anew when that makes sense. It keeps nothing itself: all
 * is in the `SubscriberState` it is given, which may come fresh out of a store.
 *
 * Source: RFC 6665 4.1; requirements C-31, P-60 to P-62, P-65.
 */
export class Subscriber {
  readonly #policy: SubscriberPolicy;
  readonly #port: SubscriberPort;

  constructor(policy: SubscriberPolicy, port: SubscriberPort) {
    this.#policy = policy;
    this.#port = port;
  }

  /** Begins a subscription. */
  start(target: SubscriptionTarget): SubscriberState {
    const state: SubscriberState = {
      target,
      phase: 'waiting',
      callId: '',
      localTag: '',
      cseq: 0,
      dialog: null,
      seconds: target.seconds,
      expiresAtMs: 0,
      dueMs: -1,
      startedAtMs: 0,
      failures: 0,
    };
    this.#begin(state);
    return state;
  }

  /** A final response to a SUBSCRIBE of the subscription; one to an older SUBSCRIBE is passed over. */
  answered(state: SubscriberState, response: SipResponse): void {
    if (response.status < 200 || !isLatest(state, response)) return;
    const success = response.status < 300;
    switch (state.phase) {
      case 'subscribing':
      case 'noticed':
        if (success) this.#granted(state, response);
        else this.#refused(state, response);
        return;
      case 'refreshing':
        if (success) this.#prolonged(state, response);
        else this.#notProlonged(state, response);
        return;
      case 'leaving':
        if (!success) this.#end(state, 'left');
        return;
      case 'accepted':
      case 'active':
      case 'waiting':
      case 'ended':
        return;
    }
  }

  /** A SUBSCRIBE of the subscription got no answer, or could not be sent. */
  unanswered(state: SubscriberState, subscribe: SipRequest): void {
    if (!isLatest(state, subscribe)) return;
    if (state.phase === 'leaving') this.#end(state, 'left');
    else if (state.phase === 'subscribing' || state.phase === 'noticed' || state.phase === 'refreshing') {
      this.#tryLater(state, 0);
    }
  }

  /**
   * A NOTIFY for the subscription (found by Call-ID and To tag): null when it is to be answered 200, else why not.
   * Source: RFC 6665 4.1.2.4, 4.1.3; requirement P-62.
   */
  receive(state: SubscriberState, notify: SipRequest): Refusal | null {
    const told = this.#read(state, notify);
    if ('headers' in told) return told;
    switch (state.phase) {
      case 'subscribing':
        state.phase = 'noticed';
        break;
      case 'accepted':
        state.phase = 'active';
        this.#plan(state);
        break;
      case 'noticed':
      case 'active':
      case 'refreshing':
      case 'leaving':
      case 'waiting':
      case 'ended':
        break;
    }
    if (told.state === 'terminated') this.#terminated(state, notify, told);
    else {
      this.#shorten(state, told.expires);
      this.#port.notified(state, notify, told);
      this.#port.changed(state);
    }
    return null;
  }

  /** Looks what is due; early calls do nothing. */
  due(state: SubscriberState): void {
    if (state.dueMs < 0 || this.#port.nowMs() < state.dueMs) return;
    switch (state.phase) {
      case 'waiting':
        this.#begin(state);
        return;
      case 'accepted':
        // It was granted, but nobody tells us anything.
        this.#tryLater(state, 0);
        return;
      case 'active':
        this.#refresh(state);
        return;
      case 'leaving':
        this.#end(state, 'left');
        return;
      case 'subscribing':
      case 'noticed':
      case 'refreshing':
      case 'ended':
        return;
    }
  }

  /** Gives the subscription up. */
  stop(state: SubscriberState): void {
    if (state.phase === 'leaving' || state.phase === 'ended') return;
    if (state.dialog === null) {
      this.#end(state, 'left');
      return;
    }
    state.phase = 'leaving';
    state.dueMs = this.#port.nowMs() + firstNotifyMs;
    this.#send(state, 0);
  }

  /** A subscription was read from a store after a restart: what became of its last SUBSCRIBE will not be heard. */
  resume(state: SubscriberState): void {
    const { phase } = state;
    if (phase === 'subscribing' || phase === 'noticed' || phase === 'refreshing') this.#tryLater(state, 0);
  }

  #begin(state: SubscriberState): void {
    this.#leaveDialog(state);
    const callId = this.#port.newCallId();
    if (callId === null) {
      this.#tryLater(state, 0);
      return;
    }
    state.callId = callId;
    state.localTag = this.#port.newTag();
    state.cseq = 0;
    state.phase = 'subscribing';
    state.dueMs = -1;
    state.startedAtMs = this.#port.nowMs();
    this.#send(state, state.seconds);
  }

  #refresh(state: SubscriberState): void {
    if (this.#port.nowMs() >= state.expiresAtMs) {
      this.#begin(state);
      return;
    }
    state.phase = 'refreshing';
    state.dueMs = -1;
    this.#send(state, state.seconds);
  }

  #send(state: SubscriberState, seconds: number): void {
    const subscribe = nextSubscribe(state, seconds);
    this.#port.changed(state);
    this.#port.send(state, subscribe);
  }

  #granted(state: SubscriberState, response: SipResponse): void {
    if (state.dialog === null) {
      const dialog = dialogOfResponse(this.#sentFrom(state), response);
      if (dialog instanceof ParseFailure) {
        this.#tryLater(state, 0);
        return;
      }
      state.dialog = dialog;
    }
    this.#setExpiry(state, response);
    if (state.phase === 'noticed') {
      state.phase = 'active';
      this.#plan(state);
    } else {
      state.phase = 'accepted';
      state.dueMs = this.#port.nowMs() + firstNotifyMs;
    }
    this.#port.changed(state);
  }

  /** What a response is matched with: the addresses and number of the SUBSCRIBE that has no dialog. */
  #sentFrom(state: SubscriberState): SipRequest {
    const copy: SubscriberState = { ...state, cseq: state.cseq - 1 };
    return nextSubscribe(copy, state.seconds);
  }

  #refused(state: SubscriberState, response: SipResponse): void {
    const { status, headers } = response;
    const least = status === 423 ? parseClipped(headers.get(Header['Min-Expires']) ?? '', maxDeltaSeconds) : -1;
    if (!(least instanceof ParseFailure) && least > state.seconds) {
      state.seconds = least;
      this.#anew(state, 0);
    } else if (isLasting(status) || status === 423) this.#end(state, 'refused');
    else this.#tryLater(state, retryAfterOf(response));
  }

  #prolonged(state: SubscriberState, response: SipResponse): void {
    refreshTarget(state.dialog!, 'SUBSCRIBE', response);
    this.#setExpiry(state, response);
    state.failures = 0;
    state.phase = 'active';
    this.#plan(state);
    this.#port.changed(state);
  }

  #notProlonged(state: SubscriberState, response: SipResponse): void {
    const { status } = response;
    if (isLost(status)) {
      this.#anew(state, 0);
      return;
    }
    // It lives on as long as it was granted before. Source: RFC 6665 4.1.2.2.
    const now = this.#port.nowMs();
    state.failures += 1;
    const wait = Math.max(retryAfterOf(response), backoffSeconds(state.failures, this.#policy)) * 1000;
    state.phase = 'active';
    state.dueMs = Math.min(now + wait, Math.max(now, state.expiresAtMs));
    this.#port.changed(state);
  }

  #terminated(state: SubscriberState, notify: SipRequest, told: SubscriptionState): void {
    this.#port.notified(state, notify, told);
    if (state.phase === 'leaving') {
      this.#end(state, 'left');
      return;
    }
    const seconds = secondsAfterEnd(told.reason.toLowerCase(), told.retryAfter);
    if (seconds === null) this.#end(state, 'terminated');
    else this.#anew(state, seconds);
  }

  /** Begins anew after so many seconds; a subscription that ends again and again waits longer each time. */
  #anew(state: SubscriberState, seconds: number): void {
    if (this.#port.nowMs() - state.startedAtMs >= soundLifeMs) state.failures = 0;
    const wait = Math.max(seconds, backoffSeconds(state.failures, this.#policy));
    state.failures += 1;
    this.#wait(state, wait);
  }

  #tryLater(state: SubscriberState, seconds: number): void {
    state.failures += 1;
    this.#wait(state, Math.max(seconds, backoffSeconds(state.failures, this.#policy)));
  }

  #wait(state: SubscriberState, seconds: number): void {
    if (state.failures > this.#policy.maxFailures) {
      this.#end(state, 'failed');
      return;
    }
    this.#leaveDialog(state);
    state.phase = 'waiting';
    if (seconds === 0) {
      this.#begin(state);
      return;
    }
    state.dueMs = this.#port.nowMs() + seconds * 1000;
    this.#port.changed(state);
  }

  #end(state: SubscriberState, why: SubscriberEnd): void {
    this.#leaveDialog(state);
    state.phase = 'ended';
    state.dueMs = -1;
    this.#port.ended(state, why);
  }

  #leaveDialog(state: SubscriberState): void {
    if (state.callId !== '') this.#port.releaseCallId(state.callId);
    state.callId = '';
    state.localTag = '';
    state.dialog = null;
    state.expiresAtMs = 0;
  }

  /** Without an Expires, which has to be there, what was asked for counts. Source: RFC 6665 4.1.2.1. */
  #setExpiry(state: SubscriberState, response: SipResponse): void {
    const granted = parseClipped(response.headers.get(Header.Expires) ?? '', maxDeltaSeconds);
    const seconds = granted instanceof ParseFailure ? state.seconds : Math.min(granted, state.seconds);
    state.expiresAtMs = this.#port.nowMs() + seconds * 1000;
  }

  #plan(state: SubscriberState): void {
    const now = this.#port.nowMs();
    const left = Math.max(0, state.expiresAtMs - now) / 1000;
    state.dueMs = now + refreshAfterSeconds(left) * 1000;
  }

  /** A NOTIFY may shorten a subscription, never prolong it. Source: RFC 6665 4.1.2.4. */
  #shorten(state: SubscriberState, seconds: number): void {
    const endsAtMs = this.#port.nowMs() + seconds * 1000;
    // A second of rounding is no change.
    if (seconds < 0 || state.expiresAtMs === 0 || endsAtMs + 1000 >= state.expiresAtMs) return;
    state.expiresAtMs = endsAtMs;
    if (state.phase === 'active') this.#plan(state);
  }

  #read(state: SubscriberState, notify: SipRequest): SubscriptionState | Refusal {
    const { headers } = notify;
    const toTag = tagOf(headers.get(Header.To) ?? '');
    const ours = headers.get(Header['Call-ID']) === state.callId && toTag === state.localTag && toTag !== '';
    if (!ours) return refusal(coreReasons.unknownDialog);
    const event = parseEvent(headers.get(Header.Event) ?? '');
    const wanted = parseEvent(state.target.event);
    const other = event instanceof ParseFailure || wanted instanceof ParseFailure || event.package !== wanted.package;
    if (other || event.id !== wanted.id) {
      return refusal(coreReasons.badEvent, headers.get(Header.Event) ?? '', [
        [Header['Allow-Events'], wanted instanceof ParseFailure ? state.target.event : wanted.package],
      ]);
    }
    const told = parseSubscriptionState(headers.get(Header['Subscription-State']) ?? '');
    if (told instanceof ParseFailure) return refusal(coreReasons.malformed, `Subscription-State: ${told.reason}`);
    if (state.dialog === null) {
      const dialog = dialogOfRequest(notify, state.localTag, 'confirmed');
      if (dialog instanceof ParseFailure) return refusal(coreReasons.malformed, dialog.reason);
      dialog.localCseq = state.cseq;
      state.dialog = dialog;
      return told;
    }
    const disorder = receiveInDialog(state.dialog, notify);
    if (disorder !== null) return refusal(disorder);
    refreshTarget(state.dialog, 'NOTIFY', notify);
    return told;
  }
}

/** Whether a SUBSCRIBE, or the answer to one, is the last one that was sent. */
function isLatest(state: SubscriberState, message: SipMessage): boolean {
  return message.headers.get(Header['Call-ID']) === state.callId && readCSeq(message)?.number === state.cseq;
}

function retryAfterOf(response: SipResponse): number {
  const retryAfter = parseRetryAfter(response.headers.get(Header['Retry-After']) ?? '');
  return retryAfter instanceof ParseFailure ? 0 : retryAfter.seconds;
}
