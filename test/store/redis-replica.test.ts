import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLmdbStore, type ReplicableStore } from '#store/lmdb-store';
import { RedisReplica, type ReplicaEvent } from '#store/redis-replica';
import { isResponsible, nextVersion, nodeNumber, type RecordMerge, tellAlive, writerOf } from '#store/replication';
import { createGenerations } from '#store/store';
import { hasRedis, RedisServer } from './redis.ts';

const tables = ['users', 'tokens', 'lists'];
/** Lists of words: what either has added or taken away counts; the other record with this key says how many there are. */
const mergeLists: RecordMerge = ({ key, base, ours, theirs }) => {
  const [was, here, there] = [base, ours, theirs].map((record) => wordsOf(record?.value ?? null));
  const merged = [...new Set([...was!, ...here!, ...there!])].filter((word) =>
    was!.includes(word) ? here!.includes(word) && there!.includes(word) : true,
  );
  const record = (text: string) => ({ value: Buffer.from(text, 'latin1'), expiresAtMs: 0 });
  const along = [{ table: 'users', key, record: record(String(merged.length)) }];
  return { record: merged.length === 0 ? null : record(merged.sort().join(' ')), along };
};
const wordsOf = (octets: Uint8Array | null) =>
  octets === null ? [] : Buffer.from(octets).toString('latin1').split(' ');
const none = !hasRedis();
let folder: string;
let redis: RedisServer;
let open: { replica: RedisReplica; store: ReplicableStore }[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'replica-'));
  if (!none) redis = await RedisServer.start(folder);
});
afterEach(async () => {
  for (const { replica, store } of open) {
    await replica.close();
    await store.close();
  }
  open = [];
  if (!none) await redis.down();
  rmSync(folder, { recursive: true, force: true });
});

async function node(name: string, alarmAbove = 1000) {
  const number = nodeNumber(name);
  const generations = createGenerations();
  const replicaOptions = {
    node: number,
    tables,
    wallMs: Date.now,
    durableMs: 2000,
    merges: new Map([['lists', mergeLists]]),
  };
  const store = await openLmdbStore({ path: join(folder, name), tables, generations, replica: replicaOptions });
  const events: ReplicaEvent[] = [];
  const report = (event: ReplicaEvent) => void events.push(event);
  const replica = RedisReplica.start(store, {
    url: redis.url,
    prefix: 'cscf:test',
    node: number,
    tables,
    alarmAbove,
    report,
  });
  const made = { replica, store, events, number };
  open.push(made);
  await expect.poll(() => replica.status().connected).toBe(true);
  return made;
}

const text = (store: ReplicableStore, key: string) => store.get('users', key)?.toString('latin1') ?? null;
const put = (store: ReplicableStore, key: string, value: string, due?: number) => {
  store.put('users', key, Buffer.from(value, 'latin1'), due);
  store.commit();
};

