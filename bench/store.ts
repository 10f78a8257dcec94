import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CachedReader } from '#store/cached-reader';
import { openLmdbStore } from '#store/lmdb-store';
import { openMemoryStore } from '#store/memory-store';
import { openRecord, RecordReader, RecordWriter } from '#store/records';
import type { Store } from '#store/store';

const USERS = 20_000;
const keys = Array.from({ length: USERS }, (_, i) => `sip:user${String(i).padStart(6, '0')}@ims.test`);
const contacts = ['sip:user@127.0.0.1:5060;transport=udp', 'sip:user@127.0.0.2:5060;transport=tcp'];

function encodeBinding(key: string, expiresAtMs: number): Buffer {
  const writer = new RecordWriter(1, 1)
    .string(key)
    .number(expiresAtMs)
    .strings(contacts)
    .strings(['sip:path@127.0.0.1;lr']);
  return writer.string('icid-value').flag(true).bytes(padding).finish();
}

function decodeBinding(value: Buffer): { key: string; expiresAtMs: number; contacts: string[]; path: string[] } | null {
  const reader = openRecord(value, 1, 1);
  if (!(reader instanceof RecordReader)) return null;
  return { key: reader.string(), expiresAtMs: reader.number(), contacts: reader.strings(), path: reader.strings() };
}

const padding = Buffer.alloc(400, 0x41);
const binding = encodeBinding(keys[0]!, 1_793_000_000_000);
const directory = mkdtempSync(join(tmpdir(), 'store-bench-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const lmdb = await openLmdbStore({ path: join(directory, 'db'), tables: ['bindings'] });
const memory = openMemoryStore(['bindings']);
for (const store of [lmdb, memory]) {
  for (let i = 0; i < USERS; i++) {
    store.put('bindings', keys[i]!, binding, 1_793_000_000_000 + i);
    if (i % 500 === 0) store.commit();
  }
  store.commit();
}
const reader = new CachedReader(lmdb, 'bindings', decodeBinding, 1000);

function key(i: number): string {
  return keys[(i * 7919) % USERS]!;
}

function gets(store: Store): (iterations: number) => void {
  return (iterations) => {
    for (let i = 0; i < iterations; i++) store.get('bindings', key(i));
  };
}

function puts(store: Store, batch: number, refresh: boolean): (iterations: number) => void {
  let time = 1_793_000_000_000;
  return (iterations) => {
    for (let i = 0; i < iterations; i++) {
      store.put('bindings', key(i), binding, refresh ? ++time : undefined);
      if (i % batch === 0) store.commit();
    }
    store.commit();
  };
}

/** Costs of the store for records of about 560 octets among 20,000. */
export const benches = [
  { name: 'memory get', run: gets(memory) },
  { name: 'lmdb get', baseline: 'memory get', run: gets(lmdb) },
  {
    name: 'cached reader hit',
    baseline: 'lmdb get',
    run(iterations: number): void {
      for (let i = 0; i < iterations; i++) reader.get(keys[i % 100]!);
    },
  },
  {
    name: 'cached reader miss (get and decode)',
    baseline: 'lmdb get',
    run(iterations: number): void {
      for (let i = 0; i < iterations; i++) reader.get(key(i));
    },
  },
  { name: 'memory put', run: puts(memory, 20, true) },
  { name: 'lmdb put, batches of 20', baseline: 'memory put', run: puts(lmdb, 20, false) },
  { name: 'lmdb put with new due time, batches of 20', baseline: 'memory put', run: puts(lmdb, 20, true) },
  { name: 'lmdb put with new due time, batches of 4', baseline: 'memory put', run: puts(lmdb, 4, true) },
  { name: 'lmdb put with new due time, each committed', baseline: 'memory put', run: puts(lmdb, 1, true) },
  {
    name: 'lmdb update',
    baseline: 'memory put',
    run(iterations: number): void {
      for (let i = 0; i < iterations; i++) {
        lmdb.update('bindings', key(i), (current) => ({
          value: binding,
          expiresAtMs: (current?.expiresAtMs ?? 0) + 1,
        }));
      }
    },
  },
  {
    name: 'lmdb takeExpired, nothing due',
    run(iterations: number): void {
      for (let i = 0; i < iterations; i++) lmdb.takeExpired(1, 100, () => true);
    },
  },
  {
    name: 'record encode',
    run(iterations: number): void {
      for (let i = 0; i < iterations; i++) encodeBinding(keys[0]!, 1_793_000_000_000);
    },
  },
  {
    name: 'record decode',
    run(iterations: number): void {
      for (let i = 0; i < iterations; i++) decodeBinding(binding);
    },
  },
];
