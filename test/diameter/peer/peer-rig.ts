import { createServer, type Server, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import { DiameterClient } from '#diameter/client';
import { type Avp, avp } from '#diameter/codec/avp-types';
import { decodeMessage } from '#diameter/codec/decode';
import { encodeMessage } from '#diameter/codec/encode';
import { type DiameterMessage, FLAG_REQUEST, isRequest, readHeader, readHopByHop } from '#diameter/codec/message';
import { CxClient } from '#diameter/cx/cx-client';
import { locationInfoAnswer, readLocationInfo } from '#diameter/cx/cx-server';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication, cxCommands, cxDictionary } from '#diameter/dictionary/cx';
import { DecodeFailure } from '#diameter/errors';
import type { PeerEventReport } from '#diameter/peer/peer';
import type { PeerConfig } from '#diameter/peer/peer-settings';
import { PeerTable, type PeerTableOptions } from '#diameter/peer/peer-table';
import { StreamFramer } from '#diameter/peer/stream-framer';
import { baseResult } from '#diameter/result';

/** Run after each test, last first. */
export const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

export async function until(condition: () => boolean, what: string): Promise<void> {
  for (const endMs = Date.now() + 8000; Date.now() < endMs; ) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`waited in vain: ${what}`);
}

export function decoded(octets: Buffer): DiameterMessage {
  const message = decodeMessage(octets, cxDictionary);
  if (message instanceof DecodeFailure) throw new Error(message.reason);
  return message;
}

/** A table and the one client (worker 5) behind it, wired as a daemon with one thread wires them. */
export function node(host: string, options: Partial<PeerTableOptions> = {}) {
  const identity = { originHost: host, originRealm: 'ims.test' };
  const events: PeerEventReport[] = [];
  const lost: number[] = [];
  const restarted: string[] = [];
  const table: PeerTable = new PeerTable(
    {
      onAnswer: (message) => client.onMessage(message),
      onRequest: (message) => client.onMessage(message),
      onLost: (hopByHop) => {
        lost.push(hopByHop);
        client.onFailed(hopByHop, 'peer-lost');
      },
      onEvent: (report) => events.push(report),
      onRestarted: (peer) => restarted.push(peer),
    },
    {
      identity,
      applications: [cxApplication],
      peers: [],
      reconnectMs: 30,
      reconnectCapMs: 60,
      exchangeTimeoutMs: 400,
      disconnectTimeoutMs: 400,
      ...options,
    },
  );
  const client: DiameterClient = new DiameterClient(
    {
      send: (message, route) => {
        if (!table.send(message, route)) client.onFailed(readHopByHop(message), 'no-peer');
      },
      answer: (message) => table.answer(message),
    },
    { worker: 5, identity, dictionary: cxDictionary, timeoutMs: 3000 },
  );
  cleanups.push(() => table.stop());
  const state = (peer: string) => table.status().find((status) => status.host === peer)?.state;
  const isUp = (peer: string) => state(peer)?.startsWith('open') === true;
  return { table, client, events, lost, restarted, state, isUp, cx: new CxClient(client, { homeRealm: 'ims.test' }) };
}

export async function hss(port = 0, options: Partial<PeerTableOptions> = {}) {
  const parts = node('hss.ims.test', { acceptUnknown: true, ...options });
  parts.client.handle(cxCommands.locationInfo, (request) =>
    locationInfoAnswer({ result: baseResult(2001), serverName: `sip:${readLocationInfo(request).impu.slice(4)}` }),
  );
  const address = await parts.table.listen(port, '127.0.0.1');
  return { ...parts, port: address.port };
}

export function toHss(port: number, options: Partial<PeerTableOptions> = {}) {
  const parts = node('scscf.ims.test', {
    peers: [{ host: 'hss.ims.test', address: '127.0.0.1', port }],
    realms: [{ realm: 'ims.test', application: cxApplication.id, peers: [{ host: 'hss.ims.test' }] }],
    ...options,
  });
  parts.table.start();
  return parts;
}

