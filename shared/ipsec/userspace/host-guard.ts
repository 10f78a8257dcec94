import { writeFileSync } from 'node:fs';
import { familyOf } from '../kernel/xfrm-structures.ts';
import type { Endpoint } from '../security-association.ts';
import { openedMark } from './descriptors.ts';
import { askIp, type IpVersion, runIp } from './ip-command.ts';

/*
 * How the host is told to bring packets to the data path, and to let nothing else pass.
 *
 * Carriage: what leaves a guarded port is routed to the TUN device, by rules that stand before the table `local`. Beside
 * the route to the device is a worse one to nowhere: without the device, packets go nowhere.
 * Guard: XFRM policies block UDP and TCP to and from guarded ports, but for opened packets (which have a mark) and for what
 * goes to the device. They hold for reassembled packets, while rules do not see the ports of a fragment.
 *
 * All this stays when the process dies. It is known again by the numbers of its tables and the priorities of its policies.
 */

const firstTable = 506_300;
const tablesPerInstance = 4;
const carryPriority = 40;
const blockPriority = 41;
const localPriority = 49;
const firstPolicyPriority = 506_300;
const protocols = ['udp', 'tcp'] as const;
/** TCP makes its segments so that ESP and a tunnel of the network still fit. UDP is fragmented by the network, if need be. */
const tcpMtu = 1280;
const deviceMtu = 65_535;
const deviceQueue = 2000;

export class HostGuard {
  readonly device: string;
  readonly #tables: { readonly udp: number; readonly tcp: number; readonly nowhere: number };
  readonly #allow: number;
  readonly #generations: readonly [number, number];
  readonly #ports: Endpoint[] = [];
  readonly #versions = new Set<IpVersion>();
  /** The policies of this life, by their priority: those of the last life have the other one. */
  #block: number | undefined;

  /** `instance`: 0 to 255, one for each process of a host that has a back end. */
  constructor(instance: number) {
    const table = firstTable + instance * tablesPerInstance;
    this.device = `cscf-esp${instance}`;
    this.#tables = { udp: table, tcp: table + 1, nowhere: table + 2 };
    this.#allow = firstPolicyPriority + instance * 4;
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
    this.#block ??= await this.#freshPriority();
    const block = this.#block;
    for (const version of versionsOf(added)) {
      await this.#carry(version);
      await runIp(
        version,
        ofVersion(added, version).flatMap((port) => blockPolicies(port, block)),
      );
    }
    // This deletes policies of both IP versions.
    if (isFirst) await runIp(4, [`xfrm policy deleteall priority ${this.#allow}`]);
    for (const version of versionsOf(added)) {
      await runIp(
        version,
        ofVersion(added, version).flatMap((port) => this.#allowPolicies(port)),
      );
    }
    this.#ports.push(...added);
    for (const version of isFirst ? await versionsHere() : versionsOf(added)) await this.#setRules(version);
    if (isFirst) await runIp(4, [`xfrm policy deleteall priority ${this.#lastLife(block)}`]);
    this.#openLoopback(added);
  }

  /** Whether this very port is guarded. */
  guards(port: Endpoint): boolean {
    return this.#ports.some((known) => sameEndpoint(known, port));
  }

  /** Takes everything away: from then on ports are as open as any. */
  async remove(): Promise<void> {
    this.#ports.length = 0;
    for (const version of await versionsHere()) {
      await this.#setRules(version);
      await restoreLocalTable(version);
      const tables = Object.values(this.#tables);
      await runIp(version, [
        ...tables.map((table) => `route flush table ${table}`),
        ...[this.#allow, ...this.#generations].map((priority) => `xfrm policy deleteall priority ${priority}`),
      ]);
    }
  }

  async #freshPriority(): Promise<number> {
    const [first, second] = this.#generations;
    const list = ['xfrm', 'policy', 'list', 'priority', String(first)];
    const left = (await askIp(4, ...list)) + (await askIp(6, ...list));
    return left.trim() === '' ? first : second;
  }

  #lastLife(block: number): number {
    const [first, second] = this.#generations;
    return block === first ? second : first;
  }

  /** Sets the tables up, once for each IP version. */
  async #carry(version: IpVersion): Promise<void> {
    if (this.#versions.has(version)) return;
    const { udp, tcp, nowhere } = this.#tables;
    await runIp(version, [
      ...[udp, tcp, nowhere].map((table) => `route replace blackhole default metric 9999 table ${table}`),
      `route replace default dev ${this.device} metric 1 table ${udp}`,
      `route replace default dev ${this.device} mtu ${tcpMtu} metric 1 table ${tcp}`,
    ]);
    await moveLocalTable(version);
    this.#versions.add(version);
  }

  #allowPolicies({ address, port }: Endpoint): string[] {
    const [host, any, version] = selectorOf(address);
    const opened = `mark ${openedMark} mask 0xffffffff action allow priority ${this.#allow}`;
    const toDevice = `dev ${this.device} action allow priority ${this.#allow}`;
    return protocols.flatMap((protocol) => [
      `xfrm policy update dir in src ${any} dst ${host} proto ${protocol} dport ${port} ${opened}`,
      ...(version === 4
        ? [`xfrm policy update dir out src ${host} dst ${any} proto ${protocol} sport ${port} ${toDevice}`]
        : []),
    ]);
  }