describe.skipIf(none)('records shared by Redis', () => {
  it('reach the other node, changed and removed ones as well, and survive its restart', async () => {
    const [a, b] = [await node('a'), await node('b')];
    put(a.store, 'alice', 'one');
    put(b.store, 'bob', '\u0000\u00ff binary', 5000);
    expect(await a.store.durable!()).toBe(true);
    await expect.poll(() => [text(b.store, 'alice'), text(a.store, 'bob')]).toEqual(['one', '\u0000\u00ff binary']);
    a.store.update('users', 'bob', (current) => ({ value: Buffer.from(`${current!.value.length}`), expiresAtMs: 0 }));
    b.store.remove('users', 'alice');
    b.store.commit();
    await expect.poll(() => [text(a.store, 'alice'), text(b.store, 'bob')]).toEqual([null, '9']);
    await expect.poll(() => a.replica.status().unconfirmed + b.replica.status().unconfirmed).toBe(0);

    const c = await node('c');
    expect([text(c.store, 'alice'), text(c.store, 'bob')]).toEqual([null, '9']);
    await c.replica.close();
    put(a.store, 'carol', 'late');
    expect(await a.store.durable!()).toBe(true);
    await c.store.close();
    open.pop();
    const again = await node('c');
    await expect.poll(() => text(again.store, 'carol')).toBe('late');
  }, 20_000);

  it('end in one state when two nodes change one at the same time', async () => {
    const [a, b] = [await node('a'), await node('b')];
    for (let round = 0; round < 50; round++) {
      put(a.store, `user${round % 5}`, `a${round}`);
      put(b.store, `user${round % 5}`, `b${round}`);
      if (round % 7 === 0) b.store.remove('users', `user${(round + 1) % 5}`);
      b.store.commit();
    }
    await a.store.durable!();
    await b.store.durable!();
    const state = ({ store }: typeof a) => [0, 1, 2, 3, 4].map((i) => text(store, `user${i}`));
    await expect.poll(() => JSON.stringify(state(a)) === JSON.stringify(state(b))).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(state(a)).toEqual(state(b));
  }, 20_000);

  it('X-R7 are served while Redis is away, sent once it is back, and there is an alarm when many wait', async () => {
    const [a, b] = [await node('a', 50), await node('b')];
    put(a.store, 'alice', 'before');
    await expect.poll(() => text(b.store, 'alice')).toBe('before');
    await redis.down();
    await expect.poll(() => a.replica.status().connected || b.replica.status().connected).toBe(false);
    for (let i = 0; i < 100; i++) put(a.store, `user${i}`, 'x');
    for (let i = 0; i < 100; i++) put(a.store, 'alice', `change ${i}`);
    expect(text(a.store, 'alice')).toBe('change 99');
    expect(a.replica.status().unconfirmed).toBe(101);
    await expect.poll(() => a.events.map(({ kind }) => kind)).toContain('behind');
    // Back with nothing: it has to be told all that the nodes know has changed.
    await redis.up();
    await expect.poll(() => text(b.store, 'alice'), { timeout: 10_000 }).toBe('change 99');
    await expect.poll(() => b.store.count('users')).toBe(101);
    expect(a.replica.status().unconfirmed).toBe(0);
  }, 30_000);

  it('X-R18 end in one state, that of the last change, when two nodes were cut off and changed one each by itself', async () => {
    const [a, b] = [await node('a'), await node('b')];
    put(a.store, 'alice', 'before');
    await expect.poll(() => text(b.store, 'alice')).toBe('before');
    redis.freeze();
    put(a.store, 'alice', 'at a');
    b.store.remove('users', 'bob');
    b.store.commit();
    await new Promise((resolve) => setTimeout(resolve, 20));
    put(b.store, 'alice', 'at b');
    expect([text(a.store, 'alice'), text(b.store, 'alice')]).toEqual(['at a', 'at b']);
    redis.thaw();
    await expect.poll(() => text(a.store, 'alice'), { timeout: 10_000 }).toBe('at b');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect([text(a.store, 'alice'), text(b.store, 'alice')]).toEqual(['at b', 'at b']);
  }, 30_000);

  it('X-R18 become one where both know how: what either has added or taken away, again and again', async () => {
    const [a, b] = [await node('a'), await node('b')];
    const change = ({ store }: typeof a, act: (words: string[]) => string[]) => {
      store.update('lists', 'alice', (current) => {
        const words = act(wordsOf(current?.value ?? null));
        return words.length === 0 ? null : { value: Buffer.from(words.join(' '), 'latin1'), expiresAtMs: 0 };
      });
    };
    const lists = () => [a, b].map(({ store }) => store.get('lists', 'alice')?.toString('latin1') ?? '');
    const settled = async () => {
      await expect.poll(() => a.replica.status().unconfirmed + b.replica.status().unconfirmed).toBe(0);
      await expect.poll(() => lists()[0] === lists()[1]).toBe(true);
    };
    for (let round = 0; round < 40; round++) {
      change(a, (words) => [...words, `a${round}`]);
      change(b, (words) => [...words, `b${round}`]);
      if (round % 4 === 3) await new Promise((resolve) => setTimeout(resolve, round % 3));
    }
    await settled();
    expect(wordsOf(Buffer.from(lists()[0]!, 'latin1'))).toHaveLength(80);
    expect(text(a.store, 'alice')).toBe(text(b.store, 'alice'));

    redis.freeze();
    change(a, (words) => words.filter((word) => !word.startsWith('a')));
    change(b, (words) => [...words.filter((word) => !word.startsWith('b')), 'new']);
    change(a, (words) => [...words, 'other']);
    redis.thaw();
    await settled();
    expect(lists()[0]).toBe('new other');

    // Redis begins with nothing.
    await redis.down();
    change(a, () => []);
    change(b, (words) => [...words, 'more']);
    await redis.up();
    await expect.poll(() => lists(), { timeout: 10_000 }).toEqual(['more', 'more']);
    expect([text(a.store, 'alice'), text(b.store, 'alice')]).toEqual(['1', '1']);
  }, 30_000);

  it('X-R7 wait while Redis refuses to write or says nothing, which is noticed as well', async () => {
    const [a, b] = [await node('a'), await node('b')];
    const admin = new Redis(redis.url);
    const away = () => a.events.flatMap((event) => (event.kind === 'away' ? [event.words] : []));
    await admin.config('SET', 'min-replicas-to-write', '1');
    put(a.store, 'alice', 'refused');
    await expect.poll(() => a.replica.status().connected, { timeout: 5000 }).toBe(false);
    expect(away()).toEqual([expect.stringContaining('NOREPLICAS')]);
    expect([text(a.store, 'alice'), text(b.store, 'alice')]).toEqual(['refused', null]);
    await admin.config('SET', 'min-replicas-to-write', '0');
    await expect.poll(() => text(b.store, 'alice'), { timeout: 5000 }).toBe('refused');
    await expect.poll(() => a.replica.status().connected, { timeout: 5000 }).toBe(true);
    admin.disconnect();

    redis.freeze();
    put(a.store, 'alice', 'silent');
    await expect.poll(() => a.replica.status().connected, { timeout: 10_000 }).toBe(false);
    redis.thaw();
    await expect.poll(() => text(b.store, 'alice'), { timeout: 10_000 }).toBe('silent');
    expect(away().length).toBe(2);
  }, 40_000);

  it('X-R7 wait for Redis no longer than they may', async () => {
    const a = await node('a');
    redis.freeze();
    put(a.store, 'alice', 'one');
    const began = performance.now();
    expect(await a.store.durable!()).toBe(false);
    expect(performance.now() - began).toBeLessThan(2500);
    redis.thaw();
    expect(await a.store.durable!()).toBe(true);
  }, 20_000);

  it('fall due at one node: the one that wrote them, or the first of those that are left', async () => {
    const [a, b] = [await node('a'), await node('b')];
    await expect
      .poll(() => [a.replica.status().nodes.length, b.replica.status().nodes.length], { timeout: 5000 })
      .toEqual([2, 2]);
    put(a.store, 'alice', 'x', 1000);
    await expect.poll(() => text(b.store, 'alice')).toBe('x');
    const due = ({ store }: typeof a) => store.takeExpired(2000, 10, () => true, 1000).map(({ key }) => key);
    expect(due(b)).toEqual([]);
    expect(due(a)).toEqual(['alice']);
    a.store.remove('users', 'alice');
    put(a.store, 'bob', 'x', 1000);
    await expect.poll(() => text(b.store, 'bob')).toBe('x');
    await a.replica.close();
    await expect.poll(() => b.replica.status().nodes, { timeout: 10_000 }).toEqual([b.number]);
    await expect.poll(() => due(b)).toEqual(['bob']);
    open = open.filter((one) => one !== a);
    await a.store.close();
  }, 30_000);
});

describe('versions', () => {
  it('grow though a clock goes back, and tell who wrote', () => {
    const first = nextVersion(null, 5000, 7);
    const second = nextVersion(first, 4000, 9);
    const third = nextVersion(second, 6000, 7);
    expect([first, second, third].sort(Buffer.compare)).toEqual([first, second, third]);
    expect([writerOf(first), writerOf(second)]).toEqual([7, 9]);
    expect(new Set(Array.from({ length: 100 }, (_, i) => nodeNumber(`scscf${i}.ims.test`))).size).toBeGreaterThan(95);
  });

  it('tell who sees to what falls due', () => {
    const slots = createGenerations();
    expect([isResponsible(slots, 5, 5), isResponsible(slots, 4, 5)]).toEqual([true, false]);
    tellAlive(slots, [5, 6]);
    expect([isResponsible(slots, 4, 5), isResponsible(slots, 4, 6), isResponsible(slots, 6, 5)]).toEqual([
      true,
      false,
      false,
    ]);
    tellAlive(slots, null);
    expect(isResponsible(slots, 4, 5)).toBe(false);
  });
});
