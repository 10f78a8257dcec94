import { dialogRequest, refreshTarget } from '../dialog/dialog.ts';
import { ParseFailure } from '../errors.ts';
import { formatSubscriptionState } from '../header/event.ts';
import { parseRetryAfter } from '../header/retry-after.ts';
import type { HeaderKey } from '../message/header-list.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { readCSeq } from '../parser/sanity.ts';
import type { Subscription } from './subscription.ts';

/** What a notifier acts through. */
export interface NotifierPort {
  /** Milliseconds of the wall clock. */
  readonly nowMs: () => number;
  /** The document of the state as it is now, with `subscription.version`; '' for none. Asked once for each NOTIFY. */
  body(subscription: Subscription): string;
  /**
   * Sends a NOTIFY, which may be given more header fields; what becomes of it is told with `answered` or `unanswered`.
   * The subscription is changed already and should be kept before the NOTIFY leaves.
   */
  send(subscription: Subscription, notify: SipRequest): void;
  /** A subscription has changed without a NOTIFY: it should be kept. */
  changed(subscription: Subscription): void;
  /** A subscription is over and to be forgotten. */
  ended(subscription: Subscription, why: NotifierEnd): void;
}

/** How a subscription ended: with its last NOTIFY, because the subscriber knows it no more, or because it is silent. */
export type NotifierEnd = 'finished' | 'refused' | 'silent';

/** Failures of a NOTIFY after which there is no subscription. Source: RFC 6665 4.2.2, RFC 5057 5.1; requirement S-66. */
const fatal: ReadonlySet<number> = new Set([404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604]);

/**
 * Sends the NOTIFYs of subscriptions: one at a time each, changes meanwhile are told in the next one, the last one says
 * why. It keeps nothing itself: all is in the `Subscription` it is given, which may come fresh out of a store.
 *
 * Source: RFC 6665 4.2; requirements C-31, S-62, S-65, S-66.
 */
export class Notifier {
  readonly #contentType: string;
  readonly #port: NotifierPort;

  /** `contentType`: that of the documents. */
  constructor(contentType: string, port: NotifierPort) {
    this.#contentType = contentType;
    this.#port = port;
  }

  /** A subscription was begun or refreshed, its 200 is out: tells the state at once. */
  refreshed(subscription: Subscription): void {
    this.#owe(subscription);
  }

  /** The state has changed: tells it, or as soon as the NOTIFY under way is answered. */
  stateChanged(subscription: Subscription): void {
    if (subscription.ending === null) this.#owe(subscription);
  }

  /** Ends a subscription with a last NOTIFY; `retryAfter`: seconds, -1 for none. Source: RFC 6665 4.1.3. */
  terminate(subscription: Subscription, reason: string, retryAfter = -1): void {
    if (subscription.ending !== null) return;
    subscription.ending = { reason, retryAfter };
    this.#owe(subscription);
  }

  /** A final response to a NOTIFY of the subscription. */
  answered(subscription: Subscription, response: SipResponse): void {
    const { dialog } = subscription;
    if (response.status < 200 || readCSeq(response)?.number !== dialog.localCseq) return;
    refreshTarget(dialog, 'NOTIFY', response);
    switch (subscription.phase) {
      case 'notifying':
      case 'owing':
        if (fatal.has(response.status)) this.#end(subscription, 'refused');
        else if (response.status >= 500 && this.#waits(subscription, response)) this.#port.changed(subscription);
        else this.#delivered(subscription);
        return;
      case 'finishing':
        this.#end(subscription, 'finished');
        return;
      case 'idle':
      case 'waiting':
      case 'ended':
        return;
    }
  }

  /** A NOTIFY of the subscription got no answer, or could not be sent. */
  unanswered(subscription: Subscription, notify: SipRequest): void {
    if (readCSeq(notify)?.number !== subscription.dialog.localCseq) return;
    if (subscription.phase === 'finishing') this.#end(subscription, 'finished');
    else if (subscription.phase === 'notifying' || subscription.phase === 'owing') this.#end(subscription, 'silent');
  }

  /** When `due` should be called, milliseconds of the wall clock; -1: not before something else happens. */
  dueMs(subscription: Subscription): number {
    const { phase, ending, expiresAtMs, retryAtMs } = subscription;
    if (ending !== null || phase === 'ended') return -1;
    return phase === 'waiting' ? Math.min(expiresAtMs, retryAtMs) : expiresAtMs;
  }

  /** Looks whether a subscription has run out or a repetition is due; early calls do nothing. */
  due(subscription: Subscription): void {
    const now = this.#port.nowMs();
    if (subscription.phase === 'waiting' && now >= subscription.retryAtMs) {
      subscription.phase = 'idle';
      this.#owe(subscription);
    }
    if (subscription.ending === null && now >= subscription.expiresAtMs) this.terminate(subscription, 'timeout');
  }

  /** A subscription was read from a store after a restart: what became of its last NOTIFY will not be heard. */
  resume(subscription: Subscription): void {
    if (subscription.phase === 'idle' || subscription.phase === 'waiting' || subscription.phase === 'ended') return;
    subscription.phase = 'idle';
    this.#owe(subscription);
  }

  #owe(subscription: Subscription): void {
    switch (subscription.phase) {
      case 'idle':
        this.#send(subscription);
        return;
      case 'notifying':
        subscription.phase = 'owing';
        this.#port.changed(subscription);
        return;
      case 'waiting':
        // The last word is not kept back; anything else is told by what goes out then.
        if (subscription.ending !== null) this.#send(subscription);
        else this.#port.changed(subscription);
        return;
      case 'owing':
        this.#port.changed(subscription);
        return;
      case 'finishing':
      case 'ended':
        return;
    }
  }

  #send(subscription: Subscription): void {
    const { dialog, event, contact, ending, expiresAtMs } = subscription;
    const left = Math.max(0, Math.ceil((expiresAtMs - this.#port.nowMs()) / 1000));
    const state =
      ending === null
        ? { state: 'active', reason: '', expires: left, retryAfter: -1 }
        : { state: 'terminated', reason: ending.reason, expires: -1, retryAfter: ending.retryAfter };
    const headers: [HeaderKey, string][] = [
      [Header.Event, event],
      [Header['Subscription-State'], formatSubscriptionState(state)],
      [Header.Contact, contact],
    ];
    const body = this.#port.body(subscription);
    if (body !== '') headers.push([Header['Content-Type'], this.#contentType]);
    const notify = dialogRequest(dialog, 'NOTIFY', headers, body);
    subscription.version += 1;
    subscription.phase = ending === null ? 'notifying' : 'finishing';
    this.#port.send(subscription, notify);
  }

  #delivered(subscription: Subscription): void {
    const owed = subscription.phase === 'owing';
    subscription.phase = 'idle';
    subscription.retried = false;
    if (owed) this.#send(subscription);
    else this.#port.changed(subscription);
  }

  /** Whether a 5xx says when to come back, and it is the first one. */
  #waits(subscription: Subscription, response: SipResponse): boolean {
    const value = response.headers.get(Header['Retry-After']);
    const retryAfter = value === null || subscription.retried ? null : parseRetryAfter(value);
    if (retryAfter === null || retryAfter instanceof ParseFailure) return false;
    subscription.phase = 'waiting';
    subscription.retried = true;
    subscription.retryAtMs = this.#port.nowMs() + retryAfter.seconds * 1000;
    return true;
  }

  #end(subscription: Subscription, why: NotifierEnd): void {
    subscription.phase = 'ended';
    subscription.dialog.state = 'terminated';
    this.#port.ended(subscription, why);
  }
}
