import { Resolver } from 'node:dns/promises';

/** Looks host names up; gives addresses, IPv4 first, an empty list when there are none. Never rejects. */
export interface DnsClient {
  addresses(host: string): Promise<readonly string[]>;
}

const budgetMs = 2_000;

/** The system's name servers, asked without blocking, two seconds at most. Requirement X-F5. */
export function systemDns(): DnsClient {
  const resolver = new Resolver({ timeout: budgetMs / 2, tries: 2 });
  return {
    async addresses(host) {
      const [v4, v6] = await Promise.all([
        resolver.resolve4(host).catch(() => [] as string[]),
        resolver.resolve6(host).catch(() => [] as string[]),
      ]);
      return [...v4, ...v6];
    },
  };
}
