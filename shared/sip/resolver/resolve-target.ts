import { ParseFailure } from '../errors.ts';
import type { Target, TransportName } from '../transport/flow.ts';
import type { ListenerTable } from '../transport/listener-table.ts';
import { isIpAddress, parseHostPort } from '../uri/host-port.ts';
import type { SipUri } from '../uri/sip-uri.ts';
import type { Uri } from '../uri/uri.ts';
import type { DnsLocator } from './dns-locator.ts';
import { defaultPort, defaultTransport } from './locate.ts';

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
  /** Null: the DNS is never asked. */
  readonly dns: Pick<DnsLocator, 'find'> | null;
  /** Names, lower case, that the DNS is asked for whoever chose them. */
  readonly knownNames?: ReadonlySet<string>;
}

const nowhere: readonly Target[] = Object.freeze([]);

/**
 * Where a request for a URI goes, best target first: a numeric host directly, a name by the static host table, else by the
 * DNS. At once where nothing has to be asked.
 *
 * `guarded`: somebody who is not trusted chose the host; the DNS is asked for none but the known names. An empty list: the
 * URI has no host (tel, urn), its name is unknown, or no listener of `side` reaches it.
 * Source: RFC 3263 4; requirements C-16, C-17, X-F5.
 */
export function resolveTarget(
  uri: Uri,
  side: string,
  options: ResolverOptions,
  guarded = false,
): readonly Target[] | Promise<readonly Target[]> {
  if (uri.kind !== 'sip') return nowhere;
  const host = hostOf(uri);
  const transport = transportOf(uri);
  if (host === null || transport === 'unknown') return nowhere;
  const secure = uri.scheme === 'sips';
  const { listeners, hosts } = options;
  if (isIpAddress(host) !== 0) {
    const by = transport ?? defaultTransport({ secure, side }, listeners);
    const target = listeners.target(side, by, host, uri.port || defaultPort(by), transport !== null, uri.host);
    return target === null ? nowhere : [target];
  }
  const fixed = hosts.get(host);
  if (fixed !== undefined) return staticTargets(fixed, uri, side, secure ? 'tls' : transport, listeners);
  const isAsked = options.dns !== null && (!guarded || options.knownNames?.has(host) === true);
  if (!isAsked) return nowhere;
  return options.dns.find({ host, port: uri.port, transport, secure, domain: uri.host, side });
}

function staticTargets(
  fixed: readonly HostAddress[],
  uri: SipUri,
  side: string,
  transport: TransportName | null,
  listeners: ListenerTable,
): readonly Target[] {
  const targets: Target[] = [];
  for (const entry of fixed) {
    if (transport !== null && transport !== entry.transport) continue;
    const target = listeners.target(side, entry.transport, entry.address, uri.port || entry.port, true, uri.host);
    if (target !== null) targets.push(target);
  }
  return targets;
}

/** The host that counts: maddr before that of the URI. Null when maddr is none. Source: RFC 3263 4. */
function hostOf(uri: SipUri): string | null {
  const maddr = uri.parameters.raw === '' ? null : uri.parameters.get('maddr');
  const host = maddr === null || maddr === '' ? uri : parseHostPort(maddr);
  if (host instanceof ParseFailure) return null;
  return host.host.endsWith('.') ? host.host.slice(0, -1) : host.host;
}

/** The transport that a URI asks for, null when it asks for none; `unknown`: one that we do not have. */
function transportOf(uri: SipUri): TransportName | null | 'unknown' {
  const named = uri.parameters.raw === '' ? null : uri.parameters.get('transport');
  if (named === null || named === '') return null;
  const name = named.toLowerCase();
  if (name !== 'udp' && name !== 'tcp' && name !== 'tls') return 'unknown';
  if (uri.scheme !== 'sips') return name;
  return name === 'udp' ? 'unknown' : 'tls';
}
