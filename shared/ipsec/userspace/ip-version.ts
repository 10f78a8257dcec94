import { isIPv6 } from 'node:net';
import type { Endpoint } from '../security-association.ts';
import { askIp, type IpVersion } from './ip-command.ts';

/** The versions of IP that this host has: where IPv6 is off there is no rule of it. */
export async function versionsHere(): Promise<readonly IpVersion[]> {
  return (await askIp(6, 'rule', 'list').catch(() => '')).trim() === '' ? [4] : [4, 6];
}

export function versionsOf(ports: readonly Endpoint[]): ReadonlySet<IpVersion> {
  return new Set(ports.map(({ address }) => versionOf(address)));
}

export function ofVersion(ports: readonly Endpoint[], version: IpVersion): readonly Endpoint[] {
  return ports.filter(({ address }) => versionOf(address) === version);
}

export function versionOf(address: string): IpVersion {
  return isIPv6(address) ? 6 : 4;
}
