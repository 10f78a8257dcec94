import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Listener, Target } from '#sip/transport/flow';
import type { StreamLimits } from '#sip/transport/stream-limits';
import { StreamTransport } from '#sip/transport/stream-transport';
import { Heard, listen, Peers, request } from './stream-peer.ts';

const hasV6 = Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === '::1'));

let nowMs = 1000;
const peers = new Peers();
beforeEach(() => {
  nowMs = 1000;
});
afterEach(() => peers.close());

async function start(limits: Partial<StreamLimits> = {}, address = '127.0.0.1') {
  const heard = new Heard();
  const transport = new StreamTransport(heard, () => nowMs, { limits });
  const listener: Listener = { index: 0, sides: ['mw'], transport: 'tcp', address, port: 0, sentBy: 'proxy.test:5060' };
  const port = await transport.listen(listener);
  peers.add(transport);
  return { heard, transport, port };
}

const target = (port: number, connection = 0, address = '127.0.0.1'): Target => ({
  listener: 0,
  transport: 'tcp',
  address,
  port,
  connection,
});

const unreadable = (detail: string) => `malformed: the request cannot be parsed (${detail})`;

const dial = (port: number, host?: string) => peers.dial(port, host);
const peer = () => peers.server();

function connectQuietly(port: number): void {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  peers.add({ close: () => socket.destroy() });
}

/** A port of 127.0.0.1 on which nobody listens. */
async function deadPort(): Promise<number> {
  const { server, port } = await peer();
  server.close();
  await once(server, 'close');
  return port;
}

