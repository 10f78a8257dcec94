import { describe, expect, it } from 'vitest';
import { avp } from '#diameter/codec/avp-types';
import { encodeMessage } from '#diameter/codec/encode';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication } from '#diameter/dictionary/cx';
import { BackOff } from '#diameter/peer/back-off';
import { EndToEndIdentifiers } from '#diameter/peer/end-to-end';
import { PeerStatistics } from '#diameter/peer/peer-statistics';
import { readOutcome, readRouting, withoutDestinationHost } from '#diameter/peer/routing-avps';
import { answer, cea, cxServer, dpr, names, node, scripted, toHss, toServers, until, withResult } from './peer-rig.ts';

describe('D-20 what a table tells of its peers', () => {
  it('is state, words, round-trip time, results by command and since when', async () => {
    let n = 0;
    const server = await cxServer('h1.test', (message) => withResult(message, 'h1.test', n++ === 0 ? 2001 : 5012));
    const { cx, allUp, table } = toServers([server]);
    await allUp();
    const beforeMs = Date.now();
    for (let i = 0; i < 3; i++) await cx.locationInfo({ impu: 'sip:a@b' });
    const [status] = table.status();
    expect(status).toMatchObject({
      host: 'h1.test',
      state: 'open-initiator',
      lastError: undefined,
      counts: [
        { direction: 'sent', command: 302, result: '2001', count: 1 },
        { direction: 'sent', command: 302, result: '5012', count: 2 },
      ],
    });
    expect(status?.words).toContain('connected to 127.0.0.1');
    expect(status?.roundTripMs).toBeGreaterThan(0);
    expect(status?.roundTripMs).toBeLessThan(1000);
    expect(status?.connectedSinceMs).toBeLessThanOrEqual(beforeMs);
  });

  it('keeps the last error in plain words also when all is well again', async () => {
    const server = await cxServer('h1.test', () => undefined);
    const { allUp, table, isUp } = toServers([server]);
    await allUp();
    server.sockets[0]?.write(dpr('h1.test', 1));
    await until(() => table.status()[0]?.lastError !== undefined, 'an error');
    expect(table.status()[0]?.lastError).toBe('DPR from h1.test: it is busy');
    expect(isUp('h1.test')).toBe(false);
    const refusing = await scripted((message) => cea(message, 5010));
    const other = toHss(refusing.port);
    await until(() => other.table.status()[0]?.lastError !== undefined, 'an error');
    expect(other.table.status()[0]?.lastError).toContain(
      'CEA 5010 from hss.ims.test: it offers no application of ours',
    );
    expect(other.table.status()[0]).toMatchObject({ connectedSinceMs: undefined, roundTripMs: undefined });
  });

  it('counts in bounds, whatever codes a peer makes up', () => {
    const statistics = new PeerStatistics();
    for (let code = 1; code <= 1000; code++) statistics.answered(302, code, 1);
    statistics.answered(302, -5001, 1);
    statistics.lost(303);
    expect(statistics.counts.length).toBeLessThanOrEqual(129);
    expect(statistics.counts.at(-1)).toEqual({ direction: 'sent', command: 0, result: 'other', count: 874 });
  });

  it('smooths the round-trip time', () => {
    const statistics = new PeerStatistics();
    statistics.answered(302, 2001, 8);
    expect(statistics.roundTripMs).toBe(8);
    statistics.answered(302, -5001, 16);
    expect(statistics.roundTripMs).toBe(9);
    statistics.lost(302);
    expect(statistics.counts.map(({ result, count }) => [result, count])).toEqual([
      ['2001', 1],
      ['experimental 5001', 1],
      ['lost', 1],
    ]);
  });
});

describe('D-09 Origin-State-Id', () => {
  it('an increase is told once, by CEA or watchdog; the same, none or a lower one is not', async () => {
    let state: number | undefined = 100;
    const told = () => (state === undefined ? [] : [avp(baseAvps.originStateId, state)]);
    const { port, sockets } = await scripted((message) =>
      message.command === 257
        ? answer(
            message,
            avp(baseAvps.resultCode, 2001),
            ...names,
            avp(baseAvps.authApplicationId, cxApplication.id),
            ...told(),
          )
        : answer(message, avp(baseAvps.resultCode, 2001), ...names, ...told()),
    );
    const { restarted, isUp } = toHss(port, { watchdogMs: 60, watchdogJitterMs: 5 });
    const reconnect = async (next: number | undefined) => {
      state = next;
      const before = sockets.length;
      sockets.at(-1)?.destroy();
      await until(() => sockets.length > before && isUp('hss.ims.test'), 'open again');
    };
    await until(() => isUp('hss.ims.test'), 'open');
    await reconnect(100);
    await reconnect(undefined);
    await reconnect(99);
    expect(restarted).toEqual([]);
    await reconnect(101);
    expect(restarted).toEqual(['hss.ims.test']);
    state = 102;
    await until(() => restarted.length === 2, 'told by DWA');
  });

  it('ours is the same in CER and DWR while we run, and larger after the next start', async () => {
    const seen: (number | undefined)[] = [];
    const { port } = await scripted((message) => {
      seen.push(message.avps.unsigned32(baseAvps.originStateId));
      if (message.command === 257) return cea(message);
      return message.command === 280 ? answer(message, avp(baseAvps.resultCode, 2001), ...names) : undefined;
    });
    const first = toHss(port, { watchdogMs: 40, watchdogJitterMs: 2 });
    await until(() => seen.length >= 3, 'CER and DWRs');
    expect(new Set(seen).size).toBe(1);
    expect(seen[0]).toBeGreaterThan(1_700_000_000);
    await first.table.stop();
  });
});

