import { describe, expect, it } from 'vitest';
import { AssociationTable, associationTables } from '#nodes/pcscf/ipsec/association-table';
import { Associations } from '#nodes/pcscf/ipsec/associations';
import { openKeySeal } from '#nodes/pcscf/ipsec/key-seal';
import { ProtectedPorts } from '#nodes/pcscf/ipsec/protected-ports';
import { restoreAssociations } from '#nodes/pcscf/ipsec/restore-associations';
import type { SetPlan } from '#nodes/pcscf/ipsec/set-allocation';
import { ManualClock } from '#service/clock';
import type { Listener } from '#sip/transport/flow';
import { openMemoryStore } from '#store/memory-store';
import type { Store } from '#store/store';
import { ck, ik, own, RecordingPort } from './ipsec-harness.ts';

const start = Date.parse('2026-11-22T12:00:00Z');
const listeners: Listener[] = [
  { index: 0, sides: ['gm'], transport: 'udp', address: own, port: 5060, sentBy: `${own}:5060` },
  ...(['udp', 'tcp'] as const).flatMap((transport, i) => [
    protectedListener(1 + 3 * i, transport, 6100, 'server'),
    protectedListener(2 + 3 * i, transport, 5100, 'client'),
    protectedListener(3 + 3 * i, transport, 5102, 'client'),
  ]),
];

function protectedListener(
  index: number,
  transport: 'udp' | 'tcp',
  port: number,
  protection: 'server' | 'client',
): Listener {
  return { index, sides: ['gm'], transport, address: own, port, sentBy: `${own}:6100`, protection, sentByPort: 6100 };
}

interface Life {
  readonly associations: Associations;
  readonly table: AssociationTable;
  readonly port: RecordingPort;
  readonly clock: ManualClock;
  restore(): ReturnType<typeof restoreAssociations>;
}

/** One life of a daemon on a store, on a host that has what `port` has. */
function live(
  store: Store,
  port: RecordingPort,
  options: { secret?: string; bootMs?: number; workers?: number } = {},
): Life {
  const bootMs = options.bootMs ?? start;
  const clock = new ManualClock(bootMs);
  const ports = new ProtectedPorts(listeners);
  const table = new AssociationTable(store, clock, ports);
  const seal = openKeySeal(options.secret);
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const workers = options.workers ?? 1;
  const crew = { places: workers, serving: workers, has: (worker: number) => worker < workers };
  const context = { bootMs, clock, log, count() {}, holdConnection() {}, worker: 0, workers, crew };
  return {
    associations: new Associations({ table, ports, port, seal, lingerMs: 128_000, context }),
    table,
    port,
    clock,
    restore: () => restoreAssociations({ table, port, seal, clock, bootMs }),
  };
}

function planOf(number: number): SetPlan {
  const address = `10.0.${number >> 8}.${number & 255}`;
  return {
    impi: `user${number}@ims.test`,
    aor: `sip:user${number}@ims.test`,
    contact: `${address}:50601`,
    token: `token${number}`,
    agreement: {
      pair: { alg: 'hmac-sha-1-96', ealg: 'null' },
      clientPort: 50600,
      serverPort: 50601,
      clientSpi: 1000 + number,
      serverSpi: 2000 + number,
      fields: ['ipsec-3gpp'],
    },
    flow: { listener: 0, transport: 'udp', address, port: 5060, connection: 0 },
    inside: null,
    keys: { ck: Buffer.from(ck, 'hex'), ik: Buffer.from(ik, 'hex') },
  };
}

async function begin({ associations }: Life, number: number) {
  const begun = await associations.begin(planOf(number));
  if (!('set' in begun)) throw new Error(begun.refusal.id);
  return begun.set;
}

/** A set that is established for two hours. */
async function established(life: Life, number: number) {
  const set = await begin(life, number);
  const { flow } = planOf(number);
  life.associations.establish(set.id, start + 7_200_000, flow);
  life.table.commit();
  return life.table.byId(set.id)!;
}

const newStore = () => openMemoryStore(associationTables);

describe('how many sets there may be', () => {
  it('X-I9 challenges that are out are counted over all workers, and forgotten when they are answered or late', async () => {
    const life = live(newStore(), new RecordingPort(), { workers: 4096 });
    const sets = [await begin(life, 1), await begin(life, 2), await begin(life, 3)];
    expect(life.associations.full).toBe(false);
    await begin(life, 4);
    expect(life.associations.full).toBe(true);
    expect(await life.associations.begin(planOf(5))).toMatchObject({
      refusal: { id: 'too-many-associations', status: 503 },
    });
    life.associations.establish(sets[0]!.id, start + 60_000, planOf(1).flow);
    expect(life.associations.full).toBe(false);
    await begin(life, 5);
    expect(life.associations.full).toBe(true);
    life.clock.advance(241_000);
    expect(life.associations.full).toBe(false);
  });

  it('P-34 three sets of one UE: what lingers goes first, then a temporary one, never an established one', async () => {
    const life = live(newStore(), new RecordingPort());
    const plan = planOf(1);
    const make = async (i: number, aor = `sip:${i}`) => {
      const agreement = { ...plan.agreement, clientPort: 50600 + 2 * i, clientSpi: 1000 + i, serverSpi: 2000 + i };
      return life.associations.begin({ ...plan, aor, agreement });
    };
    const setOf = async (i: number) => {
      const begun = await make(i);
      if (!('set' in begun)) throw new Error(begun.refusal.id);
      life.clock.advance(10);
      return begun.set;
    };
    const [first, second, third] = [await setOf(1), await setOf(2), await setOf(3)];
    life.associations.establish(first.id, start + 60_000, plan.flow);
    life.associations.end(second.id);
    const fourth = await setOf(4);
    const alive = () => [first, second, third, fourth].map(({ id }) => life.table.byId(id) !== null);
    expect(alive()).toEqual([true, false, true, true]);
    const fifth = await setOf(5);
    expect(alive()).toEqual([true, false, false, true]);
    for (const { id } of [fourth, fifth]) life.associations.establish(id, start + 60_000, plan.flow);
    expect(await make(6)).toMatchObject({ refusal: { id: 'too-many-associations' } });
    expect(life.port.installed.size).toBe(12);
  });
});

