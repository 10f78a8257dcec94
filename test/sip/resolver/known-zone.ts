import type { DnsAnswer, DnsClient, DnsRecords, DnsType } from '#sip/resolver/dns-client';

/** Names with their records, and what else a question may meet. */
export type KnownZone = Record<string, { readonly [T in DnsType]?: DnsRecords[T] | 'fails' | 'silent' }>;

/** A DNS out of a table, without sockets: lifetimes as given, every question written down. */
export class ZoneClient implements DnsClient {
  readonly asked: string[] = [];
  zone: KnownZone;
  ttlSeconds: number;

  constructor(zone: KnownZone, ttlSeconds = 60) {
    this.zone = zone;
    this.ttlSeconds = ttlSeconds;
  }

  ask<T extends DnsType>(type: T, name: string): Promise<DnsAnswer<T>> {
    this.asked.push(`${type} ${name}`);
    const found = this.zone[name]?.[type];
    if (found === 'silent') return new Promise(() => {});
    const failed = found === 'fails';
    const records = (found === undefined || failed ? [] : found) as DnsRecords[T];
    const told = type === 'A' || type === 'AAAA';
    return Promise.resolve({ records, ttlSeconds: told && records.length > 0 ? this.ttlSeconds : -1, failed });
  }
}

/** Waits until everything that is settled has been heard of. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(setImmediate);
}
