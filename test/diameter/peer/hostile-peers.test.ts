import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { type Avp, avp } from '#diameter/codec/avp-types';
import { encodeMessage } from '#diameter/codec/encode';
import { type DiameterMessage, FLAG_REQUEST } from '#diameter/codec/message';
import { baseAvps } from '#diameter/dictionary/base';
import { cxApplication, cxCommands } from '#diameter/dictionary/cx';
import { StreamFramer } from '#diameter/peer/stream-framer';
import { baseResult } from '#diameter/result';
import { cleanups, cxServer, decoded, dpr, hss, peerRequest, toHss, toServers, until, withResult } from './peer-rig.ts';

const header = { flags: FLAG_REQUEST, command: 257, application: 0, hopByHop: 1, endToEnd: 1 };

function cer(host: string, ...more: Avp[]): Buffer {
  return encodeMessage(header, [
    avp(baseAvps.originHost, host),
    avp(baseAvps.originRealm, 'ims.test'),
    avp(baseAvps.hostIpAddress, '127.0.0.1'),
    avp(baseAvps.vendorId, 0),
    avp(baseAvps.productName, 'hand'),
    avp(baseAvps.authApplicationId, cxApplication.id),
    ...more,
  ]);
}

/** A connection made by hand, and what comes back on it. */
async function dial(port: number) {
  const heard: DiameterMessage[] = [];
  let closed = false;
  const socket: Socket = connect(port, '127.0.0.1');
  const framer = new StreamFramer(1 << 20, (octets) => heard.push(decoded(octets)));
  socket.on('data', (chunk: Buffer) => framer.push(chunk));
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed = true;
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  cleanups.push(() => socket.destroy());
  return { socket, heard, isClosed: () => closed };
}

const resultOf = (message: DiameterMessage | undefined) => message?.avps.unsigned32(baseAvps.resultCode);

async function stillServes(port: number): Promise<void> {
  const good = toHss(port);
  await until(() => good.isUp('hss.ims.test'), 'a good peer is served');
  expect(await good.cx.locationInfo({ impu: 'sip:a@b' })).toMatchObject({ result: { code: 2001 } });
  await good.table.stop();
}

describe('X-D3 malformed CERs', () => {
  const many = Array.from({ length: 63 }, (_, n) => avp(baseAvps.originHost, `h${n}.test`));
  it.each([
    ['64 Origin-Hosts', 5009, cer('h.test', ...many)],
    ['two Origin-Realms', 5009, cer('h.test', avp(baseAvps.originRealm, 'x.test'))],
    ['no Origin-Host', 5005, encodeMessage(header, [avp(baseAvps.originRealm, 'ims.test')])],
    ['no Origin-Realm', 5005, encodeMessage(header, [avp(baseAvps.originHost, 'h.test')])],
    ['a NUL in Origin-Host', 5004, cer('h.test\0evil')],
    ['an empty Origin-Host', 5004, cer('')],
    ['our own name', 5004, cer('HSS.ims.test')],
    ['a URI as Origin-Host', 5004, cer('aaa://h.test')],
    ['a long Origin-Host', 5004, cer('h'.repeat(300))],
    ['a short Vendor-Id', 5014, cer('h.test', { definition: baseAvps.vendorId, value: Buffer.alloc(2) })],
    ['an AVP beyond the message', 5014, badLength(cer('h.test'), 4000)],
    ['an AVP shorter than its header', 5014, badLength(cer('h.test'), 3)],
    [
      'no application',
      5010,
      encodeMessage(header, [avp(baseAvps.originHost, 'h.test'), avp(baseAvps.originRealm, 'r')]),
    ],
  ])('with %s are answered %i, the connection is closed, and the listener serves on', async (_what, code, message) => {
    const server = await hss();
    const { socket, heard, isClosed } = await dial(server.port);
    socket.write(message);
    await until(isClosed, 'closed');
    expect(heard.map(resultOf)).toEqual([code]);
    expect(heard[0]?.avps.text(baseAvps.errorMessage)).not.toBe('');
    await stillServes(server.port);
  });

  it('by the hundred leave nothing behind', async () => {
    const server = await hss();
    for (let round = 0; round < 5; round++) {
      const dialled = await Promise.all(Array.from({ length: 40 }, () => dial(server.port)));
      for (const { socket } of dialled) socket.write(cer('h.test\0'));
      for (const { isClosed } of dialled) await until(isClosed, 'closed');
    }
    expect(server.table.status()).toEqual([]);
    expect(server.table.counters.refusedConnections).toBe(200);
    await stillServes(server.port);
  });
});

async function stillServesAfter(socket: Socket, port: number): Promise<void> {
  socket.destroy();
  await stillServes(port);
}

/** Gives the first AVP another length. */
function badLength(message: Buffer, length: number): Buffer {
  const damaged = Buffer.from(message);
  damaged.writeUIntBE(length, 25, 3);
  return damaged;
}

