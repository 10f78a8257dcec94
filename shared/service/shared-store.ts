import { type LmdbStoreOptions, openLmdbStore } from '#store/lmdb-store';
import type { RedisReplica, ReplicaEvent, ReplicaStatus } from '#store/redis-replica';
import { nodeNumber, type RecordMerge } from '#store/replication';
import { systemClock } from './clock.ts';
import type { StoreConfig } from './config/config-shape.ts';
import type { Logger } from './log.ts';

/** How long a start waits for Redis before it serves with its own copy, milliseconds. */
const catchUpMs = 3_000;

/** The tables of a node's store. */
export interface StoreTables {
  /** What other machines may go on with. */
  readonly shared: readonly string[];
  /** What only means something here: security associations, sessions with a PCRF. */
  readonly own: readonly string[];
  /** Of the shared ones, by table, how two changes at once become one; of the others the newer one stays. */
  readonly merges?: ReadonlyMap<string, RecordMerge>;
  /** Shared ones whose records fall due at every node. */
  readonly dueEverywhere?: readonly string[];
}

/** How each thread of a node opens its store. `node`: name of the node, which tells it from the others. */
export function lmdbOptions(
  config: StoreConfig,
  tables: StoreTables,
  generations: Int32Array,
  node: string,
): LmdbStoreOptions {
  const { path, flush, redis } = config;
  const options = { path, tables: [...tables.shared, ...tables.own], generations, sync: flush };
  if (config.type !== 'redis' || redis === undefined) return options;
  // With `batch` nobody waits: what has changed is on its way.
  const durableMs = redis.sync === 'register' ? redis.syncTimeout * 1000 : 0;
  const { shared, merges = new Map(), dueEverywhere = [] } = tables;
  const wallMs = () => systemClock.wallMs();
  return {
    ...options,
    replica: { node: nodeNumber(node), tables: shared, wallMs, durableMs, merges, dueEverywhere },
  };
}

/** The records of a node shared with other machines, on its main thread. */
export interface SharedStore {
  status(): ReplicaStatus;
  close(): Promise<void>;
}

/**
 * Shares the records of a node by way of Redis, null where it has them to itself. Waits a moment for Redis, so that a node
 * that begins knows what the others know; without Redis it serves with its own copy.
 */
export async function shareStore(
  config: StoreConfig | null,
  tables: StoreTables,
  generations: Int32Array,
  node: string,
  log: Logger,
): Promise<SharedStore | null> {
  if (config?.type !== 'redis' || config.redis === undefined) return null;
  // Loaded only here: without Redis a start needs nothing of it.
  const { RedisReplica: Replica } = await import('#store/redis-replica');
  const store = await openLmdbStore(lmdbOptions(config, tables, generations, node));
  const { url, prefix, alarmAbove } = config.redis;
  const replica = await new Promise<RedisReplica>((resolve) => {
    const started: RedisReplica = Replica.start(store, {
      url,
      prefix,
      node: nodeNumber(node),
      tables: tables.shared,
      alarmAbove,
      report(event) {
        tell(event, log);
        if (event.kind === 'connected') resolve(started);
      },
    });
    setTimeout(() => resolve(started), catchUpMs).unref();
  });
  if (!replica.status().connected)
    log.error({ reason: 'redis-away' }, 'Redis does not answer: serving with the copy of this machine');
  return {
    status: () => replica.status(),
    async close() {
      await replica.close();
      await store.close();
    },
  };
}

function tell(event: ReplicaEvent, log: Logger): void {
  switch (event.kind) {
    case 'connected':
      log.info({ records: event.records }, 'connected to Redis');
      return;
    case 'away':
      log.error({ reason: 'redis-away', words: event.words }, 'Redis is away: serving with the copy of this machine');
      return;
    case 'behind':
      log.error({ reason: 'redis-behind', unconfirmed: event.unconfirmed }, 'many changed records wait for Redis');
      return;
    case 'same-name':
      log.error({ reason: 'redis-same-name' }, event.words);
  }
}