  /** Adds the rules that are missing, then deletes those that nobody wants: never a moment without them. */
  async #setRules(version: IpVersion): Promise<void> {
    const wanted = new Set(ofVersion(this.#ports, version).flatMap((port) => this.#rulesOf(port)));
    const tables = Object.values(this.#tables).map(String);
    const there = (await listRules(version)).filter(({ table }) => tables.includes(table ?? '')).map(ruleText);
    await runIp(version, [
      ...[...wanted].filter((rule) => !there.includes(rule)).map((rule) => `rule add ${rule}`),
      ...there.filter((rule) => !wanted.has(rule)).map((rule) => `rule del ${rule}`),
    ]);
  }

  #rulesOf({ address, port }: Endpoint): string[] {
    return protocols.flatMap((ipproto) => [
      ruleText({ priority: carryPriority, src: address, ipproto, sport: port, table: String(this.#tables[ipproto]) }),
      // Policies do not hold on the way from this host to itself.
      ruleText({
        priority: blockPriority,
        iif: 'lo',
        dst: address,
        ipproto,
        dport: port,
        table: String(this.#tables.nowhere),
      }),
    ]);
  }

  /** For hosts whose peers are on 127.0.0.0/8 too: such addresses may be routed to the device. */
  #openLoopback(added: readonly Endpoint[]): void {
    if (!added.some(({ address }) => address.startsWith('127.'))) return;
    writeFileSync(`/proc/sys/net/ipv4/conf/${this.device}/route_localnet`, '1');
  }
}

function blockPolicies({ address, port }: Endpoint, priority: number): string[] {
  const [host, any, version] = selectorOf(address);
  const block = `action block priority ${priority}`;
  return protocols.flatMap((protocol) => [
    `xfrm policy update dir in src ${any} dst ${host} proto ${protocol} dport ${port} ${block}`,
    // The kernel does not tell policies of IPv6 which device a packet goes to: there the tables alone are the guard.
    ...(version === 4
      ? [`xfrm policy update dir out src ${host} dst ${any} proto ${protocol} sport ${port} ${block}`]
      : []),
  ]);
}

/** A rule as `ip -json rule` tells it. */
interface Rule {
  readonly priority: number;
  readonly src?: string;
  readonly dst?: string;
  readonly iif?: string;
  readonly ipproto?: string;
  readonly sport?: number;
  readonly dport?: number;
  readonly table?: string;
}

async function listRules(version: IpVersion): Promise<readonly Rule[]> {
  return JSON.parse((await askIp(version, '-json', 'rule', 'list')) || '[]') as Rule[];
}

function ruleText({ priority, src, dst, iif, ipproto, sport, dport, table }: Rule): string {
  const from = src === undefined || src === 'all' ? '' : ` from ${src}`;
  const ports = `${sport === undefined ? '' : ` sport ${sport}`}${dport === undefined ? '' : ` dport ${dport}`}`;
  return `priority ${priority}${from}${dst ? ` to ${dst}` : ''}${iif ? ` iif ${iif}` : ''} ipproto ${ipproto}${ports} lookup ${table}`;
}

/** Our rules have to be looked at before the table of local addresses: it moves behind them. */
async function moveLocalTable(version: IpVersion): Promise<void> {
  const before = (await listRules(version)).filter(
    ({ priority, table }) => table === 'local' && priority <= blockPriority,
  );
  if (before.length === 0) return;
  const there = (await listRules(version)).some(
    ({ priority, table }) => table === 'local' && priority === localPriority,
  );
  await runIp(version, [
    ...(there ? [] : [`rule add priority ${localPriority} lookup local`]),
    ...before.map(({ priority }) => `rule del priority ${priority} lookup local`),
  ]);
}

/** Moves the table of local addresses back once nobody has rules before it. */
async function restoreLocalTable(version: IpVersion): Promise<void> {
  const rules = await listRules(version);
  const needed = rules.some(({ priority }) => priority === carryPriority || priority === blockPriority);
  if (needed || !rules.some(({ priority, table }) => table === 'local' && priority === localPriority)) return;
  await runIp(version, ['rule add priority 0 lookup local', `rule del priority ${localPriority} lookup local`]);
}

async function versionsHere(): Promise<readonly IpVersion[]> {
  // Where IPv6 is off there is no rule, and nothing to clean up.
  return (await askIp(6, 'rule', 'list').catch(() => '')).trim() === '' ? [4] : [4, 6];
}

function versionsOf(ports: readonly Endpoint[]): ReadonlySet<IpVersion> {
  return new Set(ports.map(({ address }) => versionOf(address)));
}

function ofVersion(ports: readonly Endpoint[], version: IpVersion): readonly Endpoint[] {
  return ports.filter(({ address }) => versionOf(address) === version);
}

function versionOf(address: string): IpVersion {
  return familyOf(address) === 2 ? 4 : 6;
}

function selectorOf(address: string): readonly [host: string, any: string, IpVersion] {
  return versionOf(address) === 4 ? [`${address}/32`, '0.0.0.0/0', 4] : [`${address}/128`, '::/0', 6];
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.port === b.port;
}
