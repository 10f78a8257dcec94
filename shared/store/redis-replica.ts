import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type { ReplicableStore } from './lmdb-store.ts';
import {
  changesMarked,
  confirmChanges,
  moreChanges,
  tellAlive,
  VERSION_OCTETS,
  type VersionedRecord,
} from './replication.ts';
import type { ChangedRecord } from './shared-records.ts';

export interface RedisReplicaOptions {
  /** `redis://[user:password@]host[:port][/db]`, or `rediss://`. */
  readonly url: string;
  /** What the keys begin with: nodes with the same prefix share their records. It stands in braces, so one slot of a cluster has all. */
  readonly prefix: string;
  readonly node: number;
  readonly tables: readonly string[];
  /** Unconfirmed records from which on there is an alarm. */
  readonly alarmAbove: number;
  readonly report: (event: ReplicaEvent) => void;
}

/** What becomes of the replica, for the log. */
export type ReplicaEvent =
  | { readonly kind: 'connected'; readonly records: number }
  | { readonly kind: 'away'; readonly words: string }
  | { readonly kind: 'behind'; readonly unconfirmed: number }
  | { readonly kind: 'same-name'; readonly words: string };

export interface ReplicaStatus {
  readonly connected: boolean;
  readonly unconfirmed: number;
  /** Numbers of the nodes that are alive, this one among them. */
  readonly nodes: readonly number[];
}

/** Entries that the log of changes keeps: who was away for longer reads all records. */
const logEntries = 20_000;
const batchRecords = 256;
const aliveMs = 5_000;
const beatMs = 1_500;
const retryMs = 500;
const idleMs = 1_000;
/** How long the mark of a removed record is kept, so that nobody who was away brings it back. */
const removedMs = 24 * 3_600_000;

/** Versions stand in hexadecimal digits: Redis compares texts by the rules of some language. */
const VERSION_DIGITS = 2 * VERSION_OCTETS;
/** Octets before the value: version, due time, whether there is a record. */
const HEAD = VERSION_DIGITS + 7;

/**
 * Writes a record when it is newer than the one that is there, and, where it says what it was made upon, when that has not
 * changed meanwhile; gives 1, or what is there instead. What is older than that it was made upon is what Redis has lost.
 */
const putScript = `
local current = redis.call('HGET', KEYS[1], ARGV[1])
if current then
  local known = string.sub(current, 1, ${VERSION_DIGITS})
  if known == ARGV[2] then return 1 end
  if known > ARGV[2] then return current end
  if ARGV[7] ~= '' and known > ARGV[7] then return current end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 't', ARGV[5], 'k', ARGV[1], 'd', ARGV[3], 'n', ARGV[6])
return 1`;

type Scripted = Redis & {
  cscfPutBuffer(hash: string, log: string, ...values: (string | Buffer | number)[]): Promise<Buffer | number>;
};

/**
 * Shares the records of a store with other machines by way of Redis, on the main thread. What changes here is sent; where
 * another one has changed it too, the newest version wins, or the two become one. What others change is taken over as it comes. While Redis is away the node goes on with its own copy, and
 * what has changed since is sent when it is back, once per record however often it changed.
 */
export class RedisReplica {
  readonly #options: RedisReplicaOptions;
  readonly #store: ReplicableStore;
  readonly #sender: Scripted;
  readonly #reader: Redis;
  /** Of this life: another one with our number is another node of the same name. */
  readonly #life = randomUUID();
  readonly #log: string;
  /** What others made of records that have changed here and are on their way, by record: it may well be made of that. */
  readonly #early = new Map<string, VersionedRecord>();
  #position = '0-0';
  #connected = false;
  /** Whether Redis takes what it is sent. */
  #taken = false;
  #closed = false;
  #behind = false;
  #toldAlive = false;
  #nodes: readonly number[] = [];
  #beat: NodeJS.Timeout | null = null;
  #work: Promise<unknown> = Promise.resolve();

