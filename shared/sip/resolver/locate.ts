import type { Target, TransportName } from '../transport/flow.ts';
import type { ListenerTable } from '../transport/listener-table.ts';
import type { DnsRecords, DnsType, NaptrRecord } from './dns-client.ts';
import { inSrvOrder } from './srv-order.ts';

/** What is to be reached. */
export interface Destination {
  /** A name, lower case. */
  readonly host: string;
  /** 0 when the URI has none. */
  readonly port: number;
  /** The transport the URI asks for, null when it leaves that to us. */
  readonly transport: TransportName | null;
  /** Whether nothing but TLS will do. */
  readonly secure: boolean;
  /** Host of the URI, which the certificate of a TLS peer is for. */
  readonly domain: string;
  /** Reference point whose listeners send. */
  readonly side: string;
}

/** The DNS as far as it is known. */
export interface DnsView {
  /** Null: not known yet, and noted as a question. */
  records<T extends DnsType>(type: T, name: string): DnsRecords[T] | null;
}

/** Services, names of servers and addresses looked at for one request. Requirement X-F5. */
const maxServices = 8;
const maxNames = 16;
const maxTargets = 16;

/** By which we would rather send, where both sides can do all. */
const ownOrder: readonly TransportName[] = ['udp', 'tcp'];

/**
 * Walks from a name to addresses by NAPTR, SRV and A or AAAA records, as far as the DNS is known: the targets in order of
 * trial, only those that a listener of the side reaches, 16 at most. Where something was not known, the walk is to be
 * repeated when it is. `random`: 0 up to 1, for the weights.
 *
 * Source: RFC 3263 4.1, 4.2; requirement C-16.
 */
export function locate(
  destination: Destination,
  dns: DnsView,
  listeners: ListenerTable,
  random: () => number,
): readonly Target[] {
  const walk: Walk = { destination, dns, listeners, random, names: 0, targets: [] };
  const { host, port, transport, side } = destination;
  const byDefault = defaultTransport(destination, listeners);
  if (port !== 0) {
    addAddresses(walk, host, transport ?? byDefault, port);
    return walk.targets;
  }
  const services = transport === null ? servicesOf(walk) : [{ name: srvName(transport, host), transport }];
  if (services === null) return walk.targets;
  let found = false;
  for (const service of services) found = addService(walk, service) || found;
  if (!found) {
    const fallback = transport ?? services.find((service) => listeners.serves(side, service.transport))?.transport;
    addAddresses(walk, host, fallback ?? byDefault, 0);
  }
  return walk.targets;
}

/** The transport of a destination that names none. Source: RFC 3263 4.1. */
export function defaultTransport(
  { secure, side }: Pick<Destination, 'secure' | 'side'>,
  listeners: ListenerTable,
): TransportName {
  if (secure) return 'tls';
  return listeners.serves(side, 'udp') ? 'udp' : 'tcp';
}

/** Source: RFC 3261 19.1.2. */
export function defaultPort(transport: TransportName): number {
  return transport === 'tls' ? 5061 : 5060;
}

interface Walk {
  readonly destination: Destination;
  readonly dns: DnsView;
  readonly listeners: ListenerTable;
  readonly random: () => number;
  names: number;
  readonly targets: Target[];
}

/** Where the SRV records of one transport stand. */
interface Service {
  readonly name: string;
  readonly transport: TransportName;
}

/**
 * The services of a name that we can use, best first: those of its NAPTR records, without such all transports we send by.
 * Null while the NAPTR records are not known.
 */
function servicesOf({ destination, dns, listeners }: Walk): readonly Service[] | null {
  const { host, side, secure } = destination;
  const records = dns.records('NAPTR', host);
  if (records === null) return null;
  const services: Service[] = [];
  for (const record of [...records].sort((a, b) => a.order - b.order || a.preference - b.preference)) {
    const transport = transportOfService(record);
    if (transport === null || (secure && transport !== 'tls') || !listeners.serves(side, transport)) continue;
    services.push({ name: record.replacement.toLowerCase(), transport });
  }
  if (services.length > 0) return services.slice(0, maxServices);
  const order = secure ? (['tls'] as const) : ownOrder.filter((transport) => listeners.serves(side, transport));
  return order.map((transport) => ({ name: srvName(transport, host), transport }));
}

/** Source: RFC 3263 4.1: a terminal record that leads to SRV records. */
function transportOfService({ flags, service }: NaptrRecord): TransportName | null {
  if (flags.toLowerCase() !== 's') return null;
  switch (service.toUpperCase()) {
    case 'SIP+D2U':
      return 'udp';
    case 'SIP+D2T':
      return 'tcp';
    case 'SIPS+D2T':
      return 'tls';
    default:
      return null;
  }
}

function srvName(transport: TransportName, host: string): string {
  return transport === 'tls' ? `_sips._tcp.${host}` : `_sip._${transport}.${host}`;
}

/** Adds the servers of a service; gives whether it has SRV records, or may have. */
function addService(walk: Walk, { name, transport }: Service): boolean {
  if (!walk.listeners.serves(walk.destination.side, transport)) return false;
  const records = walk.dns.records('SRV', name);
  if (records === null) return true;
  for (const record of inSrvOrder(records, walk.random)) {
    // The root as a name says that the service is decidedly not offered (RFC 2782).
    if (record.name !== '' && record.name !== '.')
      addAddresses(walk, record.name.toLowerCase(), transport, record.port);
  }
  return records.length > 0;
}

/** Adds the addresses of a name, IPv4 first; port 0: the transport's own. */
function addAddresses(walk: Walk, name: string, transport: TransportName, port: number): void {
  const { side } = walk.destination;
  if (walk.names++ >= maxNames || walk.targets.length >= maxTargets) return;
  if (walk.listeners.choose(side, transport, false) !== null) {
    add(walk, walk.dns.records('A', name), transport, port);
  }
  if (walk.listeners.choose(side, transport, true) !== null) {
    add(walk, walk.dns.records('AAAA', name), transport, port);
  }
}

function add(walk: Walk, addresses: readonly string[] | null, transport: TransportName, port: number): void {
  const { destination, listeners, targets } = walk;
  const { side, domain } = destination;
  const pinned = destination.transport !== null;
  for (const address of addresses ?? []) {
    if (targets.length >= maxTargets) return;
    const target = listeners.target(side, transport, address, port || defaultPort(transport), pinned, domain);
    if (target !== null) targets.push(target);
  }
}
