import { describe, expect, it } from 'vitest';
import { ParseFailure } from '#sip/errors';
import { DnsCache } from '#sip/resolver/dns-cache';
import type { NaptrRecord, SrvRecord } from '#sip/resolver/dns-client';
import { DnsLocator } from '#sip/resolver/dns-locator';
import { type HostAddress, type ResolverOptions, resolveTarget } from '#sip/resolver/resolve-target';
import type { Listener, Target, TransportName } from '#sip/transport/flow';
import { ListenerTable } from '#sip/transport/listener-table';
import { parseUri, type Uri } from '#sip/uri/uri';
import { type KnownZone, settle, ZoneClient } from './known-zone.ts';

function listener(index: number, transport: TransportName, address: string, side = 'mw'): Listener {
  return { index, sides: [side], transport, address, port: 5060, sentBy: `${address}:5060` };
}

const udp4 = listener(0, 'udp', '127.0.0.1');
const tcp4 = listener(1, 'tcp', '127.0.0.1');
const tls4 = listener(2, 'tls', '127.0.0.1');
const udp6 = listener(3, 'udp', '::1');
const tcp6 = listener(4, 'tcp', '::1');
const gm4 = listener(5, 'udp', '127.0.0.2', 'gm');
const all = [udp4, tcp4, tls4, udp6, tcp6, gm4];

function srv(name: string, port = 5070, priority = 1, weight = 1): SrvRecord {
  return { name, port, priority, weight };
}

function naptr(order: number, preference: number, service: string, replacement: string, flags = 's'): NaptrRecord {
  return { order, preference, service, replacement, flags };
}

interface RigOptions {
  readonly zone?: KnownZone;
  readonly hosts?: Record<string, readonly HostAddress[]>;
  readonly listeners?: readonly Listener[];
  readonly random?: () => number;
  readonly knownNames?: readonly string[];
}

function rig({ zone = {}, hosts = {}, listeners = all, random = () => 0, knownNames = [] }: RigOptions = {}) {
  const client = new ZoneClient(zone);
  const time = { nowMs: 0 };
  const bells: (() => void)[] = [];
  const table = new ListenerTable(listeners);
  const dns = new DnsLocator({
    cache: new DnsCache(client, () => time.nowMs),
    listeners: table,
    budgetMs: 2000,
    alarm: (_ms, ring) => {
      bells.push(ring);
      return () => {};
    },
    random,
  });
  const options: ResolverOptions = {
    listeners: table,
    hosts: new Map(Object.entries(hosts)),
    dns,
    knownNames: new Set(knownNames),
  };
  const find = (uri: string, side = 'mw', guarded = false) => resolveTarget(read(uri), side, options, guarded);
  return {
    client,
    time,
    bells,
    find,
    /** `udp 10.0.0.1:5060`, one for each target. */
    async targets(uri: string, side = 'mw', guarded = false): Promise<string[]> {
      return (await find(uri, side, guarded)).map(written);
    },
  };
}

function read(text: string): Uri {
  const uri = parseUri(text);
  if (uri instanceof ParseFailure) throw new Error(`${text}: ${uri.reason}`);
  return uri;
}

function written({ transport, address, port }: Target): string {
  return `${transport} ${address}:${port}`;
}

