import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { threadId } from 'node:worker_threads';

/*
 * Loaded into a daemon and its threads before all else (NODE_OPTIONS=--import): now and then each thread collects its
 * garbage and writes down what is left, so that what grows is what somebody holds on to.
 */

const folder = process.env.CSCF_SOAK_FOLDER ?? '.';
const everyMs = Number(process.env.CSCF_SOAK_EVERY_MS ?? 10_000);
const file = join(folder, `${process.pid}-${threadId}.heap`);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

setInterval(() => {
  collect();
  const { used_heap_size, external_memory } = getHeapStatistics();
  appendFileSync(file, `${Date.now()} ${used_heap_size + external_memory}\n`);
}, everyMs).unref();
