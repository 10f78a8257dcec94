import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { avp } from '#diameter/codec/avp-types';
import { encodeMessage } from '#diameter/codec/encode';
import { FLAG_REQUEST, readHopByHop } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication } from '#diameter/dictionary/cx';
import { PeerTable } from '#diameter/peer/peer-table';
import type { DiameterConfig } from '#service/config/config-shape';
import { openPeers } from '#service/diameter-side';
import type { Logger } from '#service/log';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const endMs = Date.now() + 8000; Date.now() < endMs; ) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`waited in vain: ${what}`);
}

function config(host: string, port: number, more: Partial<DiameterConfig> = {}): DiameterConfig {
  const peer = { host, priority: 0, weight: 1 };
  return {
    originHost: 'node.ims.test',
    originRealm: 'ims.test',
    timeout: 5,
    failovers: 2,
    watchdog: 30,
    reconnect: 0.1,
    reconnectCap: 1,
    acceptUnknown: false,
    redirect: 'known',
    cx: { realm: 'ims.test', announce: [], dialect: '3gpp' },
    listen: [],
    peers: [{ host, address: '127.0.0.1', port, connect: true, tls: false, anyDestination: false }],
    realms: [{ realm: 'ims.test', application: 'cx', peers: [peer] }],
    defaultRoute: [peer],
    ...more,
  };
}

/** The worker side of a node: what is attached, and what comes. */
function workerSide() {
  const came: Buffer[] = [];
  const failed: number[] = [];
  let port: { send(message: Buffer, route: object): boolean; answer(message: Buffer): void } | undefined;
  const transport = {
    attachDiameter: (attached: never) => {
      port = attached;
    },
    onDiameter: (message: Buffer) => came.push(message),
    onDiameterFailed: (hopByHop: number) => failed.push(hopByHop),
  };
  return { transport: transport as never, came, failed, port: () => port! };
}

function quietLog() {
  const lines: { fields: Record<string, unknown>; words: string }[] = [];
  const write = (fields: Record<string, unknown>, words: string) => void lines.push({ fields, words });
  return { lines, log: { info: write, warn: write, error: write } as unknown as Logger };
}

async function server(host: string, applications = [cxApplication]) {
  const table: PeerTable = new PeerTable(
    {
      onAnswer: () => undefined,
      onRequest: (message) => {
        const answer = Buffer.from(message);
        answer[4] = 0x40;
        table.answer(answer);
      },
      onLost: () => undefined,
      onEvent: () => undefined,
    },
    { identity: { originHost: host, originRealm: 'ims.test' }, applications, peers: [], acceptUnknown: true },
  );
  cleanups.push(() => table.stop());
  return { table, port: (await table.listen(0, '127.0.0.1')).port };
}

async function side(diameter: DiameterConfig, application: 'cx' | 'rx' = 'cx') {
  const worker = workerSide();
  const { lines, log } = quietLog();
  const clock = { nowMs: () => performance.now(), wallMs: () => Date.now() };
  const options = { application, homeDomain: 'home.test', log, clock: clock as never };
  const peers = await openPeers(diameter, worker.transport, options);
  cleanups.push(() => peers.stop());
  return { ...worker, peers, lines };
}

/** A request of a worker, and where it is to go. */
function question(hopByHop: number): [message: Buffer, route: { application: number; realm: string; host: string }] {
  const header = { flags: FLAG_REQUEST, command: 302, application: cxApplication.id, hopByHop, endToEnd: 5 };
  const message = encodeMessage(header, [avp(baseAvps.sessionId, 's')]);
  return [message, { application: cxApplication.id, realm: 'ims.test', host: '' }];
}

