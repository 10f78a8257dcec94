import type { KeyObject } from 'node:crypto';
import type { CxClient } from '#diameter/cx/cx-client';
import type { EnumDirectory } from '#ims/enum';
import type { ScscfConfig } from '#service/config/scscf-config';
import type { NodeContext } from '#service/node-context';
import type { ChallengeLimit } from './challenge-limit.ts';
import type { ChallengeStore } from './challenge-store.ts';
import type { RegistrationStore } from './registration-store.ts';
import type { Services } from './services.ts';
import type { Sessions } from './sessions.ts';
import type { ThirdPartyRegister } from './third-party-register.ts';
import type { RegistrationEvents } from './third-party-register-end.ts';
import type { UnregisteredStore } from './unregistered-store.ts';
import type { WildcardIndex } from './wildcard-index.ts';

/** What the procedures of the S-CSCF share. */
export interface ScscfState {
  readonly context: NodeContext<ScscfConfig>;
  readonly cx: CxClient;
  readonly registrations: RegistrationStore;
  /** Tells those who watch registrations. */
  readonly regEvents: RegistrationEvents;
  /** Tells application servers of registrations. */
  readonly thirdParties: ThirdPartyRegister;
  readonly wildcards: WildcardIndex;
  /** Filter criteria of the users, and what waits for application servers. */
  readonly services: Services;
  /** Calls of the served users. */
  readonly sessions: Sessions;
  /** Profiles of users who are not registered. */
  readonly unregistered: UnregisteredStore;
  readonly challenges: ChallengeStore;
  readonly challengeLimit: ChallengeLimit;
  /** Values of Service-Route and Record-Route that lead back here. */
  readonly routes: OwnRoutes;
  /** Null where the configuration has no ENUM. */
  readonly enumDirectory: EnumDirectory | null;
  /** Seals temporary GRUUs. Requirement S-41. */
  readonly gruuSecret: KeyObject;
}

export interface OwnRoutes {
  /** Service-Route: what a UE sends with it is originated by it. Requirement S-36. */
  readonly service: string;
  /** Record-Route of the originating and of the terminating side. Requirement S-86. */
  readonly originating: string;
  readonly terminating: string;
  /** Route behind an application server, with an original dialog identifier for its user part. Requirement S-94. */
  wayBack(odi: string, originating: boolean): string;
}
