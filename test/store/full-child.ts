import { openLmdbStore } from '#store/lmdb-store';
import { StoreError } from '#store/store';

/** Runs under a file size limit of some megabytes; writes until that is reached, then makes room, and tells how it went. */
process.on('SIGXFSZ', () => {});
const store = await openLmdbStore({ path: process.argv[2]!, tables: ['t'] });
store.put('t', 'before', Buffer.from('there'));
store.commit();

let code = 'no error';
let written = 0;
for (; code === 'no error' && written < 100; written++) {
  store.put('t', `big${written}`, Buffer.alloc(200_000, written));
  try {
    store.commit();
  } catch (error) {
    code = error instanceof StoreError ? error.code : String(error);
  }
}
const last = `big${written - 1}`;
const batched = store.get('t', last)?.length;
const before = store.get('t', 'before')?.toString();
for (let i = 0; i < written; i++) store.remove('t', `big${i}`);
store.put('t', last, Buffer.from('small'));
store.commit();
const after = store.get('t', last)?.toString();
const count = store.count('t');
await store.close();
process.stdout.write(JSON.stringify({ code, batched, before, after, count }));
