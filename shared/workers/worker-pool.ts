import { randomBytes } from 'node:crypto';
import { workerOf } from '#diameter/hop-by-hop';
import type { Flow } from '#sip/transport/flow';
import { gatherSends } from '#sip/transport/native-sender';
import { BucketTable, createBuckets, leastBacklogged } from './dispatch.ts';
import { createBells, Doorbell, type Drain, DrainLoop } from './doorbell.ts';
import { isDiameterRequest } from './frame-codec.ts';
import type { SendFailure } from './frame-link.ts';
import { createRing } from './frame-ring.ts';
import { InlineWorker, type PassOn } from './inline-worker.ts';
import { createLoad } from './intake-load.ts';
import type { PoolMember } from './pool-member.ts';
import { type Leftovers, PooledWorker } from './pooled-worker.ts';
import type { FrameSink, TransportSide } from './transport-side.ts';
import type { WorkerCounts, Workers, WorkersOptions } from './worker-control.ts';
import type { ThreadData } from './worker-thread.ts';

export type { Workers } from './worker-control.ts';

const mostWorkers = 64;
const defaultRingBytes = 2 * 1024 * 1024;
const peerRingBytes = 256 * 1024;
const framesPerDrain = 256;
const watchMs = 50;
const askTimeoutMs = 5_000;

/**
 * Starts the worker side behind a transport side, and waits until every worker serves. Throws RangeError for a number of
 * workers that cannot be, and what their module throws.
 */
export async function startWorkers(side: TransportSide, options: WorkersOptions): Promise<Workers> {
  if (options.workers < 1 || options.workers > mostWorkers)
    throw new RangeError(`${options.workers} workers: 1 to ${mostWorkers} are possible`);
  const pool = new WorkerPool(side, options);
  await pool.start();
  side.attach(pool);
  return pool;
}

/**
 * The workers of a daemon: one on the main thread beside the sockets, the others in threads behind rings; or all of them in
 * threads where the reader is to be dedicated. Dispatches by Call-ID: new calls stay with the reading thread while it
 * has time, and go to the thread with least to do beyond that. Replaces threads that die.
 */
class WorkerPool implements FrameSink, Workers, Drain {
  readonly size: number;
  readonly #options: WorkersOptions;
  readonly #table: BucketTable;
  readonly #reader: InlineWorker | null;
  readonly #threads: readonly PooledWorker[];
  /** By number. */
  readonly #members: readonly PoolMember[];
  readonly #loop: DrainLoop | null;
  readonly #drainAll = (): void => this.#readAll();
  #lastChosen = -1;
  #watch: NodeJS.Timeout | undefined;
  #drained = 0;

  constructor(side: TransportSide, options: WorkersOptions) {
    this.#options = options;
    this.size = options.workers;
    const seed = randomBytes(4).readInt32LE();
    const buckets = createBuckets();
    this.#table = new BucketTable(buckets, seed);
    const passOn: PassOn = (from, to, kind, payload) => this.#members[to]?.workerMessage(from, kind, payload);
    const isDedicated = this.size > 1 && options.reader === 'dedicated';
    this.#reader = isDedicated ? null : new InlineWorker(side, options, this.#table, seed, passOn);
    const bells = createBells(this.size + 1);
    this.#threads = threadData(side, options, { seed, buckets, bells }, isDedicated ? 0 : 1).map(
      (data) => new PooledWorker(data, side, this.#table, options, passOn, (left) => this.#handAnew(left)),
    );
    this.#members = this.#reader === null ? this.#threads : [this.#reader, ...this.#threads];
    const isAlone = this.#threads.length === 0;
    this.#loop = isAlone ? null : new DrainLoop(new Doorbell(bells, 0), this, options.coalesce ?? false);
  }