describe('TCP, accepted connections', () => {
  it.each(hasV6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'])(
    'C-11 C-12 answers on the connection of the request (%s)',
    async (address) => {
      const { heard, transport, port } = await start({}, address);
      const socket = await dial(port, address);
      const inbound = listen(socket);
      socket.write(request(1) + request(2));
      await heard.until(() => heard.messages.length === 2);
      const flow = heard.messages[0]!.flow;
      expect(flow).toEqual({
        listener: 0,
        transport: 'tcp',
        address,
        port: socket.localPort,
        connection: flow.connection,
      });
      expect(flow.connection).toBeGreaterThan(0);
      expect(heard.messages.map(({ text }) => text)).toEqual([request(1), request(2)]);
      transport.send('SIP/2.0 200 OK\r\n\r\n\xff', flow, 0);
      await inbound.until((text) => text === 'SIP/2.0 200 OK\r\n\r\n\xff');
    },
  );

  it('never uses the number of a connection again', async () => {
    const { heard, port } = await start();
    for (let i = 0; i < 3; i++) {
      const socket = await dial(port);
      socket.write(request(i));
      await heard.until(() => heard.messages.length === i + 1);
      socket.destroy();
      await heard.until(() => heard.gone.length === i + 1);
    }
    const numbers = heard.messages.map(({ flow }) => flow.connection);
    expect(new Set(numbers).size).toBe(3);
    expect(heard.gone).toEqual(numbers);
  });

  it('P-140 answers a double CRLF with one CRLF, a limited number of times a second', async () => {
    const { heard, port } = await start({ pongsPerSecond: 2 });
    const socket = await dial(port);
    const inbound = listen(socket);
    socket.write('\r\n\r\n');
    await inbound.until((text) => text === '\r\n');
    socket.write('\r\n\r\n'.repeat(1000) + request(1));
    await heard.until(() => heard.messages.length === 1);
    await inbound.until((text) => text === '\r\n\r\n');
    nowMs += 1000;
    socket.write('\r\n\r\n');
    await inbound.until((text) => text === '\r\n\r\n\r\n');
  });

  it.each([
    ['Content-Length is missing', request(2, ''), '400 Bad Request', unreadable('Content-Length missing on a stream')],
    [
      'Content-Length is no number',
      request(2, 'Content-Length: 1e3\r\n'),
      '400 Bad Request',
      unreadable('Content-Length is not a number'),
    ],
    [
      'the body is too large',
      request(2, 'Content-Length: 70000\r\n'),
      '513 Message Too Large',
      unreadable('Body too large'),
    ],
    [
      'a header line is too long',
      request(2, `Subject: ${'s'.repeat(17_000)}\r\nl: 0\r\n`),
      '513 Message Too Large',
      unreadable('Header line too long'),
    ],
    [
      'the start line is too long',
      request(2).replace('sip:x', `sip:${'x'.repeat(9_000)}`),
      '414 Request-URI Too Long',
      'uri-too-long: the Request-URI is longer than 4 KiB (Start line too long)',
    ],
  ])('C-11 C-27 answers, names its reason and closes when %s', async (_name, second, status, words) => {
    const { heard, port } = await start();
    const socket = await dial(port);
    const inbound = listen(socket);
    socket.write(request(1) + second + request(3));
    await once(socket, 'end');
    expect(inbound.text()).toMatch(
      new RegExp(`^SIP/2.0 ${status}\r\nVia: SIP/2.0/TCP host;branch=z9hG4bK2;received=127.0.0.1\r\n`),
    );
    expect(inbound.text()).toMatch(/\r\nTo: <sip:b@x>;tag=\w+\r\nCall-ID: call-2\r\nCSeq: 2 OPTIONS\r\nWarning: /);
    expect(inbound.text()).toContain(`\r\nWarning: 399 proxy.test:5060 "${words}"\r\n`);
    expect(heard.messages.map(({ text }) => text)).toEqual([request(1)]);
    await heard.until(() => heard.gone.length === 1);
  });

  it.each(['ACK', 'response'])('C-11 closes without an answer when an unframed %s came', async (kind) => {
    const { port } = await start();
    const socket = await dial(port);
    const inbound = listen(socket);
    socket.write(kind === 'ACK' ? request(1, '', 'ACK') : request(1, '').replace(/^[^\r]*/, 'SIP/2.0 200 OK'));
    await once(socket, 'end');
    expect(inbound.text()).toBe('');
  });

  it('X-S4 ends a connection whose message stays incomplete, and not one that is merely quiet', async () => {
    const { heard, transport, port } = await start({ messageMs: 10_000, idleMs: 200_000 });
    const slow = await dial(port);
    const quiet = await dial(port);
    slow.write(`${request(1)}OPTIONS`);
    quiet.write(request(2));
    await heard.until(() => heard.messages.length === 2);
    for (let i = 0; i < 9; i++) {
      nowMs += 1000;
      transport.sweep();
    }
    expect(heard.gone).toEqual([]);
    nowMs += 1001;
    transport.sweep();
    await once(slow, 'close');
    await heard.until(() => heard.gone.length === 1);
    expect(transport.openConnections).toBe(1);
    expect(transport.counts.timedOut).toBe(1);
  });

  it('C-11 ends an idle connection, and keeps one that is used', async () => {
    const { heard, transport, port } = await start({ idleMs: 200_000 });
    const idle = await dial(port);
    const used = await dial(port);
    idle.write(request(1));
    await heard.until(() => heard.messages.length === 1);
    nowMs += 150_000;
    used.write(request(2));
    await heard.until(() => heard.messages.length === 2);
    nowMs += 60_000;
    transport.sweep();
    await once(idle.resume(), 'close');
    expect(heard.gone.length <= 1 && transport.openConnections <= 2).toBe(true);
    used.write(request(3));
    await heard.until(() => heard.messages.length === 3);
  });

  it('ends a peer that does not read once the bound is reached', async () => {
    const { heard, transport, port } = await start({ writeBytes: 100_000 });
    const socket = await dial(port);
    socket.write(request(1));
    await heard.until(() => heard.messages.length === 1);
    socket.pause();
    const flow = heard.messages[0]!.flow;
    let sent = 0;
    while (transport.counts.overrun === 0 && sent++ < 1000) transport.send('x'.repeat(50_000), flow, sent);
    expect(transport.counts.overrun).toBe(1);
    await heard.until(() => heard.gone.length === 1);
    expect(heard.failures.length).toBeGreaterThan(0);
    transport.send('too late', flow, 5000);
    expect(heard.failures.at(-1)).toEqual([5000, 'closed']);
  });

  it('X-S5 does not mind a reset with data in flight', async () => {
    const { heard, transport, port } = await start();
    const socket = await dial(port);
    socket.write(request(1));
    await heard.until(() => heard.messages.length === 1);
    socket.resetAndDestroy();
    transport.send('SIP/2.0 100 Trying\r\n\r\n', heard.messages[0]!.flow, 0);
    await heard.until(() => heard.gone.length === 1);
    transport.closeConnection(heard.gone[0]!);
  });
});

