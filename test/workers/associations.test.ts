import { afterEach, describe, expect, it } from 'vitest';
import { type AssociationPort, IpsecError } from '#ipsec/ipsec-backend';
import type { InstalledAssociation, SecurityAssociation } from '#ipsec/security-association';
import { AssociationClient } from '#workers/association-client';
import { encodeAnswer } from '#workers/association-orders';
import { serveAssociations } from '#workers/association-service';
import { type Rig, startRig } from './rig.ts';

/** A back end that keeps everything in memory. */
class MemoryAssociations implements AssociationPort {
  installed: SecurityAssociation[] = [];
  readonly calls: string[] = [];
  failure: Error | null = null;

  async add(associations: readonly SecurityAssociation[]): Promise<void> {
    this.calls.push(`add ${associations.map(({ spi }) => spi)}`);
    if (this.failure !== null) throw this.failure;
    this.installed.push(...associations);
  }

  async remove(associations: readonly InstalledAssociation[]): Promise<void> {
    this.calls.push(`remove ${associations.length}`);
    const gone = new Set(associations.map(({ spi }) => spi));
    this.installed = this.installed.filter(({ spi }) => !gone.has(spi));
  }

  async extend(associations: readonly InstalledAssociation[], seconds: number): Promise<void> {
    this.calls.push(`extend ${associations.length} by ${seconds}`);
  }

  async list(): Promise<readonly InstalledAssociation[]> {
    return this.installed;
  }
}

function association(spi: number): SecurityAssociation {
  return {
    direction: 'in',
    source: { address: '10.0.0.2', port: 7000 },
    destination: { address: '10.0.0.1', port: 5063 },
    spi,
    integrity: 'hmac-sha-1-96',
    encryption: 'aes-cbc',
    integrityKey: Buffer.from('00ff10203040', 'hex'),
    encryptionKey: Buffer.alloc(16, 0xa5),
    lifetimeSeconds: 240,
    firstSequence: 0,
  };
}

const told = ({ direction, source, destination, spi }: SecurityAssociation) => ({
  direction,
  source,
  destination,
  spi,
});

let rig: Rig | undefined;
afterEach(async () => {
  await rig?.stop();
  rig = undefined;
});

const module = new URL('./association-worker.ts', import.meta.url).href;

async function start(where: 'inline' | 'thread', associations: AssociationPort | null) {
  const workers = where === 'inline' ? 1 : 2;
  rig = await startRig(workers, { module, associations, reader: 'shared' });
  return (wish: object) => rig!.workers.ask(workers - 1, wish);
}

describe.each(['inline', 'thread'] as const)('associations of a worker %s', (where) => {
  it('P-35 reach the back end of the main thread, keys and all, and are told of without them', async () => {
    const backend = new MemoryAssociations();
    const ask = await start(where, backend);
    const four = [1001, 1002, 1003, 1004].map(association);
    expect(await ask({ order: 'add', associations: four })).toBe('done');
    expect(backend.installed).toEqual(four);
    expect(await ask({ order: 'extend', associations: four.map(told) })).toBe('done');
    expect(await ask({ order: 'remove', associations: four.slice(0, 3).map(told) })).toBe('done');
    expect(backend.calls).toEqual(['add 1001,1002,1003,1004', 'extend 4 by 60', 'remove 3']);
    expect(await ask({ order: 'list' })).toMatchObject([told(four[3]!)]);
  });

  it('P-39 tells why the back end refused, with its code', async () => {
    const backend = new MemoryAssociations();
    const ask = await start(where, backend);
    backend.failure = new IpsecError('ERR_IPSEC_EXISTS', 'SPI 1001 is in use');
    expect(await ask({ order: 'add', associations: [association(1001)] })).toBe(
      'IpsecError ERR_IPSEC_EXISTS SPI 1001 is in use',
    );
    expect(backend.installed).toEqual([]);
  });

  it('P-39 is null where the daemon has no back end', async () => {
    const ask = await start(where, null);
    expect(await ask({ order: 'has' })).toBe(false);
  });
});

describe('associations of a worker in a thread', () => {
  it('P-59 lists more than a frame holds', async () => {
    const backend = new MemoryAssociations();
    backend.installed = Array.from({ length: 1_234 }, (_, i) => association(300 + i));
    const ask = await start('thread', backend);
    expect(await ask({ order: 'list' })).toEqual(backend.installed.map(told));
    expect(await ask({ order: 'remove', associations: backend.installed.map(told) })).toBe('done');
    expect([backend.installed.length, backend.calls.length]).toEqual([0, 7]);
  });
});

describe('the way to the back end', () => {
  /** A client whose orders wait until they are answered by hand. */
  function client(timeoutMs: number) {
    const orders: { id: number; order: string }[] = [];
    const made = new AssociationClient((id, order) => orders.push({ id, order }) > 0, timeoutMs);
    return { made, orders };
  }

  it('P-39 gives up an order that is not answered, and takes back what is added too late', async () => {
    const { made, orders } = client(5);
    await expect(made.add([association(4711)])).rejects.toMatchObject({
      code: 'ERR_IPSEC_FAILED',
      message: 'the back end did not answer in 5 ms',
    });
    made.answered(orders[0]!.id, encodeAnswer({ done: true, listed: [], more: false }));
    expect(orders[1]!.order).toContain('"order":"remove"');
    expect(orders[1]!.order).toContain('"spi":4711');
    expect(orders[1]!.order).not.toContain('Key');
    made.stop();
  });

  it('P-39 takes no answer for another order, and fails what waits when the thread ends', async () => {
    const { made, orders } = client(10_000);
    const added = made.add([association(1)]);
    made.answered(orders[0]!.id + 1, encodeAnswer({ done: true, listed: [], more: false }));
    made.stop();
    await expect(added).rejects.toMatchObject({ code: 'ERR_IPSEC_FAILED', message: 'the worker has ended' });
  });

  it('P-39 fails at once where there is no room for an order', async () => {
    const made = new AssociationClient(() => false);
    await expect(made.list()).rejects.toMatchObject({ code: 'ERR_IPSEC_FAILED' });
  });

  it('P-39 answers an order also where nothing can serve it', async () => {
    const answers: string[] = [];
    await serveAssociations(null, '{"order":"list"}', (answer) => answers.push(answer));
    expect(answers).toEqual(['{"done":false,"code":"ERR_IPSEC_UNSUPPORTED","message":"there is no IPsec back end"}']);
  });
});