describe('the Diameter side of a node', () => {
  it('D-03 D-20 offers the application of its role, carries messages of workers and tells how peers stand', async () => {
    const hss = await server('hss.ims.test');
    const { peers, came, port } = await side(config('hss.ims.test', hss.port));
    expect(peers.status()).toMatchObject([{ state: 'closed', words: 'connecting', address: `127.0.0.1:${hss.port}` }]);
    await peers.start();
    await until(() => peers.status()[0]?.state === 'open-initiator', 'open');
    expect(hss.table.status()[0]?.applications).toEqual([cxApplication.id]);
    expect(port().send(...question(77))).toBe(true);
    await until(() => came.length === 1, 'the answer');
    expect(readHopByHop(came[0]!)).toBe(77);
    const [status] = peers.status();
    expect(status).toMatchObject({ outstanding: 0, requests: [{ direction: 'sent', command: 302, count: 1 }] });
    expect(Date.parse(status?.connectedSince ?? '')).toBeLessThanOrEqual(Date.now());
    expect(status?.roundTripMs).toBeGreaterThan(0);
    expect(status?.words).toContain('connected to');
  });

  it('X-R2 holds what comes before its peers are connected, a second at most, and fails it at once when they are away', async () => {
    const hss = await server('hss.ims.test');
    const near = await side(config('hss.ims.test', hss.port));
    const starting = near.peers.start();
    expect(near.port().send(...question(1))).toBe(true);
    await starting;
    await until(() => near.came.length === 1, 'the answer to the early request');
    expect(near.failed).toEqual([]);

    const away = await side(config('hss.ims.test', 1));
    await away.peers.start();
    expect(away.port().send(...question(2))).toBe(true);
    await until(() => away.failed.length === 1, 'word of the early request');
    expect(away.failed).toEqual([2]);
    expect(away.port().send(...question(3))).toBe(false);

    const mute = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => void mute.close());
    const silent = await side(config('hss.ims.test', (mute.address() as AddressInfo).port));
    await silent.peers.start();
    const beganMs = performance.now();
    expect(silent.port().send(...question(4))).toBe(true);
    await until(() => silent.failed.length === 1, 'the end of the second');
    expect(performance.now() - beganMs).toBeGreaterThan(900);
    expect(silent.port().send(...question(5))).toBe(false);
  });

  it('D-03 offers Rx for a P-CSCF, and says in words that an HSS does not do', async () => {
    const hss = await server('hss.ims.test');
    const { peers, lines } = await side(config('hss.ims.test', hss.port), 'rx');
    await peers.start();
    await until(() => (peers.status()[0]?.lastError ?? '').includes('5010'), '5010');
    expect(peers.status()[0]?.lastError).toContain('we offered Rx (16777236)');
    expect(lines.some(({ fields }) => fields.peer === 'hss.ims.test')).toBe(true);
  });

  it('D-03 listens for peers, and writes no flood of lines about strangers', async () => {
    const dial = async (port: number, host: string) => {
      const table = new PeerTable(
        { onAnswer: () => undefined, onRequest: () => undefined, onLost: () => undefined, onEvent: () => undefined },
        {
          identity: { originHost: host, originRealm: 'ims.test' },
          applications: [cxApplication],
          peers: [{ host: 'node.ims.test', address: '127.0.0.1', port }],
          reconnectMs: 5,
          reconnectCapMs: 5,
        },
      );
      cleanups.push(() => table.stop());
      table.start();
      return table;
    };
    const free = await server('x.test');
    await free.table.stop();
    const peer = [
      { host: 'hss.ims.test', address: 'hss.ims.test', port: 3868, connect: false, tls: false, anyDestination: false },
    ];
    const listen = [{ address: '127.0.0.1', port: free.port, tls: false }];
    const { peers, lines } = await side(config('hss.ims.test', 1, { peers: peer, listen }));
    expect(peers.status()[0]?.words).toBe('waits for the peer to connect');
    await peers.start();
    const stranger = await dial(free.port, 'evil.test');
    await until(() => lines.length >= 3, 'refused');
    await new Promise((resolve) => setTimeout(resolve, 150));
    await stranger.stop();
    expect(lines.filter(({ fields }) => fields.reason === 'diameter-refused').length).toBeLessThanOrEqual(4);
    await dial(free.port, 'hss.ims.test');
    await until(() => peers.status()[0]?.state === 'open-responder', 'the peer is in');
    const again = await side(config('hss.ims.test', 1, { peers: peer, listen }));
    await expect(again.peers.start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