  private constructor(store: ReplicableStore, options: RedisReplicaOptions) {
    this.#store = store;
    this.#options = options;
    this.#log = `${base(options.prefix)}log`;
    const connection = {
      lazyConnect: true,
      maxRetriesPerRequest: 0,
      retryStrategy: () => retryMs,
      enableOfflineQueue: false,
      // Who is silent is as good as away: a link may be cut without anybody being told.
      connectTimeout: aliveMs,
      commandTimeout: aliveMs,
    } as const;
    this.#sender = new Redis(options.url, connection) as Scripted;
    this.#reader = new Redis(options.url, connection);
    this.#sender.defineCommand('cscfPut', { numberOfKeys: 2, lua: putScript });
    for (const client of [this.#sender, this.#reader]) client.on('error', (error: Error) => this.#away(error.message));
    this.#sender.on('ready', () => void this.#tellAlive());
    this.#sender.on('close', () => (this.#taken = false));
  }

  /** Begins to replicate; connects for as long as it takes, and is back at once when Redis is. */
  static start(store: ReplicableStore, options: RedisReplicaOptions): RedisReplica {
    const replica = new RedisReplica(store, options);
    replica.#nodes = [options.node];
    store.adopt();
    for (const client of [replica.#sender, replica.#reader]) client.connect().catch(() => {});
    replica.#work = Promise.all([replica.#send(), replica.#receive()]);
    replica.#beat = setInterval(() => void replica.#tellAlive(), beatMs);
    void replica.#tellAlive();
    return replica;
  }

  status(): ReplicaStatus {
    return { connected: this.#connected, unconfirmed: this.#store.unconfirmedCount(), nodes: this.#nodes };
  }

  /** Says farewell; what is not sent yet is sent by the next life. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#beat !== null) clearInterval(this.#beat);
    if (this.#connected) await this.#sender.del(this.#aliveKey(this.#options.node)).catch(() => {});
    this.#reader.disconnect();
    this.#sender.disconnect();
    await this.#work;
  }

  /** Sends what has changed here, for as long as this replica lives. Never rejects. */
  async #send(): Promise<void> {
    const slots = this.#store.generations;
    while (!this.#closed) {
      // Counted before the records are read: what is marked later may not be among them.
      const marked = changesMarked(slots);
      try {
        while (this.#sender.status === 'ready' && (await this.#sendSome()));
        if (this.#early.size > 0) this.#takeOver([...this.#early.values()]);
        if (this.#sender.status === 'ready') confirmChanges(slots, marked);
      } catch (error) {
        this.#failed(this.#sender, error);
        await pause(retryMs / 5);
      }
      this.#watchBacklog();
      if (this.#sender.status === 'ready') await moreChanges(slots, marked, idleMs);
      else await pause(retryMs / 5);
    }
  }

  /** Sends one batch; gives whether there may be more. */
  async #sendSome(): Promise<boolean> {
    const records = this.#store.unconfirmed(batchRecords);
    if (records.length === 0) return false;
    const answers = await Promise.all(records.map((record) => this.#put(record)));
    const changed = answers.flatMap((answer, i) =>
      typeof answer === 'number' ? [] : [decode(records[i]!.table, records[i]!.key, answer)],
    );
    this.#store.confirm(records.filter((_, i) => typeof answers[i] === 'number'));
    if (changed.length > 0) this.#store.reconcile(changed);
    return records.length === batchRecords || changed.length > 0;
  }

  #put(record: ChangedRecord): Promise<Buffer | number> {
    const { table, key, version, base } = record;
    const { prefix, node } = this.#options;
    const name = Buffer.from(key, 'latin1');
    return this.#sender.cscfPutBuffer(
      hashOf(prefix, table),
      this.#log,
      name,
      version.toString('hex'),
      encode(record),
      logEntries,
      table,
      node,
      base?.toString('hex') ?? '',
    );
  }

  /** Takes over what others have changed. Never rejects. */
  async #receive(): Promise<void> {
    let synchronised = false;
    while (!this.#closed) {
      if (this.#reader.status !== 'ready') {
        synchronised = false;
        await pause(retryMs / 5);
        continue;
      }
      try {
        if (!this.#taken && !this.#connected) {
          await pause(retryMs / 10);
          continue;
        }
        if (!synchronised || !this.#connected) {
          const records = await this.#catchUp();
          synchronised = true;
          this.#connected = true;
          this.#options.report({ kind: 'connected', records });
        }
        await this.#readLog();
      } catch (error) {
        synchronised = false;
        this.#failed(this.#reader, error);
        // What is asked of a connection that is being given up fails at once.
        await pause(retryMs / 5);
      }
    }
  }

  async #readLog(): Promise<void> {
    const answer = await this.#reader.xreadBuffer('COUNT', 512, 'BLOCK', idleMs, 'STREAMS', this.#log, this.#position);
    const entries = answer?.[0]?.[1] ?? [];
    const records: VersionedRecord[] = [];
    for (const [id, fields] of entries) {
      this.#position = id.toString('latin1');
      const field = (name: string) =>
        fields[fields.findIndex((octets, i) => i % 2 === 0 && octets.toString('latin1') === name) + 1]!;
      if (Number(field('n').toString('latin1')) === this.#options.node) continue;
      records.push(decode(field('t').toString('latin1'), field('k').toString('latin1'), field('d')));
    }
    if (records.length > 0) this.#takeOver(records);
    if (entries.length > 0) this.#store.setNote('position', this.#position);
  }

  /** Those that would undo a change here wait until it is known what Redis says to that. */
  #takeOver(records: readonly VersionedRecord[]): void {
    for (const { table, key } of records) this.#early.delete(`${table}\0${key}`);
    for (const record of this.#store.takeOver(records)) this.#early.set(`${record.table}\0${record.key}`, record);
  }

  /** Goes on where the last life ended; when the log does not reach back that far, all records are read. */
  async #catchUp(): Promise<number> {
    const last = this.#store.note('position');
    const [first] = await this.#reader.xrange(this.#log, '-', '+', 'COUNT', 1);
    const [newest] = await this.#reader.xrevrange(this.#log, '+', '-', 'COUNT', 1);
    if (
      last !== null &&
      first !== undefined &&
      isBefore(first[0], last) &&
      newest !== undefined &&
      !isBefore(newest[0], last)
    ) {
      this.#position = last;
      return 0;
    }
    this.#position = newest?.[0] ?? '0-0';
    let records = 0;
    for (const table of this.#options.tables) records += await this.#readTable(table);
    this.#store.setNote('position', this.#position);
    return records;
  }

  async #readTable(table: string): Promise<number> {
    const hash = hashOf(this.#options.prefix, table);
    let cursor = '0';
    let count = 0;
    const forgetBefore = Date.now() - removedMs;
    do {
      const [next, flat] = (await this.#reader.hscanBuffer(hash, cursor, 'COUNT', 500)) as unknown as [
        Buffer,
        Buffer[],
      ];
      cursor = next.toString('latin1');
      const records: VersionedRecord[] = [];
      const forgotten: Buffer[] = [];
      for (let i = 0; i < flat.length; i += 2) {
        const record = decode(table, flat[i]!.toString('latin1'), flat[i + 1]!);
        if (record.value === null && wallMsOf(record.version) < forgetBefore) forgotten.push(flat[i]!);
        records.push(record);
      }
      if (records.length > 0) this.#takeOver(records);
      if (forgotten.length > 0) await this.#reader.hdel(hash, ...forgotten);
      count += records.length;
    } while (cursor !== '0');
    return count;
  }

  async #tellAlive(): Promise<void> {
    const { generations } = this.#store;
    if (this.#sender.status !== 'ready') {
      tellAlive(generations, null);
      return;
    }
    try {
      const key = this.#aliveKey(this.#options.node);
      const before = await this.#sender.set(key, this.#life, 'PX', aliveMs, 'GET');
      if (before !== null && before !== this.#life && this.#toldAlive) {
        this.#options.report({
          kind: 'same-name',
          words: 'another node with the name of this one shares its records: names must differ',
        });
      }
      this.#toldAlive = true;
      this.#taken = true;
      const index = `${base(this.#options.prefix)}nodes`;
      await this.#sender.sadd(index, this.#options.node);
      const numbers = (await this.#sender.smembers(index)).map(Number);
      const lives = await this.#sender.mget(...numbers.map((number) => this.#aliveKey(number)));
      this.#nodes = numbers.filter((_, i) => lives[i] !== null).sort((a, b) => a - b);
      tellAlive(generations, this.#nodes);
    } catch (error) {
      tellAlive(generations, null);
      this.#failed(this.#sender, error);
    }
  }

  /** A command came to nothing: unless Redis has refused it, what is left of the connection is given up. */
  #failed(client: Redis, error: unknown): void {
    if (this.#closed) return;
    if (client === this.#sender) this.#taken = false;
    const isAnswer = error instanceof Error && error.name === 'ReplyError';
    if (!isAnswer && client.status === 'ready') client.disconnect(true);
    this.#away(error instanceof Error ? error.message : String(error));
  }

  #aliveKey(node: number): string {
    return `${base(this.#options.prefix)}alive:${node}`;
  }

  #watchBacklog(): void {
    const unconfirmed = this.#store.unconfirmedCount();
    const behind = unconfirmed > this.#options.alarmAbove;
    if (behind && !this.#behind) this.#options.report({ kind: 'behind', unconfirmed });
    this.#behind = behind;
  }

  #away(words: string): void {
    if (!this.#connected || this.#closed) return;
    this.#connected = false;
    tellAlive(this.#store.generations, null);
    this.#options.report({ kind: 'away', words });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function base(prefix: string): string {
  return `{${prefix}}:`;
}

function hashOf(prefix: string, table: string): string {
  return `${base(prefix)}t:${table}`;
}

/** Version, due time (6 octets), 1 for a record or 0 for a removed one, the value. */
function encode({ version, value, expiresAtMs }: VersionedRecord): Buffer {
  const octets = Buffer.alloc(HEAD + (value?.length ?? 0));
  octets.write(version.toString('hex'), 'latin1');
  octets.writeUIntBE(expiresAtMs, VERSION_DIGITS, 6);
  octets[HEAD - 1] = value === null ? 0 : 1;
  if (value !== null) octets.set(value, HEAD);
  return octets;
}

function decode(table: string, key: string, octets: Buffer): VersionedRecord {
  return {
    table,
    key,
    version: Buffer.from(octets.toString('latin1', 0, VERSION_DIGITS), 'hex'),
    expiresAtMs: octets.readUIntBE(VERSION_DIGITS, 6),
    value: octets[HEAD - 1] === 0 ? null : Buffer.from(octets.subarray(HEAD)),
  };
}

function wallMsOf(version: Buffer): number {
  return Number(version.readBigUInt64BE(0) >> 16n);
}

/** Whether an id of the log is not after another one. */
function isBefore(id: string, other: string): boolean {
  const [a, b] = [id, other].map((text) => text.split('-').map(Number) as [number, number]);
  return a![0] < b![0] || (a![0] === b![0] && a![1] <= b![1]);
}
