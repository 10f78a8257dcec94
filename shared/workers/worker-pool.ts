import { randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { workerOf } from '#diameter/hop-by-hop';
import type { Flow } from '#sip/transport/flow';
import { gatherSends } from '#sip/transport/native-udp';
import { BucketTable, createBuckets, leastBacklogged, type WorkerLoad } from './dispatch.ts';
import { createBells, Doorbell, type Drain, DrainLoop } from './doorbell.ts';
import {
  copyPayload,
  decodeDiameterRequest,
  decodeSendSip,
  encodeConnection,
  encodeDiameter,
  encodeDiameterFailed,
  encodeSendFailed,
  encodeSip,
  frameKind,
} from './frame-codec.ts';
import type { SendFailure } from './frame-link.ts';
import { FrameQueue } from './frame-queue.ts';
import { createRing, type FrameVisitor, RingReader } from './frame-ring.ts';
import { startInline } from './inline-worker.ts';
import { isShed, overloadRefusal, shedOrderOf } from './overload.ts';
import type { FrameSink, TransportSide } from './transport-side.ts';
import type { ThreadData, ThreadOrder, ThreadReport } from './worker-thread.ts';

export interface WorkersOptions {
  /** 1: inline on this thread; 2 to 64: that many worker threads. */
  readonly workers: number;
  /** URL of the module that exports `createInbox`. */
  readonly module: string;
  /** Given to each worker; plain data when there are several. */
  readonly config: unknown;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  readonly ringBytes?: number;
  /** Fetch frames by a 1 ms timer while busy instead of one wake each; default true. */
  readonly coalesce?: boolean;
  /** A worker thread has ended though it was not told to; it is being replaced. */
  readonly onCrash?: (worker: number, error: Error) => void;
}

export interface WorkerCounts {
  /** SIP messages handed to this worker. */
  readonly messages: number;
  /** SIP messages answered 503 or dropped because its queue was full. */
  readonly shed: number;
  /** Frames lost because not even the list behind the ring had room. */
  readonly dropped: number;
  readonly restarts: number;
  readonly backlogBytes: number;
  readonly state: 'starting' | 'serving' | 'busy' | 'ended';
}

/** The worker side as the daemon sees it, whatever the number of workers. */
export interface Workers {
  readonly size: number;
  counts(worker: number): WorkerCounts;
  /** Asks a worker's `control`; rejects with its error or after the timeout. */
  ask(worker: number, request: unknown, timeoutMs?: number): Promise<unknown>;
  /** For tests of resilience, only where CSCF_TEST_TRIGGER is 1: ends a worker, or keeps it busy. False: not enabled. */
  trigger(worker: number, what: 'crash' | 'busy', ms?: number): boolean;
  /** Lets the workers finish what they have been handed (at most `drainMs`) and ends them. */
  stop(drainMs?: number): Promise<void>;
}

const defaultRingBytes = 2 * 1024 * 1024;
const peerRingBytes = 256 * 1024;
const framesPerDrain = 256;
/** A worker that has taken nothing of its queue for this long gets no new calls. */
const stalledMs = 250;
const watchMs = 50;
/** A thread that dies this soon, twice running, is started again after a pause. */
const quickDeathMs = 1_000;
const respawnPauseMs = 1_000;
const askTimeoutMs = 5_000;
/** Fill from which on a message is looked at for shedding. */
const shedFromFill = 0.5;

/** Starts the worker side behind a transport side, and waits until every worker serves. */
export function startWorkers(side: TransportSide, options: WorkersOptions): Promise<Workers> {
  return options.workers === 1 ? startInline(side, options) : startPool(side, options);
}

async function startPool(side: TransportSide, options: WorkersOptions): Promise<Workers> {
  if (options.workers < 2 || options.workers > 64)
    throw new RangeError(`${options.workers} workers: 1 to 64 are possible`);
  const pool = new WorkerPool(side, options);
  side.attach(pool);
  await pool.start();
  return pool;
}

/** Worker threads behind rings: dispatches by Call-ID, replaces what dies, sheds what a full queue has no room for. */
class WorkerPool implements FrameSink, Workers, Drain {
  readonly size: number;
  readonly table: BucketTable;
  readonly #side: TransportSide;
  readonly #options: WorkersOptions;
  readonly #workers: PooledWorker[] = [];
  readonly #loop: DrainLoop;
  readonly #drainAll = (): void => this.#readAll();
  #lastChosen = -1;
  #watch: NodeJS.Timeout | undefined;
  #drained = 0;

  constructor(side: TransportSide, options: WorkersOptions) {
    this.#side = side;
    this.#options = options;
    this.size = options.workers;
    const seed = randomBytes(4).readInt32LE();
    const buckets = createBuckets();
    const bells = createBells(this.size + 1);
    this.table = new BucketTable(buckets, seed);
    const numbers = Array.from({ length: this.size }, (_, i) => i);
    // peerRings[from][to]
    const peerRings = numbers.map((from) => numbers.map((to) => (from === to ? null : createRing(peerRingBytes))));
    const coalesce = options.coalesce ?? true;
    for (const worker of numbers) {
      const data: ThreadData = {
        module: options.module,
        worker,
        workers: this.size,
        config: options.config,
        seed,
        buckets,
        bells,
        fromMain: createRing(options.ringBytes ?? defaultRingBytes),
        toMain: createRing(options.ringBytes ?? defaultRingBytes),
        fromWorkers: peerRings.map((rings) => rings[worker]!),
        toWorkers: peerRings[worker]!,
        coalesce,
      };
      this.#workers.push(new PooledWorker(data, side, this.table, options));
    }
    this.#loop = new DrainLoop(new Doorbell(bells, 0), this, coalesce);
  }

  async start(): Promise<void> {
    this.#loop.start();
    await Promise.all(this.#workers.map((worker) => worker.spawn()));
    this.#watch = setInterval(() => {
      const now = this.#options.nowMs();
      for (const worker of this.#workers) worker.look(now);
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
    this.#at(worker).order(what === 'crash' ? { order: 'crash' } : { order: 'busy', ms });
    return true;
  }

  async stop(drainMs = 2_000): Promise<void> {
    clearInterval(this.#watch);
    await Promise.all(this.#workers.map((worker) => worker.stop(drainMs)));
    while (!this.isEmpty()) this.drain();
    this.#loop.stop();
  }

  beginBatch(): void {}

  endBatch(): void {
    for (let i = 0; i < this.#workers.length; i++) this.#workers[i]!.queue.flush();
  }

  sip(text: string, flow: Flow): void {
    const bucket = this.table.bucketOfMessage(text);
    const owner = bucket < 0 ? -1 : this.table.ownerOfBucket(bucket);
    const chosen = owner >= 0 ? owner : this.#choose();
    const worker = this.#workers[chosen];
    if (!worker) return;
    const { fill } = worker.queue;
    if (fill >= shedFromFill && isShed(shedOrderOf(text), fill)) {
      worker.shed++;
      const refusal = overloadRefusal(text, flow);
      if (refusal !== null) this.#side.sip(refusal.text, refusal.target, 0, 0);
      return;
    }
    if (bucket < 0) worker.hand(text, flow, -1);
    // A worker may have claimed the bucket for a call of its own since we looked.
    else this.#workers[this.table.take(bucket, chosen)]!.hand(text, flow, bucket);
  }

  sendFailed(worker: number, token: number, failure: SendFailure): void {
    const { queue } = this.#at(worker);
    encodeSendFailed(queue, token, failure);
  }

  connectionClosed(connection: number): void {
    for (const { queue } of this.#workers) encodeConnection(queue, frameKind.connectionClosed, connection);
  }

  /** Answers go to the worker whose number the hop-by-hop identifier carries, requests to whoever has least to do. */
  diameter(message: Buffer): void {
    if (message.length < 20) return;
    const isRequest = (message[4]! & 0x80) !== 0;
    const worker = this.#workers[isRequest ? this.#choose() : workerOf(message.readUInt32BE(12))];
    if (worker) encodeDiameter(worker.queue, frameKind.diameter, message);
  }

  diameterFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void {
    const worker = this.#workers[workerOf(hopByHop)];
    if (worker) encodeDiameterFailed(worker.queue, hopByHop, reason);
  }

  isEmpty(): boolean {
    for (let i = 0; i < this.#workers.length; i++) if (!this.#workers[i]!.reader.empty) return false;
    return true;
  }

  drain(): number {
    this.#drained = 0;
    if (!this.isEmpty()) gatherSends(this.#drainAll);
    return this.#drained;
  }

  #readAll(): void {
    for (let i = 0; i < this.#workers.length; i++) {
      const worker = this.#workers[i]!;
      this.#drained += worker.reader.read(worker, framesPerDrain);
    }
  }

  #choose(): number {
    const chosen = leastBacklogged(this.#workers, this.#lastChosen);
    if (chosen >= 0) this.#lastChosen = chosen;
    return chosen;
  }

  #at(worker: number): PooledWorker {
    const found = this.#workers[worker];
    if (!found) throw new RangeError(`there is no worker ${worker}`);
    return found;
  }
}

interface Question {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** One worker thread and its successors: starting, serving (busy or not), ended. */
class PooledWorker implements FrameVisitor, WorkerLoad {
  readonly queue: FrameQueue;
  readonly reader: RingReader;
  shed = 0;
  #messages = 0;
  #restarts = 0;
  readonly #data: ThreadData;
  readonly #side: TransportSide;
  readonly #table: BucketTable;
  readonly #options: WorkersOptions;
  readonly #questions = new Map<number, Question>();
  #lastQuestion = 0;
  #thread: Worker | undefined;
  #state: 'starting' | 'serving' | 'ended' = 'ended';
  #stopping = false;
  #startedMs = 0;
  #quickDeaths = 0;
  #progress = 0;
  #movedMs = 0;
  #stalled = false;
  #respawn: NodeJS.Timeout | undefined;

  constructor(data: ThreadData, side: TransportSide, table: BucketTable, options: WorkersOptions) {
    this.#data = data;
    this.#side = side;
    this.#table = table;
    this.#options = options;
    this.queue = new FrameQueue(data.fromMain, new Doorbell(data.bells, data.worker + 1));
    this.reader = new RingReader(data.toMain);
  }

  get alive(): boolean {
    return this.#state === 'serving';
  }

  get takesCalls(): boolean {
    return this.#state === 'serving' && !this.#stalled;
  }

  get backlog(): number {
    return this.queue.backlog;
  }

  /** Starts the thread; fulfilled when it serves, rejected when it ends before that. */
  spawn(): Promise<void> {
    this.#state = 'starting';
    this.#startedMs = this.#options.nowMs();
    const thread = new Worker(new URL('./worker-thread.ts', import.meta.url), {
      workerData: this.#data,
      name: `worker-${this.#data.worker}`,
    });
    this.#thread = thread;
    return new Promise((resolve, reject) => {
      let failure: Error | undefined;
      thread.on('message', (message: ThreadReport) => {
        if (message.report === 'answer') this.#answered(message);
        else {
          this.#state = 'serving';
          this.#stalled = false;
          this.#movedMs = this.#options.nowMs();
          resolve();
        }
      });
      thread.on('error', (error) => {
        failure = error as Error;
      });
      thread.on('exit', (code) => {
        const began = this.#state === 'starting' && this.#restarts === 0;
        const error = failure ?? new Error(`worker ${this.#data.worker} ended with code ${code}`);
        this.#ended(error, began);
        reject(error);
      });
    });
  }

  hand(text: string, flow: Flow, bucket: number): void {
    if (encodeSip(this.queue, text, flow, bucket)) this.#messages++;
    else {
      this.shed++;
      if (bucket >= 0) this.#table.release(bucket, this.#data.worker);
    }
  }

  /** Notes whether the worker still takes frames. */
  look(nowMs: number): void {
    const { progress } = this.queue;
    if (progress !== this.#progress || this.queue.backlog === 0) {
      this.#progress = progress;
      this.#movedMs = nowMs;
    }
    this.#stalled = nowMs - this.#movedMs >= stalledMs;
  }

  counts(): WorkerCounts {
    return {
      messages: this.#messages,
      shed: this.shed,
      dropped: this.queue.dropped,
      restarts: this.#restarts,
      backlogBytes: this.queue.backlog,
      state: this.#state === 'serving' && this.#stalled ? 'busy' : this.#state,
    };
  }

  order(order: ThreadOrder): void {
    this.#thread?.postMessage(order);
  }

  ask(request: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#state !== 'serving') return Promise.reject(new Error(`worker ${this.#data.worker} does not serve`));
    return new Promise((resolve, reject) => {
      const id = ++this.#lastQuestion;
      const timer = setTimeout(() => {
        this.#questions.delete(id);
        reject(new Error(`worker ${this.#data.worker} did not answer in ${timeoutMs} ms`));
      }, timeoutMs);
      this.#questions.set(id, { resolve, reject, timer });
      this.order({ order: 'ask', id, request });
    });
  }

  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#respawn);
    const thread = this.#thread;
    if (!thread || this.#state === 'ended') return;
    const ended = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
    this.queue.flush();
    this.order({ order: 'stop' });
    const timer = setTimeout(() => thread.terminate(), drainMs);
    await ended;
    clearTimeout(timer);
  }

  frame(kind: number, x: number, y: number, a: number, b: number, bytes: Buffer, start: number, length: number): void {
    switch (kind) {
      case frameKind.sendSip: {
        const { text, target, token } = decodeSendSip(x, y, a, b, bytes, start, length);
        this.#side.sip(text, target, this.#data.worker, token);
        break;
      }
      case frameKind.closeConnection:
        this.#side.closeConnection(b);
        break;
      case frameKind.diameterRequest: {
        const { message, route } = decodeDiameterRequest(x, y, a, bytes, start, length);
        this.#side.diameterRequest(message, route);
        break;
      }
      case frameKind.diameterAnswer:
        this.#side.diameterAnswer(copyPayload(bytes, start, length));
        break;
    }
  }

  #answered(message: Extract<ThreadReport, { report: 'answer' }>): void {
    const question = this.#questions.get(message.id);
    if (!question) return;
    this.#questions.delete(message.id);
    clearTimeout(question.timer);
    if (message.error === null) question.resolve(message.value);
    else question.reject(new Error(message.error));
  }

  /** Frees what the dead thread held, drops what it had not handled, and starts its successor. */
  #ended(error: Error, beforeServing: boolean): void {
    this.#state = 'ended';
    this.#thread = undefined;
    this.queue.clear();
    this.queue.flush();
    new RingReader(this.#data.fromMain).discard();
    for (const ring of this.#data.fromWorkers) if (ring !== null) new RingReader(ring).discard();
    this.#table.freeAll(this.#data.worker);
    for (const { reject, timer } of this.#questions.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#questions.clear();
    // A worker that can't even start the first time is the daemon's failure, not a crash to survive.
    if (this.#stopping || beforeServing) return;
    this.#options.onCrash?.(this.#data.worker, error);
    const quick = this.#options.nowMs() - this.#startedMs < quickDeathMs;
    this.#quickDeaths = quick ? this.#quickDeaths + 1 : 0;
    this.#restarts++;
    this.#respawn = setTimeout(() => this.spawn().catch(() => {}), this.#quickDeaths > 1 ? respawnPauseMs : 0);
  }
}