  async start(): Promise<void> {
    this.#loop?.start();
    await Promise.all(this.#members.map((member) => member.start()));
    if (this.#loop === null) return;
    this.#watch = setInterval(() => {
      const now = this.#options.nowMs();
      for (const member of this.#members) member.look(now);
    }, watchMs).unref();
  }

  counts(worker: number): WorkerCounts {
    return this.#at(worker).counts();
  }

  ask(worker: number, request: unknown, timeoutMs = askTimeoutMs): Promise<unknown> {
    return this.#at(worker).ask(request, timeoutMs);
  }

  trigger(worker: number, what: 'crash' | 'busy', ms = 0): boolean {
    if (process.env.CSCF_TEST_TRIGGER !== '1') return false;
    this.#at(worker).trigger(what, ms);
    return true;
  }

  async stop(drainMs = 2_000): Promise<void> {
    clearInterval(this.#watch);
    await Promise.all(this.#members.map((member) => member.stop(drainMs)));
    while (!this.isEmpty()) this.drain();
    this.#loop?.stop();
  }

  beginBatch(nowMs: number): void {
    this.#reader?.beginBatch(nowMs);
  }

  endBatch(): void {
    this.#reader?.endBatch();
    for (let i = 0; i < this.#threads.length; i++) this.#threads[i]!.endBatch();
  }

  sip(text: string, flow: Flow): void {
    if (this.#loop === null) {
      this.#reader!.hand(text, flow, -1);
      return;
    }
    const bucket = this.#table.bucketOfMessage(text);
    const owner = bucket < 0 ? -1 : this.#table.ownerOfBucket(bucket);
    const chosen = owner >= 0 ? owner : this.#choose();
    const member = this.#members[chosen];
    if (!member || member.sheds(text, flow, owner >= 0)) return;
    if (bucket < 0) member.hand(text, flow, -1);
    // A worker may have claimed the bucket for a call of its own since we looked.
    else this.#members[this.#table.take(bucket, chosen)]!.hand(text, flow, bucket);
  }

  sendFailed(worker: number, token: number, failure: SendFailure): void {
    this.#at(worker).sendFailed(token, failure);
  }

  unreachable(listener: number, address: string, port: number, failure: SendFailure): void {
    for (const thread of this.#threads) thread.unreachable(listener, address, port, failure);
  }

  connectionClosed(connection: number): void {
    for (const member of this.#members) member.connectionClosed(connection);
  }

  /**
   * Answers go to the worker whose number the hop-by-hop identifier carries, requests to the one whose session they name, or
   * to whoever takes new calls.
   */
  diameter(message: Buffer): void {
    if (message.length < 20) return;
    this.#members[this.#workerFor(message)]?.diameter(message);
  }

  diameterFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void {
    this.#members[workerOf(hopByHop)]?.diameterFailed(hopByHop, reason);
  }

  peerRestarted(host: string): void {
    for (const member of this.#members) member.peerRestarted(host);
  }

  isEmpty(): boolean {
    for (let i = 0; i < this.#threads.length; i++) if (!this.#threads[i]!.reader.empty) return false;
    return true;
  }

  drain(): number {
    this.#drained = 0;
    if (!this.isEmpty()) gatherSends(this.#drainAll);
    return this.#drained;
  }

  /** What a dead thread has left goes to the others, or waits for its successor. */
  #handAnew({ sip, diameter }: Leftovers): void {
    this.beginBatch(this.#options.nowMs());
    for (const { text, flow } of sip) this.sip(text, flow);
    for (const message of diameter) this.diameter(message);
    this.endBatch();
  }

  #readAll(): void {
    for (let i = 0; i < this.#threads.length; i++) {
      const thread = this.#threads[i]!;
      this.#drained += thread.reader.read(thread, framesPerDrain);
    }
  }

  #workerFor(message: Buffer): number {
    if (!isDiameterRequest(message, 0, message.length)) return workerOf(message.readUInt32BE(12));
    if (this.#loop === null) return 0;
    const owner = this.#options.ownerOfRequest?.(message) ?? -1;
    return owner >= 0 ? owner : this.#choose();
  }

  /** Who takes a new call: the reading thread while it has time, else a thread that is not behind, else either. */
  #choose(): number {
    if (this.#reader?.takesNext()) return 0;
    const chosen = leastBacklogged(this.#threads, this.#lastChosen);
    this.#lastChosen = chosen;
    if (this.#reader === null) return chosen;
    const thread = this.#threads[chosen];
    if (thread === undefined || !thread.takesCalls) return 0;
    return thread.isBehind && !this.#reader.isBehind ? 0 : chosen + 1;
  }

  #at(worker: number): PoolMember {
    const found = this.#members[worker];
    if (!found) throw new RangeError(`there is no worker ${worker}`);
    return found;
  }
}

/** What each thread is started with; `first`: the number of the first one. */
function threadData(
  { descriptors }: TransportSide,
  {
    module,
    config,
    workers,
    ringBytes = defaultRingBytes,
    coalesce = false,
    intake = {},
    associations,
  }: WorkersOptions,
  shared: Pick<ThreadData, 'seed' | 'buckets' | 'bells'>,
  first: number,
): ThreadData[] {
  const numbers = Array.from({ length: workers }, (_, i) => i);
  // peerRings[from][to]; what the reading thread and the others say to each other goes by the rings they have anyway.
  const peerRings = numbers.map((from) =>
    numbers.map((to) => (from === to || from < first || to < first ? null : createRing(peerRingBytes))),
  );
  return numbers.slice(first).map((worker) => ({
    ...shared,
    module,
    worker,
    workers,
    config,
    fromMain: createRing(ringBytes),
    toMain: createRing(ringBytes),
    fromWorkers: peerRings.map((rings) => rings[worker]!),
    toWorkers: peerRings[worker]!,
    coalesce,
    descriptors,
    intake,
    load: createLoad(),
    hasAssociations: associations != null,
  }));
}
