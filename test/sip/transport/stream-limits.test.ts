import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Listener, Target } from '#sip/transport/flow';
import type { StreamLimits } from '#sip/transport/stream-limits';
import { StreamTransport } from '#sip/transport/stream-transport';
import { Heard, listen, Peers, request } from './stream-peer.ts';

const coreAddress = '127.0.0.9';
let nowMs = 1000;
const peers = new Peers();
beforeEach(() => {
  nowMs = 1000;
});
afterEach(() => peers.close());

async function start(limits: Partial<StreamLimits>) {
  const heard = new Heard();
  const isCore = (_listener: Listener, address: string) => address === coreAddress;
  const transport = new StreamTransport(heard, () => nowMs, { limits, isCore });
  const sides = ['gm', 'mw'];
  const listener: Listener = { index: 0, sides, transport: 'tcp', address: '127.0.0.1', port: 0, sentBy: 'x' };
  const port = await transport.listen(listener);
  peers.add(transport);
  /** Connects from an address and sends a request; gives the socket and the number of its connection. */
  const connected = async (n: number, from = '127.0.0.1') => {
    const socket = await peers.dial(port, '127.0.0.1', from);
    socket.write(request(n));
    await heard.until(() => heard.messages.some(({ text }) => text === request(n)));
    const { flow } = heard.messages.find(({ text }) => text === request(n))!;
    return { socket, flow };
  };
  return { heard, transport, port, connected };
}

const target = (port: number): Target => ({
  listener: 0,
  transport: 'tcp',
  address: '127.0.0.1',
  port,
  connection: 0,
});

async function isClosed(socket: Socket): Promise<true> {
  await once(socket.resume(), 'close');
  return true;
}

describe('X-S4 as many connections as there may be', () => {
  it('of one source: the newest goes, others may still connect', async () => {
    const { heard, transport, port, connected } = await start({ connectionsPerSource: 3 });
    for (let i = 0; i < 3; i++) await connected(i, '127.0.0.2');
    expect(await isClosed(await peers.dial(port, '127.0.0.1', '127.0.0.2'))).toBe(true);
    await connected(9, '127.0.0.3');
    expect([transport.counts.refusedOverCap, transport.openConnections]).toEqual([1, 4]);
    expect(heard.events).toEqual([{ kind: 'refused', address: '127.0.0.2', cause: 'source' }]);
    expect(heard.gone).toEqual([]);
  });

  it('altogether: a UE that connects is the newest and goes, and there is room again when one has gone', async () => {
    const { heard, port, connected } = await start({ connections: 3 });
    const first = await connected(1, '127.0.0.1');
    await connected(2, '127.0.0.2');
    await connected(3, '127.0.0.3');
    expect(await isClosed(await peers.dial(port, '127.0.0.1', '127.0.0.4'))).toBe(true);
    expect(heard.events.at(-1)).toEqual({ kind: 'refused', address: '127.0.0.4', cause: 'total' });
    first.socket.destroy();
    await heard.until(() => heard.gone.length === 1);
    await connected(4, '127.0.0.4');
  });

  it('a core node takes the place of the newest that no registered UE needs', async () => {
    const { heard, transport, connected } = await start({ connections: 3 });
    const [one, two, three] = [
      await connected(1, '127.0.0.1'),
      await connected(2, '127.0.0.2'),
      await connected(3, '127.0.0.3'),
    ];
    transport.hold(three.flow.connection, true);
    await connected(4, coreAddress);
    expect(heard.gone).toEqual([two.flow.connection]);
    expect(await isClosed(two.socket)).toBe(true);
    await connected(5, coreAddress);
    expect(heard.gone).toEqual([two.flow.connection, one.flow.connection]);
    expect(transport.counts).toMatchObject({ displaced: 2, refusedOverCap: 0 });
    expect(heard.events.filter(({ kind }) => kind === 'displaced')).toEqual([
      { kind: 'displaced', address: '127.0.0.2' },
      { kind: 'displaced', address: '127.0.0.1' },
    ]);
  });

  it('nobody takes the place of a registered UE or of a core node, and of a UE only until it is registered again', async () => {
    const { heard, transport, port, connected } = await start({ connections: 2 });
    const phone = await connected(1, '127.0.0.1');
    await connected(2, coreAddress);
    transport.hold(phone.flow.connection, true);
    expect(await isClosed(await peers.dial(port, '127.0.0.1', coreAddress))).toBe(true);
    transport.send(request(3), target((await peers.server()).port), 33);
    expect(heard.failures).toEqual([[33, 'unreachable']]);
    expect(heard.gone).toEqual([]);
    transport.hold(phone.flow.connection, false);
    await connected(4, coreAddress);
    expect(heard.gone).toEqual([phone.flow.connection]);
  });

  it('a connection of ours takes the place of a UE that is not registered', async () => {
    const { heard, transport, connected } = await start({ connections: 2 });
    await connected(1, '127.0.0.1');
    const newest = await connected(2, '127.0.0.2');
    const { port, next } = await peers.server();
    transport.send(request(3), target(port), 33);
    await listen(await next()).until((text) => text === request(3));
    expect([heard.gone, heard.failures]).toEqual([[newest.flow.connection], []]);
  });

  it('X-F3 at four fifths an alarm is given, again only after it had been less', async () => {
    const { heard, connected } = await start({ connections: 10 });
    const alarms = () => heard.events.filter(({ kind }) => kind === 'crowded');
    const open = [];
    for (let i = 0; i < 7; i++) open.push(await connected(i));
    expect(alarms()).toEqual([]);
    for (let i = 7; i < 9; i++) open.push(await connected(i));
    expect(alarms()).toEqual([{ kind: 'crowded', open: 8, limit: 10 }]);
    for (const { socket } of open.splice(0, 3)) socket.destroy();
    await heard.until(() => heard.gone.length === 3);
    for (let i = 9; i < 11; i++) open.push(await connected(i));
    expect(alarms().length).toBe(2);
  });
});

