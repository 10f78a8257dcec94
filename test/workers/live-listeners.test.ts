import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Listener } from '#sip/transport/flow';
import type { ListenFailure, PreparedListeners } from '#workers/transport-side';
import { freePort } from '../free-port.ts';
import { Client, eventually, type Rig, startRig, tell } from './rig.ts';

const drainMs = 250;
/** As long as workers may send by a descriptor after that. */
const graceMs = 1_000;
const message = (callId: string) => `OPTIONS sip:x SIP/2.0\r\nCall-ID: ${callId}\r\nContent-Length: 0\r\n\r\n`;

let rig: Rig;
const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await rig.stop();
});

function listener(index: number, transport: 'udp' | 'tcp', port: number): Listener {
  return { index, sides: ['mw'], transport, address: '127.0.0.1', port, sentBy: `127.0.0.1:${port}` };
}

/** Those that the rig begins with. */
const first = [listener(0, 'udp', 0), listener(1, 'tcp', 0)];

async function prepare(next: readonly Listener[]): Promise<PreparedListeners> {
  const prepared = await rig.side.prepare(next, drainMs);
  if ('words' in prepared) throw new Error(prepared.words);
  return prepared;
}

async function change(next: readonly Listener[]): Promise<void> {
  (await prepare(next)).serve();
}

async function clientOf(port: number): Promise<Client> {
  const client = await Client.open('127.0.0.1', port);
  clients.push(client);
  return client;
}

async function isFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4').bind(port, '127.0.0.1');
  try {
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

describe.each(['auto', 'dgram'] as const)('listeners while the transport side runs, UDP by %s', (udp) => {
  it('serve once they are let, not before', async () => {
    rig = await startRig(1, { udp });
    const port = await freePort();
    const prepared = await prepare([...first, listener(2, 'udp', port), listener(3, 'tcp', port)]);
    const client = await clientOf(port);
    client.send('OPTIONS', 'early');
    const early = connect(port, '127.0.0.1').on('error', () => {});
    await once(early, 'close');
    await new Promise((resolve) => setTimeout(resolve, 30));
    prepared.serve();
    client.send('OPTIONS', 'late');
    expect((await client.until(1)).map(({ callId }) => callId)).toEqual(['late']);
    const socket = connect(port, '127.0.0.1');
    socket.write(message('stream'));
    expect(String((await once(socket, 'data'))[0])).toContain('stream');
    socket.destroy();
    expect([rig.side.portOf(2), rig.side.portOf(3)]).toEqual([port, port]);
  });

  it('that are closed refuse new connections at once, serve what they have for the drain time, and free their port', async () => {
    rig = await startRig(1, { udp });
    const port = await freePort();
    const added = [listener(2, 'udp', port), listener(3, 'tcp', port)];
    await change([...first, ...added]);
    const client = await clientOf(port);
    const socket = connect(port, '127.0.0.1');
    socket.write(message('one'));
    await once(socket, 'data');
    await change([...first, ...added.map((each) => ({ ...each, closed: true as const }))]);

    const refused = connect(port, '127.0.0.1');
    expect(((await once(refused, 'error')) as NodeJS.ErrnoException[])[0]?.code).toBe('ECONNREFUSED');
    client.send('OPTIONS', 'draining');
    socket.write(message('two'));
    expect(String((await once(socket, 'data'))[0])).toContain('two');
    expect((await client.until(1))[0]!.callId).toBe('draining');
    expect(await isFree(port)).toBe(false);
    await once(socket, 'end');
    socket.destroy();
    for (let i = 0; i < 60 && !(await isFree(port)); i++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await isFree(port)).toBe(true);
  });

  it('that come again while they drain go on, connections and all', async () => {
    rig = await startRig(1, { udp });
    const port = await freePort();
    const added = [listener(2, 'udp', port), listener(3, 'tcp', port)];
    await change([...first, ...added]);
    const socket = connect(port, '127.0.0.1');
    socket.write(message('one'));
    await once(socket, 'data');
    await change([...first, ...added.map((each) => ({ ...each, closed: true as const }))]);
    await change([...first, ...added]);
    await new Promise((resolve) => setTimeout(resolve, drainMs + 100));
    socket.write(message('two'));
    expect(String((await once(socket, 'data'))[0])).toContain('two');
    socket.destroy();
    const client = await clientOf(port);
    client.send('OPTIONS', 'still');
    expect((await client.until(1))[0]!.callId).toBe('still');
  });

  it('that come again while they are being closed, or would have been before they serve, serve', async () => {
    rig = await startRig(1, { udp });
    const port = await freePort();
    const added = [...first, listener(2, 'udp', port)];
    const without = [...first, { ...listener(2, 'udp', port), closed: true as const }];
    await change(added);
    const client = await clientOf(port);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      await change(without);
      // To the moment in which its socket is being closed.
      vi.advanceTimersByTime(drainMs);
      vi.advanceTimersByTime(graceMs);
      await change(added);
      await change(without);
      vi.advanceTimersByTime(drainMs + graceMs - 1);
      const prepared = await prepare(added);
      vi.advanceTimersByTime(drainMs + graceMs);
      prepared.serve();
      await change(without);
      // Taken back: it drains as before.
      await (await prepare(added)).withdraw();
      vi.advanceTimersByTime(drainMs + graceMs);
      let looks = 0;
      while (!(await isFree(port)) && looks++ < 100) await new Promise(setImmediate);
      expect(looks).toBeLessThan(100);
      await change(added);
    } finally {
      vi.useRealTimers();
    }
    client.send('OPTIONS', 'again');
    expect((await client.until(1))[0]!.callId).toBe('again');
  });

  it('are all bound or none, and those that are there serve on', async () => {
    rig = await startRig(1, { udp });
    const [free, taken] = [await freePort(), createSocket('udp4').bind(0, '127.0.0.1')];
    await once(taken, 'listening');
    const busy = listener(3, 'udp', taken.address().port);
    const refused = (await rig.side.prepare([...first, listener(2, 'udp', free), busy], drainMs)) as ListenFailure;
    expect(refused.listener).toBe(busy);
    expect(refused.words).toContain(`udp 127.0.0.1:${busy.port}`);
    expect(await isFree(free)).toBe(true);
    const stream = (await rig.side.prepare([...first, listener(2, 'tcp', rig.tcpPort)], drainMs)) as ListenFailure;
    expect(stream.words).toContain('EADDRINUSE');
    const given = await prepare([...first, listener(2, 'udp', free)]);
    await given.withdraw();
    expect(await isFree(free)).toBe(true);
    rig.client.send('OPTIONS', 'on');
    expect((await rig.client.until(1))[0]!.callId).toBe('on');
    taken.close();
  });
});

