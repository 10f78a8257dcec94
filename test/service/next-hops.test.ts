import { describe, expect, it } from 'vitest';
import { loadConfig } from '#service/config/config';
import type { PcscfConfig } from '#service/config/pcscf-config';
import { nextHops } from '#service/next-hops';
import { resolveTarget } from '#sip/resolver/resolve-target';
import type { Target } from '#sip/transport/flow';
import { ListenerTable } from '#sip/transport/listener-table';
import type { SipUri } from '#sip/uri/sip-uri';
import { parseUri } from '#sip/uri/uri';
import { a, srv, startDnsServer, zone } from '../sip/resolver/dns-server.ts';
import { problemsOf, smallPcscf, writeFiles } from './config-files.ts';

function load(lines: string): PcscfConfig {
  const listeners = 'listeners: { gm: [udp:127.0.0.1:5060], mw: [udp:127.0.0.1:5070, tcp:127.0.0.1:5070] }';
  const text = `role: pcscf\nhomeDomain: IMS.test\n${listeners}\n${lines}\n`;
  return loadConfig({ file: writeFiles({ 'a.yaml': text }), role: 'pcscf', env: {} }).config;
}

function finder(config: PcscfConfig) {
  const options = nextHops(config, new ListenerTable(config.listeners), config.dns.homeNetworks);
  return async (uri: string, guarded = false): Promise<string[]> => {
    const found: readonly Target[] = await resolveTarget(parseUri(uri) as SipUri, 'mw', options, guarded);
    return found.map(({ transport, address, port }) => `${transport} ${address}:${port}`);
  };
}

describe('next hops by the configuration', () => {
  it('C-16 C-17 X-F5 are found by hosts, then by the name servers of dns', async () => {
    const records = [
      srv('_sip._udp.ims.test', 1, 1, 4060, 'icscf.ims.test'),
      a('icscf.ims.test', '10.0.0.1'),
      a('foreign.test', '10.0.0.2'),
    ];
    const server = await startDnsServer(zone(records));
    const find = finder(
      load(
        `dns: { servers: ["${server.address}"], homeNetworks: [Foreign.test] }\nhosts: { fixed.test: [udp:10.0.0.9:4060] }`,
      ),
    );
    try {
      expect(await find('sip:fixed.test', true)).toEqual(['udp 10.0.0.9:4060']);
      expect(server.asked).toEqual([]);
      expect(await find('sip:ims.test', true)).toEqual(['udp 10.0.0.1:4060']);
      expect(await find('sip:foreign.test', true)).toEqual(['udp 10.0.0.2:5060']);
      expect(await find('sip:icscf.ims.test', true)).toEqual([]);
      expect(await find('sip:icscf.ims.test')).toEqual(['udp 10.0.0.1:5060']);
    } finally {
      await server.close();
    }
  });

  it('C-17 with an empty list of name servers nobody is asked', async () => {
    const find = finder(load('dns: { servers: [] }'));
    expect(await find('sip:ims.test')).toEqual([]);
    expect(await find('sip:10.0.0.1')).toEqual(['udp 10.0.0.1:5060']);
  });

  it('C-10 C-17 have their times and sizes by default', () => {
    const { dns, transport } = load('');
    expect(dns).toEqual({ budget: 2, homeNetworks: [] });
    expect(transport).toMatchObject({ switchToTcpAbove: 'auto', setAside: 30 });
  });

  it.each(['"192.0.2.53"', '"192.0.2.53:5353"', '"2001:db8::53"', '"[2001:db8::53]:53"'])(
    'C-17 takes %s as a name server',
    (text) => {
      expect(() => finder(load(`dns: { servers: [${text}] }`))).not.toThrow();
    },
  );

  it.each(['ns.ims.test', '"192.0.2.53:0"', '"192.0.2.53:x"', '"[2001:db8::53]"', '"udp:192.0.2.53:53"'])(
    'C-17 refuses %s as a name server',
    (text) => {
      const [problem] = problemsOf(`${smallPcscf}dns: { servers: [${text}] }\n`);
      expect(problem).toMatchObject({
        path: 'dns.servers.0',
        message: expect.stringMatching(/is not the address of a name server/),
      });
    },
  );
});
