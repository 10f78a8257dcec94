import type { CxClient } from '#diameter/cx/cx-client';
import type { EnumDirectory } from '#ims/enum';
import type { ScscfConfig } from '#service/config-shape';
import type { NodeContext } from '#service/node-context';
import type { ChallengeLimit } from './challenge-limit.ts';
import type { ChallengeStore } from './challenge-store.ts';
import type { RegEvents } from './reg-event.ts';
import type { RegistrationStore } from './registration-store.ts';
import type { WildcardIndex } from './wildcard-index.ts';

/** What the procedures of the S-CSCF share. */
export interface ScscfState {
  readonly context: NodeContext<ScscfConfig>;
  readonly cx: CxClient;
  readonly registrations: RegistrationStore;
  /** Tells those who watch registrations. */
  readonly regEvents: RegEvents;
  readonly wildcards: WildcardIndex;
  readonly challenges: ChallengeStore;
  readonly challengeLimit: ChallengeLimit;
  /** Values of Service-Route and Record-Route that lead back here. */
  readonly routes: OwnRoutes;
  /** Null where the configuration has no ENUM. */
  readonly enumDirectory: EnumDirectory | null;
  /** Seals temporary GRUUs. Requirement S-41. */
  readonly gruuSecret: Buffer;
}

export interface OwnRoutes {
  /** Service-Route: what a UE sends with it is originated by it. Requirement S-36. */
  readonly service: string;
  /** Record-Route of the originating and of the terminating side. Requirement S-86. */
  readonly originating: string;
  readonly terminating: string;
}
