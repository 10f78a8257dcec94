import { performance } from 'node:perf_hooks';
import { afterEach, describe, expect, it } from 'vitest';
import { maxRecords, systemDns } from '#sip/resolver/dns-client';
import { a, aaaa, cname, type DnsReply, type DnsServer, naptr, srv, startDnsServer, zone } from './dns-server.ts';

const servers: DnsServer[] = [];

async function serverOf(answer: (name: string, type: string) => DnsReply): Promise<DnsServer> {
  const server = await startDnsServer(answer);
  servers.push(server);
  return server;
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

describe('the name servers of the configuration, asked by real sockets', () => {
  it('C-16 C-17 gives the records of each type, addresses with the least of their lifetimes', async () => {
    const server = await serverOf(
      zone([
        a('host.test', '10.0.0.1', 70),
        a('host.test', '10.0.0.2', 30),
        aaaa('host.test', '2001:db8:0:0:0:0:0:1', 5),
        srv('_sip._udp.ims.test', 20, 5, 5070, 'b.test'),
        srv('_sip._udp.ims.test', 10, 5, 5071, 'a.test'),
        naptr('ims.test', 50, 10, 'SIP+D2T', '_sip._tcp.ims.test'),
        naptr('ims.test', 10, 10, 'SIP+D2U', '_sip._udp.ims.test'),
      ]),
    );
    const dns = systemDns([server.address], 2000);
    const v4 = await dns.ask('A', 'host.test');
    expect({ ...v4, records: [...v4.records].sort() }).toEqual({
      records: ['10.0.0.1', '10.0.0.2'],
      ttlSeconds: 30,
      failed: false,
    });
    expect(await dns.ask('AAAA', 'host.test')).toEqual({ records: ['2001:db8::1'], ttlSeconds: 5, failed: false });
    expect(await dns.ask('SRV', '_sip._udp.ims.test')).toMatchObject({
      records: [
        { name: 'a.test', port: 5071, priority: 10, weight: 5 },
        { name: 'b.test', port: 5070, priority: 20, weight: 5 },
      ],
      ttlSeconds: -1,
      failed: false,
    });
    expect(await dns.ask('NAPTR', 'ims.test')).toMatchObject({
      records: [
        { order: 10, preference: 10, flags: 's', service: 'SIP+D2U', replacement: '_sip._udp.ims.test' },
        { order: 50, preference: 10, flags: 's', service: 'SIP+D2T', replacement: '_sip._tcp.ims.test' },
      ],
      ttlSeconds: -1,
      failed: false,
    });
  });

  it('C-16 tells "there is none" from "nobody said"', async () => {
    const server = await serverOf((name) => ({
      ...(name === 'broken.test'
        ? { code: 'SERVFAIL' as const }
        : name === 'gone.test'
          ? { code: 'NXDOMAIN' as const }
          : {}),
    }));
    const dns = systemDns([server.address], 2000);
    const nothing = { records: [], ttlSeconds: -1 };
    expect(await dns.ask('A', 'gone.test')).toEqual({ ...nothing, failed: false });
    expect(await dns.ask('SRV', 'empty.test')).toEqual({ ...nothing, failed: false });
    expect(await dns.ask('A', `${'x'.repeat(64)}.test`)).toEqual({ ...nothing, failed: false });
    expect(await dns.ask('A', 'broken.test')).toEqual({ ...nothing, failed: true });
  });

  it('X-F5 does not follow an endless chain of aliases: one question, no answer', async () => {
    const server = await serverOf((name) => ({
      records: [cname(name, `n${Number(/\d+/.exec(name)![0]) + 1}.test`, 0)],
    }));
    const dns = systemDns([server.address], 2000);
    expect((await dns.ask('A', 'n1.test')).records).toEqual([]);
    expect(server.asked).toEqual(['A n1.test']);
  });

  it('X-F5 survives an alias that points to itself', async () => {
    const server = await serverOf((name) => ({ records: Array.from({ length: 12 }, () => cname(name, name, 0)) }));
    expect((await systemDns([server.address], 2000).ask('A', 'loop.test')).records).toEqual([]);
  });

  it('X-F5 takes an answer of 64 KiB by TCP and keeps the best 16 of its records', async () => {
    const many = Array.from({ length: 1270 }, (_, i) => srv('_sip._udp.big.test', 2000 - i, i, 5060, `s${i}.big.test`));
    const size = many.reduce((sum, { data }) => sum + data.length + 30, 0);
    expect(size).toBeGreaterThan(60_000);
    expect(size).toBeLessThan(65_500);
    const server = await serverOf(zone(many));
    const { records } = await systemDns([server.address], 2000).ask('SRV', '_sip._udp.big.test');
    expect(server.asked).toEqual(['SRV _sip._udp.big.test', 'SRV _sip._udp.big.test (tcp)']);
    expect(records).toHaveLength(maxRecords);
    expect(records.map(({ name }) => name).slice(0, 2)).toEqual(['s1269.big.test', 's1268.big.test']);
  });

  it('X-F5 gives a silent name server up after its budget', async () => {
    const server = await serverOf(() => ({ silent: true }));
    const startMs = performance.now();
    expect(await systemDns([server.address], 400).ask('A', 'host.test')).toMatchObject({ failed: true });
    // The first time-out of the system's resolver alone would be 5 s.
    expect(performance.now() - startMs).toBeLessThan(4_500);
  });

  it('X-F5 asks the next name server where the first is dead', async () => {
    const dead = await serverOf(() => ({}));
    await dead.close();
    const server = await serverOf(zone([a('host.test', '10.0.0.1')]));
    const dns = systemDns([dead.address, server.address], 2000);
    expect((await dns.ask('A', 'host.test')).records).toEqual(['10.0.0.1']);
  });

  it('X-F5 waits for an answer that is slow, but in time', async () => {
    const server = await serverOf(() => ({ records: [a('host.test', '10.0.0.1')], delayMs: 300 }));
    expect((await systemDns([server.address], 2000).ask('A', 'host.test')).records).toEqual(['10.0.0.1']);
  });
});
