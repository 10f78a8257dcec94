import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CachedReader } from '#store/cached-reader';
import { openLmdbStore } from '#store/lmdb-store';
import { openMemoryStore } from '#store/memory-store';
import { bucketOf, createGenerations, type Store, StoreError } from '#store/store';

const TABLES = ['bindings', 'tokens'];
const all = () => true;

function octets(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof StoreError ? error.code : String(error);
  }
  return 'no error';
}

let directory: string;
let store: Store;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'store-'));
});

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

describe.each(['lmdb', 'memory'] as const)('the %s store', (type) => {
  beforeEach(async () => {
    store =
      type === 'lmdb' ? await openLmdbStore({ path: join(directory, 'db'), tables: TABLES }) : openMemoryStore(TABLES);
  });

  it('reads what the open batch holds, and the same after the commit', () => {
    expect(store.get('bindings', 'sip:a@ims.test')).toBeNull();
    store.put('bindings', 'sip:a@ims.test', octets('one'));
    expect(store.get('bindings', 'sip:a@ims.test')).toEqual(octets('one'));
    store.commit();
    expect(store.get('bindings', 'sip:a@ims.test')).toEqual(octets('one'));
    store.remove('bindings', 'sip:a@ims.test');
    expect(store.get('bindings', 'sip:a@ims.test')).toBeNull();
    store.commit();
    expect(store.get('bindings', 'sip:a@ims.test')).toBeNull();
    store.remove('bindings', 'sip:a@ims.test');
    store.commit();
  });

  it('keeps its tables apart and knows no other', () => {
    store.put('bindings', '127.16.0.1:5070', octets('b'));
    store.put('tokens', '127.16.0.1:5070', octets('t'));
    store.commit();
    expect(store.get('bindings', '127.16.0.1:5070')).toEqual(octets('b'));
    expect(store.get('tokens', '127.16.0.1:5070')).toEqual(octets('t'));
    expect(codeOf(() => store.get('other', 'x'))).toBe('ERR_STORE_TABLE');
    expect(codeOf(() => store.put('__proto__', 'x', octets('')))).toBe('ERR_STORE_TABLE');
  });

  it('X-S14 takes any latin1 key of 1 to 512 characters and any octets', () => {
    const keys = [
      '__proto__',
      'constructor',
      '\0',
      '\0\x01\x02',
      '\x01a',
      '\x1b\x1f',
      ' ',
      '\u00ff\u00fe',
      '1',
      'a\0',
      'x'.repeat(512),
    ];
    for (let code = 0; code < 256; code++)
      keys.push(`k${String.fromCharCode(code)}z`, `${String.fromCharCode(code)}start`);
    for (const key of keys) store.put('bindings', key, octets(key));
    store.commit();
    for (const key of keys) expect(store.get('bindings', key)).toEqual(octets(key));
    expect(store.count('bindings')).toBe(new Set(keys).size);
    expect(store.range('bindings', '', 10_000).map((entry) => entry.key)).toEqual([...new Set(keys)].sort());
    for (const key of ['', 'x'.repeat(513), '\u20ac']) {
      expect(codeOf(() => store.put('bindings', key, octets('')))).toBe('ERR_STORE_KEY');
      expect(store.get('bindings', key)).toBeNull();
    }
  });

  it('stores values from nothing to a megabyte, and copies them both ways', () => {
    for (const size of [0, 1, 4000, 70_000, 1_000_000]) {
      const value = Buffer.alloc(size, 7);
      store.put('bindings', 'key', value);
      value.fill(9);
      expect(store.get('bindings', 'key')).toEqual(Buffer.alloc(size, 7));
      store.commit();
      const first = store.get('bindings', 'key')!;
      store.put('bindings', 'other', Buffer.alloc(size, 3));
      store.commit();
      store.get('bindings', 'other');
      expect(first).toEqual(Buffer.alloc(size, 7));
    }
  });

  it('updates in one step: create, change, leave, remove', () => {
    const created = store.update('bindings', 'k', (current) => {
      expect(current).toBeNull();
      return { value: octets('1'), expiresAtMs: 5000 };
    });
    expect(created).toEqual({ value: octets('1'), expiresAtMs: 5000 });
    store.update('bindings', 'k', (current) => {
      expect(current).toEqual({ value: octets('1'), expiresAtMs: 5000 });
      return { value: octets('2'), expiresAtMs: 0 };
    });
    expect(store.update('bindings', 'k', () => undefined)).toEqual({ value: octets('2'), expiresAtMs: 0 });
    expect(store.get('bindings', 'k')).toEqual(octets('2'));
    expect(store.takeExpired(1e12, 10, all)).toEqual([]);
    expect(store.update('bindings', 'k', () => null)).toBeNull();
    expect(store.get('bindings', 'k')).toBeNull();
  });

  it('lets an update see the open batch, and leaves the record alone when the change throws', () => {
    store.put('bindings', 'k', octets('batched'));
    store.put('tokens', 't', octets('too'));
    expect(() =>
      store.update('bindings', 'k', (current) => {
        expect(current?.value).toEqual(octets('batched'));
        throw new TypeError('no');
      }),
    ).toThrow(TypeError);
    expect(store.get('bindings', 'k')).toEqual(octets('batched'));
    expect(store.get('tokens', 't')).toEqual(octets('too'));
    store.update('bindings', 'k', () => {
      expect(codeOf(() => store.put('bindings', 'x', octets('')))).toBe('ERR_STORE_NESTED');
      expect(codeOf(() => store.remove('bindings', 'x'))).toBe('ERR_STORE_NESTED');
      expect(codeOf(() => store.update('bindings', 'x', () => null))).toBe('ERR_STORE_NESTED');
      expect(store.get('tokens', 't')).toEqual(octets('too'));
      return undefined;
    });
  });

  it('S-39 finds what is due, earliest first, and gives it to one taker until the lease is over', () => {
    for (let i = 0; i < 50; i++) store.put('bindings', `k${i}`, octets(String(i)), 10_000 - i);
    store.put('tokens', 't', octets('token'), 9_999.5);
    store.put('bindings', 'never', octets('-'));
    expect(store.takeExpired(9_950, 100, all)).toEqual([]);
    expect(store.takeExpired(9_952, 100, all).map((record) => record.key)).toEqual(['k49', 'k48']);
    expect(store.takeExpired(9_952, 100, all)).toEqual([]);
    const some = store.takeExpired(10_000, 3, (key) => key !== 'k45');
    expect(some.map((record) => record.key)).toEqual(['k47', 'k46', 'k44']);
    expect(some[0]?.value).toEqual(octets('47'));
    const rest = store.takeExpired(10_000, 100, all);
    expect(rest).toHaveLength(46);
    expect(rest[0]?.key).toBe('k45');
    expect(rest.find((record) => record.table === 'tokens')?.value).toEqual(octets('token'));
    expect(store.takeExpired(20_000, 100, all)).toEqual([]);
    // Nobody finished the job: the first lease ends after 60 seconds.
    expect(
      store
        .takeExpired(69_952, 100, all)
        .map((record) => record.key)
        .sort(),
    ).toEqual(['k48', 'k49']);
    expect(store.get('bindings', 'k1')).toEqual(octets('1'));
  });

  it('S-39 forgets the old due time of a record that was written anew or removed', () => {
    store.put('bindings', 'a', octets('1'), 1000);
    store.commit();
    store.put('bindings', 'a', octets('2'), 3000);
    store.put('bindings', 'b', octets('1'), 1000);
    store.put('bindings', 'c', octets('1'), 1000);
    store.commit();
    store.remove('bindings', 'b');
    store.put('bindings', 'c', octets('kept for good'));
    expect(store.takeExpired(2000, 10, all)).toEqual([]);
    expect(store.takeExpired(3000, 10, all)).toEqual([{ table: 'bindings', key: 'a', value: octets('2') }]);
    store.remove('bindings', 'a');
    expect(store.takeExpired(1e9, 10, all)).toEqual([]);
    expect(store.get('bindings', 'c')).toEqual(octets('kept for good'));
  });

  it('S-39 keeps its order over thousands of refreshes', () => {
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 300; i++)
        store.put('bindings', `k${i}`, octets(`${round}`), 1_000_000 * (round + 1) + ((i * 7919) % 300));
      store.commit();
    }
    const taken = store.takeExpired(1e9, 1000, all);
    expect(taken).toHaveLength(300);
    const order = taken.map((record) => (Number(record.key.slice(1)) * 7919) % 300);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(taken.every((record) => record.value.equals(octets('19')))).toBe(true);
  });

  it('lists in pages by prefix', () => {
    for (const key of ['sip:a', 'sip:b', 'sip:b1', 'sip:b2', 'sip:c', 'tel:1']) store.put('bindings', key, octets(key));
    const keys = (...rest: [string, number, string?]) => store.range('bindings', ...rest).map((entry) => entry.key);
    expect(keys('sip:b', 10)).toEqual(['sip:b', 'sip:b1', 'sip:b2']);
    expect(keys('sip:', 2)).toEqual(['sip:a', 'sip:b']);
    expect(keys('sip:', 2, 'sip:b')).toEqual(['sip:b1', 'sip:b2']);
    expect(keys('sip:', 2, 'sip:c')).toEqual([]);
    expect(keys('', 100, 'sip:b15')).toEqual(['sip:b2', 'sip:c', 'tel:1']);
    expect(keys('x'.repeat(1000), 10)).toEqual([]);
    expect(keys('', 0)).toEqual([]);
    expect(store.range('bindings', 'tel:', 1)[0]?.value).toEqual(octets('tel:1'));
    expect(store.count('bindings')).toBe(6);
  });

  it('X-F1 hands out decoded records from a bounded cache until they are written', () => {
    let decoded = 0;
    const reader = new CachedReader(
      store,
      'bindings',
      (value) => {
        decoded++;
        return value.length > 0 ? { text: value.toString('latin1') } : null;
      },
      64,
    );
    expect(reader.get('k')).toBeNull();
    store.put('bindings', 'k', octets('1'));
    expect(reader.get('k')?.text).toBe('1');
    store.commit();
    expect(reader.get('k')?.text).toBe('1');
    decoded = 0;
    for (let i = 0; i < 100; i++) expect(reader.get('k')).toBe(reader.get('k'));
    expect(decoded).toBe(0);
    store.update('bindings', 'k', () => ({ value: octets('2'), expiresAtMs: 0 }));
    expect(reader.get('k')?.text).toBe('2');
    store.put('bindings', 'k', octets(''));
    expect(reader.get('k')).toBeNull();
    store.remove('bindings', 'k');
    store.commit();
    expect(reader.get('k')).toBeNull();

    for (let i = 0; i < 1000; i++) store.put('bindings', `u${i}`, octets(String(i)));
    store.commit();
    for (let i = 0; i < 1000; i++) {
      expect(reader.get(`u${i}`)?.text).toBe(String(i));
      reader.get('u0');
      expect(reader.size).toBeLessThanOrEqual(64);
    }
    decoded = 0;
    reader.get('u0');
    expect(decoded).toBe(0);
  });

  it('says so when it is used after its end', async () => {
    store.put('bindings', 'k', octets('1'));
    await store.close();
    for (const work of [
      () => store.get('bindings', 'k'),
      () => store.put('bindings', 'k', octets('')),
      () => store.commit(),
      () => store.range('bindings', '', 1),
      () => store.takeExpired(1, 1, all),
    ]) {
      expect(codeOf(work)).toBe('ERR_STORE_CLOSED');
    }
    await store.close();
  });
});

