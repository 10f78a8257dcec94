import type { PcscfConfig } from '#service/config/pcscf-config';
import type { NodeContext } from '#service/node-context';
import type { SessionTimerPolicy } from '#sip/dialog/session-timer';
import type { AccessPolicy } from './access.ts';
import type { Dialogs } from './dialogs.ts';
import type { EmergencySide } from './emergency.ts';
import type { InDialogAttempt } from './in-dialog.ts';
import type { IpsecSide } from './ipsec/ipsec-side.ts';
import type { AnchorSide } from './media-anchor-side.ts';
import type { MediaPolicy } from './media-policy.ts';
import type { OriginatingAttempt } from './originating.ts';
import type { EarlyCalls } from './overload-early-calls.ts';
import type { PendingRegistrations } from './pending-registrations.ts';
import type { RegEventSubscriber } from './reg-event-subscriber.ts';
import type { RegisterAttempt } from './register-attempt.ts';
import type { Registrations } from './registrations.ts';
import type { RouteEntries } from './route-entries.ts';
import type { RxSide } from './rx.ts';
import type { SignallingSessions } from './signalling-session.ts';
import type { TerminatingAttempt } from './terminating.ts';

/** What the procedures of the P-CSCF share, in one worker. */
export interface PcscfState {
  readonly context: NodeContext<PcscfConfig>;
  readonly access: AccessPolicy;
  /** Null when all media may be offered. */
  readonly media: MediaPolicy | null;
  /** What the operator wants of session timers. Requirement P-80. */
  readonly timer: SessionTimerPolicy;
  readonly routes: RouteEntries;
  readonly registrations: Registrations;
  /** Null where no access profile asks for IPsec. */
  readonly ipsec: IpsecSide | null;
  readonly emergency: EmergencySide;
  readonly earlyCalls: EarlyCalls;
  readonly pending: PendingRegistrations;
  readonly dialogs: Dialogs;
  /** Null where no media relay is configured. */
  readonly anchors: AnchorSide | null;
  /** Null without Diameter peers. */
  readonly rx: RxSide | null;
  /** Null where no PCRF is asked about registrations. */
  readonly signalling: SignallingSessions | null;
  /** Subscriptions to what home networks do with registrations. */
  readonly regEvents: RegEventSubscriber;
}

/** What a procedure remembers with its transaction. */
export type Attempt = RegisterAttempt | OriginatingAttempt | TerminatingAttempt | InDialogAttempt;
