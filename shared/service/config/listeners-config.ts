import type { Listener } from '#sip/transport/flow';
import {
  type Endpoint,
  formatEndpoint,
  formatHostPort,
  isFault,
  isWildcard,
  parseAdvertise,
  parseEndpoint,
} from './address.ts';
import type { ReportProblem } from './config-problem.ts';

/** An entry of a side: an endpoint, or in the long form a map of keys. Null is a list item that was left empty. */
type Entry = string | { readonly listen?: unknown; readonly advertise?: unknown } | null;

/** What becomes of the entries that name one socket address. */
interface Merged {
  readonly sides: string[];
  readonly endpoint: Endpoint;
  readonly sentBy: string;
  /** Of the first of them. */
  readonly path: readonly string[];
}

/**
 * Turns `listeners` into one listener for each socket address, with all sides that name it. What is usable is checked
 * against the rest even where some of it is not: shape and form are the schema's to judge.
 *
 * `hasTls`: whether there is a `tls` section.
 */
export function resolveListeners(
  raw: Readonly<Record<string, unknown>>,
  hasTls: boolean,
  problem: ReportProblem,
): readonly Listener[] {
  const merged = new Map<string, Merged>();
  for (const [side, list] of Object.entries(raw)) {
    if (!Array.isArray(list)) continue;
    (list as readonly Entry[]).forEach((entry, i) => {
      const path = [side, String(i)];
      const endpoint = parseEndpoint(String(typeof entry === 'object' ? entry?.listen : entry));
      if (isFault(endpoint)) return;
      const sentBy = sentByOf(endpoint, typeof entry === 'object' ? entry : null, path, problem);
      merge(merged, side, { sides: [side], endpoint, sentBy, path }, problem);
      if (endpoint.transport === 'tls' && !hasTls) {
        problem(path, 'a tls listener needs a certificate', 'add tls: { certificate: FILE, key: FILE }');
      }
    });
  }
  const all = [...merged.values()];
  checkWildcards(all, problem);
  return all.map(({ sides, endpoint, sentBy }, index) => ({ index, sides, ...endpoint, sentBy }));
}

/** Adds an entry of a side, to the one of another side that names the same socket address where there is one. */
function merge(merged: Map<string, Merged>, side: string, entry: Merged, problem: ReportProblem): void {
  const { endpoint, sentBy, path } = entry;
  const key = formatEndpoint(endpoint);
  const known = merged.get(key);
  if (known === undefined) merged.set(key, entry);
  else if (known.sides.includes(side)) problem(path, `${key} is listed twice under ${side}`, 'remove one of the two');
  else if (known.sentBy !== sentBy) {
    const words = `${key} is advertised as ${known.sentBy} and as ${sentBy}`;
    problem(path, words, 'give both sides the same advertise');
  } else known.sides.push(side);
}

/** `entry`: null for the short form, in which the schema refuses wildcards. */
function sentByOf(
  endpoint: Endpoint,
  entry: Exclude<Entry, string>,
  path: readonly string[],
  problem: ReportProblem,
): string {
  const advertised = typeof entry?.advertise === 'string' ? parseAdvertise(entry.advertise) : undefined;
  if (advertised !== undefined && !isFault(advertised))
    return formatHostPort(advertised.host, advertised.port ?? endpoint.port);
  if (entry !== null && advertised === undefined && isWildcard(endpoint.address)) {
    problem(
      path,
      `${endpoint.address} without advertise: Via and Record-Route would carry it, and no answer would come back`,
      'add advertise: HOST, by which others reach this node',
    );
  }
  return formatHostPort(endpoint.address, endpoint.port);
}

function checkWildcards(all: readonly Merged[], problem: ReportProblem): void {
  for (const wild of all.filter(({ endpoint }) => isWildcard(endpoint.address))) {
    const covered = all.find((other) => other !== wild && overlaps(wild.endpoint, other.endpoint));
    if (covered === undefined) continue;
    problem(
      covered.path,
      `${formatEndpoint(covered.endpoint)} is already covered by ${formatEndpoint(wild.endpoint)}`,
      'listen on single addresses, or on the wildcard alone',
    );
  }
}

function overlaps(wild: Endpoint, other: Endpoint): boolean {
  const sameFamily = wild.address.includes(':') === other.address.includes(':');
  // A datagram socket and a stream one never collide; tcp and tls do.
  const sameKind = (wild.transport === 'udp') === (other.transport === 'udp');
  return sameFamily && sameKind && wild.port === other.port;
}
