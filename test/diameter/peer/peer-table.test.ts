import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { avp } from '#diameter/codec/avp-types';
import { encodeMessage } from '#diameter/codec/encode';
import { type DiameterMessage, isRequest } from '#diameter/codec/message';
import { locationInfoAnswer } from '#diameter/cx/cx-server';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication, cxAvps, cxCommands } from '#diameter/dictionary/cx';
import { baseResult } from '#diameter/result';
import { answer, cea, hss, names, node, scripted, toHss, until } from './peer-rig.ts';

describe('PeerTable', () => {
  it('D-03 connects, exchanges capabilities and carries requests and answers both ways', async () => {
    const server = await hss();
    const { cx, isUp, table, events } = toHss(server.port);
    await until(() => isUp('hss.ims.test'), 'open');
    expect(await cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({
      result: { code: 2001 },
      serverName: 'sip:a@b',
      originHost: 'hss.ims.test',
    });
    expect(events.at(-1)?.words).toContain('connected to 127.0.0.1');
    expect(table.status()[0]).toMatchObject({ realm: 'ims.test', applications: [cxApplication.id], outstanding: 0 });
    expect(server.table.status()[0]).toMatchObject({ host: 'scscf.ims.test', state: 'open-responder' });
    const many = await Promise.all(Array.from({ length: 500 }, (_, n) => cx.locationInfo({ impu: `sip:${n}@b` })));
    expect(many.every((one, n) => one.failure === undefined && one.serverName === `sip:${n}@b`)).toBe(true);
  });

  it('D-03 sends a CER with all that RFC 6733 5.3.1 asks for, flags as in the tables', async () => {
    let cer: DiameterMessage | undefined;
    const { port } = await scripted((message) => {
      if (message.command === 257) cer = message;
      return cea(message);
    });
    const { isUp } = toHss(port, { originStateId: 77 });
    await until(() => isUp('hss.ims.test'), 'open');
    const avps = cer?.avps;
    expect(cer?.flags).toBe(0x80);
    expect(avps?.text(baseAvps.originHost)).toBe('scscf.ims.test');
    expect(avps?.address(baseAvps.hostIpAddress)).toBe('127.0.0.1');
    expect(avps?.unsigned32(baseAvps.originStateId)).toBe(77);
    expect(avps?.unsigned32s(baseAvps.supportedVendorId)).toEqual([10415]);
    expect(avps?.unsigned32s(baseAvps.authApplicationId)).toEqual([cxApplication.id]);
    expect(avps?.unsigned32(baseAvps.inbandSecurityId)).toBe(0);
    expect(avps?.grouped(baseAvps.vendorSpecificApplicationId)?.unsigned32(baseAvps.vendorId)).toBe(10415);
  });

  it('D-04 takes a CEA with odd extras', async () => {
    const odd = { name: 'Odd', code: 999, vendor: 4242, type: 'OctetString', mandatory: true } as const;
    const { port } = await scripted((message) =>
      answer(
        message,
        avp(baseAvps.resultCode, 2001),
        ...names,
        avp(baseAvps.vendorId, 0),
        avp(baseAvps.authApplicationId, 10),
        avp(odd, 'x'),
        ...[16777251, 16777216, 16777236].map((id) =>
          avp(baseAvps.vendorSpecificApplicationId, [
            avp(baseAvps.vendorId, 10415),
            avp(baseAvps.authApplicationId, id),
          ]),
        ),
      ),
    );
    const { isUp } = toHss(port);
    await until(() => isUp('hss.ims.test'), 'open');
  });

  it('D-04 says in plain words why a CEA is no good, and D-07 tries again', async () => {
    let tries = 0;
    const { port } = await scripted((message) => (tries++ === 0 ? cea(message, 5010) : cea(message, 2001, 4)));
    const { events, isUp } = toHss(port);
    await until(() => tries >= 3, 'three tries');
    expect(events[0]?.words).toContain('CEA 5010 from hss.ims.test: it offers no application of ours');
    expect(events[0]?.words).toContain('we offered Cx (16777216)');
    expect(events[0]?.words).toContain('next try in');
    expect(events[1]?.words).toContain('it offers 4; we offered Cx');
    expect(isUp('hss.ims.test')).toBe(false);
  });

  it('D-04 answers 3010 to an unknown peer, 5010 without a common application; X-D7 others are served on', async () => {
    const server = await hss(0, { acceptUnknown: false, peers: [{ host: 'scscf.ims.test' }] });
    const stranger = node('evil.ims.test', {
      peers: [{ host: 'hss.ims.test', address: '127.0.0.1', port: server.port }],
    });
    stranger.table.start();
    await until(() => stranger.events.some(({ words }) => words.includes('CEA 3010')), '3010');
    const other = node('scscf.ims.test', {
      peers: [{ host: 'hss.ims.test', address: '127.0.0.1', port: server.port }],
      applications: [{ name: 'Rx', id: 16777236, vendor: 10415, stateless: false }],
    });
    other.table.start();
    await until(() => other.events.some(({ words }) => words.includes('CEA 5010')), '5010');
    await other.table.stop();
    const good = toHss(server.port);
    await until(() => good.isUp('hss.ims.test'), 'open');
  });

  it('X-D7 closes a connection with an application message before CER, and one that says nothing', async () => {
    const server = await hss(0, { exchangeTimeoutMs: 100 });
    const header = { flags: 0xc0, command: 302, application: cxApplication.id, hopByHop: 1, endToEnd: 1 };
    for (const octets of [encodeMessage(header, []), Buffer.alloc(0), Buffer.from('01000014', 'hex')]) {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(octets);
      await new Promise((resolve) => socket.once('close', resolve).resume());
    }
    expect(server.table.counters).toMatchObject({ requestsReceived: 0, refusedConnections: 3 });
  });

  it('X-D1 survives twenty octets, oversize lengths and rubbish before CER', async () => {
    const server = await hss();
    for (const hex of ['0100001400000000', '0100001380000101', '01ffffff80000101', '47455420', '0100003080000101']) {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(64)]));
      await new Promise((resolve) => socket.once('close', resolve).resume());
    }
    const good = toHss(server.port);
    await until(() => good.isUp('hss.ims.test'), 'open');
  });

  it('X-D1 answers 5015 on an open connection and gives it up, then connects again', async () => {
    const results: number[] = [];
    const { port, sockets } = await scripted((message) => {
      if (message.command === 257) return cea(message);
      results.push(message.avps.unsigned32(baseAvps.resultCode) ?? 0);
      return undefined;
    });
    const { isUp, events } = toHss(port);
    await until(() => isUp('hss.ims.test'), 'open');
    sockets[0]?.write(Buffer.concat([Buffer.from('01fffffcc00001300100000000000001', 'hex'), Buffer.alloc(64)]));
    await until(() => results.length > 0 && sockets.length > 1 && isUp('hss.ims.test'), 'open again');
    expect(results).toEqual([5015]);
    expect(events.some(({ words }) => words.includes('above the limit'))).toBe(true);
  });

  it('D-07 connects again after the peer restarted; D-12 what was in flight is reported lost', async () => {
    let silent = true;
    const { port, sockets } = await scripted((message) => {
      if (message.command === 257) return cea(message);
      return silent ? undefined : answer(message, avp(baseAvps.resultCode, 2001));
    });
    const { cx, isUp, lost } = toHss(port);
    await until(() => isUp('hss.ims.test'), 'open');
    const outcome = cx.locationInfo({ impu: 'sip:a@b' });
    await new Promise((resolve) => setTimeout(resolve, 30));
    sockets[0]?.destroy();
    expect(await outcome).toMatchObject({ failure: 'peer-lost' });
    expect(lost).toHaveLength(1);
    expect(await cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ failure: 'no-peer' });
    await until(() => sockets.length > 1 && isUp('hss.ims.test'), 'open again');
    silent = false;
    expect(await cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ result: { code: 2001 } });
  });

  it('D-11 takes answers in split and merged reads; X-D6 drops unknown and repeated ones', async () => {
    const pieces: Buffer[] = [];
    const { port, sockets } = await scripted((message) => {
      if (message.command === 257) return cea(message);
      pieces.push(answer(message, avp(baseAvps.resultCode, 2001)));
      return undefined;
    });
    const { cx, isUp, table } = toHss(port);
    await until(() => isUp('hss.ims.test'), 'open');
    const outcomes = [1, 2, 3].map((n) => cx.locationInfo({ impu: `sip:${n}@b` }));
    await until(() => pieces.length === 3, 'three requests');
    const unknown = Buffer.from(pieces[0]!);
    unknown[15]! ^= 0x80;
    const all = Buffer.concat([unknown, pieces[2]!, pieces[1]!, pieces[1]!, pieces[0]!]);
    for (let at = 0; at < all.length; at += 13) {
      sockets[0]?.write(all.subarray(at, at + 13));
      if (at % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    for (const outcome of await Promise.all(outcomes)) expect(outcome).toMatchObject({ result: { code: 2001 } });
    expect(table.counters).toMatchObject({ answersReceived: 3, unmatchedAnswers: 2 });
  });

  it('D-06 answers DWR, sends DWR when idle, and gives up a peer that does not answer', async () => {
    let dwrs = 0;
    let alive = true;
    const { port, sockets } = await scripted((message) => {
      if (message.command === 257) return cea(message);
      if (message.command === 280 && isRequest(message.octets)) {
        dwrs++;
        return alive ? answer(message, avp(baseAvps.resultCode, 2001), ...names) : undefined;
      }
      return undefined;
    });
    const { events, isUp } = toHss(port, { watchdogMs: 150, watchdogJitterMs: 15 });
    await until(() => dwrs >= 3, 'DWRs');
    expect(isUp('hss.ims.test')).toBe(true);
    expect(sockets).toHaveLength(1);
    alive = false;
    await until(() => events.some(({ state }) => state === 'suspect'), 'suspect');
    await until(() => events.some(({ words }) => words.includes('given up')), 'given up');
    alive = true;
    await until(() => sockets.length > 1 && isUp('hss.ims.test'), 'open again');
  });

  it('D-06 keeps two of ours alive by watchdogs of both sides', async () => {
    const short = { watchdogMs: 150, watchdogJitterMs: 15 };
    const server = await hss(0, short);
    const { events, isUp } = toHss(server.port, short);
    await until(() => isUp('hss.ims.test'), 'open');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(events).toHaveLength(1);
    expect(isUp('hss.ims.test')).toBe(true);
  });

  it('D-08 leaves with DPR cause 0 and D-07 the other side answers and connects again later', async () => {
    const server = await hss(0, { disconnectTimeoutMs: 5_000 });
    const first = toHss(server.port);
    await until(() => first.isUp('hss.ims.test'), 'open');
    const startMs = Date.now();
    await server.table.stop();
    // Without the DPA it would be the whole time-out.
    expect(Date.now() - startMs).toBeLessThan(4_500);
    expect(first.events.some(({ words }) => words.includes('DPR from hss.ims.test: it restarts'))).toBe(true);
    await until(() => first.events.some(({ words }) => words.includes('cannot connect')), 'refused');
    await hss(server.port);
    await until(() => first.isUp('hss.ims.test'), 'open again');
    await first.table.stop();
  });

  it('D-07 does not call again a peer that does not want to talk', async () => {
    const results: number[] = [];
    const { port, sockets } = await scripted((message) => {
      if (message.command === 257) return cea(message);
      if (message.command === 282) results.push(message.avps.unsigned32(baseAvps.resultCode) ?? 0);
      return undefined;
    });
    const { isUp, events, state } = toHss(port);
    await until(() => isUp('hss.ims.test'), 'open');
    const header = { flags: 0x80, command: 282, application: 0, hopByHop: 1, endToEnd: 1 };
    sockets[0]?.write(encodeMessage(header, [...names, avp(baseAvps.disconnectCause, 2)]));
    await until(() => state('hss.ims.test') === 'closed', 'closed');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(results).toEqual([2001]);
    expect(sockets).toHaveLength(1);
    expect(events.some(({ words }) => words.includes('does not want to talk'))).toBe(true);
  });

  it('D-05 ends with one connection when both sides connect', async () => {
    const a = node('a.ims.test', { peers: [] });
    const aAddress = await a.table.listen(0, '127.0.0.1');
    await a.table.stop();
    const b = node('b.ims.test', { peers: [{ host: 'a.ims.test', address: '127.0.0.1', port: aAddress.port }] });
    const bAddress = await b.table.listen(0, '127.0.0.1');
    const again = node('a.ims.test', { peers: [{ host: 'b.ims.test', address: '127.0.0.1', port: bAddress.port }] });
    await again.table.listen(aAddress.port, '127.0.0.1');
    again.table.start();
    b.table.start();
    await until(() => again.isUp('b.ims.test') && b.isUp('a.ims.test'), 'open');
    // Time for a second connection to come, or to go.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const states = () => [again.state('b.ims.test'), b.state('a.ims.test')].sort().join(' ');
    await until(() => states() === 'open-initiator open-responder', `one connection, but ${states()}`);
  });

  it('D-10 routes to the host, by realm and priority, to the default, and around peers that are down', async () => {
    const seen: string[] = [];
    const ports: number[] = [];
    for (const host of ['h1.test', 'h2.test', 'h3.test']) {
      const server = node(host, { acceptUnknown: true, servedRealms: 'any' });
      server.client.handle(cxCommands.locationInfo, () => {
        seen.push(host);
        return locationInfoAnswer({ result: baseResult(2001) });
      });
      ports.push((await server.table.listen(0, '127.0.0.1')).port);
    }
    const peers = ports.map((port, n) => ({ host: `h${n + 1}.test`, address: '127.0.0.1', port }));
    const { table, cx, isUp } = node('scscf.ims.test', {
      peers: [...peers, { host: 'down.test', address: '127.0.0.1', port: 1 }],
      realms: [
        {
          realm: 'ims.test',
          application: cxApplication.id,
          peers: [{ host: 'down.test' }, { host: 'H1.test', priority: 1 }, { host: 'h2.test', priority: 2 }],
        },
      ],
      defaultPeers: [{ host: 'h3.test' }],
    });
    table.start();
    await until(() => ['h1.test', 'h2.test', 'h3.test'].every(isUp), 'open');
    await cx.locationInfo({ impu: 'sip:a@b' });
    await cx.locationInfo({ impu: 'sip:a@b', destinationHost: 'H2.TEST' });
    await cx.locationInfo({ impu: 'sip:a@b', destinationHost: 'down.test' });
    await cx.locationInfo({ impu: 'sip:a@b', destinationRealm: 'IMS.TEST' });
    await cx.locationInfo({ impu: 'sip:a@b', destinationRealm: 'elsewhere.test' });
    expect(seen).toEqual(['h1.test', 'h2.test', 'h1.test', 'h1.test', 'h3.test']);
    expect(table.send(Buffer.alloc(20), { application: 4, realm: 'ims.test', host: '' })).toBe(false);
  });

  it('D-16 carries a request of the HSS to us and the answer back under its own hop-by-hop id', async () => {
    const server = await hss(0, { peers: [{ host: 'scscf.ims.test' }] });
    const { client, isUp } = toHss(server.port);
    client.handle(cxCommands.registrationTermination, (request) => ({
      result: baseResult(2001),
      avps: [avp(baseAvps.userName, request.avps.text(baseAvps.userName) ?? '')],
    }));
    await until(() => isUp('hss.ims.test'), 'open');
    const results = [1, 2, 3].map((n) =>
      server.client.request(
        {
          command: cxCommands.registrationTermination,
          destinationRealm: 'ims.test',
          destinationHost: 'scscf.ims.test',
          avps: [avp(baseAvps.userName, `user${n}`), avp(cxAvps.deregistrationReason, [avp(cxAvps.reasonCode, 0)])],
        },
        (message) => message.avps.text(baseAvps.userName),
      ),
    );
    expect(await Promise.all(results)).toEqual(['user1', 'user2', 'user3']);
  });
});
