import { type Dialog, dialogOfRequest, isOfDialog, receiveInDialog, refreshTarget } from '../dialog/dialog.ts';
import { isRefusal, type Refusal, refusal } from '../dialog/refusal.ts';
import { ParseFailure } from '../errors.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import type { SipResponse } from '../message/response.ts';
import { coreReasons } from '../reasons.ts';
import { type EventPackage, readSubscribe, type SubscribeRequest } from './subscribe-request.ts';

/**
 * Where the NOTIFYs of a subscription stand: none under way; one; one, and another is owed; one to be repeated at
 * `retryAtMs`; the last one; nothing comes any more.
 */
export type NotifyPhase = 'idle' | 'notifying' | 'owing' | 'waiting' | 'finishing' | 'ended';

/** Why and how a subscription ends. */
export interface SubscriptionEnd {
  /** `deactivated`, `noresource`, `timeout`, `probation`, `rejected`, `giveup`, `invariant`. */
  readonly reason: string;
  /** Seconds, -1 for none. */
  readonly retryAfter: number;
}

/** A subscription as its notifier keeps it: plain data, for a store. Times are milliseconds of the wall clock. */
export interface Subscription {
  readonly dialog: Dialog;
  /** Event of its NOTIFYs. */
  readonly event: string;
  /** Contact of our responses and NOTIFYs, a name-addr. */
  contact: string;
  expiresAtMs: number;
  /** Version of the next document: 0 for the first, one more for each NOTIFY. */
  version: number;
  phase: NotifyPhase;
  retryAtMs: number;
  /** The NOTIFY to come is a repetition. */
  retried: boolean;
  /** Set when the next NOTIFY is the last one. */
  ending: SubscriptionEnd | null;
}

/**
 * The subscription that a SUBSCRIBE outside a dialog begins. `localTag`: To tag of our 200.
 *
 * A refusal with 400 when its Contact cannot be used. Source: RFC 6665 4.2.1; requirements C-31, S-60.
 */
export function openSubscription(
  request: SipRequest,
  asked: SubscribeRequest,
  localTag: string,
  contact: string,
  nowMs: number,
): Subscription | Refusal {
  const dialog = dialogOfRequest(request, localTag, 'confirmed');
  if (dialog instanceof ParseFailure) return refusal(coreReasons.malformed, dialog.reason);
  return {
    dialog,
    event: asked.event,
    contact,
    expiresAtMs: nowMs + asked.seconds * 1000,
    version: 0,
    phase: 'idle',
    retryAtMs: 0,
    retried: false,
    ending: asked.seconds === 0 ? { reason: 'timeout', retryAfter: -1 } : null,
  };
}

/**
 * Takes a SUBSCRIBE inside the dialog of a subscription, which prolongs or ends it; `Notifier.refreshed` is called after
 * the 200. A refusal changes nothing but the CSeq noted.
 *
 * Source: RFC 6665 4.2.1; requirements C-31, S-67.
 */
export function refreshSubscription(
  subscription: Subscription,
  request: SipRequest,
  offered: EventPackage,
  nowMs: number,
): SubscribeRequest | Refusal {
  const { dialog } = subscription;
  if (subscription.ending !== null || !isOfDialog(dialog, request)) return refusal(coreReasons.unknownDialog);
  const disorder = receiveInDialog(dialog, request);
  if (disorder !== null) return refusal(disorder);
  const asked = readSubscribe(request, offered);
  if (isRefusal(asked)) return asked;
  if (asked.event !== subscription.event) return refusal(coreReasons.unknownDialog, `Event ${asked.event}`);
  refreshTarget(dialog, 'SUBSCRIBE', request);
  subscription.expiresAtMs = nowMs + asked.seconds * 1000;
  if (asked.seconds === 0) subscription.ending = { reason: 'timeout', retryAfter: -1 };
  return asked;
}

/** Writes what belongs into our 200 to a SUBSCRIBE. Source: RFC 6665 4.2.1.1, RFC 3261 12.1.1; requirement S-61. */
export function acceptSubscribe(
  subscription: Subscription,
  request: SipRequest,
  asked: SubscribeRequest,
  response: SipResponse,
): void {
  const { headers } = response;
  headers.copyFrom(request.headers, Header['Record-Route']);
  headers.append(Header.Contact, subscription.contact);
  headers.append(Header.Expires, String(asked.seconds));
}
