import { Resolver } from 'node:dns/promises';

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

export interface NaptrRecord {
  readonly order: number;
  readonly preference: number;
  readonly flags: string;
  readonly service: string;
  readonly replacement: string;
}

/** A NAPTR record that rewrites a telephone number and has nothing to be asked after it. Source: RFC 6116 3.2. */
export interface EnumRecord {
  readonly order: number;
  readonly preference: number;
  readonly service: string;
  readonly regexp: string;
}

/** The records that a question of each type is answered with; NAPTR without, ENUM with an expression. */
export interface DnsRecords {
  readonly A: readonly string[];
  readonly AAAA: readonly string[];
  readonly SRV: readonly SrvRecord[];
  readonly NAPTR: readonly NaptrRecord[];
  readonly ENUM: readonly EnumRecord[];
}

export type DnsType = keyof DnsRecords;

/** `failed`: nobody said whether there are records (silence, server failure); an answer without any is no failure. */
export interface DnsAnswer<T extends DnsType> {
  readonly records: DnsRecords[T];
  /** Seconds the records live, -1 when that is not known. */
  readonly ttlSeconds: number;
  readonly failed: boolean;
}

/** Asks one question; the promise never rejects. */
export interface DnsClient {
  ask<T extends DnsType>(type: T, name: string): Promise<DnsAnswer<T>>;
}

/** Records of one answer that are kept: an answer may be 64 KiB. Requirement X-F5. */
export const maxRecords = 16;

/**
 * Name servers asked by node:dns without blocking, `servers` as `address` or `address:port`, IPv6 in brackets when it has
 * a port; none: those of the system. A question is given up after `budgetMs` for each server.
 *
 * Throws ERR_INVALID_IP_ADDRESS for a server that is none. Requirement X-F5.
 */
export function systemDns(servers: readonly string[], budgetMs: number): DnsClient {
  // c-ares takes no answer to its first try once it has begun the second: both get half of the time.
  const resolver = new Resolver({ timeout: Math.ceil(budgetMs / 2), tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  return {
    async ask<T extends DnsType>(type: T, name: string): Promise<DnsAnswer<T>> {
      try {
        return (await query(resolver, type, name)) as DnsAnswer<T>;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        return { records: [] as never, ttlSeconds: -1, failed: !saysNone.has(code ?? '') };
      }
    },
  };
}

/** NXDOMAIN, no record of that type, and names that no name server could know. */
const saysNone: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME', 'ENONAME']);

async function query(resolver: Resolver, type: DnsType, name: string): Promise<DnsAnswer<DnsType>> {
  switch (type) {
    case 'A':
      return addresses(await resolver.resolve4(name, { ttl: true }));
    case 'AAAA':
      return addresses(await resolver.resolve6(name, { ttl: true }));
    case 'SRV': {
      const found = await resolver.resolveSrv(name);
      found.sort((a, b) => a.priority - b.priority || b.weight - a.weight);
      return unlimited(found.slice(0, maxRecords));
    }
    case 'NAPTR': {
      const found = (await resolver.resolveNaptr(name)).filter(({ regexp }) => regexp === '');
      found.sort((a, b) => a.order - b.order || a.preference - b.preference);
      return unlimited(found.slice(0, maxRecords));
    }
    case 'ENUM': {
      const found = (await resolver.resolveNaptr(name)).filter(
        ({ flags, regexp }) => flags.toLowerCase() === 'u' && regexp !== '',
      );
      found.sort((a, b) => a.order - b.order || a.preference - b.preference);
      return unlimited(found.slice(0, maxRecords));
    }
  }
}

function addresses(found: readonly { readonly address: string; readonly ttl: number }[]): DnsAnswer<'A' | 'AAAA'> {
  const kept = found.slice(0, maxRecords);
  const ttlSeconds = kept.reduce((least, { ttl }) => Math.min(least, ttl), Number.MAX_SAFE_INTEGER);
  return { records: kept.map(({ address }) => address), ttlSeconds, failed: false };
}

/** node:dns tells no lifetime of SRV and NAPTR records. */
function unlimited<T extends 'SRV' | 'NAPTR' | 'ENUM'>(records: DnsRecords[T]): DnsAnswer<T> {
  return { records, ttlSeconds: -1, failed: false };
}
