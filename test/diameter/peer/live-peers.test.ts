import { describe, expect, it } from 'vitest';
import { isRequest } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication } from '#diameter/dictionary/cx';
import type { LivePeerOptions, PeerConfig } from '#diameter/peer/peer-settings';
import { cea, cxServer, dpr, hss, node, scripted, toServers, until, withResult } from './peer-rig.ts';

const impu = 'sip:a@b';

/** A server that answers, with the number of its requests by now. */
async function answering(host: string) {
  const server = await cxServer(host, (message) => withResult(message, host));
  return { ...server, asked: () => server.seen.length };
}

/** What a reload gives: these peers, in this order, for the realm. */
function routed(peers: readonly PeerConfig[], more: Partial<LivePeerOptions> = {}): LivePeerOptions {
  const rows = peers.map(({ host }, priority) => ({ host, priority }));
  return {
    peers,
    realms: [{ realm: 'ims.test', application: cxApplication.id, peers: rows }],
    defaultPeers: rows,
    ...more,
  };
}

describe('D-10 a change of the peers while they are connected', () => {
  it('adds one and routes to it at once, and leaves the connection of the other alone', async () => {
    const [a, b] = [await answering('a.ims.test'), await answering('b.ims.test')];
    const our = toServers([a]);
    await our.allUp();
    our.table.configure(routed([b.peer, a.peer]));
    await until(() => our.isUp('b.ims.test'), 'the new one is open');
    expect(await our.cx.locationInfo({ impu })).toMatchObject({ originHost: 'b.ims.test' });
    expect(a.sockets).toHaveLength(1);
    our.table.configure(routed([a.peer, b.peer]));
    expect(await our.cx.locationInfo({ impu })).toMatchObject({ originHost: 'a.ims.test' });
    expect([a.sockets.length, b.sockets.length]).toEqual([1, 1]);
  });

  it('D-12 removes one with a DPR, and what it has not answered goes to another, without its name', async () => {
    const causes: (number | undefined)[] = [];
    const mute = await scripted((message) => {
      if (!isRequest(message.octets)) return undefined;
      if (message.command === 302) return undefined;
      if (message.command === 282) causes.push(message.avps.integer32(baseAvps.disconnectCause));
      return message.command === 257
        ? cea(message, 2001, cxApplication.id, 'mute.ims.test')
        : withResult(message, 'mute.ims.test');
    });
    const b = await answering('b.ims.test');
    const mutePeer = { host: 'mute.ims.test', address: '127.0.0.1', port: mute.port };
    const our = toServers([{ peer: mutePeer }, b]);
    await our.allUp();
    const asked = our.cx.locationInfo({ impu, destinationHost: 'mute.ims.test' });
    await until(() => our.table.status()[0]!.outstanding === 1, 'it is asked');
    our.table.configure(routed([b.peer]));
    expect(await asked).toMatchObject({ originHost: 'b.ims.test' });
    expect(b.seen[0]!.avps.has(baseAvps.destinationHost)).toBe(false);
    await until(() => causes.length === 1, 'its DPR');
    expect(causes).toEqual([2]);
    expect(our.table.status().map(({ host }) => host)).toEqual(['b.ims.test']);
    expect(our.lost).toEqual([]);
    // Users were served by it before: who names it means what took its place.
    expect(await our.cx.locationInfo({ impu, destinationHost: 'mute.ims.test' })).toMatchObject({
      originHost: 'b.ims.test',
    });
    expect(b.seen[1]!.avps.has(baseAvps.destinationHost)).toBe(false);
    our.table.configure(routed([b.peer, mutePeer]));
    await until(() => our.isUp('mute.ims.test'), 'it is there again');
  });

  it('calls a peer anew, once the first connection has ended, when it is somewhere else', async () => {
    const [old, moved] = [await answering('a.ims.test'), await answering('a.ims.test')];
    const our = toServers([old]);
    await our.allUp();
    our.table.configure(routed([moved.peer]));
    await until(() => moved.sockets.length === 1 && our.isUp('a.ims.test'), 'open at its new place');
    expect(old.sockets[0]!.destroyed || old.sockets[0]!.readableEnded).toBe(true);
    expect(await our.cx.locationInfo({ impu })).toMatchObject({ originHost: 'a.ims.test' });
    expect([old.asked(), moved.asked()]).toEqual([0, 1]);
    expect(our.table.status()).toHaveLength(1);
  });

  it('takes over times at once: a lost peer is called again as the new ones say', async () => {
    const a = await answering('a.ims.test');
    const our = toServers([a], { reconnectMs: 60_000, reconnectCapMs: 60_000 });
    await our.allUp();
    our.table.configure(routed([a.peer], { reconnectMs: 20, reconnectCapMs: 40 }));
    a.sockets[0]!.destroy();
    await until(() => a.sockets.length === 2 && our.isUp('a.ims.test'), 'called again soon');
  });

  it('is refused as a whole when a peer is to have TLS and there are no certificates', async () => {
    const a = await answering('a.ims.test');
    const our = toServers([a]);
    await our.allUp();
    const secure = { host: 'b.ims.test', address: '127.0.0.1', port: 1, tls: true };
    expect(() => our.table.configure(routed([secure]))).toThrow(expect.objectContaining({ code: 'ERR_DIAMETER_TLS' }));
    expect(our.table.status().map(({ host }) => host)).toEqual(['a.ims.test']);
  });

  it('changes nothing any more once the table stops', async () => {
    const [a, b] = [await answering('a.ims.test'), await answering('b.ims.test')];
    const our = toServers([a]);
    await our.allUp();
    const stopped = our.table.stop();
    our.table.configure(routed([a.peer, b.peer]));
    await stopped;
    expect(b.sockets).toHaveLength(0);
  });
});

