import type {
  AssociationName,
  GuardPolicy,
  KernelAssociation,
  XfrmChange,
  XfrmFault,
  XfrmLink,
} from '#ipsec/kernel/xfrm-link';
import { userOf } from '#ipsec/kernel/xfrm-link';

const exists: XfrmFault = { errno: 17, text: null };
const gone: XfrmFault = { errno: 3, text: null };
const noPolicy: XfrmFault = { errno: 2, text: null };

/** The kernel's tables as memory: what it does to them and what it refuses, without packets and time. */
export class KernelTables implements XfrmLink {
  readonly name = 'netlink';
  readonly states = new Map<string, KernelAssociation>();
  readonly policies = new Map<string, GuardPolicy>();
  nowSeconds = 1000;
  closed = false;
  /** Where the selector's user field can't be set. */
  marks = true;

  async apply(changes: readonly XfrmChange[]): Promise<readonly (XfrmFault | null)[]> {
    return changes.map((change) => this.#apply(change));
  }

  async associations(): Promise<readonly KernelAssociation[]> {
    return [...this.states.values()];
  }

  async count(): Promise<number> {
    return this.states.size;
  }

  async find(names: readonly AssociationName[]): Promise<readonly (KernelAssociation | null)[]> {
    return names.map((name) => this.states.get(keyOf(name)) ?? null);
  }

  async guards(): Promise<readonly GuardPolicy[]> {
    return [...this.policies.values()];
  }

  close(): void {
    this.closed = true;
  }

  #apply(change: XfrmChange): XfrmFault | null {
    switch (change.kind) {
      case 'add':
        return this.#add(change);
      case 'extend':
        return this.#extend(keyOf(change.association), change.hardSeconds);
      case 'delete':
        return this.states.delete(keyOf(change.association)) ? null : gone;
      case 'guard':
        this.policies.set(policyKey(change.policy), change.policy);
        return null;
      case 'unguard':
        return this.policies.delete(policyKey(change.policy)) ? null : noPolicy;
    }
  }

  #add({ association, tag }: XfrmChange & { readonly kind: 'add' }): XfrmFault | null {
    const { source, destination, spi, direction } = association;
    const key = keyOf({ source: source.address, destination: destination.address, spi });
    if (this.states.has(key)) return exists;
    const user = this.marks ? userOf(direction, tag) : 0;
    const times = { addedAtSeconds: this.nowSeconds, hardSeconds: association.lifetimeSeconds };
    this.states.set(key, { source, destination, spi, tag, user, ...times });
    return null;
  }

  #extend(key: string, hardSeconds: number): XfrmFault | null {
    const state = this.states.get(key);
    if (!state) return gone;
    this.states.set(key, { ...state, hardSeconds });
    return null;
  }
}

function keyOf({ destination, spi }: AssociationName): string {
  return `${destination} ${spi}`;
}

function policyKey({ direction, local, protocol }: GuardPolicy): string {
  return `${direction} ${local.address} ${local.port} ${protocol}`;
}
