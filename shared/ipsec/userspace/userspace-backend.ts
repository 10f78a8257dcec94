import { closeSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type IpsecBackend, type IpsecCounters, IpsecError } from '../ipsec-backend.ts';
import { familyOf } from '../kernel/xfrm-structures.ts';
import type { Endpoint, InstalledAssociation, SecurityAssociation } from '../security-association.ts';
import type { Descriptors } from './data-path.ts';
import { DataPathClient } from './data-path-client.ts';
import type { DataPathReport } from './data-path-request.ts';
import { closeDescriptors, openDescriptors, openEspSocket } from './descriptors.ts';
import { HostGuard } from './host-guard.ts';
import { type Libc, loadLibc } from './libc.ts';

export interface UserspaceOptions {
  /** Packets that may overtake each other: 64 or more. */
  readonly replayWindow?: number;
  /** 0 to 255: each process of a host that has a back end needs another one. What an earlier life of it left is taken over. */
  readonly instance?: number;
}

const defaults = { replayWindow: 64, instance: 0 };

/**
 * Opens the back end that does ESP in this program: a TUN device, raw sockets and a thread, for hosts whose kernel has no
 * ESP. It needs Linux, CAP_NET_ADMIN, CAP_NET_RAW and iproute2.
 *
 * Associations do not survive the process: the application adds them again, with `firstSequence` far ahead. The guard does
 * survive: nothing leaves or enters guarded ports until then. Rejects with IpsecError and leaves nothing behind.
 * Source: TS 33.203 7, RFC 4303; requirements P-35, P-39.
 */
export async function openUserspaceBackend(options: UserspaceOptions = {}): Promise<IpsecBackend> {
  const { replayWindow, instance } = { ...defaults, ...options };
  if (!Number.isInteger(instance) || instance < 0 || instance > 255) {
    throw new IpsecError('ERR_IPSEC_FAILED', `instance ${instance} is not between 0 and 255`);
  }
  const libc = loadLibc();
  if (typeof libc === 'string') throw new IpsecError('ERR_IPSEC_UNSUPPORTED', libc);
  const guard = new HostGuard(instance);
  const descriptors = openDescriptors(libc, guard.device);
  try {
    await guard.open();
    const client = new DataPathClient(descriptors, replayWindow);
    await client.ask({ kind: 'report' });
    return new UserspaceBackend(libc, guard, descriptors, client);
  } catch (error) {
    closeDescriptors(descriptors);
    throw error;
  }
}

class UserspaceBackend implements IpsecBackend {
  readonly kind = 'userspace';
  readonly #libc: Libc;
  readonly #guard: HostGuard;
  readonly #descriptors: Descriptors;
  readonly #path: DataPathClient;
  readonly #sockets = new Map<string, number>();
  readonly #blockedBefore = blockedPackets();
  /** One after the other: what two calls tell the host must not mix. */
  #guarding: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(libc: Libc, guard: HostGuard, descriptors: Descriptors, path: DataPathClient) {
    this.#libc = libc;
    this.#guard = guard;
    this.#descriptors = descriptors;
    this.#path = path;
  }

  guard(ports: readonly Endpoint[]): Promise<void> {
    const done = this.#guarding.then(() => this.#guardNow(ports));
    this.#guarding = done.catch(() => {});
    return done;
  }

  async add(associations: readonly SecurityAssociation[]): Promise<void> {
    for (const { direction, source, destination } of associations) {
      const { address, port } = direction === 'in' ? destination : source;
      if (this.#guard.guards({ address, port })) continue;
      throw new IpsecError('ERR_IPSEC_FAILED', `port ${port} of ${address} is not guarded`);
    }
    await this.#path.ask({ kind: 'add', associations });
  }

  async remove(associations: readonly InstalledAssociation[]): Promise<void> {
    await this.#path.ask({ kind: 'remove', associations: associations.map(withoutKeys) });
  }

  async extend(associations: readonly InstalledAssociation[], seconds: number): Promise<void> {
    await this.#path.ask({ kind: 'extend', associations: associations.map(withoutKeys), seconds });
  }

  async list(): Promise<readonly InstalledAssociation[]> {
    return (await this.#report()).associations;
  }

  async counters(): Promise<IpsecCounters> {
    const { counters } = await this.#report();
    return { ...counters, plain: counters.plain + blockedPackets() - this.#blockedBefore };
  }

  async count(): Promise<number> {
    return (await this.#report()).associations.length;
  }

  close(keep: boolean): Promise<void> {
    this.#closed ??= this.#close(keep);
    return this.#closed;
  }

  async #guardNow(ports: readonly Endpoint[]): Promise<void> {
    for (const { address, port } of ports) {
      const isOne = isIP(address) !== 0 && address !== '0.0.0.0' && address !== '::';
      if (!isOne || port < 1) throw new IpsecError('ERR_IPSEC_FAILED', `${address} port ${port} is not one port`);
    }
    await this.#guard.add(ports);
    for (const { address } of ports) {
      if (this.#sockets.has(address)) continue;
      const fd = openEspSocket(this.#libc, address);
      this.#sockets.set(address, fd);
      await this.#path.ask({ kind: 'listen', address, version: familyOf(address) === 2 ? 4 : 6, fd });
    }
  }

  async #close(keep: boolean): Promise<void> {
    await this.#guarding;
    await this.#path.stop();
    for (const fd of this.#sockets.values()) closeSync(fd);
    try {
      if (!keep) await this.#guard.remove();
    } finally {
      closeDescriptors(this.#descriptors);
    }
  }

  async #report(): Promise<DataPathReport> {
    return (await this.#path.ask({ kind: 'report' }))!;
  }
}

function withoutKeys({ direction, source, destination, spi }: InstalledAssociation): InstalledAssociation {
  return { direction, source, destination, spi };
}

/** Packets that policies have blocked in this network namespace; 0 where the kernel does not count. */
function blockedPackets(): number {
  try {
    const lines = readFileSync('/proc/net/xfrm_stat', 'latin1').split('\n');
    const blocked = lines.filter((line) => line.startsWith('XfrmInPolBlock') || line.startsWith('XfrmOutPolBlock'));
    return blocked.reduce((sum, line) => sum + Number(line.split(/\s+/)[1]), 0);
  } catch {
    return 0;
  }
}
