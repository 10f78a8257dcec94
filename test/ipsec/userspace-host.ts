import { createSocket, type Socket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IpsecBackend } from '#ipsec/ipsec-backend';
import type { Endpoint, InstalledAssociation, SecurityAssociation } from '#ipsec/security-association';
import { openEspSocket } from '#ipsec/userspace/descriptors';
import { addressOctets, socketAddress } from '#ipsec/userspace/ip-packet';
import { loadLibc } from '#ipsec/userspace/libc';
import { PacketBatch, sendBatch } from '#ipsec/userspace/packet-batch';
import { openUserspaceBackend, type UserspaceOptions } from '#ipsec/userspace/userspace-backend';

/*
 * What runs on a host of the rig: a back end and ordinary sockets, told what to do by the test (userspace-peer.ts).
 */

let backend: IpsecBackend | undefined;
const sockets = new Map<string, Socket>();
const heard: { text: string; from: string; port: number }[] = [];

const operations = {
  open: async (options: UserspaceOptions) => {
    backend = await openUserspaceBackend(options);
  },
  guard: (ports: readonly Endpoint[]) => backend!.guard(ports),
  add: (associations: readonly SecurityAssociation[]) => backend!.add(associations),
  remove: (associations: readonly InstalledAssociation[]) => backend!.remove(associations),
  extend: (associations: readonly InstalledAssociation[], seconds: number) => backend!.extend(associations, seconds),
  list: () => backend!.list(),
  counters: () => backend!.counters(),
  close: (keep: boolean) => backend!.close(keep),

  /** Sends what claims to be ESP, as it is, from an address of this host. */
  esp: async (from: string, to: string, packet: Buffer) => {
    const libc = loadLibc();
    if (typeof libc === 'string') throw new Error(libc);
    const fd = openEspSocket(libc, from);
    const batch = new PacketBatch(libc, 1);
    const name = socketAddress(addressOctets(to));
    Buffer.from(packet).copy(batch.slots[0]!);
    name.copy(batch.names[0]!);
    batch.fill(0, packet.length, name.length);
    sendBatch(libc, fd, batch, 1);
    libc.close(fd);
  },
  /** Milliseconds of CPU time that this process takes in so long a time. */
  idle: async (ms: number) => {
    const before = process.cpuUsage();
    await sleep(ms);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  },
  exit: async () => {
    setImmediate(() => process.exit(7));
  },

  /** Binds a UDP socket that answers everything with the same text in capitals. */
  udp: (local: Endpoint) =>
    new Promise<void>((resolve) => {
      const socket = createSocket(local.address.includes(':') ? 'udp6' : 'udp4');
      socket.on('message', (bytes, { address, port }) => {
        const text = bytes.toString('latin1');
        heard.push({ text: text.slice(0, 40), from: address, port });
        if (text !== text.toUpperCase()) socket.send(text.toUpperCase(), port, address, () => {});
      });
      socket.bind(local.port, local.address, resolve);
      sockets.set(`${local.address} ${local.port}`, socket);
    }),
  /** Sends from a socket of `udp`; gives the error code, or null. */
  send: (local: Endpoint, remote: Endpoint, text: string) =>
    new Promise<string | null>((resolve) => {
      const socket = sockets.get(`${local.address} ${local.port}`)!;
      socket.send(text, remote.port, remote.address, (error) =>
        resolve(error ? ((error as NodeJS.ErrnoException).code ?? error.message) : null),
      );
    }),
  /** What UDP sockets have heard since the last time. */
  heard: async () => heard.splice(0),

  /** Listens on TCP and gives back to each connection what comes on it. */
  tcp: (local: Endpoint) =>
    new Promise<void>((resolve) => {
      const server = createServer({ allowHalfOpen: true }, (stream) => {
        stream.on('error', () => {});
        stream.pipe(stream);
      });
      server.listen(local.port, local.address, resolve);
    }),
  /** Connects, writes, ends, and gives what came back, or an error code. */
  exchange: (local: Endpoint, remote: Endpoint, text: string, timeoutMs: number) =>
    new Promise<string>((resolve) => {
      let back = '';
      const stream = connect({
        ...{ host: remote.address, port: remote.port, localAddress: local.address, localPort: local.port },
        allowHalfOpen: true,
      });
      const timer = setTimeout(() => stream.destroy(new Error('timeout')), timeoutMs);
      stream.setEncoding('latin1').on('data', (part: string) => (back += part));
      stream.on('connect', () => stream.end(text));
      stream.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      stream.on('end', () => resolve(back));
      stream.on('close', () => clearTimeout(timer));
    }),
};

export type HostOperations = typeof operations;

process.on('message', async ({ id, name, args }: { id: number; name: keyof HostOperations; args: never[] }) => {
  try {
    const operation = operations[name] as (...args: never[]) => Promise<unknown>;
    process.send!({ id, value: await operation(...args) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    process.send!({ id, error: { code, message } });
  }
});
process.on('disconnect', () => process.exit());