describe('workers in threads', () => {
  it('send by a new listener themselves, and by none that is closed, also when its descriptor is another one by now', async () => {
    rig = await startRig(2);
    const port = await freePort();
    const added = listener(2, 'udp', port);
    await change([...first, added]);
    const client = await clientOf(port);
    const ask = async (count: number, name: string) => {
      for (let i = 0; i < count; i++) client.send('OPTIONS', `${name}${i}`);
      return new Set((await client.until(count)).map(({ worker }) => worker));
    };
    expect(await ask(40, 'a')).toEqual(new Set([0, 1]));
    const word = rig.side.descriptors[2]!;
    expect(word).not.toBe(0);
    await change([...first, { ...added, closed: true }]);
    await eventually(
      () => Promise.resolve(rig.side.descriptors[2]),
      (now) => now === 0,
    );
    for (let i = 0; i < 60 && !(await isFree(port)); i++) await new Promise((resolve) => setTimeout(resolve, 50));
    await change([...first, added]);
    client.answers.length = 0;
    expect(await ask(40, 'b')).toEqual(new Set([0, 1]));
    expect(client.answers).toHaveLength(40);
  }, 15_000);
});

describe('bounds of the stream connections', () => {
  it('X-S4 change while connections are open: what is there stays', async () => {
    rig = await startRig(1);
    const open = async (name: string) => {
      const socket = connect(rig.tcpPort, '127.0.0.1').on('error', () => {});
      socket.write(message(name));
      const outcome = await Promise.race([
        once(socket, 'data').then(() => true),
        once(socket, 'close').then(() => false),
      ]);
      return { socket, outcome };
    };
    const opened = [await open('1'), await open('2'), await open('3')];
    expect(opened.map(({ outcome }) => outcome)).toEqual([true, true, true]);
    rig.side.limitStreams({ connectionsPerSource: 2 });
    expect((await open('4')).outcome).toBe(false);
    expect(rig.side.streams.openConnections).toBe(3);
    rig.side.limitStreams({ connectionsPerSource: 9 });
    const last = await open('5');
    expect(last.outcome).toBe(true);
    for (const { socket } of [...opened, last]) socket.destroy();
    expect((await tell(rig)).trail).toContain('sip 5');
  });
});
