import { keysOf } from '#ipsec/key-derivation';
import type { InstalledAssociation, SecurityAssociation } from '#ipsec/security-association';
import type { AlgorithmPair, OwnEnd } from './security-agreement.ts';

/** Address, ports and SPIs of one end. */
export interface SetEnd extends OwnEnd {
  /** IPv6 without brackets. */
  readonly address: string;
}

/**
 * What has become of a set: `temporary` until the UE has answered its challenge; `established`; `old` when a newer one
 * of the same registration is established; `ended` when nobody is registered by it any more: only answers go by it.
 */
export type SetState = 'temporary' | 'established' | 'old' | 'ended';

/**
 * The four security associations that a challenge has set up between a UE and this node, and what they are for.
 * Source: TS 33.203 7.1, 7.4; requirements P-34 to P-37, P-53.
 */
export interface AssociationSet {
  readonly id: string;
  readonly state: SetState;
  readonly impi: string;
  /** Key of the identity that was being registered, and `host:port` of the contact. */
  readonly aor: string;
  readonly contact: string;
  /** Token of the binding. */
  readonly token: string;
  readonly ue: SetEnd;
  readonly own: SetEnd;
  readonly pair: AlgorithmPair;
  /** Security-Client of the REGISTER that was challenged; empty once it is established. */
  readonly client: readonly string[];
  /** Security-Server as sent. */
  readonly server: string;
  /** The set that this one replaces, '' when there is none or the UE has used this one. */
  readonly replaces: string;
  /** TCP connection that the UE has opened last, 0 without one, and when that was noted (epoch milliseconds). */
  readonly connection: number;
  readonly connectionAtMs: number;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** How often it was installed anew: each time its sequence numbers begin further on. */
  readonly restores: number;
  /** CK and IK, sealed; empty where they are not kept. */
  readonly keys: Buffer;
}

/** How far the sequence numbers of a restored association jump: farther than any UE's set has ever counted in one life. */
const sequenceJump = 2 ** 20;

/** CK and IK of an AKA run, 16 octets each. */
export interface AkaKeys {
  readonly ck: Buffer;
  readonly ik: Buffer;
}

/**
 * The four associations of a set, to be installed. Source: TS 33.203 7.1, annex I; requirements P-33, P-35, P-59.
 */
export function associationsOf(
  set: Pick<AssociationSet, 'ue' | 'own' | 'pair' | 'restores'>,
  { ck, ik }: AkaKeys,
  lifetimeSeconds: number,
): readonly SecurityAssociation[] {
  const { alg: integrity, ealg: encryption } = set.pair;
  const keys = keysOf(integrity, encryption, ck, ik);
  return installedOf(set).map((association) => ({
    ...association,
    integrity,
    encryption,
    ...keys,
    lifetimeSeconds,
    firstSequence: association.direction === 'out' ? set.restores * sequenceJump : 0,
  }));
}

/** The four associations of a set without their keys, in the order of the table of requirement P-35. */
export function installedOf({ ue, own }: Pick<AssociationSet, 'ue' | 'own'>): readonly InstalledAssociation[] {
  const ueClient = { address: ue.address, port: ue.clientPort };
  const ueServer = { address: ue.address, port: ue.serverPort };
  const ownClient = { address: own.address, port: own.clientPort };
  const ownServer = { address: own.address, port: own.serverPort };
  return [
    { direction: 'in', source: ueClient, destination: ownServer, spi: own.serverSpi },
    { direction: 'out', source: ownServer, destination: ueClient, spi: ue.clientSpi },
    { direction: 'out', source: ownClient, destination: ueServer, spi: ue.serverSpi },
    { direction: 'in', source: ueServer, destination: ownClient, spi: own.clientSpi },
  ];
}
