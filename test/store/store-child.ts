import { openLmdbStore } from '#store/lmdb-store';

/** Writes numbered records until it is killed, telling each number on stdout after its commit. */
const store = await openLmdbStore({ path: process.argv[2]!, tables: ['bindings'] });
for (let i = 0; ; i++) {
  store.put('bindings', `k${i}`, Buffer.from(String(i)), 1000 + i);
  store.put('bindings', `twin${i}`, Buffer.alloc(2000, i));
  store.commit();
  process.stdout.write(`${i}\n`);
  if (i % 100 === 99) await new Promise((resolve) => setImmediate(resolve));
}
