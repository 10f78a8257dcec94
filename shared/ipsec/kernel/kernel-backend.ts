import type { IpsecBackend, IpsecCounters } from '../ipsec-backend.ts';
import { IpsecError } from '../ipsec-backend.ts';
import type { Endpoint, InstalledAssociation, SecurityAssociation } from '../security-association.ts';
import { countersSince, readKernelCounters } from './kernel-counters.ts';
import { errnoNoProcess, ipsecErrorOf } from './kernel-fault.ts';
import {
  type AssociationName,
  type GuardPolicy,
  type KernelAssociation,
  userOf,
  type XfrmChange,
  type XfrmFault,
  type XfrmLink,
} from './xfrm-link.ts';

/** How the associations and policies of one program are made. */
export interface KernelOptions {
  /**
   * Marks what is ours (reqid; it and the next number in the selector's user field). Programs of one host with protected
   * ports on one address need tags of their own, at least two apart: each removes leftovers with its tag.
   */
  readonly tag: number;
  /** Packets that may overtake each other: 32 to 4096. */
  readonly replayWindow: number;
  /** Wall clock in milliseconds, as the kernel has it. */
  readonly now: () => number;
}

export const defaultKernelOptions: KernelOptions = {
  tag: 0x494d5300,
  replayWindow: 64,
  now: () => Date.now(),
};

const protocols = [6, 17] as const;

/**
 * The kernel's ESP. A guard per port lets nothing pass unprotected whoever the peer is; a phone adds four associations and
 * no policy. Associations and guards stay when this process dies.
 *
 * Source: TS 33.203 7; requirements P-35, P-39.
 */
export class KernelBackend implements IpsecBackend {
  readonly kind = 'kernel';
  readonly #link: XfrmLink;
  readonly #options: KernelOptions;
  readonly #before: IpsecCounters;
  #guarded: readonly Endpoint[] = [];

  constructor(link: XfrmLink, options: KernelOptions = defaultKernelOptions) {
    this.#link = link;
    this.#options = options;
    this.#before = readKernelCounters();
  }

  /** Ports of later calls come on top. The first one removes the guards of an earlier life from the same addresses. */
  async guard(ports: readonly Endpoint[]): Promise<void> {
    const first = this.#guarded.length === 0;
    const wanted = ports.flatMap((port) => this.#policiesOf(port));
    const faults = await this.#link.apply(wanted.map((policy) => ({ kind: 'guard', policy })));
    throwFirst(faults, (at) => `no guard for ${policyWords(wanted[at]!)}`);
    this.#guarded = [...this.#guarded, ...ports];
    if (first) await this.#unguard(await this.#staleGuards(wanted));
  }

  async add(associations: readonly SecurityAssociation[]): Promise<void> {
    for (const association of associations) check(association);
    const { tag, replayWindow } = this.#options;
    const changes = associations.map((association): XfrmChange => {
      return { kind: 'add', association, tag, window: replayWindow };
    });
    const faults = await this.#link.apply(changes);
    if (faults.every((fault) => fault === null)) return;
    // Those that were there before are not ours to delete: only the new ones go.
    const added = associations.filter((_, at) => faults[at] === null);
    if (added.length > 0) await this.#link.apply(added.map((each) => ({ kind: 'delete', association: nameOf(each) })));
    throwFirst(faults, (at) => `the kernel refused ${associationWords(associations[at]!)}`);
  }

  async remove(associations: readonly InstalledAssociation[]): Promise<void> {
    if (associations.length === 0) return;
    const faults = await this.#link.apply(associations.map((each) => ({ kind: 'delete', association: nameOf(each) })));
    const others = faults.map((fault) => (fault?.errno === errnoNoProcess ? null : fault));
    throwFirst(others, (at) => `the kernel did not remove ${associationWords(associations[at]!)}`);
  }

  /**
   * The kernel counts a limit from when the association was added, also after it has been extended: what has passed since
   * then comes on top. When its clock was set back meanwhile, they live longer, never shorter.
   */
  async extend(associations: readonly InstalledAssociation[], seconds: number): Promise<void> {
    if (associations.length === 0) return;
    const found = await this.#link.find(associations.map(nameOf));
    const nowSeconds = Math.floor(this.#options.now() / 1000);
    const changes = associations.map((each, at): XfrmChange => {
      const known = found[at];
      if (!known) throw new IpsecError('ERR_IPSEC_FAILED', `${associationWords(each)} is not there`);
      const passed = Math.max(0, nowSeconds - known.addedAtSeconds);
      return { kind: 'extend', association: nameOf(each), hardSeconds: passed + Math.ceil(seconds) };
    });
    const faults = await this.#link.apply(changes);
    throwFirst(faults, (at) => `the kernel did not extend ${associationWords(associations[at]!)}`);
  }

  async list(): Promise<readonly InstalledAssociation[]> {
    const all = await this.#link.associations();
    return all.flatMap((each) => {
      const direction = this.#directionOf(each);
      if (direction === null) return [];
      return [{ direction, source: each.source, destination: each.destination, spi: each.spi }];
    });
  }

  async counters(): Promise<IpsecCounters> {
    return countersSince(this.#before, readKernelCounters());
  }

  count(): Promise<number> {
    return this.#link.count();
  }

  async close(keep: boolean): Promise<void> {
    try {
      if (keep) return;
      await this.remove(await this.list());
      await this.#unguard(this.#guarded.flatMap((port) => this.#policiesOf(port)));
    } finally {
      this.#link.close();
    }
  }

  #policiesOf(local: Endpoint): GuardPolicy[] {
    const { tag } = this.#options;
    return protocols.flatMap((protocol) => [
      { direction: 'in', local, protocol, tag },
      { direction: 'out', local, protocol, tag },
    ]);
  }

  async #staleGuards(wanted: readonly GuardPolicy[]): Promise<readonly GuardPolicy[]> {
    const keep = new Set(wanted.map(policyWords));
    const addresses = new Set(this.#guarded.map(({ address }) => address));
    return (await this.#link.guards()).filter((policy) => {
      const ours = policy.tag === this.#options.tag && addresses.has(policy.local.address);
      return ours && !keep.has(policyWords(policy));
    });
  }

  async #unguard(policies: readonly GuardPolicy[]): Promise<void> {
    if (policies.length === 0) return;
    const faults = await this.#link.apply(policies.map((policy) => ({ kind: 'unguard', policy })));
    const others = faults.map((fault) => (fault?.errno === 2 ? null : fault));
    throwFirst(others, (at) => `the guard of ${policyWords(policies[at]!)} stays`);
  }

