import { performance } from 'node:perf_hooks';
import { afterEach, describe, expect, it } from 'vitest';
import { requestText } from '../proxy-rig.ts';
import { a, type DnsReply, type DnsServer, naptr, srv, startDnsServer, zone } from './dns-server.ts';
import { freeTwinPort, Peer, type RealProxy, type RealProxyOptions, startRealProxy } from './real-proxy.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function dnsOf(answer: (name: string, type: string) => DnsReply): Promise<DnsServer> {
  const server = await startDnsServer(answer);
  closers.push(() => server.close());
  return server;
}

async function proxyOf(options: RealProxyOptions): Promise<RealProxy> {
  const proxy = await startRealProxy(options);
  closers.unshift(() => proxy.stop());
  return proxy;
}

async function peerOf(
  answer: (text: string) => [number, ...string[]] | null = () => [200],
  tcp = false,
): Promise<Peer> {
  const peer = await Peer.open(answer, tcp);
  closers.push(() => peer.close());
  return peer;
}

let serial = 0;

/** Sends a request of its own Call-ID through the proxy and gives the start line of the answer. */
async function ask(client: Peer, proxy: RealProxy, uri: string, body = ''): Promise<string> {
  serial += 1;
  const fields = { Via: `SIP/2.0/UDP 127.0.0.1:${client.port};branch=z9hG4bKr${serial}`, 'Call-ID': `r${serial}` };
  client.heard.length = 0;
  client.send(requestText('MESSAGE', fields, uri, body), proxy.port);
  const heard = await client.until(1);
  return heard[0]!.slice('udp '.length, heard[0]!.indexOf('\r\n'));
}

const large = 'x'.repeat(1400);

