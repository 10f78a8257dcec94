import { OwnNames } from '#sip/proxy/route-processing';
import type { ResolverOptions } from '#sip/resolver/resolve-target';
import type { TimerProfile } from '#sip/transaction/timers';
import type { Flow, Listener } from '#sip/transport/flow';
import { ListenerTable } from '#sip/transport/listener-table';
import { CidrTable } from './cidr.ts';
import type { CommonConfig } from './config/config-shape.ts';
import { nextHops, setHosts } from './next-hops.ts';
import type { NodeRole } from './node-role.ts';

/** What a worker makes of its configuration, kept true when that changes while it serves. */
export class LiveSettings<C extends CommonConfig> {
  readonly listeners: ListenerTable;
  /** The addresses and names under which this node is known. */
  readonly own: OwnNames;
  readonly resolver: ResolverOptions;
  readonly #role: NodeRole<C>;
  readonly #followers: ((next: C) => void)[] = [];
  #config: C;
  #revision: number;
  #trusted: CidrTable<true>;
  #profileOf: (listener: Listener, address: string) => TimerProfile;
  #isUrgent: ((text: string) => boolean) | undefined;

  constructor(role: NodeRole<C>, config: C, revision: number) {
    this.#role = role;
    this.#config = config;
    this.#revision = revision;
    this.listeners = new ListenerTable(config.listeners);
    this.own = new OwnNames(ownNames(config.listeners, role.names(config)));
    this.resolver = nextHops(config, this.listeners, role.homeNetworks?.(config) ?? []);
    this.#trusted = trustedNetworks(config);
    this.#profileOf = role.profileOf(config);
    this.#isUrgent = role.urgentOf?.(config);
  }

  /** As it is by now. */
  get config(): C {
    return this.#config;
  }

  /** How often it has changed since the start. */
  get revision(): number {
    return this.#revision;
  }

  /** Names somebody who is to hear of a new configuration, after what is here has taken it over. */
  onChange(follower: (next: C) => void): void {
    this.#followers.push(follower);
  }

  take(next: C, revision: number): void {
    this.#config = next;
    this.#revision = revision;
    this.listeners.replace(next.listeners);
    this.own.add(ownNames(next.listeners, this.#role.names(next)));
    setHosts(this.resolver, next.hosts);
    this.#trusted = trustedNetworks(next);
    this.#profileOf = this.#role.profileOf(next);
    this.#isUrgent = this.#role.urgentOf?.(next);
    for (const follower of this.#followers) follower(next);
  }

  profileOf(listener: Listener, address: string): TimerProfile {
    return this.#profileOf(listener, address);
  }

  /** Whether a node of ours sends by a flow. A listener of Gm alone has no core nodes behind it, whatever their address. */
  isCore({ listener, address }: Flow): boolean {
    return this.listeners.all[listener]?.sides.includes('mw') === true && this.#trusted.find(address) === true;
  }

  /** Whether what comes by a flow came to a port that IPsec protects. */
  isProtected({ listener }: Flow): boolean {
    return this.listeners.all[listener]?.protection !== undefined;
  }

  /** Whether the role knows calls for help that name no emergency service. */
  get knowsUrgent(): boolean {
    return this.#isUrgent !== undefined;
  }

  /** Whether a request is one. */
  isUrgent(text: string): boolean {
    return this.#isUrgent?.(text) === true;
  }
}

function trustedNetworks({ trusted }: CommonConfig): CidrTable<true> {
  return new CidrTable(trusted.map((network) => [network, true] as const));
}

/** Every `host:port` under which Route and Request-URI may name this node. */
function ownNames(listeners: readonly Listener[], more: readonly string[]): string[] {
  const names = [...more];
  for (const listener of listeners) {
    const host = listener.address.includes(':') ? `[${listener.address}]` : listener.address;
    names.push(`${host}:${listener.port}`, listener.sentBy);
  }
  return names;
}