/** A peer made by hand: each message goes to `take`, whose result (if any) is written back. */
export async function scripted(take: (message: DiameterMessage, socket: Socket) => Buffer | undefined) {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    const framer = new StreamFramer(1 << 20, (octets) => {
      const answer = take(decoded(octets), socket);
      if (answer !== undefined) socket.write(answer);
    });
    socket.on('data', (chunk: Buffer) => framer.push(chunk));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, sockets };
}

export function answer(request: DiameterMessage, ...avps: Avp[]): Buffer {
  return encodeMessage({ ...readHeader(request.octets), flags: 0 }, avps);
}

export const names = [avp(baseAvps.originHost, 'hss.ims.test'), avp(baseAvps.originRealm, 'ims.test')];

export function cea(
  cer: DiameterMessage,
  resultCode = 2001,
  application = cxApplication.id,
  host = 'hss.ims.test',
): Buffer {
  return answer(
    cer,
    avp(baseAvps.resultCode, resultCode),
    avp(baseAvps.originHost, host),
    avp(baseAvps.originRealm, 'ims.test'),
    avp(baseAvps.hostIpAddress, '127.0.0.1'),
    avp(baseAvps.vendorId, 0),
    avp(baseAvps.productName, 'scripted'),
    avp(baseAvps.authApplicationId, application),
  );
}

/** A Cx server made by hand: `take` sees what comes after the capabilities exchange; DWRs are answered while `alive`. */
export async function cxServer(
  host: string,
  take: (message: DiameterMessage, socket: Socket) => Buffer | undefined,
  alive: () => boolean = () => true,
) {
  const origin = [avp(baseAvps.originHost, host), avp(baseAvps.originRealm, 'ims.test')];
  const seen: DiameterMessage[] = [];
  const server = await scripted((message, socket) => {
    if (!isRequest(message.octets)) return undefined;
    const success = [avp(baseAvps.resultCode, 2001), ...origin];
    if (message.command === 257) return answer(message, ...success, avp(baseAvps.authApplicationId, cxApplication.id));
    if (message.command === 280) return alive() ? answer(message, ...success) : undefined;
    if (message.command === 282) return answer(message, ...success);
    seen.push(message);
    return take(message, socket);
  });
  return { ...server, host, seen, peer: { host, address: '127.0.0.1', port: server.port } };
}

/** The answer of one result to a request. */
export function withResult(request: DiameterMessage, host: string, resultCode = 2001, ...avps: Avp[]): Buffer {
  const flags = resultCode >= 3000 && resultCode < 4000 ? 0x20 : 0;
  return encodeMessage({ ...readHeader(request.octets), flags }, [
    avp(baseAvps.resultCode, resultCode),
    avp(baseAvps.originHost, host),
    avp(baseAvps.originRealm, 'ims.test'),
    ...avps,
  ]);
}

/** A node of ours with these peers, in the order of their priority. */
export function toServers(servers: readonly { peer: PeerConfig }[], options: Partial<PeerTableOptions> = {}) {
  const parts = node('scscf.ims.test', {
    peers: servers.map(({ peer }) => peer),
    defaultPeers: servers.map(({ peer }, priority) => ({ host: peer.host, priority })),
    realms: [
      {
        realm: 'ims.test',
        application: cxApplication.id,
        peers: servers.map(({ peer }, priority) => ({ host: peer.host, priority })),
      },
    ],
    ...options,
  });
  parts.table.start();
  return { ...parts, allUp: () => until(() => servers.every(({ peer }) => parts.isUp(peer.host)), 'all open') };
}

/** A request of a peer, encoded by hand. */
export function peerRequest(command: number, endToEnd: number, avps: readonly Avp[], flags = 0): Buffer {
  const header = { flags: FLAG_REQUEST | 0x40 | flags, command, application: cxApplication.id, hopByHop: 7, endToEnd };
  return encodeMessage(header, avps);
}

/** A DPR of a peer. */
export function dpr(host: string, cause: number): Buffer {
  return encodeMessage({ flags: FLAG_REQUEST, command: 282, application: 0, hopByHop: 1, endToEnd: 1 }, [
    avp(baseAvps.originHost, host),
    avp(baseAvps.originRealm, 'ims.test'),
    avp(baseAvps.disconnectCause, cause),
  ]);
}