describe('C-11 time', () => {
  it('keeps the connection of a registered UE however quiet it is, and ends it as any other afterwards', async () => {
    const { heard, transport, connected } = await start({ idleMs: 200_000 });
    const phone = await connected(1);
    const other = await connected(2);
    transport.hold(phone.flow.connection, true);
    nowMs += 24 * 3600 * 1000;
    transport.sweep();
    await isClosed(other.socket);
    await heard.until(() => heard.gone.length === 1);
    expect(heard.gone).toEqual([other.flow.connection]);
    transport.hold(phone.flow.connection, false);
    transport.sweep();
    expect(await isClosed(phone.socket)).toBe(true);
  });

  it('X-S4 ends an accepted connection that brings no message at all', async () => {
    const { heard, transport, port, connected } = await start({ silentMs: 32_000 });
    const silent = await peers.dial(port);
    const pinging = await peers.dial(port);
    await connected(1);
    nowMs += 31_999;
    pinging.write('\r\n\r\n');
    await once(pinging, 'data');
    transport.sweep();
    expect(transport.openConnections).toBe(3);
    nowMs += 1;
    transport.sweep();
    await Promise.all([isClosed(silent), isClosed(pinging)]);
    await heard.until(() => heard.gone.length === 2);
    expect([transport.openConnections, transport.counts.timedOut]).toEqual([1, 2]);
  });

  it('X-S3 X-S4 ends a head without end and a body that never comes, whatever trickles in', async () => {
    const { heard, transport, port } = await start({ messageMs: 10_000 });
    const head = await peers.dial(port);
    const body = await peers.dial(port);
    head.write('OPTIONS sip:x SIP/2.0\r\n');
    body.write(request(1, 'Content-Length: 60000\r\n'));
    await heard.until(() => heard.batches === 2);
    for (let i = 1; i <= 9; i++) {
      nowMs += 1000;
      head.write('X');
      body.write('X');
      await heard.until(() => heard.batches === 2 + 2 * i);
      transport.sweep();
    }
    expect(transport.openConnections).toBe(2);
    nowMs += 1000;
    transport.sweep();
    await Promise.all([isClosed(head), isClosed(body)]);
    await heard.until(() => heard.gone.length === 2);
    expect(heard.messages).toEqual([]);
  });
});
