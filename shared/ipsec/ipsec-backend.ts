import type { Endpoint, InstalledAssociation, SecurityAssociation } from './security-association.ts';

/** What the data path refused, since the back end was opened (kernel: differences of /proc/net/xfrm_stat). */
export interface IpsecCounters {
  /** Plain packets to or from a guarded port. */
  readonly plain: number;
  /** Packets with a wrong ICV or padding. */
  readonly integrity: number;
  /** Replayed or too old sequence numbers. */
  readonly replay: number;
  /** Packets whose addresses or ports are not those of their association. */
  readonly mismatch: number;
  /** Packets with an SPI that nobody has. */
  readonly unknown: number;
}

/** Why a back end could not do what it was asked: `code` is stable, the message says it in words. */
export class IpsecError extends Error {
  readonly code: 'ERR_IPSEC_DENIED' | 'ERR_IPSEC_EXISTS' | 'ERR_IPSEC_UNSUPPORTED' | 'ERR_IPSEC_FAILED';

  constructor(code: IpsecError['code'], message: string) {
    super(message);
    this.name = 'IpsecError';
    this.code = code;
  }
}

/** Installs and removes security associations: what a P-CSCF worker sees of a back end. */
export interface AssociationPort {
  /** Installs all of them, or none. Rejects with IpsecError. */
  add(associations: readonly SecurityAssociation[]): Promise<void>;
  /** Removes those that are there. */
  remove(associations: readonly InstalledAssociation[]): Promise<void>;
  /** Lets them live `seconds` from now. */
  extend(associations: readonly InstalledAssociation[], seconds: number): Promise<void>;
  /** Those that this suite has installed, also in an earlier life. */
  list(): Promise<readonly InstalledAssociation[]>;
}

/**
 * Carries protected traffic for the ports of this host: the kernel's ESP or our own. Sockets need not know which.
 * Source: TS 33.203 7; requirements P-35, P-39.
 */
export interface IpsecBackend extends AssociationPort {
  readonly kind: 'kernel' | 'userspace';
  /** From now on nothing passes unprotected to or from these ports, UDP and TCP, also after this process has died. */
  guard(ports: readonly Endpoint[]): Promise<void>;
  counters(): Promise<IpsecCounters>;
  /** How many associations there are, asked often; kernel: those of all programs of this network namespace. */
  count(): Promise<number>;
  /** `keep`: the associations and the guard stay, for the next life (where the back end can). */
  close(keep: boolean): Promise<void>;
}