describe('X-D1 streams that cannot be followed', () => {
  const first = cer('scscf.ims.test');
  const wrong = (change: (octets: Buffer) => void) => {
    const octets = Buffer.from(peerRequest(300, 1, [avp(baseAvps.sessionId, 's')]));
    change(octets);
    return octets;
  };
  it.each([
    ['version 2', 5011, wrong((octets) => octets.writeUInt8(2, 0))],
    ['a length of 16', 5015, wrong((octets) => octets.writeUIntBE(16, 1, 3))],
    ['a length of 0', 5015, wrong((octets) => octets.writeUIntBE(0, 1, 3))],
    ['a length that is no multiple of 4', 5015, wrong((octets) => octets.writeUIntBE(30, 1, 3))],
    ['a length over 1 MiB', 5015, wrong((octets) => octets.writeUIntBE(0x100004, 1, 3))],
  ])('%s on an open connection: %i, closed, and served again', async (_what, code, octets) => {
    const server = await hss();
    const { socket, heard, isClosed } = await dial(server.port);
    socket.write(Buffer.concat([first, octets, Buffer.alloc(100)]));
    await until(isClosed, 'closed');
    expect(heard.map(resultOf)).toEqual([2001, code]);
    expect(server.events.some(({ words }) => words.includes('the stream cannot be followed'))).toBe(true);
    await stillServes(server.port);
  });

  it('before the CER are closed without a word, also a CER over its limit', async () => {
    const server = await hss();
    const long = cer('h.test', avp(baseAvps.classAvp, Buffer.alloc(20_000)));
    for (const octets of [
      Buffer.concat([wrong((o) => o.writeUInt8(2, 0))]),
      long,
      Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(2)),
    ]) {
      const { socket, heard, isClosed } = await dial(server.port);
      socket.write(octets);
      await until(isClosed, 'closed');
      expect(heard).toEqual([]);
    }
    expect(server.table.counters.framingFaults).toBe(3);
    await stillServes(server.port);
  });
});

