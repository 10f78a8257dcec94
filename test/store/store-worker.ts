import { parentPort, workerData } from 'node:worker_threads';
import { CachedReader } from '#store/cached-reader';
import { openLmdbStore } from '#store/lmdb-store';
import type { Store } from '#store/store';

/** What a thread of the store tests is told to do. */
export interface StoreTask {
  readonly job: 'follow' | 'chase' | 'count' | 'take' | 'write-forever';
  readonly path: string;
  readonly tables: readonly string[];
  readonly generations: Int32Array;
  /** Slot 0: step reached by the test, slot 1: step reached by the thread. */
  readonly steps: Int32Array;
  readonly number: number;
}

const task = workerData as StoreTask;
const store = await openLmdbStore({ path: task.path, tables: task.tables, generations: task.generations });

function step(reached: number, awaited: number): void {
  Atomics.store(task.steps, 1, reached);
  Atomics.notify(task.steps, 1);
  while (Atomics.load(task.steps, 0) < awaited) Atomics.wait(task.steps, 0, awaited - 1, 1000);
}

/** Reads, waits without returning to the event loop, reads again. */
function follow(): string[] {
  const reader = new CachedReader(store, 'bindings', (value) => value.toString('latin1'), 100);
  const seen = [store.get('bindings', 'k')?.toString('latin1') ?? 'nothing', reader.get('k') ?? 'nothing'];
  for (let i = 1; i <= 3; i++) {
    step(i, i);
    seen.push(store.get('bindings', 'k')?.toString('latin1') ?? 'nothing', reader.get('k') ?? 'nothing');
  }
  return seen;
}

/**
 * Asks for the same 2,000 keys without a pause while they are written, all in one turn of the event loop. Gives how many
 * were not as the writer had left them, after each round: a round writes its number, every third one removes.
 */
function chase(): number[] {
  const reader = new CachedReader(store, 'bindings', (value) => value.readUInt32BE(), 10_000);
  const keys = Array.from({ length: 2000 }, (_, i) => `k${i}`);
  for (const key of keys) reader.get(key);
  const wrong: number[] = [];
  for (let round = 0; round < task.number; round++) {
    Atomics.store(task.steps, 1, round + 1);
    Atomics.notify(task.steps, 1);
    while (Atomics.load(task.steps, 0) <= round) for (const key of keys) reader.get(key);
    const expected = round % 3 === 2 ? null : round;
    wrong.push(keys.filter((key) => reader.get(key) !== expected).length);
  }
  return wrong;
}

function count(): number {
  for (let i = 0; i < 1000; i++) {
    store.put('tokens', `${task.number}-${i}`, Buffer.from('x'));
    store.update('bindings', 'counter', (current) => {
      const value = Buffer.alloc(4);
      value.writeUInt32BE((current === null ? 0 : Buffer.from(current.value).readUInt32BE()) + 1);
      return { value, expiresAtMs: 0 };
    });
  }
  return 1000;
}

function take(): string[] {
  const taken: string[] = [];
  for (;;) {
    const records = store.takeExpired(1_000_000, 7, () => true);
    if (records.length === 0) return taken;
    for (const record of records) {
      taken.push(record.key);
      store.remove('bindings', record.key);
    }
    store.commit();
  }
}

function writeForever(target: Store): never {
  for (let i = 0; ; i++) {
    target.put('bindings', `w${task.number}-${i % 500}`, Buffer.alloc(300, i));
    if (i % 5 === 0) target.update('bindings', 'shared', () => ({ value: Buffer.from(String(i)), expiresAtMs: i }));
    if (i % 20 === 0) target.commit();
    if (i === 50) parentPort?.postMessage('writing');
  }
}

const jobs = { follow, chase, count, take, 'write-forever': () => writeForever(store) };
const result = jobs[task.job]();
await store.close();
parentPort?.postMessage(result);
