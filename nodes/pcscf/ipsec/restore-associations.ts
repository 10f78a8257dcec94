import type { AssociationPort } from '#ipsec/ipsec-backend';
import type { InstalledAssociation } from '#ipsec/security-association';
import type { Clock } from '#service/clock';
import { type AssociationSet, associationsOf, installedOf } from './association-set.ts';
import type { AssociationTable } from './association-table.ts';
import { netSeconds } from './associations.ts';
import type { KeySeal } from './key-seal.ts';

export interface RestoreGround {
  readonly table: AssociationTable;
  readonly port: AssociationPort;
  readonly seal: KeySeal;
  readonly clock: Clock;
  /** Wall clock when the daemon started: sets that are younger are nobody's past. */
  readonly bootMs: number;
}

/** What became of the sets of an earlier life. */
export interface RestoreReport {
  /** The host still had all four associations. */
  readonly kept: number;
  /** Installed anew, with a jump of the sequence numbers. */
  readonly restored: number;
  /** Gone: their UEs have to register again. */
  readonly lost: number;
  /** Associations of no set, which were removed. */
  readonly orphans: number;
}

/** Sets that are installed at a time. */
const together = 32;

/**
 * Brings store and host together after a restart: what the host still has goes on, what it has lost is installed anew
 * from the sealed keys, and what belongs to no set is removed. Null when another worker of this life has done it.
 *
 * Source: requirements P-39, P-59.
 */
export async function restoreAssociations(ground: RestoreGround): Promise<RestoreReport | null> {
  const { table, port, bootMs } = ground;
  if (!table.claimRestore(bootMs)) return null;
  const installed = new Map((await port.list()).map((association) => [nameOf(association), association]));
  const known = new Set<string>();
  const missing: AssociationSet[] = [];
  const dropped: AssociationSet[] = [];
  let kept = 0;
  for (const set of table.all()) {
    const names = installedOf(set).map(nameOf);
    if (set.createdAtMs >= bootMs) for (const name of names) known.add(name);
    else if (set.expiresAtMs <= ground.clock.wallMs()) dropped.push(set);
    else if (names.every((name) => installed.has(name))) {
      kept++;
      for (const name of names) known.add(name);
    } else if (set.state === 'established') missing.push(set);
    else dropped.push(set);
  }
  const orphans = [...installed].filter(([name]) => !known.has(name)).map(([, association]) => association);
  if (orphans.length > 0) await port.remove(orphans);
  for (const set of dropped) table.remove(set);
  let restored = 0;
  for (let i = 0; i < missing.length; i += together) {
    const done = await Promise.all(missing.slice(i, i + together).map((set) => restore(set, ground)));
    restored += done.filter(Boolean).length;
  }
  table.commit();
  return { kept, restored, lost: missing.length - restored, orphans: orphans.length };
}

/** Installs a set anew; one that cannot be is removed. Gives whether it lives on. */
async function restore(set: AssociationSet, { table, port, seal, clock }: RestoreGround): Promise<boolean> {
  const keys = seal.open(set.keys, set.id);
  if (keys !== null) {
    const next = { ...set, restores: set.restores + 1, connection: 0 };
    // Written first: a start that ends half-way must not use the same sequence numbers again.
    table.save(next);
    table.commit();
    const seconds = Math.ceil((set.expiresAtMs - clock.wallMs()) / 1000) + netSeconds;
    try {
      await port.add(associationsOf(next, keys, seconds));
      return true;
    } catch {
      // Counted by the caller: the UE registers again.
    }
  }
  table.remove(set);
  return false;
}

/** What an association is told apart by. */
function nameOf({ destination, spi }: InstalledAssociation): string {
  return `${spi} ${destination.address}`;
}