describe('X-D7 peers that do not keep to the rules', () => {
  it('answers one of a storm of DPRs, and lets the peer in again', async () => {
    const server = await hss();
    const { socket, heard, isClosed } = await dial(server.port);
    socket.write(
      Buffer.concat([cer('scscf.ims.test'), ...Array.from({ length: 1000 }, () => dpr('scscf.ims.test', 0))]),
    );
    await until(isClosed, 'closed');
    expect(heard.map(({ command }) => command)).toEqual([257, 282]);
    for (let n = 0; n < 50; n++) {
      const again = await dial(server.port);
      again.socket.write(Buffer.concat([cer('scscf.ims.test'), dpr('scscf.ims.test', 2)]));
      await until(again.isClosed, 'closed');
    }
    expect(server.events.length).toBeLessThan(300);
    await stillServes(server.port);
  });

  it('D-05 keeps the first connection of an Origin-Host and closes the second, in any case of letters', async () => {
    const server = await hss();
    const first = await dial(server.port);
    first.socket.write(cer('scscf.ims.test'));
    await until(() => first.heard.length === 1, 'CEA');
    const second = await dial(server.port);
    second.socket.write(cer('SCSCF.ims.test'));
    await until(second.isClosed, 'closed');
    expect(second.heard).toEqual([]);
    expect(first.isClosed()).toBe(false);
    expect(server.table.status()).toMatchObject([{ host: 'scscf.ims.test', state: 'open-responder' }]);
    await until(() => first.heard.some(({ command }) => command === 280), 'the first is asked for a sign of life');
  });

  it('closes a connection with an application message between connecting and CEA', async () => {
    let early = 0;
    const listener = createServer((socket) => {
      early++;
      socket.on('error', () => undefined);
      socket.write(peerRequest(304, 1, [avp(baseAvps.sessionId, 's')]));
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => listener.close());
    const { port } = listener.address() as { port: number };
    const { events } = toServers([{ peer: { host: 'h2.test', address: '127.0.0.1', port } }]);
    await until(() => events.some(({ words }) => words.includes('before the capabilities exchange')), 'told');
    await until(() => early > 1, 'called again');
  });

  it('X-D1 refuses a DWR as long as a message may be, whose answer would be longer: 5015', async () => {
    const server = await hss();
    const { socket, heard } = await dial(server.port);
    const proxyInfo = avp(baseAvps.proxyInfo, [
      avp(baseAvps.proxyHost, 'p.test'),
      avp(baseAvps.proxyState, Buffer.alloc(0xfffff - 200)),
    ]);
    const dwr = encodeMessage({ ...header, command: 280 }, [
      avp(baseAvps.originHost, 'scscf.ims.test'),
      avp(baseAvps.originRealm, 'ims.test'),
      proxyInfo,
    ]);
    socket.write(Buffer.concat([cer('scscf.ims.test'), dwr]));
    await until(() => heard.length === 2, 'two answers');
    expect(heard.map(resultOf)).toEqual([2001, 5015]);
    await stillServesAfter(socket, server.port);
  });

  it('X-D1 D-14 refuses a request whose names are as long as the message in few words', async () => {
    const server = await hss();
    const { socket, heard } = await dial(server.port);
    const long = 'x'.repeat(1_000_000);
    const to = (avps: Avp[]) => peerRequest(304, 1, [avp(baseAvps.sessionId, 's'), ...avps]);
    socket.write(Buffer.concat([cer('scscf.ims.test'), to([avp(baseAvps.destinationRealm, long)])]));
    await until(() => heard.length === 2, 'the first');
    socket.write(to([avp(baseAvps.destinationHost, `${long}\xff`), avp(baseAvps.destinationRealm, 'ims.test')]));
    await until(() => heard.length === 3, 'the second');
    socket.write(peerRequest(304, 2, [avp(baseAvps.sessionId, long)]));
    await until(() => heard.length === 4, 'the third');
    expect(heard.slice(1, 3).map(resultOf)).toEqual([3003, 3002]);
    for (const { octets } of heard.slice(1, 3)) expect(octets.length).toBeLessThan(400);
    await stillServesAfter(socket, server.port);
  });

  it('takes a CER on an open connection for what it is: 5012', async () => {
    const server = await hss();
    const { socket, heard } = await dial(server.port);
    socket.write(Buffer.concat([cer('scscf.ims.test'), cer('other.ims.test')]));
    await until(() => heard.length === 2, 'two answers');
    expect(heard.map(resultOf)).toEqual([2001, 5012]);
    expect(server.table.status()).toMatchObject([{ host: 'scscf.ims.test', state: 'open-responder' }]);
  });

  it('has no more strangers than it can bear, and has room again when these are gone', async () => {
    const server = await hss(0, { exchangeTimeoutMs: 60_000 });
    const dialled = await Promise.all(Array.from({ length: 100 }, () => dial(server.port)));
    await until(() => dialled.filter(({ isClosed }) => isClosed()).length === 36, 'the rest is closed');
    expect(server.table.counters.refusedConnections).toBe(36);
    for (const { socket } of dialled) socket.destroy();
    await stillServes(server.port);
  });
});

describe('a slow peer', () => {
  it('X-D6 holds no other back: what it may keep waiting is bounded, the rest goes elsewhere', async () => {
    const slow = await cxServer('slow.test', () => undefined);
    const quick = await cxServer('quick.test', (message) => withResult(message, 'quick.test'));
    const { cx, allUp, table } = toServers([slow, quick], { maxSent: 20, requestTimeoutMs: 50 });
    await allUp();
    for (let n = 0; n < 20; n++) void cx.locationInfo({ impu: `sip:${n}@b` });
    for (let n = 0; n < 30; n++) {
      expect(await cx.locationInfo({ impu: `sip:${n}@b` })).toMatchObject({ originHost: 'quick.test' });
    }
    expect(table.status()[0]).toMatchObject({ host: 'slow.test', outstanding: 20 });
    await new Promise((resolve) => setTimeout(resolve, 250));
    void cx.locationInfo({ impu: 'sip:a@b' });
    await until(() => slow.seen.length === 21, 'what nobody waits for is forgotten');
    expect(table.status()[0]).toMatchObject({ outstanding: 1 });
  });

  it('is given up when it asks and never reads', async () => {
    const server = await hss();
    server.client.handle(cxCommands.locationInfo, () => ({
      result: baseResult(2001),
      avps: [avp(baseAvps.classAvp, Buffer.alloc(512 * 1024))],
    }));
    const { socket, isClosed } = await dial(server.port);
    socket.pause();
    const avps = [
      avp(baseAvps.sessionId, 's'),
      avp(baseAvps.vendorSpecificApplicationId, [
        avp(baseAvps.vendorId, 10415),
        avp(baseAvps.authApplicationId, cxApplication.id),
      ]),
      avp(baseAvps.authSessionState, 1),
      avp(baseAvps.originHost, 'scscf.ims.test'),
      avp(baseAvps.originRealm, 'ims.test'),
      avp(baseAvps.destinationRealm, 'ims.test'),
      avp({ name: 'Public-Identity', code: 601, vendor: 10415, type: 'UTF8String', mandatory: true }, 'sip:a@b'),
    ];
    socket.write(
      Buffer.concat([cer('scscf.ims.test'), ...Array.from({ length: 100 }, (_, n) => peerRequest(302, n, avps))]),
    );
    await until(() => server.events.some(({ words }) => words.includes('does not read')), 'given up');
    socket.resume();
    await until(isClosed, 'closed');
    await stillServes(server.port);
  });
});
