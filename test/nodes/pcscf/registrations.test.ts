import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Binding, decodeBinding, encodeBinding, identityOf } from '#nodes/pcscf/binding';
import { pcscfTables, Registrations } from '#nodes/pcscf/registrations';
import { ManualClock } from '#service/clock';
import { TimerWheel } from '#sip/transaction/timer-wheel';
import { openLmdbStore } from '#store/lmdb-store';
import { openMemoryStore } from '#store/memory-store';
import type { Store } from '#store/store';

const start = Date.parse('2026-11-21T12:00:00Z');

function binding(token: string, impi: string, port: number, more: Partial<Binding> = {}): Binding {
  return {
    token,
    impi,
    aor: `sip:${impi}`,
    identities: [identityOf(`sip:${impi}`), identityOf('tel:+1-555')],
    contacts: [
      {
        uri: 'sip:a@10.0.0.1',
        instance: '<urn:1>',
        regId: 1,
        pubGruu: 'p',
        tempGruu: 't',
        expiresAtMs: start + 60_000,
      },
    ],
    serviceRoute: ['<sip:orig@s;lr>', '<sip:two@s;lr>'],
    flow: { listener: 3, transport: 'tcp', address: '2001:db8::1', port, connection: 4_000_000_000 },
    association: '',
    outbound: true,
    home: 'ims.test',
    callId: 'c',
    icid: 'i',
    termIoi: 'home',
    chargingFunctions: 'ccf=x',
    boundAtMs: start,
    expiresAtMs: start + 60_000,
    ...more,
  };
}

describe('bindings', () => {
  it('P-50 come back from their record as they were', () => {
    const before = binding('t', 'alice@ims.test', 5060);
    expect(decodeBinding(encodeBinding(before))).toEqual(before);
    expect(before.identities[1]!.key).toBe('tel:+1555');
  });

  it('a record that is damaged or of a newer release is none', () => {
    const octets = encodeBinding(binding('t', 'alice@ims.test', 5060));
    expect(decodeBinding(octets.subarray(0, 20))).toBeNull();
    expect(decodeBinding(Buffer.from([octets[0]!, 9, ...octets.subarray(2)]))).toBeNull();
    expect(decodeBinding(Buffer.alloc(0))).toBeNull();
  });
});

const directory = mkdtempSync(join(tmpdir(), 'pcscf-registrations-'));
const open: Store[] = [];
afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
  rmSync(directory, { recursive: true, force: true });
});

describe.each(['memory', 'lmdb'])('registrations in a store of type %s', (type) => {
  async function setUp() {
    const store =
      type === 'memory'
        ? openMemoryStore(pcscfTables)
        : await openLmdbStore({ path: join(directory, 'db'), tables: pcscfTables });
    open.push(store);
    const clock = new ManualClock(start);
    const wheel = new TimerWheel(
      () => clock.nowMs(),
      () => {},
    );
    const expired: string[] = [];
    const worker = (number: number, workers: number) =>
      new Registrations({ store, clock, wheel, worker: number, workers, expired: ({ token }) => expired.push(token) });
    return { store, clock, wheel, expired, worker };
  }

  it('P-50 P-56 are found by token, by source with its connection, and by subscriber', async () => {
    const { worker } = await setUp();
    const registrations = worker(0, 1);
    const [one, two] = [binding('one', 'alice@ims.test', 1), binding('two', 'alice@ims.test', 2)];
    const neighbour = binding('three', 'alice@ims.test.example', 3);
    for (const each of [one, two, neighbour]) registrations.save(each);
    registrations.commit();
    expect(registrations.byToken('one')).toEqual(one);
    expect(registrations.bySource(two.flow)).toEqual([two]);
    expect(registrations.bySource({ ...two.flow, connection: 5 })).toEqual([]);
    expect(registrations.bySource({ ...two.flow, transport: 'udp' })).toEqual([]);
    expect(registrations.holdersOf({ ...two.flow, connection: 5 })).toEqual([two]);
    expect(registrations.ofSubscriber('alice@ims.test').map(({ token }) => token)).toEqual(['one', 'two']);
    registrations.remove(one);
    registrations.commit();
    expect([registrations.byToken('one'), registrations.size]).toEqual([null, 2]);
    expect(registrations.ofSubscriber('alice@ims.test').map(({ token }) => token)).toEqual(['two']);
    for (const key of ['', 'x'.repeat(600), 'nothing']) expect(registrations.byToken(key)).toBeNull();
  });

  it('P-50 a refresh writes the binding alone', async () => {
    const { store, worker } = await setUp();
    const registrations = worker(0, 1);
    const one = binding('one', 'alice@ims.test', 1);
    registrations.save(one);
    registrations.commit();
    const written: string[] = [];
    const put = store.put.bind(store);
    store.put = (table, ...rest) => {
      written.push(table);
      put(table, ...rest);
    };
    registrations.save({ ...one, expiresAtMs: one.expiresAtMs + 1_000 });
    registrations.commit();
    expect(written).toEqual(['bindings']);
    expect(registrations.ofSubscriber('alice@ims.test').map(({ token }) => token)).toEqual(['one']);
  });

  it('P-57 go 30 s after their last contact, each by the one worker it belongs to', async () => {
    const { clock, wheel, expired, worker, store } = await setUp();
    const workers = [worker(0, 2), worker(1, 2)];
    const tokens = Array.from({ length: 20 }, (_, i) => `token${i}`);
    for (const [i, token] of tokens.entries()) workers[0]!.save(binding(token, `u${i}@ims.test`, 1000 + i));
    workers[0]!.commit();
    const pass = (ms: number) => {
      for (let t = 0; t < ms; t += 500) {
        clock.advance(500);
        wheel.advance();
      }
    };
    pass(80_000);
    expect([expired.length, workers[1]!.byToken('token3')?.token]).toEqual([0, 'token3']);
    workers[1]!.save(binding('token3', 'u3@ims.test', 1003, { expiresAtMs: start + 500_000 }));
    workers[1]!.commit();
    pass(20_000);
    expect(expired.sort()).toEqual(tokens.filter((token) => token !== 'token3').sort());
    expect([store.count('bindings'), store.count('sources'), store.count('subscribers')]).toEqual([1, 1, 1]);
    for (const each of workers) each.stop();
    expect(wheel.size).toBe(0);
  });
});