describe('D-07 the time until the next try', () => {
  const backOff = (reconnectMs = 5_000, random = 0.5) =>
    new BackOff({ reconnectMs, reconnectCapMs: 30_000, random: () => random });

  it('doubles up to the cap, give or take a tenth', () => {
    const even = backOff();
    expect([1, 2, 3, 4, 5].map(() => even.next(0))).toEqual([5_000, 10_000, 20_000, 30_000, 30_000]);
    expect(backOff(5_000, 0).next(0)).toBeCloseTo(4_500);
    expect(backOff(5_000, 0.999).next(0)).toBeLessThan(5_500);
    expect(backOff(60_000).next(0)).toBe(60_000);
  });

  it('begins anew after a connection that lasted, not after one that was closed at once', () => {
    const flapping = backOff();
    flapping.next(0);
    flapping.up(5_000);
    expect(flapping.next(6_000)).toBe(10_000);
    flapping.up(16_000);
    expect(flapping.next(21_000)).toBe(5_000);
  });

  it('X-R4 is Tc again and again for a peer that serves for some seconds and restarts', () => {
    const restarting = backOff(200);
    for (let nowMs = 0; nowMs < 200_000; nowMs += 10_000) {
      expect(restarting.next(nowMs)).toBe(200);
      restarting.up(nowMs + 300);
    }
    const slow = backOff(20_000);
    slow.next(0);
    slow.up(20_000);
    expect(slow.next(30_000)).toBe(30_000);
  });
});

describe('D-12 End-to-End Identifiers', () => {
  it('have 12 bits of time, then a counter from a random start', () => {
    const identifiers = new EndToEndIdentifiers(() => 0.5);
    expect(identifiers.next(0x12345)).toBe(0x34580001);
    expect(identifiers.next(0x12345)).toBe(0x34580002);
    expect(identifiers.next(0xfff)).toBe(0xfff80003);
    const many = new Set(Array.from({ length: 100_000 }, () => identifiers.next(7)));
    expect(many.size).toBe(100_000);
  });
});

describe('what is read without decoding', () => {
  const header = { flags: 0, command: 302, application: cxApplication.id, hopByHop: 1, endToEnd: 2 };
  const experimental = (vendor: number, code: number) =>
    avp(baseAvps.experimentalResult, [avp(baseAvps.vendorId, vendor), avp(baseAvps.experimentalResultCode, code)]);

  it.each([
    [2001, [avp(baseAvps.resultCode, 2001)]],
    [2001, [avp(baseAvps.resultCode, 2001), avp(baseAvps.resultCode, 5012)]],
    [-5001, [experimental(10415, 5001)]],
    [-5001, [avp(baseAvps.resultCode, 5012), experimental(10415, 5001)]],
    [2001, [avp(baseAvps.resultCode, 2001), experimental(10415, 5001)]],
    [5012, [avp(baseAvps.resultCode, 5012), experimental(4242, 1)]],
    [0, []],
    [0, [{ definition: baseAvps.resultCode, value: Buffer.alloc(2) }]],
  ])('D-15 the outcome %i', (outcome, avps) => {
    expect(readOutcome(encodeMessage(header, avps))).toBe(outcome);
  });

  it('X-D2 damaged lengths end the reading', () => {
    const request = encodeMessage(header, [avp(baseAvps.originHost, 'a'), avp(baseAvps.destinationHost, 'b')]);
    for (const length of [0, 7, 0xffffff]) {
      const damaged = Buffer.from(request);
      damaged.writeUIntBE(length, 37, 3);
      expect(readRouting(damaged, 'x')).toMatchObject({ originHost: 'a', destinationHost: undefined });
      expect(withoutDestinationHost(damaged)).toBe(damaged);
    }
    for (let length = 0; length < request.length; length++) readOutcome(request.subarray(0, length));
  });

  it('D-10 takes Destination-Host out of a request', () => {
    const request = encodeMessage(header, [avp(baseAvps.destinationHost, 'abc'), avp(baseAvps.originHost, 'a')]);
    expect(withoutDestinationHost(request)).toEqual(encodeMessage(header, [avp(baseAvps.originHost, 'a')]));
  });
});

describe('D-03 D-21 the options of a table', () => {
  it.each(['aaa://h.test', 'h..test', '', 'h test'])('refuse %j as a name', (host) => {
    expect(() => node('a.test', { peers: [{ host }] })).toThrow('not a DiameterIdentity');
  });

  it('tell Rx and ETSI in the CER of a node that speaks Rx', async () => {
    const vendors: number[][] = [];
    const { port } = await scripted((message) => {
      vendors.push(message.avps.unsigned32s(baseAvps.supportedVendorId));
      return cea(message, 2001, 16777236);
    });
    const rx = { name: 'Rx', id: 16777236, vendor: 10415, stateless: false };
    const { isUp, table } = toHss(port, { applications: [rx], supportedVendors: [13019] });
    await until(() => isUp('hss.ims.test'), 'open');
    expect(vendors[0]).toEqual([10415, 13019]);
    expect(table.status()[0]?.applications).toEqual([16777236]);
  });
});
