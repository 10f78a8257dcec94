import { randomBytes } from 'node:crypto';
import { workerOf } from '#diameter/hop-by-hop';
import type { Flow } from '#sip/transport/flow';
import { gatherSends } from '#sip/transport/native-sender';
import { BucketTable, createBuckets, leastBacklogged } from './dispatch.ts';
import { createBells, Doorbell, type Drain, DrainLoop } from './doorbell.ts';
import {
  encodeConnection,
  encodeDiameter,
  encodeDiameterFailed,
  encodeSendFailed,
  encodeUnreachable,
  frameKind,
  isDiameterRequest,
} from './frame-codec.ts';
import type { SendFailure } from './frame-link.ts';
import { createRing } from './frame-ring.ts';
import { startInline } from './inline-worker.ts';
import { createLoad } from './intake-load.ts';
import { isShed, overloadRefusal, refusalMark, shedOrderOf } from './overload.ts';
import { type Leftovers, PooledWorker } from './pooled-worker.ts';
import type { FrameSink, TransportSide } from './transport-side.ts';
import type { WorkerCounts, Workers, WorkersOptions } from './worker-control.ts';
import type { ThreadData } from './worker-thread.ts';

export type { Workers } from './worker-control.ts';

const defaultRingBytes = 2 * 1024 * 1024;
const peerRingBytes = 256 * 1024;
const framesPerDrain = 256;
const watchMs = 50;
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

/**
 * Worker threads behind rings: dispatches by Call-ID, replaces what dies. Each worker sheds by its own intake; here only
 * what a full ring has no room for.
 */
class WorkerPool implements FrameSink, Workers, Drain {
  readonly size: number;
  readonly table: BucketTable;
  readonly #side: TransportSide;
  readonly #options: WorkersOptions;
  readonly #workers: PooledWorker[] = [];
  readonly #mark: string;
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
    this.#mark = refusalMark(seed);
    const buckets = createBuckets();
    const bells = createBells(this.size + 1);
    this.table = new BucketTable(buckets, seed);
    const numbers = Array.from({ length: this.size }, (_, i) => i);
    // peerRings[from][to]
    const peerRings = numbers.map((from) => numbers.map((to) => (from === to ? null : createRing(peerRingBytes))));
    const coalesce = options.coalesce ?? false;
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
        descriptors: side.descriptors,
        intake: options.intake ?? {},
        load: createLoad(),
      };
      this.#workers.push(new PooledWorker(data, side, this.table, options, (left) => this.#handAnew(left)));
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
      // What lives of its Call-ID may be this very request: then its copy is lost, as the network may lose it.
      const isCopy = flow.transport === 'udp' && owner >= 0;
      const refusal = isCopy ? null : overloadRefusal(text, flow, this.#mark);
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

  unreachable(listener: number, address: string, port: number, failure: SendFailure): void {
    for (const { queue } of this.#workers) encodeUnreachable(queue, listener, address, port, failure);
  }

  connectionClosed(connection: number): void {
    for (const { queue } of this.#workers) encodeConnection(queue, frameKind.connectionClosed, connection);
  }

  /** Answers go to the worker whose number the hop-by-hop identifier carries, requests to whoever has least to do. */
  diameter(message: Buffer): void {
    if (message.length < 20) return;
    const isRequest = isDiameterRequest(message, 0, message.length);
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

  /** What a dead worker has left goes to the others, or waits for its successor. */
  #handAnew({ sip, diameter }: Leftovers): void {
    for (const { text, flow } of sip) this.sip(text, flow);
    for (const message of diameter) this.diameter(message);
    this.endBatch();
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