describe('TCP, connections of our own', () => {
  it('C-12 connects from the listener address, sends what waited in order, and reuses the connection (RFC 5923)', async () => {
    const { transport } = await start();
    const { port, sockets, next } = await peer();
    for (let i = 1; i <= 3; i++) transport.send(request(i), target(port), i);
    const socket = await next();
    const inbound = listen(socket);
    await inbound.until((text) => text === request(1) + request(2) + request(3));
    transport.send(request(4), target(port), 4);
    await inbound.until((text) => text.endsWith(request(4)));
    expect(sockets.length).toBe(1);
    expect(socket.remoteAddress).toBe('127.0.0.1');
  });

  it('delivers what comes back on it, with its flow', async () => {
    const { heard, transport } = await start();
    const { port, next } = await peer();
    transport.send(request(1), target(port), 1);
    const socket = await next();
    socket.write(request(9));
    await heard.until(() => heard.messages.length === 1);
    expect(heard.messages[0]!.flow).toMatchObject({ address: '127.0.0.1', port, listener: 0 });
  });

  it('C-14 tells each request when nobody listens, and does not tell of a connection', async () => {
    const { heard, transport } = await start();
    const port = await deadPort();
    transport.send(request(1), target(port), 11);
    transport.send(request(2), target(port), 0);
    transport.send(request(3), target(port), 13);
    await heard.until(() => heard.failures.length === 2);
    expect(heard.failures).toEqual([
      [11, 'refused'],
      [13, 'refused'],
    ]);
    expect(heard.gone).toEqual([]);
  });

  it('C-14 gives up connecting after the connect timeout', async () => {
    const { heard, transport } = await start({ connectMs: 50 });
    // A stopped process whose queue of connections is full leaves further SYNs unanswered.
    const child = spawn(process.execPath, [
      '-e',
      `const s = require('node:net').createServer();
       s.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(s.address().port));`,
    ]);
    const [line] = await once(child.stdout, 'data');
    child.kill('SIGSTOP');
    peers.add({ close: () => child.kill('SIGKILL') });
    const port = Number(String(line));
    for (let i = 0; i < 2; i++) await dial(port);
    for (let i = 0; i < 4; i++) connectQuietly(port);
    transport.send(request(1), target(port), 31);
    await heard.until(() => heard.failures.length === 1);
    expect(heard.failures).toEqual([[31, 'timeout']]);
    expect(transport.openConnections).toBe(0);
  });

  it('refuses a target without a port', async () => {
    const { heard, transport } = await start();
    transport.send(request(1), target(0), 1);
    expect(heard.failures).toEqual([[1, 'unreachable']]);
  });

  it('C-14 tells the requests that a reset has lost', async () => {
    const { heard, transport } = await start();
    const { port, next } = await peer();
    transport.send(request(1), target(port), 21);
    const socket = await next();
    await listen(socket).until((text) => text === request(1));
    nowMs += 6_000;
    transport.send(request(2), target(port), 22);
    socket.resetAndDestroy();
    await heard.until(() => heard.gone.length === 1);
    expect(heard.failures).toEqual([[22, 'closed']]);
  });

  it('bounds what waits for a connection', async () => {
    const { heard, transport } = await start({ waitingMessages: 2 });
    const { port } = await peer();
    for (let i = 1; i <= 4; i++) transport.send(request(i), target(port), i);
    expect(heard.failures).toEqual([
      [3, 'unreachable'],
      [4, 'unreachable'],
    ]);
  });

  it('C-12 sends a response whose connection is gone by a new one, and fails a request for it', async () => {
    const { heard, transport, port } = await start();
    const ue = await peer();
    const socket = await dial(port);
    socket.write(request(1));
    await heard.until(() => heard.messages.length === 1);
    const { connection } = heard.messages[0]!.flow;
    socket.destroy();
    await heard.until(() => heard.gone.length === 1);
    transport.send('SIP/2.0 200 OK\r\n\r\n', target(ue.port, connection), 0);
    await listen(await ue.next()).until((text) => text === 'SIP/2.0 200 OK\r\n\r\n');
    transport.send(request(2), target(ue.port, connection), 5);
    expect(heard.failures).toEqual([[5, 'closed']]);
  });

  it('P-82 a connection number that now belongs to another address counts as gone', async () => {
    const { heard, transport, port } = await start();
    const socket = await dial(port);
    const inbound = listen(socket);
    socket.write(request(1));
    await heard.until(() => heard.messages.length === 1);
    const { connection } = heard.messages[0]!.flow;
    transport.send(request(2), target(5060, connection, '127.0.0.2'), 5);
    expect(heard.failures).toEqual([[5, 'closed']]);
    transport.send(request(3), target(5060, connection), 0);
    await inbound.until((text) => text === request(3));
  });

  it.each(['example.com', '::1', ''])('tells at once that %j is no address to connect to', async (address) => {
    const { heard, transport } = await start();
    transport.send(request(1), target(5060, 0, address), 1);
    expect(heard.failures).toEqual([[1, 'unreachable']]);
  });

  it('ends a connection on request after what is queued on it', async () => {
    const { heard, transport, port } = await start();
    const socket = await dial(port);
    const inbound = listen(socket);
    socket.write(request(1));
    await heard.until(() => heard.messages.length === 1);
    const { flow } = heard.messages[0]!;
    transport.send('y'.repeat(500_000), flow, 0);
    transport.closeConnection(flow.connection);
    await once(socket, 'end');
    expect(inbound.text().length).toBe(500_000);
  });
});
