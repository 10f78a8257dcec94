import { createSocket, type Socket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { type ChooseOptions, chooseBackend } from '#ipsec/choose-backend';
import type { IpsecBackend, IpsecCounters } from '#ipsec/ipsec-backend';
import { IpBatch } from '#ipsec/kernel/ip-batch';
import { KernelBackend } from '#ipsec/kernel/kernel-backend';
import { NetlinkSocket } from '#ipsec/kernel/netlink-socket';
import type { Endpoint, InstalledAssociation } from '#ipsec/security-association';
import { type Agreement, associationSet } from './association-set.ts';

/*
 * One host of a rig: a back end and plain sockets, driven over the IPC channel. Keys are made here and don't travel.
 */

export type BackendKind = 'netlink' | 'ip-batch' | 'auto' | 'kernel' | 'userspace';

const udp = new Map<number, Socket>();
const received: string[] = [];
let backend: IpsecBackend | null = null;

function current(): IpsecBackend {
  if (backend === null) throw new Error('no back end is open');
  return backend;
}

/** What the other side of the channel may ask for. */
export const hostMethods = {
  /** Opens a back end; gives the words of the choice, null words where nothing works. */
  async open(kind: BackendKind, options: ChooseOptions = {}): Promise<string> {
    if (kind === 'netlink' || kind === 'ip-batch') {
      const link = kind === 'netlink' ? new NetlinkSocket() : new IpBatch();
      backend = new KernelBackend(link);
      return kind;
    }
    const chosen = await chooseBackend(kind, options);
    backend = chosen.backend;
    return chosen.words;
  },
  async kind(): Promise<string | null> {
    return backend?.kind ?? null;
  },
  async guard(ports: readonly Endpoint[]): Promise<void> {
    await current().guard(ports);
  },
  async add(side: 'ue' | 'pcscf', agreement: Agreement): Promise<void> {
    await current().add(associationSet(side, agreement));
  },
  async remove(side: 'ue' | 'pcscf', agreement: Agreement): Promise<void> {
    await current().remove(associationSet(side, agreement));
  },
  async removeThese(associations: readonly InstalledAssociation[]): Promise<void> {
    await current().remove(associations);
  },
  async extend(side: 'ue' | 'pcscf', agreement: Agreement, seconds: number): Promise<void> {
    await current().extend(associationSet(side, agreement), seconds);
  },
  async list(): Promise<readonly InstalledAssociation[]> {
    return current().list();
  },
  async counters(): Promise<IpsecCounters> {
    return current().counters();
  },
  async close(keep: boolean): Promise<void> {
    await current().close(keep);
    backend = null;
  },
  /** Milliseconds for each of so many sets: added, then removed. */
  async measure(agreement: Agreement, rounds: number): Promise<{ add: number[]; remove: number[] }> {
    const times = { add: [] as number[], remove: [] as number[] };
    for (let round = 0; round < rounds; round++) {
      const spis = { uc: 0x1000 + round, us: 0x2000 + round, pc: 0x3000 + round, ps: 0x4000 + round };
      const set = associationSet('pcscf', { ...agreement, spis });
      const began = performance.now();
      await current().add(set);
      const added = performance.now();
      await current().remove(set);
      times.add.push(added - began);
      times.remove.push(performance.now() - added);
    }
    return times;
  },
  /** The same for four policies. */
  async measurePolicies(address: string, rounds: number): Promise<{ add: number[]; remove: number[] }> {
    const link = new NetlinkSocket();
    const times = { add: [] as number[], remove: [] as number[] };
    const tag = 7000;
    for (let round = 0; round < rounds; round++) {
      const policies = [10, 11].flatMap((offset) => {
        const policy = { local: { address, port: 20_000 + round * 2 + offset }, protocol: 17, tag };
        return [{ ...policy, direction: 'in' } as const, { ...policy, direction: 'out' } as const];
      });
      const began = performance.now();
      await link.apply(policies.map((policy) => ({ kind: 'guard', policy })));
      const added = performance.now();
      await link.apply(policies.map((policy) => ({ kind: 'unguard', policy })));
      times.add.push(added - began);
      times.remove.push(performance.now() - added);
    }
    link.close();
    return times;
  },
  /** Binds a UDP port that keeps what it gets. */
  async bindUdp(address: string, port: number): Promise<void> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('message', (data, from) => received.push(`${from.port}>${port} ${data.toString('latin1')}`));
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(port, address, resolve);
    });
    socket.on('error', () => undefined);
    udp.set(port, socket);
  },
  /** Sends a datagram from a bound port; gives the error code where the kernel refuses. */
  async sendUdp(from: number, address: string, port: number, text: string): Promise<string | null> {
    return new Promise((resolve) => {
      udp.get(from)!.send(Buffer.from(text, 'latin1'), port, address, (error) => {
        resolve(error === null ? null : ((error as NodeJS.ErrnoException).code ?? 'error'));
      });
    });
  },
  /** What came by UDP since it was last asked, `FROM>TO TEXT` each; waits until there are so many, or for the time. */
  async receivedUdp(count: number, milliseconds: number): Promise<readonly string[]> {
    for (const end = performance.now() + milliseconds; received.length < count && performance.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return received.splice(0);
  },
  /** Listens on a TCP port that sends back what it gets. */
  async listenTcp(address: string, port: number): Promise<void> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, resolve);
    });
  },
  /** Connects from a port (0: any), sends so many octets and waits for as many; gives 'echo', or what failed. */
  async askTcp(from: Endpoint, to: Endpoint, octets: number, milliseconds: number): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect({
        host: to.address,
        port: to.port,
        localAddress: from.address,
        localPort: from.port,
      });
      const sent = Buffer.alloc(octets, 'ab1');
      let back = Buffer.alloc(0);
      const done = (words: string) => {
        clearTimeout(timer);
        // A reset leaves the pair of ports free at once; one that still connects would wait with it.
        if (socket.connecting) socket.destroy();
        else socket.resetAndDestroy();
        resolve(words);
      };
      const timer = setTimeout(() => done('timeout'), milliseconds);
      socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
      socket.once('connect', () => socket.write(sent));
      socket.on('data', (data) => {
        back = Buffer.concat([back, data]);
        if (back.length >= octets) done(back.equals(sent) ? 'echo' : 'damaged');
      });
    });
  },
};

export type HostMethods = typeof hostMethods;

interface Order {
  readonly id: number;
  readonly method: keyof HostMethods;
  readonly arguments: readonly unknown[];
}

process.on('message', (order: Order) => {
  const method = hostMethods[order.method] as (...values: readonly unknown[]) => Promise<unknown>;
  method(...order.arguments).then(
    (value) => process.send!({ id: order.id, value: value ?? null }),
    (error: Error & { code?: string }) =>
      process.send!({ id: order.id, error: { code: error.code ?? null, message: error.message } }),
  );
});
process.on('disconnect', () => process.exit(0));
