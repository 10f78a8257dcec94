import type { Target, TransportName } from '../transport/flow.ts';
import type { ListenerTable } from '../transport/listener-table.ts';
import { isIpAddress } from '../uri/host-port.ts';
import type { SipUri } from '../uri/sip-uri.ts';
import type { Uri } from '../uri/uri.ts';
import type { DnsClient } from './dns-client.ts';

/** One address of the static host table (`hosts:` in the configuration). */
export interface HostAddress {
  readonly transport: TransportName;
  readonly address: string;
  readonly port: number;
}

export interface ResolverOptions {
  readonly listeners: ListenerTable;
  /** Answers before DNS, by lower-case host name. */
  readonly hosts: ReadonlyMap<string, readonly HostAddress[]>;
  readonly dns: DnsClient;
}

/**
 * Where a request for a URI goes, best target first: a numeric host directly, a name by the static host table, else by
 * its addresses in the DNS. At once where no look-up is needed.
 *
 * An empty list: the URI has no host (tel, urn), its name is unknown, or no listener of `side` reaches it.
 * Source: RFC 3263 4; requirements C-16, C-17.
 */
export function resolveTarget(
  uri: Uri,
  side: string,
  options: ResolverOptions,
): readonly Target[] | Promise<readonly Target[]> {
  if (uri.kind !== 'sip') return [];
  const host = uri.parameters.get('maddr')?.toLowerCase() || uri.host;
  const transport = transportOf(uri);
  const { listeners } = options;
  if (isIpAddress(host) !== 0) {
    const target = listeners.target(side, transport ?? 'udp', host, portOf(uri, transport));
    return target === null ? [] : [target];
  }
  const fixed = options.hosts.get(host);
  if (fixed !== undefined) {
    const targets: Target[] = [];
    for (const entry of fixed) {
      if (transport !== null && uri.parameters.has('transport') && transport !== entry.transport) continue;
      const target = listeners.target(side, entry.transport, entry.address, uri.port || entry.port);
      if (target !== null) targets.push(target);
    }
    return targets;
  }
  return lookUp(host, uri, transport, side, options);
}

async function lookUp(
  host: string,
  uri: SipUri,
  transport: TransportName | null,
  side: string,
  options: ResolverOptions,
): Promise<Target[]> {
  const targets: Target[] = [];
  for (const address of await options.dns.addresses(host)) {
    const target = options.listeners.target(side, transport ?? 'udp', address, portOf(uri, transport));
    if (target !== null) targets.push(target);
  }
  return targets;
}

function transportOf(uri: SipUri): TransportName | null {
  if (uri.scheme === 'sips') return 'tls';
  const name = uri.parameters.get('transport')?.toLowerCase();
  return name === 'tcp' || name === 'tls' || name === 'udp' ? name : null;
}

function portOf(uri: SipUri, transport: TransportName | null): number {
  return uri.port || (transport === 'tls' ? 5061 : 5060);
}
