import { afterEach, describe, expect, it } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { decodeMessage } from '#diameter/codec/decode';
import { readHopByHop } from '#diameter/codec/message';
import { CxClient } from '#diameter/cx/cx-client';
import { locationInfoAnswer, readLocationInfo } from '#diameter/cx/cx-server';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { DecodeFailure } from '#diameter/errors';
import type { PeerEventReport } from '#diameter/peer/peer';
import { PeerTable, type PeerTableOptions } from '#diameter/peer/peer-table';
import { baseResult } from '#diameter/result';
import { freePort } from '../free-port.ts';
import { FreeDiameter, Gate, hasFreeDiameter, type Passed, Tap } from './freediameter-daemon.ts';

if (!hasFreeDiameter) console.log('freeDiameterd is not installed (Debian: freediameter): its tests are skipped');

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function until(condition: () => boolean, what: () => string): Promise<void> {
  for (const endMs = Date.now() + 15_000; Date.now() < endMs; ) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited in vain: ${what()}`);
}

async function freeDiameter(identity: string, peers: Parameters<typeof FreeDiameter.start>[1]): Promise<FreeDiameter> {
  const running = await FreeDiameter.start(identity, peers);
  cleanups.push(() => running.stop());
  return running;
}

async function tapTo(to: () => number, gate?: Gate): Promise<Tap> {
  const tap = await Tap.open(to, gate);
  cleanups.push(() => tap.close());
  return tap;
}

function ours(host: string, options: Partial<PeerTableOptions> = {}) {
  const identity = { originHost: host, originRealm: 'ims.test' };
  const events: PeerEventReport[] = [];
  const table: PeerTable = new PeerTable(
    {
      onAnswer: (message) => client.onMessage(message),
      onRequest: (message) => client.onMessage(message),
      onLost: (hopByHop) => client.onFailed(hopByHop, 'peer-lost'),
      onEvent: (report) => events.push(report),
    },
    { identity, applications: [cxApplication], peers: [], reconnectMs: 200, reconnectCapMs: 500, ...options },
  );
  const client: DiameterClient = new DiameterClient(
    {
      send: (message, route) => {
        if (!table.send(message, route)) client.onFailed(readHopByHop(message), 'no-peer');
      },
      answer: (message) => table.answer(message),
    },
    { worker: 0, identity, dictionary: cxDictionary },
  );
  cleanups.push(() => table.stop());
  const status = (peer: string) => table.status().find((known) => known.host === peer);
  const words = () => events.map((event) => `${event.peer} ${event.state}: ${event.words}`).join('\n');
  const isUp = (peer: string) => status(peer)?.state.startsWith('open') === true;
  return { table, client, events, status, words, isUp, cx: new CxClient(client, { homeRealm: 'ims.test' }) };
}

function textOf(
  { octets }: Passed,
  read: (message: Exclude<ReturnType<typeof decodeMessage>, DecodeFailure>) => unknown,
) {
  const message = decodeMessage(octets, cxDictionary);
  if (message instanceof DecodeFailure) throw new Error(message.reason);
  return read(message);
}

const count = (passed: readonly Passed[], command: number, request: boolean) =>
  passed.filter((message) => message.command === command && message.request === request).length;

describe.skipIf(!hasFreeDiameter)('freeDiameter as the peer (skipped where it is not installed)', () => {
  it('D-03 D-04 D-06 D-08 takes our CER, answers our DWRs and our DPR', { timeout: 30_000 }, async () => {
    const fd = await freeDiameter('a.fd.test', [{ host: 'scscf.ims.test' }]);
    const tap = await tapTo(() => fd.port);
    const node = ours('scscf.ims.test', {
      peers: [{ host: 'a.fd.test', address: '127.0.0.1', port: tap.port }],
      watchdogMs: 300,
      watchdogJitterMs: 30,
    });
    node.table.start();
    await until(() => node.isUp('a.fd.test'), node.words);
    expect(node.status('a.fd.test')).toMatchObject({ realm: 'fd.test', productName: 'freeDiameter' });
    expect(node.status('a.fd.test')?.applications).toEqual([cxApplication.id]);
    await until(() => count(tap.fromCalled, 280, false) >= 3, node.words);
    await node.table.stop();
    expect(count(tap.fromCaller, 282, true)).toBe(1);
    expect(count(tap.fromCalled, 282, false)).toBe(1);
    for (const answer of tap.fromCalled.filter(({ request }) => !request)) {
      expect(textOf(answer, ({ avps }) => avps.unsigned32(baseAvps.resultCode))).toBe(2001);
    }
  });

  it('D-03 D-06 D-07 connects to us, gets our DWA when it asks, and our DPA when it stops', {
    timeout: 40_000,
  }, async () => {
    const node = ours('scscf.ims.test', { peers: [{ host: 'a.fd.test' }], watchdogMs: 60_000 });
    const { port } = await node.table.listen(0, '127.0.0.1');
    const tap = await tapTo(() => port);
    const fd = await freeDiameter('a.fd.test', [{ host: 'scscf.ims.test', port: tap.port }]);
    await until(
      () => node.isUp('a.fd.test'),
      () => node.words() + fd.log,
    );
    expect(node.status('a.fd.test')?.state).toBe('open-responder');
    await until(
      () => count(tap.fromCalled, 280, false) >= 1,
      () => fd.log,
    );
    expect(count(tap.fromCaller, 280, true)).toBeGreaterThanOrEqual(1);
    expect(node.isUp('a.fd.test')).toBe(true);
    await fd.stop();
    expect(count(tap.fromCaller, 282, true)).toBe(1);
    expect(count(tap.fromCalled, 282, false)).toBe(1);
    expect(node.words()).toContain('DPR from a.fd.test');
  });

  it.each([
    ['a.fd.test', 'open-responder'],
    ['z.fd.test', 'open-initiator'],
  ])(
    'D-05 agrees with us on one connection when CERs of %s and ours cross: %s',
    { timeout: 40_000 },
    async (host, state) => {
      const crossing = new Gate(2);
      const fdPort = { now: 0 };
      const toFd = await tapTo(() => fdPort.now, crossing);
      const node = ours('scscf.ims.test', { peers: [{ host, address: '127.0.0.1', port: toFd.port }] });
      const { port } = await node.table.listen(0, '127.0.0.1');
      const toUs = await tapTo(() => port, crossing);
      const fd = await freeDiameter(host, [{ host: 'scscf.ims.test', port: toUs.port }]);
      fdPort.now = fd.port;
      node.table.start();
      await until(
        () => node.isUp(host) && toFd.open + toUs.open === 1,
        () => node.words() + fd.log,
      );
      expect(node.status(host)?.state).toBe(state);
      expect([toUs.open, toFd.open]).toEqual(state === 'open-responder' ? [1, 0] : [0, 1]);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(node.status(host)?.state).toBe(state);
      expect(node.events.filter(({ words }) => words.startsWith('connected'))).toHaveLength(1);
    },
  );

  it('D-04 refuses us when it does not know us, and we refuse it when we do not', { timeout: 40_000 }, async () => {
    const fd = await freeDiameter('a.fd.test', [{ host: 'other.ims.test' }]);
    const stranger = ours('scscf.ims.test', { peers: [{ host: 'a.fd.test', address: '127.0.0.1', port: fd.port }] });
    stranger.table.start();
    await until(() => stranger.words().includes('a.fd.test closed:'), stranger.words);
    expect(stranger.status('a.fd.test')?.lastError).toMatch(/CEA 3010|connection lost/);
    expect(stranger.isUp('a.fd.test')).toBe(false);

    const node = ours('hss.ims.test', { peers: [{ host: 'known.test' }] });
    const { port } = await node.table.listen(0, '127.0.0.1');
    const tap = await tapTo(() => port);
    const caller = await freeDiameter('b.fd.test', [{ host: 'hss.ims.test', port: tap.port }]);
    await until(
      () => node.words().includes('b.fd.test is not a peer of ours'),
      () => caller.log,
    );
    expect(textOf(tap.fromCalled[0]!, ({ avps }) => avps.unsigned32(baseAvps.resultCode))).toBe(3010);
    expect(node.status('b.fd.test')).toBeUndefined();
  });

  it('D-10 D-16 D-17 carries our Cx requests as a relay, and says 3002 when it knows no way', {
    timeout: 30_000,
  }, async () => {
    const hss = ours('hss.ims.test', { peers: [{ host: 'relay.fd.test' }] });
    hss.client.handle(cxCommands.locationInfo, (request) =>
      locationInfoAnswer({ result: baseResult(2001), serverName: `sip:${readLocationInfo(request).impu.slice(4)}` }),
    );
    const { port } = await hss.table.listen(0, '127.0.0.1');
    const tap = await tapTo(() => port);
    const fd = await freeDiameter('relay.fd.test', [
      { host: 'hss.ims.test', port: tap.port },
      { host: 'icscf.ims.test', port: await freePort() },
    ]);
    const icscf = ours('icscf.ims.test', {
      peers: [{ host: 'relay.fd.test', address: '127.0.0.1', port: fd.port }],
      defaultPeers: [{ host: 'relay.fd.test' }],
    });
    icscf.table.start();
    await until(
      () => icscf.isUp('relay.fd.test') && hss.isUp('relay.fd.test'),
      () => icscf.words() + fd.log,
    );
    expect(await icscf.cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({
      serverName: 'sip:a@b',
      originHost: 'hss.ims.test',
    });
    const lir = tap.fromCaller.find(({ command }) => command === 302);
    expect(textOf(lir!, ({ avps }) => avps.text(baseAvps.routeRecord))).toBe('icscf.ims.test');
    const lia = tap.fromCalled.find(({ command }) => command === 302);
    expect(textOf(lia!, ({ avps }) => avps.has(baseAvps.routeRecord))).toBe(false);
    const nowhere = { impu: 'sip:a@b', destinationRealm: 'nowhere.test' };
    expect(await icscf.cx.locationInfo(nowhere)).toMatchObject({ result: { kind: 'base', code: 3002 } });
  });
});
