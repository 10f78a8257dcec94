import { DnsCache } from '#sip/resolver/dns-cache';
import { systemDns } from '#sip/resolver/dns-client';
import { DnsLocator } from '#sip/resolver/dns-locator';
import type { ResolverOptions } from '#sip/resolver/resolve-target';
import type { ListenerTable } from '#sip/transport/listener-table';
import { systemClock } from './clock.ts';
import type { CommonConfig } from './config/config-shape.ts';

/**
 * How one worker finds next hops: by `hosts`, then by the DNS as `dns` says. `homeNetworks`: domains beside the home
 * domain that the DNS is asked for even when a UE chose them.
 *
 * Throws ERR_INVALID_IP_ADDRESS for a name server that the configuration should have refused. Requirements C-16, X-F5.
 */
export function nextHops(
  config: Pick<CommonConfig, 'dns' | 'homeDomain' | 'hosts'>,
  listeners: ListenerTable,
  homeNetworks: readonly string[],
): ResolverOptions {
  const { servers = [], budget } = config.dns;
  const isOff = config.dns.servers?.length === 0;
  return {
    listeners,
    hosts: hostTable(config.hosts),
    dns: isOff ? null : locatorFor(listeners, servers, budget * 1000),
    knownNames: new Set([config.homeDomain, ...homeNetworks].map((name) => name.toLowerCase())),
  };
}

/** Gives a resolver other `hosts`. */
export function setHosts(resolver: ResolverOptions, hosts: CommonConfig['hosts']): void {
  const table = resolver.hosts as ReturnType<typeof hostTable>;
  table.clear();
  for (const [name, targets] of hostTable(hosts)) table.set(name, targets);
}

function hostTable(hosts: CommonConfig['hosts']) {
  return new Map(hosts.map(({ name, targets }) => [name, targets]));
}

function locatorFor(listeners: ListenerTable, servers: readonly string[], budgetMs: number): DnsLocator {
  return new DnsLocator({
    cache: new DnsCache(systemDns(servers, budgetMs), () => systemClock.nowMs()),
    listeners,
    budgetMs,
    alarm(ms, ring) {
      const timer = setTimeout(ring, ms);
      return () => clearTimeout(timer);
    },
    random: Math.random,
  });
}
