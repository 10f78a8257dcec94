import type { RxSessions } from '#diameter/rx/rx-sessions';
import type { PcscfConfig } from '#service/config-shape';
import type { NodeContext } from '#service/node-context';
import type { AccessPolicy } from './access.ts';
import type { Dialogs } from './dialogs.ts';
import type { InDialogAttempt } from './in-dialog.ts';
import type { MediaPolicy } from './media-policy.ts';
import type { OriginatingAttempt } from './originating.ts';
import type { PendingRegistrations } from './pending-registrations.ts';
import type { RegisterAttempt } from './register.ts';
import type { Registrations } from './registrations.ts';
import type { RouteEntries } from './route-entries.ts';
import type { TerminatingAttempt } from './terminating.ts';

/** What the procedures of the P-CSCF share, in one worker. */
export interface PcscfState {
  readonly context: NodeContext<PcscfConfig>;
  readonly access: AccessPolicy;
  /** Null when all media may be offered. */
  readonly media: MediaPolicy | null;
  readonly routes: RouteEntries;
  readonly registrations: Registrations;
  readonly pending: PendingRegistrations;
  readonly dialogs: Dialogs;
  /** Null without Diameter peers. */
  readonly rx: RxSessions | null;
}

/** What a procedure remembers with its transaction. */
export type Attempt = RegisterAttempt | OriginatingAttempt | TerminatingAttempt | InDialogAttempt;
