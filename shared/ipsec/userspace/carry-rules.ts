import type { Endpoint } from '../security-association.ts';
import { askIp, type IpVersion, runIp } from './ip-command.ts';
import { ofVersion } from './ip-version.ts';

/*
 * Routing rules that bring what leaves a guarded port to the tables of the data path. They stand before the table of local
 * addresses, so that two ends on one host are no exception.
 */

const carryPriority = 40;
const blockPriority = 41;
const localPriority = 49;

/** The routing tables of a data path: to its device for each protocol, and to nowhere. */
export interface CarryTables {
  readonly udp: number;
  readonly tcp: number;
  readonly nowhere: number;
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

/** Adds the rules for these ports that are missing, then deletes those that nobody wants: never a moment without them. */
export async function setCarryRules(
  version: IpVersion,
  ports: readonly Endpoint[],
  tables: CarryTables,
): Promise<void> {
  const wanted = new Set(ofVersion(ports, version).flatMap((port) => rulesOf(port, tables)));
  const ours = Object.values(tables).map(String);
  const there = (await listRules(version)).filter(({ table }) => ours.includes(table ?? '')).map(ruleText);
  await runIp(version, [
    ...[...wanted].filter((rule) => !there.includes(rule)).map((rule) => `rule add ${rule}`),
    ...there.filter((rule) => !wanted.has(rule)).map((rule) => `rule del ${rule}`),
  ]);
}

/** Moves the table of local addresses behind our rules. */
export async function moveLocalTable(version: IpVersion): Promise<void> {
  const local = (await listRules(version)).filter(({ table }) => table === 'local').map(({ priority }) => priority);
  const before = local.filter((priority) => priority <= blockPriority);
  if (before.length === 0) return;
  await runIp(version, [
    ...(local.includes(localPriority) ? [] : [`rule add priority ${localPriority} lookup local`]),
    ...before.map((priority) => `rule del priority ${priority} lookup local`),
  ]);
}

/** Moves it back to where the kernel puts it, once nobody has rules before it. */
export async function restoreLocalTable(version: IpVersion): Promise<void> {
  const rules = await listRules(version);
  const needed = rules.some(({ priority }) => priority === carryPriority || priority === blockPriority);
  if (needed || !rules.some(({ priority, table }) => table === 'local' && priority === localPriority)) return;
  await runIp(version, ['rule add priority 0 lookup local', `rule del priority ${localPriority} lookup local`]);
}

function rulesOf({ address, port }: Endpoint, tables: CarryTables): string[] {
  return (['udp', 'tcp'] as const).flatMap((ipproto) => [
    ruleText({ priority: carryPriority, src: address, ipproto, sport: port, table: String(tables[ipproto]) }),
    // Policies do not hold on the way from this host to itself.
    ruleText({ priority: blockPriority, iif: 'lo', dst: address, ipproto, dport: port, table: String(tables.nowhere) }),
  ]);
}

async function listRules(version: IpVersion): Promise<readonly Rule[]> {
  return JSON.parse((await askIp(version, '-json', 'rule', 'list')) || '[]') as Rule[];
}

function ruleText({ priority, src, dst, iif, ipproto, sport, dport, table }: Rule): string {
  const words = [`priority ${priority}`];
  if (src !== undefined && src !== 'all') words.push(`from ${src}`);
  if (dst !== undefined) words.push(`to ${dst}`);
  if (iif !== undefined) words.push(`iif ${iif}`);
  words.push(`ipproto ${ipproto}`);
  if (sport !== undefined) words.push(`sport ${sport}`);
  if (dport !== undefined) words.push(`dport ${dport}`);
  return [...words, `lookup ${table}`].join(' ');
}
