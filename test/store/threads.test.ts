import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLmdbStore } from '#store/lmdb-store';
import { createGenerations, type Store, WRITER_SLOT } from '#store/store';
import { endThread, forgetThread } from '#store/write-lock';
import type { StoreTask } from './store-worker.ts';

const TABLES = ['bindings', 'tokens'];
const generations = createGenerations();
let directory: string;
let path: string;
let store: Store;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'store-'));
  path = join(directory, 'db');
  store = await openLmdbStore({ path, tables: TABLES, generations });
});

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

function thread(job: StoreTask['job'], number = 0, steps = new Int32Array(new SharedArrayBuffer(8))): Worker {
  const workerData: StoreTask = { job, path, tables: TABLES, generations, steps, number };
  return new Worker(new URL('./store-worker.ts', import.meta.url), { workerData });
}

async function result<T>(worker: Worker): Promise<T> {
  const [message] = (await once(worker, 'message')) as [T];
  return message;
}

describe('threads on one lmdb store', () => {
  it('a thread that stays in its loop sees what another committed, in the store and in its cache', async () => {
    const steps = new Int32Array(new SharedArrayBuffer(8));
    store.put('bindings', 'k', Buffer.from('zero'));
    store.commit();
    const worker = thread('follow', 0, steps);
    const seen = result<string[]>(worker);
    for (const [i, value] of ['one', 'two', 'three'].entries()) {
      const waiting = Atomics.waitAsync(steps, 1, i);
      if (waiting.async) await waiting.value;
      if (value === 'two') store.update('bindings', 'k', () => ({ value: Buffer.from(value), expiresAtMs: 0 }));
      else store.put('bindings', 'k', Buffer.from(value));
      store.commit();
      Atomics.store(steps, 0, i + 1);
      Atomics.notify(steps, 0);
    }
    expect(await seen).toEqual(['zero', 'zero', 'one', 'one', 'two', 'two', 'three', 'three']);
  });

  it('a thread that asks without a pause has every insert, change and removal of another as soon as that is committed', async () => {
    const rounds = 30;
    const steps = new Int32Array(new SharedArrayBuffer(8));
    const worker = thread('chase', rounds, steps);
    const wrong = result<number[]>(worker);
    for (let round = 0; round < rounds; round++) {
      const waiting = Atomics.waitAsync(steps, 1, round);
      if (waiting.async) await waiting.value;
      const value = Buffer.alloc(4);
      value.writeUInt32BE(round);
      for (let i = 0; i < 2000; i++) {
        if (round % 3 === 2) store.remove('bindings', `k${i}`);
        else store.put('bindings', `k${i}`, value);
      }
      store.commit();
      Atomics.store(steps, 0, round + 1);
    }
    expect(await wrong).toEqual(new Array(rounds).fill(0));
  });

  it('updates of four threads lose nothing', async () => {
    const workers = [1, 2, 3, 4].map((number) => thread('count', number));
    await Promise.all(workers.map(result));
    expect(store.get('bindings', 'counter')?.readUInt32BE()).toBe(4000);
    expect(store.count('tokens')).toBe(4000);
  });

  it('S-39 each due record is taken by one thread only', async () => {
    for (let i = 0; i < 2000; i++) store.put('bindings', `k${i}`, Buffer.from('x'), 1 + (i % 50));
    store.commit();
    const taken = (await Promise.all([1, 2, 3].map((number) => result<string[]>(thread('take', number))))).flat();
    expect(taken).toHaveLength(2000);
    expect(new Set(taken).size).toBe(2000);
    expect(store.count('bindings')).toBe(0);
  });

  it('X-R1 threads ended in the middle of writing leave the store whole and unlocked', async () => {
    for (let number = 0; number < 20; number++) {
      const worker = thread('write-forever', number);
      await result(worker);
      await endThread(generations, worker);
      store.put('bindings', 'mine', Buffer.from(String(number)));
      store.commit();
      expect(store.get('bindings', 'mine')?.toString()).toBe(String(number));
    }
    const listed = store.range('bindings', '', 100_000);
    expect(listed.length).toBe(store.count('bindings'));
    expect(store.takeExpired(1e9, 10, () => true).map((record) => record.key)).toEqual(['shared']);
  });
});

describe('the right to write', () => {
  it('X-R1 gives up in words when another thread does not end its transaction, and goes on when that one is gone', () => {
    store.put('bindings', 'k', Buffer.from('1'));
    Atomics.store(generations, WRITER_SLOT, 77 + 1);
    expect(() => store.commit()).toThrow(/thread 77 has not finished/);
    expect(store.get('bindings', 'k')?.toString()).toBe('1');
    forgetThread(generations, 5);
    expect(Atomics.load(generations, WRITER_SLOT)).toBe(78);
    forgetThread(generations, 77);
    store.commit();
    expect(store.count('bindings')).toBe(1);
    expect(Atomics.load(generations, WRITER_SLOT)).toBe(0);
  });

  it('X-R1 ends a thread that does nothing but loop, and lets the ending thread write meanwhile', async () => {
    const worker = new Worker('for (;;) {}', { eval: true });
    await once(worker, 'online');
    const ending = endThread(generations, worker);
    store.put('bindings', 'k', Buffer.from('1'));
    store.commit();
    await ending;
    expect(Atomics.load(generations, WRITER_SLOT)).toBe(0);
  });
});

describe('a process killed while writing', () => {
  it('X-R3 leaves everything it had committed, nothing torn', async () => {
    const child = spawn(
      process.execPath,
      [new URL('./store-child.ts', import.meta.url).pathname, join(directory, 'killed')],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let output = '';
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      output += text;
      if (output.length > 20_000) child.kill('SIGKILL');
    });
    await once(child, 'close');
    expect(child.signalCode).toBe('SIGKILL');
    const told = output.slice(0, output.lastIndexOf('\n')).split('\n');
    const last = Number(told.at(-1));
    expect(last).toBeGreaterThan(1000);
    const after = await openLmdbStore({ path: join(directory, 'killed'), tables: ['bindings'] });
    for (let i = 0; i <= last; i++) {
      expect(after.get('bindings', `k${i}`)?.toString()).toBe(String(i));
      expect(after.get('bindings', `twin${i}`)?.equals(Buffer.alloc(2000, i))).toBe(true);
    }
    expect(after.takeExpired(1010, 100, () => true).map((record) => record.key)).toHaveLength(11);
    after.put('bindings', 'k0', Buffer.from('again'));
    after.commit();
    await after.close();
  });
});