describe('after a restart', () => {
  it('P-39 P-59 X-R17 what the host still has goes on untouched, and what nobody knows is removed', async () => {
    const [store, port] = [newStore(), new RecordingPort()];
    const first = live(store, port, { secret: 'a secret of the operator' });
    const set = await established(first, 1);
    const temporary = await begin(first, 2);
    first.table.commit();
    const stray = {
      direction: 'in',
      source: { address: '10.9.9.9', port: 1 },
      destination: { address: own, port: 6100 },
      spi: 999,
    } as const;
    port.installed.set(`${own} 999`, stray);
    const again = live(store, port, { secret: 'a secret of the operator', bootMs: start + 5000 });
    expect(await again.restore()).toEqual({ kept: 2, restored: 0, lost: 0, orphans: 1 });
    expect(port.added).toHaveLength(2);
    expect(port.removed).toEqual([stray]);
    expect(again.table.byId(set.id)).toEqual(set);
    expect(again.table.byId(temporary.id)?.state).toBe('temporary');
  });

  it('P-59 X-R17 what the host has lost is installed anew from the sealed keys, its sequence numbers far ahead, farther each time', async () => {
    const store = newStore();
    const options = { secret: 'a secret of the operator' };
    const first = live(store, new RecordingPort(), options);
    const set = await established(first, 1);
    await begin(first, 2);
    first.table.commit();
    for (const [life, sequence] of [
      [1, 2 ** 20],
      [2, 2 ** 21],
    ] as const) {
      const again = live(store, new RecordingPort(), { ...options, bootMs: start + life * 60_000 });
      expect(await again.restore()).toEqual({ kept: 0, restored: 1, lost: 0, orphans: 0 });
      const [added] = again.port.added;
      expect(added!.map(({ firstSequence }) => firstSequence)).toEqual([0, sequence, sequence, 0]);
      expect(added!.map(({ spi }) => spi)).toEqual(first.port.added[0]!.map(({ spi }) => spi));
      expect(added![0]!.integrityKey).toEqual(
        first.port.added[0]!.find(({ direction }) => direction === 'in')!.integrityKey,
      );
      expect(added![0]!.lifetimeSeconds).toBe(7200 - life * 60 + 60);
      expect(again.table.byId(set.id)?.state).toBe('established');
      // Nobody can answer a challenge whose associations are gone.
      expect([...again.table.all()]).toHaveLength(1);
    }
  });

  it('P-59 without a secret, or with another one, what the host has lost is gone, and half of a set is removed', async () => {
    for (const secret of [undefined, 'another secret of his']) {
      const [store, port] = [newStore(), new RecordingPort()];
      const first = live(store, port, { secret: 'a secret of the operator' });
      const set = await established(first, 1);
      port.installed.delete(`${own} ${set.own.serverSpi}`);
      const again = live(store, port, { ...(secret === undefined ? {} : { secret }), bootMs: start + 5000 });
      expect(await again.restore()).toEqual({ kept: 0, restored: 0, lost: 1, orphans: 3 });
      expect(port.installed.size).toBe(0);
      expect([...again.table.all()]).toEqual([]);
      expect(again.table.hasSpi(own, set.own.serverSpi)).toBe(false);
    }
  });

  it('P-39 it is done once in a life: sets of this life are not taken for leftovers when a worker is replaced', async () => {
    const [store, port] = [newStore(), new RecordingPort()];
    const life = live(store, port);
    expect(await life.restore()).toEqual({ kept: 0, restored: 0, lost: 0, orphans: 0 });
    const set = await established(life, 1);
    expect(await live(store, port).restore()).toBeNull();
    expect(life.table.byId(set.id)).not.toBeNull();
    expect(port.installed.size).toBe(4);
  });

  it('P-59 sets whose time is over are wiped with their associations', async () => {
    const [store, port] = [newStore(), new RecordingPort()];
    await established(live(store, port, { secret: 'a secret of the operator' }), 1);
    const again = live(store, port, { secret: 'a secret of the operator', bootMs: start + 8_000_000 });
    expect(await again.restore()).toEqual({ kept: 0, restored: 0, lost: 0, orphans: 4 });
    expect([...again.table.all()]).toEqual([]);
  });
});
