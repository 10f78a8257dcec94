import { randomBytes } from 'node:crypto';
import { workerOf } from '#diameter/hop-by-hop';
import type { Flow } from '#sip/transport/flow';
import { gatherSends } from '#sip/transport/native-sender';
import { Crew, createCrew } from './crew.ts';
import { BucketTable, createBuckets, leastBacklogged } from './dispatch.ts';
import { Doorbell, type Drain, DrainLoop } from './doorbell.ts';
import { isDiameterRequest } from './frame-codec.ts';
import type { SendFailure } from './frame-link.ts';
import { InlineWorker, type PassOn } from './inline-worker.ts';
import { defaultIntake } from './intake.ts';
import type { PoolMember } from './pool-member.ts';
import { PoolScaling } from './pool-scaling.ts';
import { type Leftovers, PooledWorker } from './pooled-worker.ts';
import { createRefused, RefusedRequests } from './refused-requests.ts';
import type { ScalingRules } from './scaling.ts';
import { SpareThread } from './spare-thread.ts';
import { threadData } from './thread-data.ts';
import type { FrameSink, TransportSide } from './transport-side.ts';
import type { WorkerCounts, Workers, WorkersOptions } from './worker-control.ts';

export type { Workers } from './worker-control.ts';

const mostWorkers = 64;
const framesPerDrain = 256;
const watchMs = 50;
const askTimeoutMs = 5_000;

/**
 * Starts the worker side behind a transport side, and waits until every worker serves. Throws RangeError for a number of
 * workers that cannot be, and what their module throws.
 */
export async function startWorkers(side: TransportSide, options: WorkersOptions): Promise<Workers> {
  const { workers, scaling = fixedNumber(workers) } = options;
  for (const count of [workers, scaling.max]) {
    if (count < 1 || count > mostWorkers) throw new RangeError(`${count} workers: 1 to ${mostWorkers} are possible`);
  }
  const pool = new WorkerPool(side, options, scaling);
  await pool.start();
  side.attach(pool);
  return pool;
}

/** The number of workers stays as it is. */
function fixedNumber(workers: number): ScalingRules {
  return { min: workers, max: workers, drain: 0 };
}

/**
 * The workers of a daemon: one on the main thread beside the sockets, the others in threads behind rings; or all of them in
 * threads where the reader is to be dedicated. Dispatches by Call-ID: new calls stay with the reading thread while it
 * has time, and go to the thread with least to do beyond that. Replaces threads that die, and lets their number change.
 */
class WorkerPool implements FrameSink, Workers, Drain {
  readonly #options: WorkersOptions;
  readonly #table: BucketTable;
  readonly #crew: Crew;
  readonly #reader: InlineWorker | null;
  /** A thread for each place but the reading thread's. */
  readonly #places: readonly PooledWorker[];
  /** Those that are there. */
  #threads: readonly PooledWorker[] = [];
  /** By number; undefined where nobody is. */
  #members: readonly (PoolMember | undefined)[] = [];
  readonly #spare: SpareThread;
  readonly #scaling: PoolScaling;
  readonly #loop: DrainLoop | null;
  readonly #drainAll = (): void => this.#readAll();
  #lastChosen = -1;
  #watch: NodeJS.Timeout | undefined;
  #drained = 0;
  #stopped = false;

