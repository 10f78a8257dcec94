import { writeFileSync } from 'node:fs';
import type { Endpoint } from '../security-association.ts';
import { type CarryTables, moveLocalTable, restoreLocalTable, setCarryRules } from './carry-rules.ts';
import { openedMark } from './descriptors.ts';
import { allowPolicies, blockPolicies, deletePolicies, hasPolicies } from './guard-policies.ts';
import { type IpVersion, runIp } from './ip-command.ts';
import { ofVersion, versionsHere, versionsOf } from './ip-version.ts';

const firstTable = 506_300;
const firstPriority = 506_300;
const numbersPerInstance = 4;
/** TCP makes its segments so that ESP and a tunnel of the network still fit. UDP is fragmented by the network, if need be. */
const tcpMtu = 1280;
const deviceMtu = 65_535;
const deviceQueue = 2000;

/**
 * Tells the host to bring packets of guarded ports to the data path, and to let nothing else pass.
 *
 * Rules and tables route what leaves a guarded port to the TUN device; beside the route to the device is a worse one to
 * nowhere, which is what there is without the device. Policies block all but what goes to the device and what the data path
 * has opened. All this stays when the process dies, and is known again by the numbers of its tables and priorities.
 * Source: requirements P-35, P-39.
 */
export class HostGuard {
  readonly device: string;
  readonly #tables: CarryTables;
  readonly #allow: number;
  readonly #generations: readonly [number, number];
  readonly #ports: Endpoint[] = [];
  readonly #carried = new Set<IpVersion>();
  /** The priority of what blocks in this life: the last life's is the other one. */
  #block: number | undefined;

  /** `instance`: 0 to 255, one for each process of a host that has a back end. */
  constructor(instance: number) {
    const table = firstTable + instance * numbersPerInstance;
    this.device = `cscf-esp${instance}`;
    this.#tables = { udp: table, tcp: table + 1, nowhere: table + 2 };
    this.#allow = firstPriority + instance * numbersPerInstance;
    this.#generations = [this.#allow + 1, this.#allow + 2];
  }

  /** Brings the TUN device up. */
  async open(): Promise<void> {
    await runIp(4, [
      `link set dev ${this.device} addrgenmode none`,
      `link set dev ${this.device} mtu ${deviceMtu} txqueuelen ${deviceQueue} up`,
    ]);
  }

  /** Guards ports in addition to those it guards. The first time, what an earlier life has left is replaced without a gap. */
  async add(ports: readonly Endpoint[]): Promise<void> {
    const added = ports.filter((port) => !this.guards(port));
    const isFirst = this.#block === undefined;
    const [even, odd] = this.#generations;
    this.#block ??= (await hasPolicies(even)) ? odd : even;
    const block = this.#block;
    for (const version of versionsOf(added)) {
      await this.#carry(version);
      const commands = ofVersion(added, version).flatMap((port) => blockPolicies(port, block));
      await runIp(version, commands);
    }
    // Those of an earlier life name a device that is gone.
    if (isFirst) await deletePolicies([this.#allow]);
    for (const version of versionsOf(added)) {
      const ofThis = ofVersion(added, version);
      await runIp(
        version,
        ofThis.flatMap((port) => allowPolicies(port, this.#allow, openedMark, this.device)),
      );
    }
    this.#ports.push(...added);
    for (const version of isFirst ? await versionsHere() : versionsOf(added)) {
      await setCarryRules(version, this.#ports, this.#tables);
    }
    if (isFirst) await deletePolicies(this.#generations.filter((priority) => priority !== block));
    this.#openLoopback(added);
  }

  /** Whether this very port is guarded. */
  guards({ address, port }: Endpoint): boolean {
    return this.#ports.some((known) => known.address === address && known.port === port);
  }

  /** Takes everything away: from then on ports are as open as any. */
  async remove(): Promise<void> {
    this.#ports.length = 0;
    for (const version of await versionsHere()) {
      await setCarryRules(version, [], this.#tables);
      await restoreLocalTable(version);
      const tables = Object.values(this.#tables);
      await runIp(
        version,
        tables.map((table) => `route flush table ${table}`),
      );
    }
    await deletePolicies([this.#allow, ...this.#generations]);
  }

  /** Sets the tables up, once for each IP version. */
  async #carry(version: IpVersion): Promise<void> {
    if (this.#carried.has(version)) return;
    const { udp, tcp, nowhere } = this.#tables;
    await runIp(version, [
      ...[udp, tcp, nowhere].map((table) => `route replace blackhole default metric 9999 table ${table}`),
      `route replace default dev ${this.device} metric 1 table ${udp}`,
      `route replace default dev ${this.device} mtu ${tcpMtu} metric 1 table ${tcp}`,
    ]);
    await moveLocalTable(version);
    this.#carried.add(version);
  }

  /** For hosts whose peers are on 127.0.0.0/8 too: such addresses may be routed to the device. */
  #openLoopback(added: readonly Endpoint[]): void {
    if (!added.some(({ address }) => address.startsWith('127.'))) return;
    writeFileSync(`/proc/sys/net/ipv4/conf/${this.device}/route_localnet`, '1');
  }
}