describe('hosts that need no look-up', () => {
  it.each([
    ['sip:10.0.0.1', ['udp 10.0.0.1:5060']],
    ['sip:10.0.0.1:6060', ['udp 10.0.0.1:6060']],
    ['sip:[2001:db8::1]:6060', ['udp 2001:db8::1:6060']],
    ['sip:10.0.0.1;transport=tcp', ['tcp 10.0.0.1:5060']],
    ['sip:10.0.0.1;transport=TLS', ['tls 10.0.0.1:5061']],
    ['sips:10.0.0.1', ['tls 10.0.0.1:5061']],
    ['sips:10.0.0.1;transport=tcp', ['tls 10.0.0.1:5061']],
    ['sips:10.0.0.1;transport=udp', []],
    ['sip:10.0.0.1;transport=sctp', []],
    ['sip:ims.test;maddr=10.0.0.9', ['udp 10.0.0.9:5060']],
    ['sip:ims.test:7000;maddr=[2001:DB8::9]', ['udp 2001:db8::9:7000']],
    ['sip:10.0.0.1;maddr=%41', []],
    ['tel:+15550001', []],
    ['urn:service:sos', []],
  ])('C-16 sends %s to %j, at once', (uri, expected) => {
    const { find, client } = rig();
    const found = find(uri);
    expect(found).not.toBeInstanceOf(Promise);
    expect((found as readonly Target[]).map(written)).toEqual(expected);
    expect(client.asked).toEqual([]);
  });

  it('C-16 gives only what a listener of the side reaches', async () => {
    const only = rig({ listeners: [tcp4, gm4] });
    expect(await only.targets('sip:10.0.0.1')).toEqual(['tcp 10.0.0.1:5060']);
    expect(await only.targets('sip:10.0.0.1;transport=udp')).toEqual([]);
    expect(await only.targets('sip:[::1]')).toEqual([]);
    expect(await only.targets('sip:10.0.0.1', 'gm')).toEqual(['udp 10.0.0.1:5060']);
    expect(await only.targets('sip:10.0.0.1', 'nowhere')).toEqual([]);
  });

  it('C-17 answers names of the host table before the DNS, in their order, with their transports', async () => {
    const hosts = {
      'pool.test': [
        { transport: 'udp', address: '10.0.0.1', port: 4060 },
        { transport: 'tcp', address: '10.0.0.2', port: 4061 },
      ],
    } as const;
    const { find, targets, client } = rig({ hosts, zone: { 'pool.test': { A: ['10.9.9.9'] } } });
    expect(find('sip:POOL.test')).not.toBeInstanceOf(Promise);
    expect(await targets('sip:pool.test.')).toEqual(['udp 10.0.0.1:4060', 'tcp 10.0.0.2:4061']);
    expect(await targets('sip:pool.test;transport=tcp')).toEqual(['tcp 10.0.0.2:4061']);
    expect(await targets('sip:pool.test:7000')).toEqual(['udp 10.0.0.1:7000', 'tcp 10.0.0.2:7000']);
    expect(await targets('sips:pool.test')).toEqual([]);
    expect(client.asked).toEqual([]);
  });

  it('C-10 a UDP target may go by TCP where nobody has named the transport', async () => {
    const hosts = { 'pool.test': [{ transport: 'udp', address: '10.0.0.1', port: 4060 }] } as const;
    const zone = { 'ims.test': { A: ['10.0.0.3'] } };
    const { find } = rig({ hosts, zone });
    const stream = async (uri: string, side = 'mw') => (await find(uri, side)).map((target) => target.streamListener);
    expect(await stream('sip:10.0.0.1')).toEqual([tcp4.index]);
    expect(await stream('sip:[::1]')).toEqual([tcp6.index]);
    expect(await stream('sip:ims.test')).toEqual([tcp4.index]);
    expect(await stream('sip:10.0.0.1;transport=udp')).toEqual([undefined]);
    expect(await stream('sip:ims.test;transport=udp')).toEqual([undefined]);
    expect(await stream('sip:pool.test')).toEqual([undefined]);
    expect(await stream('sip:10.0.0.1', 'gm')).toEqual([undefined]);
  });

  it('C-16 tells the transport whose certificate a TLS peer has to show', async () => {
    const { find } = rig({
      zone: { '_sips._tcp.ims.test': { SRV: [srv('a.elsewhere.test')] }, 'a.elsewhere.test': { A: ['10.0.0.1'] } },
    });
    expect((await find('sips:ims.test'))[0]?.domain).toBe('ims.test');
    expect((await find('sip:10.0.0.1;transport=tls'))[0]?.domain).toBe('10.0.0.1');
  });
});

