import { reasons } from '#ims/reasons';
import { randomOctets } from '#sip/random-octets';
import type { Reason } from '#sip/reasons';
import type { Flow } from '#sip/transport/flow';
import type { AkaKeys, AssociationSet, SetState } from './association-set.ts';
import type { AssociationTable } from './association-table.ts';
import type { KeySeal } from './key-seal.ts';
import type { ProtectedPorts } from './protected-ports.ts';
import { type Agreement, securityServer } from './security-agreement.ts';
import { choosePort, newSpi } from './spi-allocation.ts';

/** What a new set is made of. */
export interface SetPlan {
  readonly impi: string;
  /** Key of the identity that is being registered, and `host:port` of the contact. */
  readonly aor: string;
  readonly contact: string;
  /** Token of the binding. */
  readonly token: string;
  readonly agreement: Agreement;
  /** How the REGISTER came. */
  readonly flow: Flow;
  /** The set it came by, null when it was not protected. */
  readonly inside: AssociationSet | null;
  readonly keys: AkaKeys;
}

/** Where sets, ports and SPIs are drawn from. */
export interface AllocationGround {
  readonly table: AssociationTable;
  readonly ports: ProtectedPorts;
  readonly seal: KeySeal;
  readonly worker: number;
  /** How many numbers of workers there can be. */
  readonly workers: number;
  /** Where in the pool of client ports to begin. */
  readonly firstPort: number;
  /** Epoch milliseconds. */
  readonly nowMs: number;
  readonly lifetimeMs: number;
}

/** A set to be installed, and those that go for it. */
export interface Allocation {
  readonly set: AssociationSet;
  readonly victims: readonly AssociationSet[];
}

/** Sets of one private identity at one address. Source: TS 33.203 7.4. */
const maxSets = 3;
/** Who goes first when there are too many. An established one does not go. */
const expendable: readonly SetState[] = ['ended', 'old', 'temporary'];

/**
 * A temporary set with SPIs and ports of ours, of which nothing is written or installed yet; or why there may be none.
 * Source: TS 33.203 7.1, 7.4; requirements P-34, P-37, X-I13.
 */
export function allocateSet(plan: SetPlan, ground: AllocationGround): Allocation | { readonly refusal: Reason } {
  const victims = victimsOf(plan, ground.table);
  if ('refusal' in victims) return victims;
  const set = newSet(plan, ground, victims.victims);
  return set === null ? { refusal: reasons.associationInUse } : { set, victims: victims.victims };
}

/** Which sets have to go for a new one. */
function victimsOf(
  { impi, aor, contact, agreement, flow, inside }: SetPlan,
  table: AssociationTable,
): { readonly victims: readonly AssociationSet[] } | { readonly refusal: Reason } {
  const victims: AssociationSet[] = [];
  for (const spi of [agreement.clientSpi, agreement.serverSpi]) {
    const holder = table.bySpi(flow.address, spi);
    if (holder === null || victims.includes(holder)) continue;
    // A UE tells by the SPI what comes to it: its own older set with that SPI is dead at its end.
    if (holder.impi !== impi || holder.id === inside?.id) return { refusal: reasons.associationInUse };
    victims.push(holder);
  }
  const others = table.ofUe(impi, flow.address).filter((set) => set.id !== inside?.id && !victims.includes(set));
  const replaced = others.filter((set) => set.state === 'temporary' && set.aor === aor && set.contact === contact);
  const left = others.filter((set) => !replaced.includes(set)).reverse();
  const excess = left.length - (maxSets - (inside === null ? 1 : 2));
  const inOrder = expendable.flatMap((state) => left.filter((set) => set.state === state));
  if (excess > inOrder.length) return { refusal: reasons.tooManyAssociations };
  return { victims: [...victims, ...replaced, ...inOrder.slice(0, Math.max(0, excess))] };
}

/** Null when another UE has the only ports there are. */
function newSet(plan: SetPlan, ground: AllocationGround, victims: readonly AssociationSet[]): AssociationSet | null {
  const { impi, aor, contact, token, agreement, flow, inside } = plan;
  const { ports, table, nowMs } = ground;
  const address = inside?.own.address ?? ports.addressOf(flow);
  const serverPort = inside?.own.serverPort ?? serverPortFor(plan, ground, address);
  const pool = ports.clientPorts(address, serverPort);
  if (serverPort < 0 || pool.length === 0) return null;
  const others = table.ofUe(impi, flow.address).filter((set) => !victims.includes(set));
  const inUse = others.map(({ own }) => own.clientPort).reverse();
  const spis = newSpis(agreement, ground, address);
  if (spis === null) return null;
  const own = { address, serverPort, clientPort: choosePort(pool, inUse, ground.firstPort), ...spis };
  const id = randomOctets(9).toString('base64url');
  return {
    id,
    state: 'temporary',
    impi,
    aor,
    contact,
    token,
    ue: {
      address: flow.address,
      clientPort: agreement.clientPort,
      serverPort: agreement.serverPort,
      clientSpi: agreement.clientSpi,
      serverSpi: agreement.serverSpi,
    },
    own,
    pair: agreement.pair,
    client: agreement.fields,
    server: securityServer(agreement.pair, own),
    replaces: inside?.id ?? '',
    connection: 0,
    connectionAtMs: 0,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + ground.lifetimeMs,
    restores: 0,
    keys: ground.seal.seal(plan.keys, id),
  };
}

/**
 * A server port of ours that no other set has together with the client port of a UE: else packets of both would look the
 * same. The UE itself may have one that it has forgotten. -1 when another UE has them all.
 */
function serverPortFor(
  { impi, agreement, flow }: SetPlan,
  { ports, table }: AllocationGround,
  address: string,
): number {
  let shared = -1;
  for (const port of ports.serverPorts(address)) {
    const holders = table.bySelector(address, port, flow.address, agreement.clientPort);
    if (holders.length === 0) return port;
    if (shared < 0 && holders.every((holder) => holder.impi === impi)) shared = port;
  }
  return shared;
}

function newSpis(
  agreement: Agreement,
  { table, worker, workers }: AllocationGround,
  address: string,
): { readonly clientSpi: number; readonly serverSpi: number } | null {
  const isTaken = (spi: number) =>
    spi === agreement.clientSpi || spi === agreement.serverSpi || table.hasSpi(address, spi);
  const clientSpi = newSpi(worker, workers, isTaken);
  const serverSpi = newSpi(worker, workers, (spi) => spi === clientSpi || isTaken(spi));
  return clientSpi < 0 || serverSpi < 0 ? null : { clientSpi, serverSpi };
}
