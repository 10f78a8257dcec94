import type { Endpoint, SecurityAssociation } from '../security-association.ts';

/** What the kernel calls an ESP association: destination and SPI; the source helps to find it. */
export interface AssociationName {
  readonly source: string;
  readonly destination: string;
  readonly spi: number;
}

/** An association as the kernel lists it, without its keys. */
export interface KernelAssociation {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly spi: number;
  readonly tag: number;
  /** Second mark beside the tag: `userOf` of its direction, or 0 where the link can't set it. */
  readonly user: number;
  /** Wall-clock second in which it was added. */
  readonly addedAtSeconds: number;
  /** Hard limit in seconds since then, 0 for none. */
  readonly hardSeconds: number;
}

/** Nothing but ESP with this tag may pass between `local` and anybody, for one protocol (6 TCP, 17 UDP). */
export interface GuardPolicy {
  readonly direction: 'in' | 'out';
  readonly local: Endpoint;
  readonly protocol: number;
  readonly tag: number;
}

/** One change of the kernel's tables. `extend`: lives `hardSeconds` since it was added. */
export type XfrmChange =
  | { readonly kind: 'add'; readonly association: SecurityAssociation; readonly tag: number; readonly window: number }
  | { readonly kind: 'extend'; readonly association: AssociationName; readonly hardSeconds: number }
  | { readonly kind: 'delete'; readonly association: AssociationName }
  | { readonly kind: 'guard' | 'unguard'; readonly policy: GuardPolicy };

/** Why the kernel refused a change. */
export interface XfrmFault {
  /** Positive, as in errno.h of Linux. */
  readonly errno: number;
  /** In words, without any key; null where the kernel gave none. */
  readonly text: string | null;
}

/** Something that can change and list the kernel's security associations and policies. */
export interface XfrmLink {
  readonly name: 'netlink' | 'ip -batch';
  /** Makes every change, whatever becomes of the others; gives a fault or null for each. Rejects when the link is broken. */
  apply(changes: readonly XfrmChange[]): Promise<readonly (XfrmFault | null)[]>;
  /** All ESP associations of this network namespace. */
  associations(): Promise<readonly KernelAssociation[]>;
  /** How many associations of whatever protocol there are in it. */
  count(): Promise<number>;
  /** Those of them that are there, in the same order; null for one that is not. */
  find(names: readonly AssociationName[]): Promise<readonly (KernelAssociation | null)[]>;
  /** All policies of this network namespace that look like guards. */
  guards(): Promise<readonly GuardPolicy[]>;
  close(): void;
}

/** The selector's user field of our associations: the tag, or the next number for outgoing ones. */
export function userOf(direction: 'in' | 'out', tag: number): number {
  return direction === 'in' ? tag : tag + 1;
}
