import type { Endpoint } from '../security-association.ts';
import { askIp, type IpVersion, runIp } from './ip-command.ts';
import { versionOf, versionsHere } from './ip-version.ts';

/*
 * XFRM policies that block UDP and TCP to and from guarded ports, and those that let pass what has gone through the data
 * path. They hold for reassembled packets, while routing rules do not see the ports of a fragment. Of several that fit, the
 * one with the lowest priority number counts.
 */

const protocols = ['udp', 'tcp'] as const;

/** The commands that block a port both ways. A policy for the same port is replaced in one step. */
export function blockPolicies(port: Endpoint, priority: number): string[] {
  const block = `action block priority ${priority}`;
  // The kernel does not tell policies of IPv6 which device a packet goes to: there the tables alone guard the way out.
  const outward = versionOf(port.address) === 4;
  return protocols.flatMap((protocol) => [
    `xfrm policy update dir in ${selectorIn(port, protocol)} ${block}`,
    ...(outward ? [`xfrm policy update dir out ${selectorOut(port, protocol)} ${block}`] : []),
  ]);
}

/** The commands that let pass what has this mark, and what goes to this device. */
export function allowPolicies(port: Endpoint, priority: number, mark: number, device: string): string[] {
  const allow = `action allow priority ${priority}`;
  const outward = versionOf(port.address) === 4;
  return protocols.flatMap((protocol) => [
    `xfrm policy update dir in ${selectorIn(port, protocol)} mark ${mark} mask 0xffffffff ${allow}`,
    ...(outward ? [`xfrm policy update dir out ${selectorOut(port, protocol)} dev ${device} ${allow}`] : []),
  ]);
}

/** Whether there is a policy of this priority. */
export async function hasPolicies(priority: number): Promise<boolean> {
  for (const version of await versionsHere()) if ((await listPolicies(version, [priority])).length > 0) return true;
  return false;
}

/** Deletes all policies of these priorities. */
export async function deletePolicies(priorities: readonly number[]): Promise<void> {
  for (const version of await versionsHere()) {
    const policies = await listPolicies(version, priorities);
    // `deleteall` would leave those with a mark, and try for ever.
    await runIp(
      version,
      policies.map((policy) => `xfrm policy delete ${policy}`),
    );
  }
}

function selectorIn({ address, port }: Endpoint, protocol: string): string {
  const version = versionOf(address);
  return `src ${anybody(version)} dst ${hostOf(address)} proto ${protocol} dport ${port}`;
}

function selectorOut({ address, port }: Endpoint, protocol: string): string {
  return `src ${hostOf(address)} dst ${anybody(versionOf(address))} proto ${protocol} sport ${port}`;
}

function anybody(version: IpVersion): string {
  return version === 4 ? '0.0.0.0/0' : '::/0';
}

function hostOf(address: string): string {
  return versionOf(address) === 4 ? `${address}/32` : `${address}/128`;
}

/** What names each policy of these priorities, as `ip xfrm policy delete` wants it. */
async function listPolicies(version: IpVersion, priorities: readonly number[]): Promise<readonly string[]> {
  const lines = (await askIp(version, '-oneline', 'xfrm', 'policy', 'list')).split('\n');
  const wanted = priorities.map(String);
  return lines
    .map((line) => line.split(/[\s\\]+/))
    .filter((words) => wanted.includes(words[words.indexOf('priority') + 1] ?? ''))
    .map(nameOfPolicy);
}

const naming = ['src', 'dst', 'proto', 'sport', 'dport', 'dev', 'dir'];

function nameOfPolicy(words: readonly string[]): string {
  const named = words.flatMap((word, at) => (naming.includes(word) ? [word, words[at + 1] ?? ''] : []));
  const mark = words[words.indexOf('mark') + 1]?.split('/');
  return [...named, ...(words.includes('mark') && mark ? ['mark', mark[0], 'mask', mark[1]] : [])].join(' ');
}