  /** Null for what is not ours: another tag, or at an address that is not guarded here. */
  #directionOf(association: KernelAssociation): 'in' | 'out' | null {
    const { tag } = this.#options;
    if (association.tag !== tag) return null;
    const direction = this.#markedDirection(association);
    if (direction === null || this.#guarded.length === 0) return direction;
    const local = direction === 'in' ? association.destination : association.source;
    return this.#guarded.some(({ address }) => sameAddress(address, local.address)) ? direction : null;
  }

  #markedDirection({ user, source, destination }: KernelAssociation): 'in' | 'out' | null {
    if (user === userOf('in', this.#options.tag)) return 'in';
    if (user === userOf('out', this.#options.tag)) return 'out';
    if (user !== 0) return null;
    const guards = ({ address, port }: Endpoint) =>
      this.#guarded.some((guarded) => sameAddress(guarded.address, address) && guarded.port === port);
    return guards(destination) ? 'in' : guards(source) ? 'out' : null;
  }
}

function sameAddress(guarded: string, address: string): boolean {
  return guarded === address || guarded === '0.0.0.0' || guarded === '::';
}

function nameOf({ source, destination, spi }: InstalledAssociation): AssociationName {
  return { source: source.address, destination: destination.address, spi };
}

function check({ spi, lifetimeSeconds, firstSequence }: SecurityAssociation): void {
  if (!Number.isInteger(spi) || spi < 256 || spi > 0xffffffff) {
    throw new IpsecError('ERR_IPSEC_FAILED', `an SPI is 256 to 4294967295, not ${spi}`);
  }
  if (!Number.isInteger(lifetimeSeconds) || lifetimeSeconds < 1) {
    throw new IpsecError('ERR_IPSEC_FAILED', `an association lives at least a second, not ${lifetimeSeconds}`);
  }
  if (!Number.isInteger(firstSequence) || firstSequence < 0 || firstSequence >= 0xffffffff) {
    throw new IpsecError('ERR_IPSEC_FAILED', `${firstSequence} is no sequence number`);
  }
}

/** Throws the first fault; `what` says what was wanted. */
function throwFirst(faults: readonly (XfrmFault | null)[], what: (at: number) => string): void {
  const at = faults.findIndex((fault) => fault !== null);
  if (at >= 0) throw ipsecErrorOf(faults[at]!, what(at));
}

function associationWords({ source, destination, spi }: InstalledAssociation): string {
  return `the association ${endpointWords(source)} to ${endpointWords(destination)} with SPI ${spi}`;
}

function policyWords({ direction, local, protocol }: GuardPolicy): string {
  return `${protocol === 6 ? 'tcp' : 'udp'} ${endpointWords(local)} ${direction}`;
}

function endpointWords({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
