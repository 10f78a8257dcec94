import { performance } from 'node:perf_hooks';
import { afterEach, describe, expect, it } from 'vitest';
import { EnumDirectory, enumName, openEnum } from '#ims/enum';
import { systemDns } from '#sip/resolver/dns-client';
import { type DnsReply, type DnsServer, naptr, startDnsServer, zone } from '../sip/resolver/dns-server.ts';
import { enumNameOf, enumRecord } from './enum-zone.ts';

const servers: DnsServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serverOf(answer: (name: string, type: string) => DnsReply): Promise<DnsServer> {
  const server = await startDnsServer(answer);
  servers.push(server);
  return server;
}

const number = '+15550002';
const settings = (server: DnsServer) => ({ suffix: 'e164.arpa', timeout: 2, servers: [server.address] });

async function directoryOf(...records: Parameters<typeof zone>[0][number][]) {
  const server = await serverOf(zone(records));
  let nowMs = 0;
  const directory = openEnum(settings(server), [], () => nowMs)!;
  return { server, directory, pass: (ms: number) => void (nowMs += ms) };
}

describe('ENUM, asked by real sockets', () => {
  it('S-113 asks for the digits in reverse order under the suffix', async () => {
    const server = await serverOf(zone([enumRecord(number, '!^.*$!sip:bob@ims.test!', { suffix: 'enum.ims.test' })]));
    const directory = openEnum({ suffix: 'enum.ims.test', timeout: 2 }, [server.address], () => 0)!;
    expect(await directory.find(number)).toBe('sip:bob@ims.test');
    expect(server.asked).toEqual(['NAPTR 2.0.0.0.5.5.5.1.enum.ims.test']);
  });

  it('S-113 takes the first usable rule by order, then preference', async () => {
    const { directory } = await directoryOf(
      enumRecord(number, '!^.*$!sip:third@x!', { order: 20, preference: 1 }),
      enumRecord(number, '!^.*$!sip:second@x!', { order: 10, preference: 20 }),
      enumRecord(number, '!^.*$!sip:first@x!', { order: 10, preference: 10 }),
      enumRecord(number, '!^.*$!mailto:a@x!', { order: 1, service: 'E2U+email:mailto' }),
      enumRecord(number, '!^\\+44.*$!sip:british@x!', { order: 2 }),
      enumRecord(number, '!^(.*$!sip:broken@x!', { order: 3 }),
      enumRecord(number, '!^.*$!tel:+1!', { order: 4 }),
      enumRecord(number, '!^.*$!sip:a b@x!', { order: 5 }),
      enumRecord(number, '!^.*$!sip:a@x?Route=%3Csip:evil%3E!', { order: 6 }),
    );
    expect(await directory.find(number)).toBe('sip:first@x');
  });

  it('S-113 follows no rule that is not terminal', async () => {
    const { directory, server } = await directoryOf(
      enumRecord(number, '!^.*$!sip:bob@x!', { flags: '' }),
      enumRecord(number, '!^.*$!sip:bob@x!', { flags: 's' }),
      naptr(enumNameOf(number), 1, 1, 'E2U+sip', 'other.test', ''),
    );
    expect(await directory.find(number)).toBe(null);
    expect(server.asked).toHaveLength(1);
  });

  it.each(['E2U+sip', 'e2u+SIP', 'E2U+email:mailto+sip', 'E2U+sip:x'])(
    'S-113 knows the service %s',
    async (service) => {
      const { directory } = await directoryOf(enumRecord(number, '!^.*$!sip:bob@x!', { service }));
      expect(await directory.find(number)).toBe('sip:bob@x');
    },
  );

  it.each(['E2U+sips2', 'sip+E2U', 'E2U', 'SIP+D2U'])('S-113 does not take %s for one', async (service) => {
    const { directory } = await directoryOf(enumRecord(number, '!^.*$!sip:bob@x!', { service }));
    expect(await directory.find(number)).toBe(null);
  });

  it('S-113 remembers what it was told, at once the second time, and asks anew after its time', async () => {
    const { directory, server, pass } = await directoryOf(enumRecord(number, '!^.*$!sip:bob@x!'));
    const [a, b] = await Promise.all([directory.find(number), directory.find(number)]);
    expect([a, b, directory.find(number)]).toEqual(['sip:bob@x', 'sip:bob@x', 'sip:bob@x']);
    expect(server.asked).toHaveLength(1);
    pass(61_000);
    expect(await directory.find(number)).toBe('sip:bob@x');
    expect(server.asked).toHaveLength(2);
  });

  it('S-113 remembers that there is none', async () => {
    const { directory, server } = await directoryOf();
    expect(await directory.find(number)).toBe(null);
    expect(directory.find(number)).toBe(null);
    expect(server.asked).toHaveLength(1);
  });

  it('S-113 a server failure is no number, for some seconds only', async () => {
    let works = false;
    const records = zone([enumRecord(number, '!^.*$!sip:bob@x!')]);
    const server = await serverOf((name, type) => (works ? records(name, type) : { code: 'SERVFAIL' }));
    let nowMs = 0;
    const directory = openEnum(settings(server), [], () => nowMs)!;
    expect(await directory.find(number)).toBe(null);
    works = true;
    nowMs = 5_001;
    expect(await directory.find(number)).toBe('sip:bob@x');
  });

  it('S-113 X-F5 gives a silent server up after its time', async () => {
    const server = await serverOf(() => ({ silent: true }));
    let ring = () => {};
    const directory = new EnumDirectory({
      suffix: 'e164.arpa',
      timeoutMs: 5000,
      dns: systemDns([server.address], 60_000),
      now: () => 0,
      alarm(ms, then) {
        expect(ms).toBe(5000);
        ring = then;
        return () => {};
      },
    });
    const found = directory.find(number);
    ring();
    expect(await found).toBe(null);
  });

  it('S-113 X-F5 does so by the clock as well', async () => {
    const server = await serverOf(() => ({ silent: true }));
    const directory = openEnum({ suffix: 'x.test', timeout: 0.3, servers: [server.address] }, [], () => 0)!;
    const startMs = performance.now();
    expect(await directory.find(number)).toBe(null);
    expect(performance.now() - startMs).toBeGreaterThan(250);
    expect(performance.now() - startMs).toBeLessThan(4_000);
  });

  it('S-113 X-F5 asks for nothing but international numbers', () => {
    expect(enumName('+15550002', 'x')).toBe('2.0.0.0.5.5.5.1.x');
    for (const text of ['', '+', '15550002', '+1a', '+1.2', `+${'1'.repeat(16)}`, '+1\r\n']) {
      expect(enumName(text, 'x'), text).toBe(null);
    }
  });
});
