import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CachedReader } from '#store/cached-reader';
import { openLmdbStore } from '#store/lmdb-store';
import { bucketOf, createGenerations, type Store } from '#store/store';

const TABLES = ['sources', 'tokens'];
let directory: string;
let store: Store;
/** The same records by way of another opening, as another thread has one. */
let other: Store;
let lookups: number;
let reader: CachedReader<string>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'store-'));
  const options = { path: join(directory, 'db'), tables: TABLES, generations: createGenerations() };
  store = await openLmdbStore(options);
  other = await openLmdbStore(options);
  lookups = 0;
  reader = readerOf(32_768);
});

afterEach(async () => {
  await other.close();
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

function readerOf(capacity: number): CachedReader<string> {
  const counting = {
    generations: store.generations,
    get(table: string, key: string) {
      lookups++;
      return store.get(table, key);
    },
  };
  const decode = (value: Buffer) => (value.length === 0 ? null : value.toString('latin1'));
  return new CachedReader(counting, 'sources', decode, capacity);
}

/** Lookups that one question takes. */
function lookupsFor(key: string): number {
  const before = lookups;
  reader.get(key);
  return lookups - before;
}

function stranger(i: number): string {
  return `udp ${5060 + (i % 7)} 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;
}

describe('records that come and go', () => {
  it('X-R13 are not kept after they were removed, by whatever thread, though nobody asks for them again', () => {
    for (let i = 0; i < 5_000; i++) {
      const writer = i % 2 === 0 ? store : other;
      writer.put('sources', stranger(i), Buffer.from('x'));
      writer.commit();
      expect(reader.get(stranger(i))).toBe('x');
      writer.remove('sources', stranger(i));
      writer.commit();
    }
    expect(reader.size).toBeLessThan(10);
  });

  it('make no other one go', () => {
    for (let i = 0; i < 500; i++) store.put('sources', stranger(i), Buffer.from('stays'));
    store.commit();
    for (let i = 0; i < 500; i++) reader.get(stranger(i));
    for (let i = 500; i < 3_000; i++) {
      store.put('sources', stranger(i), Buffer.from('goes'));
      store.commit();
      reader.get(stranger(i));
      store.remove('sources', stranger(i));
      store.commit();
    }
    // But those that have a bucket in common with one that was written.
    expect(reader.size).toBeGreaterThan(450);
    expect(reader.size).toBeLessThan(1_100);
  });
});

describe('keys that are not there', () => {
  it('X-F1 are looked up twice, also while others are written', () => {
    for (let asked = 0; asked < 30_000; asked++) {
      expect(reader.get(stranger((asked * 7919) % 2000))).toBeNull();
      // 100 writes with 3,000 questions.
      if (asked % 30 !== 0) continue;
      other.put('sources', stranger(100_000 + asked), Buffer.from('x'));
      other.commit();
    }
    // One more for each write in the bucket of a stranger, one less for those who share a bucket.
    expect(lookups).toBeGreaterThan(3900);
    expect(lookups).toBeLessThan(4150);
    expect(reader.absent).toBe(2000);
  });

  it('X-F1 are not remembered when they are asked for once', () => {
    for (let i = 0; i < 8000; i++) reader.get(stranger(i));
    // As many as came into a bucket that was missed before.
    expect(reader.absent).toBeLessThan(600);
    // After any number of them the first question is still told from the second.
    for (let i = 8000; i < 200_000; i++) reader.get(stranger(i));
    let again = 0;
    for (let i = 200_000; i < 201_000; i++) again += lookupsFor(stranger(i)) + lookupsFor(stranger(i));
    expect(again).toBeGreaterThan(1850);
  });

  it('X-F1 are asked for anew when they were written, by whom and how ever', () => {
    const key = stranger(1);
    const writes: [Store, (at: Store) => void, string | null][] = [
      [other, (at) => at.put('sources', key, Buffer.from('one')), 'one'],
      [other, (at) => at.remove('sources', key), null],
      [store, (at) => at.put('sources', key, Buffer.from('two')), 'two'],
      [store, (at) => at.remove('sources', key), null],
      [other, (at) => at.update('sources', key, () => ({ value: Buffer.from('three'), expiresAtMs: 5000 })), 'three'],
      [other, (at) => at.update('sources', key, () => null), null],
    ];
    for (const [at, write, expected] of writes) {
      write(at);
      at.commit();
      expect(reader.get(key)).toBe(expected);
      expect(reader.get(key)).toBe(expected);
      expect(lookupsFor(key)).toBe(0);
    }
  });

  it('S-39 a record that ran out is there until it is removed, and then absent until it comes back', () => {
    other.put('sources', 'k', Buffer.from('old'), 1000);
    other.commit();
    expect(reader.get('k')).toBe('old');
    expect(other.takeExpired(2000, 10, () => true)).toHaveLength(1);
    expect(reader.get('k')).toBe('old');
    other.remove('sources', 'k');
    other.commit();
    expect(['k', 'k', 'k'].map(lookupsFor)).toEqual([1, 1, 0]);
    expect(reader.get('k')).toBeNull();
    other.put('sources', 'k', Buffer.from('new'), 9000);
    other.commit();
    expect(reader.get('k')).toBe('new');
  });

  it('X-F1 see what this thread wrote and has not committed', () => {
    expect(reader.get('k')).toBeNull();
    store.put('sources', 'k', Buffer.from('batched'));
    expect(reader.get('k')).toBe('batched');
    store.remove('sources', 'k');
    expect(reader.get('k')).toBeNull();
    expect(lookupsFor('k')).toBe(0);
    store.commit();
    expect(reader.get('k')).toBeNull();
  });

  it('X-F1 a write next to one in its bucket costs a lookup and nothing else', () => {
    const bucket = bucketOf('sources', 'k');
    let near = 0;
    while (bucketOf('tokens', `n${near}`) !== bucket) near++;
    expect(['k', 'k', 'k'].map(lookupsFor)).toEqual([1, 1, 0]);
    other.put('tokens', `n${near}`, Buffer.from('x'));
    other.commit();
    expect(lookupsFor('k')).toBe(1);
    expect(lookupsFor('k')).toBe(0);
  });

  it('X-F1 are remembered in a bounded number, no more than there may be records', () => {
    let most = 0;
    for (let i = 0; i < 50_000; i++) {
      for (let asked = 0; asked < 2; asked++) reader.get(stranger(i));
      most = Math.max(most, reader.absent);
    }
    expect(most).toBe(8192);
    expect(lookupsFor(stranger(49_999))).toBe(0);
    const small = readerOf(64);
    for (let i = 0; i < 1000; i++) {
      for (let asked = 0; asked < 2; asked++) small.get(stranger(i));
      expect(small.absent).toBeLessThanOrEqual(64);
    }
    expect([reader.size, small.size]).toEqual([0, 0]);
  });

  it('X-S14 that are too long for a key are not remembered, and no other octets are taken for those of a key', () => {
    const octet = '\u00ac';
    other.put('sources', octet, Buffer.from('there'));
    other.commit();
    for (const key of ['', 'x'.repeat(513), '\u20ac'.repeat(2000)]) {
      expect(reader.get(key)).toBeNull();
      expect([key, key].map(lookupsFor)).toEqual([1, 1]);
    }
    expect(reader.absent).toBe(0);
    expect(['\u20ac', '\u20ac', '\u20ac', octet].map((key) => reader.get(key))).toEqual([null, null, null, 'there']);
  });

  it('X-F1 records that nobody can read are not taken for absent ones', () => {
    other.put('sources', 'k', Buffer.alloc(0));
    other.commit();
    for (let asked = 0; asked < 3; asked++) expect(reader.get('k')).toBeNull();
    expect(reader.absent).toBe(0);
  });
});

describe('keys cut from messages', () => {
  it('X-F2 do not keep the messages, whether they are there or not', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let i = 0; i < 2000; i += 2) other.put('sources', tokenIn(messageOf(i)), Buffer.from('x'));
    other.commit();
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 2000; i++) {
      for (let asked = 0; asked < 2; asked++) expect(reader.get(tokenIn(messageOf(i)))).toBe(i % 2 === 0 ? 'x' : null);
    }
    // Hits that move from the older half of the cache to the younger one.
    const small = readerOf(1500);
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 4000; i += 2) small.get(tokenIn(messageOf(i % 2000)));
    }
    collect();
    const megabytes = (process.memoryUsage().heapUsed - before) / 2 ** 20;
    expect([reader.size, reader.absent]).toEqual([1000, 1000]);
    expect(small.size).toBeGreaterThan(750);
    expect(megabytes).toBeLessThan(8);
  });
});

/** 32,768 octets with a token in them. */
function messageOf(i: number): string {
  return Buffer.alloc(32_768, `token-of-message-${String(i).padStart(6, '0')}-`).toString('latin1');
}

function tokenIn(message: string): string {
  return message.slice(0, 24);
}