describe('D-07 a peer that is disabled', () => {
  it('gets a DPR, is neither called nor let in, its requests go to another, until it is enabled', async () => {
    const server = await hss(0, { peers: [{ host: 'scscf.ims.test' }], acceptUnknown: false, unwantedMs: 50 });
    const our = node('scscf.ims.test', {
      peers: [{ host: 'hss.ims.test', address: '127.0.0.1', port: server.port }],
    });
    our.table.start();
    await until(() => our.isUp('hss.ims.test'), 'open');
    expect(our.table.disable('HSS.ims.test')).toBe(true);
    await until(() => our.state('hss.ims.test') === 'closed', 'closed');
    expect(server.events.some(({ words }) => words.includes('does not want to talk to us'))).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(our.table.status()[0]).toMatchObject({ state: 'closed', words: expect.stringContaining('disabled') });
    expect(await our.cx.locationInfo({ impu })).toMatchObject({ failure: 'no-peer' });
    expect(our.table.enable('hss.ims.test')).toBe(true);
    await until(() => our.isUp('hss.ims.test'), 'open again');
    expect(our.table.disable('nobody.ims.test')).toBe(false);
    expect(our.table.enable('nobody.ims.test')).toBe(false);
  });

  it('is answered 3010 when it connects by itself', async () => {
    const server = await hss(0, { peers: [{ host: 'scscf.ims.test' }], acceptUnknown: false });
    server.table.disable('scscf.ims.test');
    const caller = node('scscf.ims.test', {
      peers: [{ host: 'hss.ims.test', address: '127.0.0.1', port: server.port }],
    });
    caller.table.start();
    await until(() => caller.events.some(({ words }) => words.includes('CEA 3010')), '3010');
    server.table.enable('scscf.ims.test');
    await until(() => caller.isUp('hss.ims.test'), 'let in');
  });

  it('stays disabled when it moves, and when the peer says DPR itself', async () => {
    const [old, moved] = [await answering('a.ims.test'), await answering('a.ims.test')];
    const our = toServers([old]);
    await our.allUp();
    old.sockets[0]!.write(dpr('a.ims.test', 0));
    our.table.disable('a.ims.test');
    await until(() => our.state('a.ims.test') === 'closed', 'closed');
    our.table.configure(routed([moved.peer]));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect([old.sockets.length, moved.sockets.length]).toEqual([1, 0]);
    our.table.enable('a.ims.test');
    await until(() => our.isUp('a.ims.test'), 'open at its new place');
    expect(moved.sockets).toHaveLength(1);
  });
});
