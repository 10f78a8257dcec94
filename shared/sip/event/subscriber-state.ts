import { type Dialog, dialogRequest } from '../dialog/dialog.ts';
import { createRequest } from '../message/create.ts';
import type { HeaderKey } from '../message/header-list.ts';
import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';

/** What is subscribed to, and how. Plain data. */
export interface SubscriptionTarget {
  readonly requestUri: string;
  /** name-addr without tag. */
  readonly from: string;
  readonly to: string;
  readonly contact: string;
  /** Values of Route of a SUBSCRIBE that begins a dialog. */
  readonly routes: readonly string[];
  /** Value of Event. */
  readonly event: string;
  readonly accept: string;
  /** How long it should last. */
  readonly seconds: number;
  /** More header fields of each SUBSCRIBE, by name. */
  readonly headers: readonly (readonly [string, string])[];
}

/**
 * Where a subscription stands: its first SUBSCRIBE is out; its NOTIFY came before the answer; the answer before the
 * NOTIFY; it serves; it is being refreshed; it is being given up; the next try waits; it is over.
 */
export type SubscriberPhase =
  | 'subscribing'
  | 'noticed'
  | 'accepted'
  | 'active'
  | 'refreshing'
  | 'leaving'
  | 'waiting'
  | 'ended';

/** A subscription as the subscriber keeps it: plain data, for a store. Times are milliseconds of the wall clock. */
export interface SubscriberState {
  readonly target: SubscriptionTarget;
  phase: SubscriberPhase;
  /** Of the dialog there is or is to be; each new try has new ones. */
  callId: string;
  localTag: string;
  /** CSeq number of the last SUBSCRIBE. */
  cseq: number;
  dialog: Dialog | null;
  /** What is asked for: that of the target, or more after a 423. */
  seconds: number;
  /** When it ends if nothing is done, 0 while nothing is granted. */
  expiresAtMs: number;
  /** When to look at it again, -1: not before something happens. */
  dueMs: number;
  /** When its present dialog was begun. */
  startedAtMs: number;
  /** Failures in a row. */
  failures: number;
}

/** The next SUBSCRIBE of a subscription, inside its dialog where there is one. Source: RFC 6665 4.1.2, 8.1. */
export function nextSubscribe(state: SubscriberState, seconds: number): SipRequest {
  const { target, dialog } = state;
  const headers: [HeaderKey, string][] = [
    [Header.Contact, target.contact],
    [Header.Event, target.event],
    [Header.Accept, target.accept],
    [Header.Expires, String(seconds)],
    ...target.headers.map(([name, value]): [HeaderKey, string] => [name, value]),
  ];
  state.cseq += 1;
  if (dialog !== null) return dialogRequest(dialog, 'SUBSCRIBE', headers);
  return createRequest('SUBSCRIBE', target.requestUri, [
    ...target.routes.map((route): [HeaderKey, string] => [Header.Route, route]),
    [Header['Max-Forwards'], '70'],
    [Header.From, `${target.from};tag=${state.localTag}`],
    [Header.To, target.to],
    [Header['Call-ID'], state.callId],
    [Header.CSeq, `${state.cseq} SUBSCRIBE`],
    ...headers,
  ]);
}
