import type { Listener } from '#sip/transport/flow';
import { formatHostPort, isWildcard } from './address.ts';
import type { ReportProblem } from './config-problem.ts';
import type { AccessSecurity, IpsecConfig } from './pcscf-config.ts';

/** The section as it passed the schema. */
export type RawIpsec = Omit<IpsecConfig, 'addresses'> & { readonly addresses?: readonly string[] };

/** What becomes of it. */
export interface ProtectedPorts {
  readonly ipsec: IpsecConfig;
  /** The plain listeners, and after them the protected ones. */
  readonly listeners: readonly Listener[];
}

/** UEs send to these without IPsec. Source: TS 33.203 7.1. */
const plainPorts = [5060, 5061];

/** Whether UEs of some network are to use IPsec. */
export function wantsIpsec(access: readonly { readonly security: AccessSecurity }[]): boolean {
  return access.some(({ security }) => security === 'ipsec-required' || security === 'ipsec-preferred');
}

/**
 * The protected ports as listeners of Gm: on each address, UDP and TCP of each server port and of each client port. The
 * client ports are dealt out to the server ports in turn.
 * Source: TS 33.203 7.1, TS 24.229 5.2.1; requirements P-01, P-02.
 */
export function resolveIpsec(raw: RawIpsec, plain: readonly Listener[], problem: ReportProblem): ProtectedPorts {
  const addresses = raw.addresses ?? addressesOfGm(plain, problem);
  checkPorts(raw, addresses, plain, problem);
  raw.algorithms.forEach(({ alg, ealg }, i) => {
    const words = mismatchOf(alg, ealg);
    if (words !== undefined) problem(['algorithms', String(i)], words, 'see the pairs of TS 33.203 annex H');
  });
  const added: Omit<Listener, 'index'>[] = [];
  for (const address of addresses) {
    for (const port of raw.serverPorts) added.push(...pair(address, port, 'server', port));
    raw.clientPorts.forEach((port, i) => {
      added.push(...pair(address, port, 'client', raw.serverPorts[i % raw.serverPorts.length]!));
    });
  }
  const listeners = [...plain, ...added.map((listener, i) => ({ ...listener, index: plain.length + i }))];
  return { ipsec: { ...raw, addresses }, listeners };
}

function pair(
  address: string,
  port: number,
  protection: 'server' | 'client',
  sentByPort: number,
): Omit<Listener, 'index'>[] {
  const sentBy = formatHostPort(address, sentByPort);
  const one = { sides: ['gm'], address, port, sentBy, protection, sentByPort };
  return [
    { ...one, transport: 'udp' },
    { ...one, transport: 'tcp' },
  ];
}

function addressesOfGm(plain: readonly Listener[], problem: ReportProblem): readonly string[] {
  const addresses = new Set<string>();
  for (const { sides, address } of plain) {
    if (!sides.includes('gm')) continue;
    if (isWildcard(address)) {
      problem(
        ['addresses'],
        `is left out, and a gm listener is at ${address}: associations need one address each`,
        'add addresses: [...] with those that UEs reach this node by',
      );
    } else addresses.add(address);
  }
  return [...addresses];
}

function checkPorts(
  { serverPorts, clientPorts, addresses: named }: RawIpsec,
  addresses: readonly string[],
  plain: readonly Listener[],
  problem: ReportProblem,
): void {
  const seen = new Map<number, string>();
  for (const [key, ports] of [
    ['serverPorts', serverPorts],
    ['clientPorts', clientPorts],
  ] as const) {
    ports.forEach((port, i) => {
      const path = [key, String(i)];
      const other = seen.get(port);
      if (plainPorts.includes(port)) {
        problem(path, `${port} is where UEs send without IPsec`, 'choose others, such as 5063 and 5062, 5064');
      } else if (other !== undefined) {
        problem(path, `${port} is listed twice (${other})`, 'each server and client port is a port of its own');
      } else if (plain.some((listener) => listener.port === port && covers(listener, addresses))) {
        problem(path, `${port} is the port of a plain listener at the same address`, 'choose another port');
      }
      seen.set(port, key);
    });
  }
  if (clientPorts.length < 2 * serverPorts.length) {
    problem(
      ['clientPorts'],
      'each server port needs two client ports or more: a UE that authenticates anew gets another one',
      'add client ports',
    );
  }
  named?.forEach((address, i) => {
    const path = ['addresses', String(i)];
    if (isWildcard(address)) problem(path, `${address} is no address of its own`, 'name one address');
    else if (named.indexOf(address) < i) problem(path, `${address} is listed twice`, 'remove one of the two');
  });
}

function covers({ address }: Listener, addresses: readonly string[]): boolean {
  return isWildcard(address) || addresses.includes(address);
}

/** Source: TS 33.203 annex H: aes-gcm does both, aes-gmac is integrity alone. */
function mismatchOf(alg: string, ealg: string): string | undefined {
  if (alg === 'null' && ealg !== 'aes-gcm') return 'alg null goes with ealg aes-gcm alone: else nothing is protected';
  if (ealg === 'aes-gcm' && alg !== 'null') return 'ealg aes-gcm needs alg null: it protects integrity itself';
  if (alg === 'aes-gmac' && ealg !== 'null') return 'alg aes-gmac goes with ealg null alone';
  return undefined;
}
