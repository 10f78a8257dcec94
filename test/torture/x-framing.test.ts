import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Phone, sleep, until } from '../flows/resilient-lab.ts';
import { requestText } from '../sip/proxy-rig.ts';
import { flowFrom } from '../sip/wire-port.ts';
import { TcpPeer, UdpPeer } from './raw-peer.ts';
import { isFinalOf, type Lines, RawUe, requestOf, verdictIn } from './raw-ue.ts';
import { type Cscf, cscfs, TortureLab, transactionMs } from './torture-lab.ts';
import { askProxy } from './verdict.ts';

const connections = 300;
const perSource = 64;
const messageMs = 10_000;

let lab: TortureLab;
/** Connections that never complete a message, from the start of these tests on: how long each of them lived. */
let slow: Promise<{ readonly name: string; readonly livedMs: number }[]>;

beforeAll(async () => {
  lab = await TortureLab.start({ limits: { streams: { connections, perSource } } });
  slow = startSlowOnes();
});
afterAll(() => lab?.stop());

async function startSlowOnes() {
  const gm = lab.addressOf('pcscf');
  const head = (length: number) =>
    `MESSAGE sip:bob@ims.test SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKslow\r\nContent-Length: ${length}\r\n\r\n`;
  const lived = async (name: string, peer: TcpPeer) => ({ name, livedMs: await peer.closed });
  const drop = await TcpPeer.open(gm, '127.9.0.1');
  const dripping = setInterval(() => drop.send('I'), 500);
  void drop.closed.then(() => clearInterval(dripping));
  const half = await TcpPeer.open(gm, '127.9.0.1');
  half.send('REGISTER sip:ims.test SIP/2.0\r\nVia: SIP/2.0/TCP h;bran');
  const body = await TcpPeer.open(gm, '127.9.0.1');
  body.send(`${head(1000)}only the beginning`);
  return Promise.all([
    lived('an octet every 500 ms', drop),
    lived('half a head', half),
    lived('a body that never comes', body),
  ]);
}

function proxyInvite(id: string): string {
  return requestText('INVITE', { Via: `SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK${id}`, 'Call-ID': `call-${id}` });
}

/** Kilobytes of memory that a daemon takes. */
async function residentKiB(role: Cscf): Promise<number> {
  const { pid } = await lab.status(role);
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
}

async function openMany(count: number, from: string, to = lab.addressOf('pcscf')): Promise<TcpPeer[]> {
  return Promise.all(Array.from({ length: count }, () => TcpPeer.open(to, from)));
}

/** `count` connections from each address `network.n`. */
async function openFrom(numbers: readonly number[], count: number, network: string): Promise<TcpPeer[]> {
  return (await Promise.all(numbers.map((n) => openMany(count, `${network}.${n}`)))).flat();
}

/** How many of these connections the other side keeps. */
async function keptOf(peers: readonly TcpPeer[]): Promise<number> {
  const closed = await Promise.all(peers.map((peer) => peer.isClosedWithin(600)));
  return closed.filter((each) => !each).length;
}

const lengths: readonly (readonly [value: string | null, byUdp: string, byTcp: string])[] = [
  ['-1', '400 malformed', '400'],
  ['+0', '400 malformed', '400'],
  ['', '400 malformed', '400'],
  ['12abc', '400 malformed', '400'],
  ['1e3', '400 malformed', '400'],
  ['0x0', '400 malformed', '400'],
  ['0, 0', '400 malformed', '400'],
  ['9999', '400 malformed', '(waits)'],
  ['65537', '413 body-too-large', '513'],
  ['2147483648', '400 malformed', '513'],
  ['4294967328', '400 malformed', '513'],
  ['9'.repeat(40), '400 malformed', '513'],
  ['0\r\nContent-Length: 5', '400 malformed', '400'],
  ['0\r\nl: 5', '400 malformed', '400'],
  // No length: on a stream nobody knows where it ends, a datagram does.
  [null, '403', '400'],
];