describe('names in the DNS (RFC 3263)', () => {
  const servers: KnownZone = {
    'a.ims.test': { A: ['10.0.0.1'], AAAA: ['2001:db8::1'] },
    'b.ims.test': { A: ['10.0.0.2'] },
    '_sip._udp.ims.test': { SRV: [srv('b.ims.test', 5072, 2), srv('a.ims.test', 5071, 1)] },
    '_sip._tcp.ims.test': { SRV: [srv('b.ims.test', 5073)] },
    '_sips._tcp.ims.test': { SRV: [srv('b.ims.test', 5074)] },
  };

  it('C-16 takes the services of NAPTR by order, then by preference', async () => {
    const { targets, client } = rig({
      zone: {
        ...servers,
        'ims.test': {
          NAPTR: [
            naptr(20, 1, 'SIP+D2U', '_sip._udp.ims.test'),
            naptr(10, 2, 'SIP+D2T', '_sip._tcp.ims.test'),
            naptr(10, 1, 'sips+d2t', '_sips._tcp.ims.test'),
          ],
        },
      },
    });
    expect(await targets('sip:ims.test')).toEqual([
      'tls 10.0.0.2:5074',
      'tcp 10.0.0.2:5073',
      'udp 10.0.0.1:5071',
      'udp 2001:db8::1:5071',
      'udp 10.0.0.2:5072',
    ]);
    expect(client.asked[0]).toBe('NAPTR ims.test');
    expect(client.asked.filter((question) => question.endsWith(' a.ims.test'))).toEqual([
      'A a.ims.test',
      'AAAA a.ims.test',
    ]);
  });

  it('C-16 passes over services that no listener of ours has, and records that are no terminal SIP service', async () => {
    const { targets } = rig({
      listeners: [udp4, tcp4],
      zone: {
        ...servers,
        'ims.test': {
          NAPTR: [
            naptr(1, 1, 'SIPS+D2T', '_sips._tcp.ims.test'),
            naptr(2, 1, 'SIP+D2S', '_sip._sctp.ims.test'),
            naptr(3, 1, 'E2U+sip', '_sip._udp.elsewhere.test'),
            naptr(4, 1, 'SIP+D2U', 'ims.test', ''),
            naptr(5, 1, 'SIP+D2T', '_sip._tcp.ims.test', 'S'),
          ],
        },
      },
    });
    expect(await targets('sip:ims.test')).toEqual(['tcp 10.0.0.2:5073']);
  });

  it('C-16 a sips URI takes no service but SIPS', async () => {
    const records = [naptr(1, 1, 'SIP+D2U', '_sip._udp.ims.test'), naptr(2, 1, 'SIPS+D2T', '_sips._tcp.ims.test')];
    const { targets } = rig({ zone: { ...servers, 'ims.test': { NAPTR: records } } });
    expect(await targets('sips:ims.test')).toEqual(['tls 10.0.0.2:5074']);
    const none = rig({ zone: { ...servers, 'ims.test': { A: ['10.0.0.5'] }, '_sips._tcp.ims.test': {} } });
    expect(await none.targets('sips:ims.test')).toEqual(['tls 10.0.0.5:5061']);
  });

  it('C-16 without NAPTR asks for the SRV records of each transport that it sends by', async () => {
    const { targets, client } = rig({ listeners: [udp4, tcp4], zone: servers });
    expect(await targets('sip:ims.test')).toEqual(['udp 10.0.0.1:5071', 'udp 10.0.0.2:5072', 'tcp 10.0.0.2:5073']);
    expect(client.asked.slice(0, 3)).toEqual(['NAPTR ims.test', 'SRV _sip._udp.ims.test', 'SRV _sip._tcp.ims.test']);
    expect(client.asked.some((question) => question.startsWith('AAAA'))).toBe(false);
  });

  it('C-16 a named transport leads to its SRV records without NAPTR', async () => {
    const { targets, client } = rig({ zone: servers });
    expect(await targets('sip:ims.test;transport=tcp')).toEqual(['tcp 10.0.0.2:5073']);
    expect(client.asked[0]).toBe('SRV _sip._tcp.ims.test');
    expect(await targets('sip:ims.test;transport=tls')).toEqual(['tls 10.0.0.2:5074']);
  });

  it('C-16 without SRV records takes the addresses of the name, with 5060 and 5061', async () => {
    const { targets } = rig({ zone: { 'ims.test': { A: ['10.0.0.7', '10.0.0.8'], AAAA: ['2001:db8::7'] } } });
    expect(await targets('sip:ims.test')).toEqual(['udp 10.0.0.7:5060', 'udp 10.0.0.8:5060', 'udp 2001:db8::7:5060']);
    expect(await targets('sip:ims.test;transport=tcp')).toContain('tcp 10.0.0.7:5060');
    expect(await targets('sip:ims.test;transport=tls')).toEqual(['tls 10.0.0.7:5061', 'tls 10.0.0.8:5061']);
  });

  it('C-16 NAPTR without the SRV records it promises leads to the addresses of the name, by its transport', async () => {
    const records = [naptr(1, 1, 'SIP+D2T', '_sip._tcp.nothing.test')];
    const { targets } = rig({ zone: { 'ims.test': { NAPTR: records, A: ['10.0.0.7'] } } });
    expect(await targets('sip:ims.test')).toEqual(['tcp 10.0.0.7:5060']);
  });

  it('C-16 a port leads to the addresses at once', async () => {
    const { targets, client } = rig({ zone: { ...servers, 'ims.test': { A: ['10.0.0.7'] } } });
    expect(await targets('sip:ims.test:6060')).toEqual(['udp 10.0.0.7:6060']);
    expect(client.asked).toEqual(['A ims.test', 'AAAA ims.test']);
  });

  it('C-16 a service that is decidedly not there (the root as its server) has no targets', async () => {
    const { targets } = rig({
      listeners: [udp4],
      zone: { '_sip._udp.ims.test': { SRV: [srv('.', 0)] }, 'ims.test': { A: ['10.0.0.7'] } },
    });
    expect(await targets('sip:ims.test')).toEqual([]);
  });

  it('C-16 the weights are drawn anew for each request', async () => {
    const numbers = [0, 0.999, 0];
    const records = [srv('a.ims.test', 5060, 1, 50), srv('b.ims.test', 5060, 1, 50)];
    const { targets, client } = rig({
      listeners: [udp4],
      zone: { ...servers, '_sip._udp.ims.test': { SRV: records } },
      random: () => numbers[0]!,
    });
    await targets('sip:ims.test');
    const asked = client.asked.length;
    expect(await targets('sip:ims.test')).toEqual(['udp 10.0.0.1:5060', 'udp 10.0.0.2:5060']);
    numbers.shift();
    expect(await targets('sip:ims.test')).toEqual(['udp 10.0.0.2:5060', 'udp 10.0.0.1:5060']);
    expect(client.asked.length).toBe(asked);
  });

  it('C-16 an unknown name has no targets', async () => {
    expect(await rig().targets('sip:nowhere.test')).toEqual([]);
  });

  it('C-17 gives what is known at once, without a promise', async () => {
    const { find, client } = rig({ zone: servers });
    expect(find('sip:ims.test')).toBeInstanceOf(Promise);
    await settle();
    const asked = client.asked.length;
    expect(find('sip:ims.test')).not.toBeInstanceOf(Promise);
    expect(client.asked.length).toBe(asked);
  });

  it('X-F5 looks at 16 addresses at most, and asks for 16 names of servers at most', async () => {
    const many = Array.from({ length: 40 }, (_, i) => srv(`s${i}.ims.test`));
    const zone: KnownZone = { '_sip._udp.ims.test': { SRV: many } };
    for (const { name } of many) zone[name] = { A: ['10.0.0.1', '10.0.0.2'] };
    const { targets, client } = rig({ listeners: [udp4], zone });
    expect(await targets('sip:ims.test')).toHaveLength(16);
    expect(client.asked.filter((question) => question.startsWith('A ')).length).toBeLessThanOrEqual(16);
  });
});

