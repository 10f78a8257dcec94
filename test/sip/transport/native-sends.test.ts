import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nativeLibrary, probeNativeUdp } from '#sip/transport/native-library';
import { gatherSends } from '#sip/transport/native-sender';
import { openNativeUdp } from '#sip/transport/native-udp';
import type { UdpSocket } from '#sip/transport/udp';

type Sendmmsg = (fd: number, headers: unknown, count: number, flags: number) => number;

const reason = probeNativeUdp();
if (reason !== null) console.log(`native UDP cannot be used here (${reason}): its system calls are not counted`);

describe.skipIf(reason !== null)('datagrams of one socket', () => {
  const library = nativeLibrary() as unknown as { sendmmsg: Sendmmsg };
  const { sendmmsg } = library;
  /** How many datagrams each system call took. */
  const calls: number[] = [];
  let socket: UdpSocket;
  let receiver: Socket;
  let port: number;
  let heard: string[];

  beforeEach(async () => {
    const handlers = { beginBatch() {}, endBatch() {}, datagram() {}, failed() {}, unreachable() {} };
    const address = '127.0.0.1';
    socket = await openNativeUdp(
      { index: 0, sides: ['mw'], transport: 'udp', address, port: 0, sentBy: 'x' },
      handlers,
    );
    calls.length = 0;
    library.sendmmsg = (fd, headers, count, flags) => {
      calls.push(count);
      return sendmmsg(fd, headers, count, flags);
    };
    heard = [];
    receiver = createSocket('udp4', (octets) => heard.push(String(octets))).bind(0, address);
    await once(receiver, 'listening');
    ({ port } = receiver.address());
  });
  afterEach(async () => {
    library.sendmmsg = sendmmsg;
    receiver.close();
    await socket.close();
  });

  async function arrived(count: number): Promise<string[]> {
    while (heard.length < count) await once(receiver, 'message');
    return heard;
  }

  it('leave in one system call when they are sent after the same turn has been waited for', async () => {
    const procedures = ['one', 'two', 'three'].map(async (text) => {
      await Promise.resolve();
      await Promise.resolve();
      socket.send(text, '127.0.0.1', port, 0);
    });
    await Promise.all(procedures);
    expect(await arrived(3)).toEqual(['one', 'two', 'three']);
    expect(calls).toEqual([3]);
  });

  it('leave when the work ends that they are gathered for, in one system call', async () => {
    gatherSends(() => {
      for (const text of ['one', 'two', 'three']) socket.send(text, '127.0.0.1', port, 0);
      expect(calls).toEqual([]);
    });
    expect(calls).toEqual([3]);
    expect(await arrived(3)).toEqual(['one', 'two', 'three']);
  });

  it('leave 64 at a time', async () => {
    gatherSends(() => {
      for (let i = 0; i < 100; i++) socket.send(`datagram ${i}`, '127.0.0.1', port, 0);
    });
    expect(calls).toEqual([64, 36]);
    expect((await arrived(100)).at(-1)).toBe('datagram 99');
  });
});
