import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Listener, Target } from '#sip/transport/flow';
import { ListenerTable } from '#sip/transport/listener-table';
import { StreamTransport } from '#sip/transport/stream-transport';
import { freePort } from '../../free-port.ts';
import { Heard, listen, Peers, request } from './stream-peer.ts';

let nowMs = 1000;
const peers = new Peers();
beforeEach(() => {
  nowMs = 1000;
});
afterEach(() => peers.close());

const address = '127.0.0.1';
const serverIndex = 0;
const clientIndex = 1;

/** The TCP side of one protected pair: listens on port-s, connects from port-c. */
async function start() {
  const [portS, portC] = [await freePort(), await freePort()];
  const heard = new Heard();
  const transport = new StreamTransport(heard, () => nowMs, { limits: { idleMs: 5_000, silentMs: 60_000 } });
  const one = { sides: ['gm'], transport: 'tcp', address, sentBy: `${address}:${portS}`, sentByPort: portS } as const;
  const server: Listener = { ...one, index: serverIndex, port: portS, protection: 'server' };
  await transport.listen(server);
  transport.connectFrom({ ...one, index: clientIndex, port: portC, protection: 'client' });
  peers.add(transport);
  return { heard, transport, portS, portC };
}

const to = (listener: number, port: number, connection = 0): Target => ({
  listener,
  transport: 'tcp',
  address,
  port,
  connection,
});

describe('TCP on protected ports', () => {
  it('P-82 connects from port-c, to several UEs at the same time, and nobody listens there', async () => {
    const { transport, portC } = await start();
    const ues = [await peers.server(), await peers.server(), await peers.server()];
    for (const ue of ues) transport.send(request(1), to(clientIndex, ue.port), 1);
    for (const ue of ues) expect((await ue.next()).remotePort).toBe(portC);
    const knock = connect(portC, address);
    const [error] = await once(knock, 'error');
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('P-82 takes the connection that the UE has opened, if it is named, and only while it is there', async () => {
    const { heard, transport, portS } = await start();
    const ue = await peers.dial(portS);
    const inbound = listen(ue);
    ue.write(request(1));
    await heard.until(() => heard.messages.length === 1);
    const { flow } = heard.messages[0]!;
    expect(flow).toMatchObject({ listener: serverIndex, port: ue.localPort });
    transport.send(request(2), { ...to(clientIndex, 9, flow.connection) }, 7);
    await inbound.until((text) => text === request(2));
    ue.destroy();
    await heard.until(() => heard.gone.length === 1);
    transport.send(request(3), { ...to(clientIndex, 9, flow.connection) }, 8);
    // What was on its way is lost with it.
    expect(heard.failures).toEqual([
      [7, 'closed'],
      [8, 'closed'],
    ]);
  });

  it('P-81 an answer whose connection is gone goes from port-c to port-us, never from port-s', async () => {
    const { heard, transport, portS, portC } = await start();
    const ue = await peers.server();
    transport.send('SIP/2.0 200 OK\r\n\r\n', to(clientIndex, ue.port, 4711), 0);
    const socket = await ue.next();
    expect(socket.remotePort).toBe(portC);
    transport.send(request(1), to(serverIndex, ue.port), 3);
    expect(heard.failures).toEqual([[3, 'unreachable']]);
    expect(portS).not.toBe(portC);
  });

  it('P-82 tells at once that a pair of ports cannot be had, so that another way is tried', async () => {
    const { heard, transport, portC } = await start();
    const ue = await peers.server();
    const other = connect({ port: ue.port, host: address, localAddress: address, localPort: portC });
    other.on('error', () => {});
    peers.add({ close: () => other.destroy() });
    await once(other, 'connect');
    transport.send(request(1), to(clientIndex, ue.port), 5);
    await heard.until(() => heard.failures.length === 1);
    expect(heard.failures).toEqual([[5, 'unreachable']]);
  });

  it('X-S4 P-82 keeps a quiet connection of a UE, whichever side opened it', async () => {
    const { heard, transport, portS } = await start();
    const ue = await peers.dial(portS);
    ue.write(request(1));
    await heard.until(() => heard.messages.length === 1);
    const called = await peers.server();
    transport.send(request(2), to(clientIndex, called.port), 0);
    await called.next();
    nowMs += 3_600_000;
    transport.sweep();
    await new Promise((resolve) => setImmediate(resolve));
    expect([transport.openConnections, heard.gone, transport.counts.timedOut]).toEqual([2, [], 0]);
  });

  it('X-S4 hears no alias on a protected port: a UE gets no requests for another port', async () => {
    const { heard, transport, portS } = await start();
    const trap = await peers.server();
    const ue = await peers.dial(portS);
    const inbound = listen(ue);
    ue.write(request(1, undefined, 'OPTIONS', `TCP ${address}:${trap.port};alias`));
    await heard.until(() => heard.messages.length === 1);
    transport.send(request(2), to(serverIndex, trap.port), 9);
    expect(heard.failures).toEqual([[9, 'unreachable']]);
    expect(inbound.text()).toBe('');
  });
});

describe('the table of listeners', () => {
  const listener = (index: number, port: number, protection?: 'server' | 'client'): Listener => {
    const plain = { index, sides: ['gm'], transport: 'udp', address, port, sentBy: `${address}:${port}` } as const;
    return protection === undefined ? plain : { ...plain, protection, sentByPort: 5063 };
  };

  it('P-01 never chooses a protected listener by its side, and finds it by its port', () => {
    const table = new ListenerTable([listener(0, 5063, 'server'), listener(1, 5062, 'client'), listener(2, 5060)]);
    expect(table.choose('gm', 'udp', false)?.port).toBe(5060);
    expect(table.at('udp', address, 5062)?.index).toBe(1);
    expect(table.at('tcp', address, 5062)).toBeNull();
    expect(new ListenerTable([listener(0, 5063, 'server')]).serves('gm', 'udp')).toBe(false);
  });
});