describe('X-S2 Content-Length', () => {
  it.each(cscfs)('X-S2 by UDP a wrong length is answered 400, at the %s', async (role) => {
    const peer = await UdpPeer.open('127.9.0.2');
    for (const [value, verdict] of lengths) {
      const { text, callId } = requestOf(peer, 'UDP', 'OPTIONS', 'sip:bob@ims.test', { 'Content-Length': value });
      await peer.send(text, lab.addressOf(role));
      const answer = await peer.next((heard) => isFinalOf(heard, callId));
      expect(`${value}: ${verdictIn(answer)}`).toContain(`${value}: ${verdict}`);
    }
    await peer.close();
  });

  it.each(cscfs)('X-S2 X-S17 by UDP what stands behind the length is ignored, at the %s', async (role) => {
    const peer = await UdpPeer.open('127.9.0.2');
    const first = requestOf(peer, 'UDP', 'OPTIONS', 'sip:bob@ims.test');
    const second = requestOf(peer, 'UDP', 'OPTIONS', 'sip:bob@ims.test');
    await peer.send(`${first.text}${second.text}`, lab.addressOf(role));
    expect(await peer.next((heard) => isFinalOf(heard, first.callId))).toMatch(/^SIP\/2\.0 403 /);
    expect(await peer.next((heard) => isFinalOf(heard, second.callId), 300)).toBeNull();
    await peer.close();
  });

  it.each(cscfs)('X-S2 by TCP a wrong length is answered and the connection ends, at the %s', async (role) => {
    for (const [value, , verdict] of lengths) {
      if (verdict === '(waits)') continue;
      const peer = await TcpPeer.open(lab.addressOf(role), '127.9.0.2');
      const lines: Lines = { 'Content-Length': value };
      const bad = requestOf(peer, 'TCP', 'OPTIONS', 'sip:bob@ims.test', lines);
      const after = requestOf(peer, 'TCP', 'OPTIONS', 'sip:bob@ims.test');
      peer.send(`${bad.text}${after.text}`);
      expect(await peer.isClosedWithin(3_000), `${value}: closed`).toBe(true);
      expect(peer.heard.map((text) => `${value}: ${text.slice(8, 11)}`)).toEqual([`${value}: ${verdict}`]);
      expect(peer.heard[0]).toContain(`Call-ID: ${bad.callId}\r\n`);
    }
  });

  it('X-S2 nothing is allocated for a length that is only announced', async () => {
    const before = await residentKiB('pcscf');
    const peers = await openFrom([1, 2, 3, 4], 60, '127.9.2');
    for (const peer of peers) {
      peer.send(requestOf(peer, 'TCP', 'MESSAGE', 'sip:bob@ims.test', { 'Content-Length': '65536' }).text);
    }
    const kept = await keptOf(peers);
    const grownKiB = (await residentKiB('pcscf')) - before;
    await Promise.all(peers.map((peer) => peer.close()));
    expect(kept).toBe(240);
    // 240 bodies would be 15 MiB, and twice that as text; what the connections themselves take is within 8.
    expect(grownKiB).toBeLessThan(8 * 1024);
  });

  it('X-S2 the same processes register and call afterwards', () => lab.check());
});

describe('X-S3 X-S4 slow and endless senders', () => {
  it('X-S3 a header section without an end is answered 513 and cut off at the limit; memory stays', async () => {
    const before = await residentKiB('pcscf');
    for (let round = 0; round < 20; round++) {
      const peer = await TcpPeer.open(lab.addressOf('pcscf'), '127.9.0.4');
      const { text, callId } = requestOf(peer, 'TCP', 'MESSAGE', 'sip:bob@ims.test');
      peer.send(text.slice(0, -2));
      // More than a message may have, and no empty line.
      for (let sent = 0; sent < 200_000; sent += 10_000) peer.send('X-Endless: xxxxxxx\r\n'.repeat(500));
      expect(await peer.isClosedWithin(3_000)).toBe(true);
      expect(peer.heard.every((heard) => heard.startsWith('SIP/2.0 513 ') && isFinalOf(heard, callId))).toBe(true);
    }
    expect((await residentKiB('pcscf')) - before).toBeLessThan(24 * 1024);
  });

  it('X-S4 X-F3 one address gets 64 connections; those of others, and of a phone, are served', async () => {
    const phone = await Phone.openByTcp(lab.config, 7);
    await phone.register();
    const many = await openMany(perSource + 20, '127.9.0.5');
    expect(await keptOf(many)).toBe(perSource);
    const other = await TcpPeer.open(lab.addressOf('pcscf'), '127.9.0.6');
    const { text, callId } = requestOf(other, 'TCP', 'OPTIONS', 'sip:bob@ims.test');
    other.send(text);
    expect(verdictIn(await other.next((heard) => isFinalOf(heard, callId)))).toBe('403 not-registered');
    const call = lab.bob.ue.call(phone.ue.impu);
    expect(await call.answered).toBe(true);
    call.hangUp();
    await call.ended;
    await Promise.all([...many, other].map((peer) => peer.close()));
    await phone.ue.close();
  });

  it('X-S4 over all, connections end above the total cap, never that of a registered phone', async () => {
    const phone = await Phone.openByTcp(lab.config, 8);
    await phone.register();
    const many = await openFrom([1, 2, 3, 4, 5, 6, 7], 50, '127.9.1');
    const kept = await keptOf(many);
    expect(kept).toBeLessThanOrEqual(connections);
    expect(kept).toBeGreaterThan(connections / 2);
    const call = lab.bob.ue.call(phone.ue.impu);
    expect(await call.answered).toBe(true);
    call.hangUp();
    await call.ended;
    await Promise.all(many.map((peer) => peer.close()));
    await phone.ue.close();
  });

  it('X-S3 X-S4 the same processes register and call afterwards', () => lab.check());
});