describe('the lmdb store on disk', () => {
  beforeEach(async () => {
    store = await openLmdbStore({ path: join(directory, 'deep', 'db'), tables: TABLES });
  });

  it('S-42 finds records and due times again after a restart', async () => {
    const path = join(directory, 'deep', 'db');
    store.put('bindings', 'sip:a@ims.test', octets('1'), 1000);
    store.put('tokens', 't', octets('2'));
    await store.close();
    store = await openLmdbStore({ path, tables: ['tokens', 'bindings', 'added-later'] });
    expect(store.get('bindings', 'sip:a@ims.test')).toEqual(octets('1'));
    expect(store.get('added-later', 'x')).toBeNull();
    expect(store.takeExpired(1000, 10, all)).toEqual([
      { table: 'bindings', key: 'sip:a@ims.test', value: octets('1') },
    ]);
  });

  it('is readable by its owner only', () => {
    const path = join(directory, 'deep', 'db');
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(statSync(join(path, 'data.mdb')).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, 'lock.mdb')).mode & 0o777).toBe(0o600);
  });

  it('X-R10 keeps an unwritable batch, reads it, and writes it when there is room again', () => {
    const child = new URL('./full-child.ts', import.meta.url).pathname;
    // 6,000 blocks of 512 octets: about 3 MB a file.
    const limited = ['-c', 'ulimit -f 6000; exec "$0" "$@"', process.execPath, child, join(directory, 'full')];
    const output = execFileSync('/bin/sh', limited, { encoding: 'latin1' });
    expect(JSON.parse(output)).toEqual({
      code: 'ERR_STORE_WRITE',
      batched: 200_000,
      before: 'there',
      after: 'small',
      count: 2,
    });
  });

  it('tells in words what to do when lmdb does not load', async () => {
    const opening = openLmdbStore({ path: directory, tables: TABLES }, () =>
      Promise.reject(new Error('No native build was found')),
    );
    await expect(opening).rejects.toMatchObject({ code: 'ERR_STORE_LMDB' });
    await expect(opening).rejects.toThrow(/No native build was found.*store: \{ type: memory \}/);
  });

  it('tells when the directory cannot be used', async () => {
    const opening = openLmdbStore({ path: '/dev/null/store', tables: TABLES });
    await expect(opening).rejects.toMatchObject({ code: 'ERR_STORE_OPEN' });
  });
});

describe('generation counters', () => {
  it('spread keys over all buckets but the one that counts commits', () => {
    store = openMemoryStore(TABLES);
    expect(createGenerations().length).toBe(65_536);
    const used = new Set<number>();
    for (let i = 0; i < 50_000; i++) used.add(bucketOf('bindings', `sip:user${i}@ims.test`));
    expect(Math.min(...used)).toBeGreaterThan(1);
    expect(used.size).toBeGreaterThan(30_000);
    expect(Math.max(...used)).toBeLessThan(65_536);
  });
});
