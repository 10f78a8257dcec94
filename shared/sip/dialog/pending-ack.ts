import { Header } from '../message/header-names.ts';
import type { SipRequest } from '../message/request.ts';
import { readCSeq } from '../parser/sanity.ts';
import { giveUpMs, type TimerProfile } from '../transaction/timers.ts';
import { type Dialog, isOfDialog } from './dialog.ts';

/** A 2xx of ours to an INVITE, until its ACK comes. Times are those of one clock, milliseconds. */
export interface PendingAck {
  /** CSeq number of the INVITE. */
  readonly cseq: number;
  readonly t2Ms: number;
  readonly giveUpAtMs: number;
  intervalMs: number;
  /** When to look at it again. */
  dueMs: number;
}

/** A 2xx has gone out: it is repeated end to end until the ACK, over whatever transport. Source: RFC 3261 13.3.1.4. */
export function awaitAck(invite: SipRequest, profile: TimerProfile, nowMs: number): PendingAck {
  return {
    cseq: readCSeq(invite)?.number ?? 0,
    t2Ms: profile.t2Ms,
    giveUpAtMs: nowMs + giveUpMs(profile),
    intervalMs: profile.t1Ms,
    dueMs: nowMs + profile.t1Ms,
  };
}

/**
 * What to do now: wait until `dueMs`, send the 2xx once more, or give up, which is confirmed dialog and BYE.
 * Source: RFC 3261 13.3.1.4.
 */
export function ackDue(pending: PendingAck, nowMs: number): 'wait' | 'send' | 'give-up' {
  if (nowMs >= pending.giveUpAtMs) return 'give-up';
  if (nowMs < pending.dueMs) return 'wait';
  pending.intervalMs = Math.min(pending.intervalMs * 2, pending.t2Ms);
  pending.dueMs = Math.min(nowMs + pending.intervalMs, pending.giveUpAtMs);
  return 'send';
}

/** Whether this is the ACK that was waited for. Source: RFC 3261 13.2.2.4. */
export function isAwaitedAck(pending: PendingAck, dialog: Dialog, ack: SipRequest): boolean {
  if (ack.method !== 'ACK' || !ack.headers.has(Header.CSeq)) return false;
  return readCSeq(ack)?.number === pending.cseq && isOfDialog(dialog, ack);
}
