import type { ReportProblem } from './config-problem.ts';
import type { DiameterConfig, DiameterListener, DiameterPeer, RoutedPeer } from './config-shape.ts';
import { nearest } from './suggestion.ts';

type Data = Record<string, unknown>;

/** What the `diameter` section is read against. */
export interface DiameterSurroundings {
  readonly name: string;
  readonly homeDomain: string;
  /** What the role asks of the peers. */
  readonly application: 'cx' | 'rx';
  /** Whether there is a `tls` section. */
  readonly hasTls: boolean;
  /** Takes what is wrong; `path` begins below `diameter`. */
  readonly problem: ReportProblem;
}

/**
 * Turns the `diameter` section, which passed the schema, into its typed form: computed defaults, and checks of one key
 * against another. Source: RFC 6733 2.7, 5.2; requirement D-10.
 */
export function resolveDiameter(raw: Data, around: DiameterSurroundings): DiameterConfig {
  const { application, homeDomain, name } = around;
  const peers = (raw.peers as Data[]).map(peerOf);
  const listen = (raw.listen as readonly DiameterListener[] | undefined) ?? [];
  checkPeers(peers, listen, around);
  checkListeners(listen, around);
  const hosts = [...new Set(peers.map(({ host }) => host))];
  const originRealm = String(raw.originRealm ?? homeDomain);
  const routed = (list: unknown, path: readonly string[]) => {
    const found = ((list ?? hosts) as readonly (string | Data)[]).map(routedPeerOf);
    checkHosts(found, hosts, path, around);
    return found;
  };
  const rows = (raw.realms as readonly Data[] | undefined) ?? [{ realm: originRealm, application, peers: hosts }];
  return {
    originHost: String(raw.originHost ?? name),
    originRealm,
    ...(raw as unknown as Pick<
      DiameterConfig,
      'timeout' | 'failovers' | 'watchdog' | 'reconnect' | 'reconnectCap' | 'acceptUnknown' | 'redirect'
    >),
    cx: { realm: homeDomain, ...(raw.cx as object) } as DiameterConfig['cx'],
    listen,
    peers,
    realms: rows.map((row, i) => ({
      ...(row as unknown as DiameterConfig['realms'][number]),
      peers: routed(row.peers, ['realms', String(i), 'peers']),
    })),
    defaultRoute: routed(raw.defaultRoute, ['defaultRoute']),
  };
}

function peerOf(raw: Data): DiameterPeer {
  return {
    host: String(raw.host),
    address: String(raw.address ?? raw.host),
    port: Number(raw.port),
    connect: raw.connect !== false,
    tls: raw.tls === true,
    anyDestination: raw.anyDestination === true,
  };
}

/** The place in the list is the priority of what names none. */
function routedPeerOf(raw: string | Data, place: number): RoutedPeer {
  if (typeof raw === 'string') return { host: raw, priority: place, weight: 1 };
  return { host: String(raw.host), priority: Number(raw.priority ?? place), weight: Number(raw.weight ?? 1) };
}

function checkPeers(peers: readonly DiameterPeer[], listen: readonly unknown[], around: DiameterSurroundings): void {
  const hosts = peers.map(({ host }) => host.toLowerCase());
  peers.forEach(({ connect, host, tls }, i) => {
    const path = ['peers', String(i)];
    if (hosts.indexOf(host.toLowerCase()) < i) {
      const suggestion = 'a Diameter identity has one connection: remove one';
      around.problem([...path, 'host'], `peer ${host} is listed twice`, suggestion);
    }
    if (!connect && listen.length === 0) {
      const suggestion = 'add listen: [{ address: 127.0.0.1 }], or let this node connect';
      around.problem([...path, 'connect'], `${host} is to connect to this node, which listens nowhere`, suggestion);
    }
    if (tls && !around.hasTls) needsCertificate([...path, 'tls'], `TLS with ${host}`, around);
  });
}

function checkListeners(listen: readonly DiameterListener[], around: DiameterSurroundings): void {
  const names = listen.map(({ address, port }) => `${address}:${port}`);
  listen.forEach(({ tls }, i) => {
    const path = ['listen', String(i)];
    if (names.indexOf(names[i]!) < i) around.problem(path, `${names[i]} is listed twice`, 'remove one of the two');
    if (tls && !around.hasTls) needsCertificate([...path, 'tls'], 'a tls listener', around);
  });
}

function needsCertificate(path: readonly string[], what: string, around: DiameterSurroundings): void {
  around.problem(path, `${what} needs a certificate`, 'add tls: { certificate: FILE, key: FILE }');
}

function checkHosts(
  found: readonly RoutedPeer[],
  hosts: readonly string[],
  path: readonly string[],
  around: DiameterSurroundings,
): void {
  found.forEach(({ host }, i) => {
    if (hosts.some((known) => known.toLowerCase() === host.toLowerCase())) return;
    const near = nearest(host, hosts);
    around.problem(
      [...path, String(i)],
      `${host} is not among diameter.peers`,
      near === undefined ? `known are: ${hosts.join(', ')}` : `did you mean ${near}?`,
    );
  });
}
