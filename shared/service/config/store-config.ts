import type { ScalingRules } from '#workers/scaling';
import type { ReportProblem } from './config-problem.ts';
import type { RedisStoreConfig, StoreConfig } from './config-shape.ts';

/** The section as it passed the schema, its path made absolute. */
export type RawStore = Omit<StoreConfig, 'path' | 'redis'> & {
  readonly path?: string;
  readonly redis?: Omit<RedisStoreConfig, 'prefix'> & { readonly prefix?: string };
};

/** What the `store` section is read against. */
export interface StoreSurroundings {
  /** Where the records are when the section does not say so. */
  readonly path: string;
  /** What keys in Redis begin with when the section does not say so. */
  readonly prefix: string;
  /** The `workers` section; undefined where that is itself wrong. */
  readonly workers: number | ScalingRules | undefined;
  /** Takes what is wrong; `path` begins below `store`. */
  readonly problem: ReportProblem;
}

/** Turns the `store` section into its typed form: computed defaults, and whether it suits the workers. */
export function resolveStore({ redis, ...raw }: RawStore, around: StoreSurroundings): StoreConfig {
  const { problem, workers } = around;
  if (raw.type === 'memory' && workers !== undefined) checkOneMemory(workers, problem);
  if (raw.type === 'redis' && redis === undefined) {
    problem([], 'a redis store needs to know where Redis is', 'add redis: { url: "redis://127.0.0.1:6379" }');
  }
  const store = { ...raw, path: raw.path ?? around.path };
  return redis === undefined ? store : { ...store, redis: { ...redis, prefix: redis.prefix ?? around.prefix } };
}

/** Each worker would have a memory of its own, and know only who registered by way of it. */
function checkOneMemory(workers: number | ScalingRules, problem: ReportProblem): void {
  const most = typeof workers === 'number' ? workers : workers.max;
  if (most <= 1) return;
  problem(
    ['type'],
    `a memory store is one worker's own, and there are ${typeof workers === 'number' ? '' : 'up to '}${most} workers`,
    'write type: lmdb, which all workers share, or workers: 1',
  );
}