describe('names that nobody trusted has chosen', () => {
  it('X-F5 are looked up in the host table, but in the DNS only where the configuration names them', async () => {
    const zone = { 'ims.test': { A: ['10.0.0.1'] }, 'x7.ims.test': { A: ['10.0.0.2'] } };
    const hosts = { 'fixed.test': [{ transport: 'udp', address: '10.0.0.3', port: 5060 }] } as const;
    const { targets, client } = rig({ zone, hosts, knownNames: ['ims.test'] });
    expect(await targets('sip:x7.ims.test', 'mw', true)).toEqual([]);
    expect(await targets('sip:fixed.test', 'mw', true)).toEqual(['udp 10.0.0.3:5060']);
    expect(await targets('sip:10.0.0.9', 'mw', true)).toEqual(['udp 10.0.0.9:5060']);
    expect(client.asked).toEqual([]);
    expect(await targets('sip:IMS.test', 'mw', true)).toEqual(['udp 10.0.0.1:5060']);
    expect(await targets('sip:x7.ims.test')).toEqual(['udp 10.0.0.2:5060']);
  });
});

describe('the time that finding may take', () => {
  it('X-F5 is bounded: what is known by then has to do', async () => {
    const zone: KnownZone = { 'ims.test': { A: ['10.0.0.1'], AAAA: 'silent' } };
    const { find, bells } = rig({ zone });
    const found = find('sip:ims.test:5060');
    await settle();
    expect(bells).toHaveLength(1);
    bells[0]!();
    expect((await found).map(written)).toEqual(['udp 10.0.0.1:5060']);
  });

  it('X-F5 is bounded also where nothing at all is answered', async () => {
    const { find, bells } = rig({ zone: { 'ims.test': { NAPTR: 'silent' } } });
    const found = find('sip:ims.test');
    await settle();
    bells[0]!();
    expect(await found).toEqual([]);
  });

  it('X-F5 a name server that fails for NAPTR does not keep SRV and addresses from being found', async () => {
    const zone: KnownZone = { 'ims.test': { NAPTR: 'fails', A: ['10.0.0.1'] } };
    expect(await rig({ zone }).targets('sip:ims.test')).toEqual(['udp 10.0.0.1:5060']);
  });

  it('C-17 records that live for a second do not run out while the search goes on', async () => {
    const zone: KnownZone = {
      'ims.test': { NAPTR: [naptr(1, 1, 'SIP+D2U', '_sip._udp.ims.test')] },
      '_sip._udp.ims.test': { SRV: [srv('a.ims.test')] },
      'a.ims.test': { A: ['10.0.0.1'] },
    };
    const { find, client, time } = rig({ zone, listeners: [udp4] });
    const ask = client.ask.bind(client);
    client.ask = (type, name) => {
      time.nowMs += 90_000;
      return ask(type, name);
    };
    expect((await find('sip:ims.test')).map(written)).toEqual(['udp 10.0.0.1:5070']);
    expect(client.asked).toEqual(['NAPTR ims.test', 'SRV _sip._udp.ims.test', 'A a.ims.test']);
  });
});