describe('X-S5 a flood of INVITE and a reset', () => {
  it('X-S5 nothing is written to the dead connection, and the transactions end', async () => {
    const ue = await RawUe.open(lab.addressOf('pcscf'), 11, 'TCP');
    await ue.register();
    lab.bob.answers = false;
    const before = lab.bob.calls.length;
    for (let i = 0; i < 100; i++) await ue.send(ue.request('INVITE', lab.bob.ue.impu).text);
    await until('some calls ring', () => lab.bob.calls.length > before + 10);
    (ue.peer as TcpPeer).reset();
    // The callee gives up: his answers have nowhere to go.
    for (const call of lab.bob.calls.slice(before)) call.reject(486);
    lab.bob.answers = true;
    await lab.check();
    await sleep(transactionMs);
    for (const role of cscfs) expect(lab.log(role)).not.toMatch(/EPIPE|ECONNRESET|uncaught|unhandled/);
    await lab.check();
  });

  it('X-S5 in the core, transactions of a connection that is gone end by their timers', () => {
    const stream = flowFrom('10.0.0.1', 5060, 'tcp');
    const { rig } = askProxy(proxyInvite('a'), stream);
    for (let i = 0; i < 50; i++) rig.receive(proxyInvite(`b${i}`), stream);
    const tokens = rig.sent.splice(0).map(({ token }) => token);
    expect(rig.layer.counts).toEqual({ servers: 51, clients: 51 });
    for (const token of tokens) if (token > 0) rig.layer.sendFailed(token);
    rig.time.advance(10 * 60_000);
    expect(rig.layer.counts).toEqual({ servers: 0, clients: 0 });
  });
});

describe('X-S17 octets between messages', () => {
  it('X-S17 double CRLFs by TCP are answered ten times a second at most, and messages behind them are served', async () => {
    const peer = await TcpPeer.open(lab.addressOf('pcscf'), '127.9.0.7');
    const startMs = performance.now();
    for (let i = 0; i < 500; i++) peer.send('\r\n\r\n');
    const { text, callId } = requestOf(peer, 'TCP', 'OPTIONS', 'sip:bob@ims.test');
    peer.send(text);
    expect(verdictIn(await peer.next((heard) => isFinalOf(heard, callId)))).toBe('403 not-registered');
    const seconds = 1 + Math.ceil((performance.now() - startMs) / 1000);
    const pongs = peer.raw.slice(0, peer.raw.indexOf('SIP/2.0')).length / 2;
    expect(pongs).toBeGreaterThan(0);
    expect(pongs).toBeLessThanOrEqual(10 * seconds);
    await peer.close();
  });

  it('X-S17 CRLFs and NULs by UDP get no answer, and cost nothing', async () => {
    const peer = await UdpPeer.open('127.9.0.8');
    for (let i = 0; i < 500; i++)
      await peer.send(['\r\n\r\n', '\r\n', '\0', '\r\n'.repeat(300)][i % 4]!, lab.addressOf('pcscf'));
    const { text, callId } = requestOf(peer, 'UDP', 'OPTIONS', 'sip:bob@ims.test');
    await peer.send(text, lab.addressOf('pcscf'));
    expect(verdictIn(await peer.next((heard) => isFinalOf(heard, callId)))).toBe('403 not-registered');
    expect(peer.heard).toHaveLength(1);
    await peer.close();
  });

  it('X-S17 of two messages in a datagram only the first reaches its destination', async () => {
    const ue = await RawUe.open(lab.addressOf('pcscf'), 12);
    await ue.register();
    const first = ue.request('MESSAGE', lab.bob.ue.impu, {}, [], 'first');
    const second = ue.request('MESSAGE', lab.bob.ue.impu, {}, [], 'second');
    await ue.send(`${first.text}${second.text}`);
    expect(await ue.peer.next((heard) => isFinalOf(heard, first.callId))).toMatch(/^SIP\/2\.0 200 /);
    expect(lab.bob.requests('MESSAGE', first.callId).size).toBe(1);
    expect(lab.bob.requests('MESSAGE', second.callId).size).toBe(0);
    await ue.close();
  });

  it('X-S17 the same processes register and call afterwards', () => lab.check());
});

describe('X-S3 X-S4 the deadline of a message', () => {
  it('X-S3 X-S4 a message that has begun is complete within ten seconds, or its connection ends', async () => {
    for (const { name, livedMs } of await slow) {
      expect(livedMs, name).toBeGreaterThan(messageMs - 500);
      expect(livedMs, name).toBeLessThan(messageMs + 3_000);
    }
    await lab.check();
  });
});