describe('servers found in the DNS, over real sockets', () => {
  it('C-14 C-16 C-17 C-30 goes past a dead server and a busy one, and remembers both', async () => {
    const client = await peerOf(() => null);
    const deadPort = await freeTwinPort();
    const busy = await peerOf(() => [503, 'Retry-After: 60']);
    const good = await peerOf();
    const server = await dnsOf(
      zone([
        naptr('ims.test', 10, 10, 'SIP+D2T', '_sip._tcp.ims.test'),
        naptr('ims.test', 10, 20, 'SIP+D2U', '_sip._udp.ims.test'),
        srv('_sip._tcp.ims.test', 1, 0, deadPort, 'a.ims.test'),
        srv('_sip._udp.ims.test', 2, 0, busy.port, 'b.ims.test'),
        srv('_sip._udp.ims.test', 3, 0, good.port, 'c.ims.test'),
        ...['a', 'b', 'c'].map((name) => a(`${name}.ims.test`, '127.0.0.1')),
      ]),
    );
    const proxy = await proxyOf({ dns: [server.address] });
    expect(await ask(client, proxy, 'sip:bob@ims.test')).toBe('SIP/2.0 200 Answer');
    expect(busy.heard).toHaveLength(1);
    const withoutBranch = (text: string) => text.replace(/;branch=z9hG4bK0[^\r;]*/, '');
    expect(withoutBranch(good.heard[0]!)).toBe(withoutBranch(busy.heard[0]!));
    expect(good.heard[0]).not.toBe(busy.heard[0]);
    const questions = server.asked.length;
    expect(await ask(client, proxy, 'sip:carol@ims.test')).toBe('SIP/2.0 200 Answer');
    expect(proxy.connected).toBe(1);
    expect(busy.heard).toHaveLength(1);
    expect(good.heard).toHaveLength(2);
    expect(server.asked).toHaveLength(questions);
  });

  it('C-16 answers 504 for a name that does not exist, and asks once for many requests', async () => {
    const client = await peerOf(() => null);
    const server = await dnsOf(zone([]));
    const proxy = await proxyOf({ dns: [server.address] });
    expect(await ask(client, proxy, 'sip:bob@nowhere.test')).toBe('SIP/2.0 504 Server Time-out');
    const questions = server.asked.length;
    expect(await ask(client, proxy, 'sip:bob@nowhere.test')).toBe('SIP/2.0 504 Server Time-out');
    expect(server.asked).toHaveLength(questions);
  });

  it('X-F5 answers within the budget when the name servers are silent, and others are served meanwhile', async () => {
    const client = await peerOf(() => null);
    const other = await peerOf(() => null);
    const good = await peerOf();
    const server = await dnsOf(() => ({ silent: true }));
    const proxy = await proxyOf({ dns: [server.address], budgetMs: 1_500 });
    const startMs = performance.now();
    let isLost = false;
    const lost = ask(client, proxy, 'sip:bob@ims.test').finally(() => {
      isLost = true;
    });
    expect(await ask(other, proxy, `sip:bob@127.0.0.1:${good.port}`)).toBe('SIP/2.0 200 Answer');
    expect(isLost).toBe(false);
    expect(await lost).toBe('SIP/2.0 504 Server Time-out');
    expect(performance.now() - startMs).toBeGreaterThan(1_400);
    // The resolver of the system would go on for much longer.
    expect(performance.now() - startMs).toBeLessThan(8_000);
  });

  it('X-F5 an endless chain of aliases and an answer of 64 KiB end as any other', async () => {
    const client = await peerOf(() => null);
    const good = await peerOf();
    const many = Array.from({ length: 1200 }, (_, i) => srv('_sip._udp.big.test', 1, 1, good.port, `s${i}.big.test`));
    const big = zone([...many, ...many.map(({ name: _ }, i) => a(`s${i}.big.test`, '127.0.0.1'))]);
    const server = await dnsOf((name, type) => {
      if (!name.endsWith('loop.test')) return big(name, type);
      const next = Buffer.from([1, 120, ...Buffer.from(`\x04loop\x04test\0`, 'latin1')]);
      return { records: [{ name, type: 'CNAME', ttl: 0, data: next }] };
    });
    const proxy = await proxyOf({ dns: [server.address] });
    expect(await ask(client, proxy, 'sip:bob@loop.test')).toBe('SIP/2.0 504 Server Time-out');
    expect(server.asked.length).toBeLessThan(8);
    expect(await ask(client, proxy, 'sip:bob@big.test')).toBe('SIP/2.0 200 Answer');
    expect(server.asked.filter((question) => question.startsWith('A s')).length).toBeLessThanOrEqual(16);
  });
});

describe('requests too large for a datagram, over real sockets', () => {
  it('C-10 go by TCP to a peer that listens there, and the answer comes back', async () => {
    const client = await peerOf(() => null);
    const peer = await peerOf(() => [200], true);
    const proxy = await proxyOf({ dns: [] });
    expect(await ask(client, proxy, `sip:bob@127.0.0.1:${peer.port}`, large)).toBe('SIP/2.0 200 Answer');
    expect(await ask(client, proxy, `sip:bob@127.0.0.1:${peer.port}`)).toBe('SIP/2.0 200 Answer');
    expect(peer.heard.map((text) => text.slice(0, 3))).toEqual(['tcp', 'udp']);
    expect(peer.heard[0]).toContain(`\r\nVia: SIP/2.0/TCP 127.0.0.1:${proxy.port};`);
  });

  it('C-10 cost one refused connection where the peer listens on UDP only', async () => {
    const client = await peerOf(() => null);
    const peer = await peerOf();
    const proxy = await proxyOf({ dns: [] });
    for (let i = 0; i < 4; i++) {
      expect(await ask(client, proxy, `sip:bob@127.0.0.1:${peer.port}`, large)).toBe('SIP/2.0 200 Answer');
    }
    expect(peer.heard.map((text) => text.slice(0, 3))).toEqual(['udp', 'udp', 'udp', 'udp']);
    expect(peer.heard[0]).toContain(`\r\nVia: SIP/2.0/UDP 127.0.0.1:${proxy.port};`);
    expect(proxy.connected).toBe(1);
  });
});