  constructor(side: TransportSide, options: WorkersOptions, rules: ScalingRules) {
    this.#options = options;
    const places = Math.max(rules.max, options.workers);
    const seed = randomBytes(4).readInt32LE();
    const buckets = createBuckets();
    const crew = createCrew(places);
    const refused = createRefused();
    this.#table = new BucketTable(buckets, seed);
    this.#crew = new Crew(crew);
    this.#spare = new SpareThread(options.module);
    const passOn: PassOn = (from, to, kind, payload) => this.#members[to]?.workerMessage(from, kind, payload);
    const rescue = (left: Leftovers) => this.#handAnew(left);
    const isDedicated = places > 1 && options.reader === 'dedicated';
    const lately = new RefusedRequests(refused, seed);
    const ground = { side, options, table: this.#table, refused: lately, passOn, rescue, spare: this.#spare };
    this.#reader = isDedicated ? null : new InlineWorker({ ...ground, seed, crew: this.#crew });
    const data = threadData(side, options, { seed, buckets, refused, crew }, places, isDedicated ? 0 : 1);
    this.#places = data.map((each) => new PooledWorker(each, ground));
    for (let worker = 0; worker < options.workers; worker++) this.#crew.join(worker);
    this.#crew.serve(options.workers);
    this.#gather();
    const bells = data[0]?.bells;
    this.#loop = bells === undefined ? null : new DrainLoop(new Doorbell(bells, 0), this, options.coalesce ?? false);
    this.#scaling = new PoolScaling(rules, {
      crew: this.#crew,
      table: this.#table,
      options,
      at: (worker) => this.#at(worker),
      threadAt: (worker) => this.#places[worker - (isDedicated ? 0 : 1)]!,
      changed: () => this.#gather(),
      mostDelayMs: options.intake?.delayMs ?? defaultIntake.delayMs,
    });
  }

  get numbers(): readonly number[] {
    return this.#crew.numbers;
  }

  get serving(): number {
    return this.#crew.serving;
  }

  get scaling(): ScalingRules {
    return this.#scaling.rules;
  }

  setScaling(rules: ScalingRules): void {
    this.#scaling.govern({ ...rules, max: Math.min(rules.max, this.#crew.places) });
  }

  scale(count: number): Promise<void> {
    return this.#scaling.scale(count);
  }

  recover(error: unknown): boolean {
    return !this.#stopped && (this.#reader?.recover(error) ?? false);
  }

  async start(): Promise<void> {
    this.#loop?.start();
    await Promise.all(this.#members.map((member) => member?.start()));
    if (this.#loop === null) return;
    this.#spare.prepare();
    this.#scaling.start();
    this.#watch = setInterval(() => {
      const now = this.#options.nowMs();
      for (const member of this.#members) member?.look(now);
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
    this.#stopped = true;
    this.#scaling.stop();
    await Promise.all([this.#spare.stop(), ...this.#members.map((member) => member?.stop(drainMs))]);
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
    else this.#members[this.#table.take(bucket, chosen)]?.hand(text, flow, bucket);
  }

  sendFailed(worker: number, token: number, failure: SendFailure): void {
    this.#members[worker]?.sendFailed(token, failure);
  }

  unreachable(listener: number, address: string, port: number, failure: SendFailure): void {
    for (const thread of this.#threads) thread.unreachable(listener, address, port, failure);
  }

  connectionClosed(connection: number): void {
    for (const member of this.#members) member?.connectionClosed(connection);
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
    for (const member of this.#members) member?.peerRestarted(host);
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
    if (this.#stopped) return;
    this.beginBatch(this.#options.nowMs());
    for (const { text, flow } of sip) this.sip(text, flow);
    for (const message of diameter) this.diameter(message);
    this.endBatch();
  }

  /** Who is there has changed. */
  #gather(): void {
    // What one that has left sent last goes out first.
    if (!this.isEmpty()) this.drain();
    this.#threads = this.#places.filter(({ number }) => this.#crew.has(number));
    const members: (PoolMember | undefined)[] = this.#reader === null ? [] : [this.#reader];
    for (const thread of this.#threads) members[thread.number] = thread;
    this.#members = members;
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
    return this.#crew.has(owner) ? owner : this.#choose();
  }

  /** Who takes a new call: the reading thread while it has time, else a thread that is not behind, else either. */
  #choose(): number {
    if (this.#reader?.takesNext()) return 0;
    const chosen = leastBacklogged(this.#threads, this.#lastChosen);
    this.#lastChosen = chosen;
    const thread = this.#threads[chosen];
    if (this.#reader === null) return thread?.number ?? -1;
    if (thread === undefined || !thread.takesCalls) return 0;
    return thread.isBehind && !this.#reader.isBehind ? 0 : thread.number;
  }

  #at(worker: number): PoolMember {
    const found = this.#members[worker];
    if (!found) throw new RangeError(`there is no worker ${worker}`);
    return found;
  }
}
