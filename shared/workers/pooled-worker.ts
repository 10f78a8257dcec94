import type { EventLoopUtilization } from 'node:perf_hooks';
import type { Worker } from 'node:worker_threads';
import type { Flow } from '#sip/transport/flow';
import { serveAssociations } from './association-service.ts';
import type { BucketTable } from './dispatch.ts';
import { Doorbell } from './doorbell.ts';
import {
  copyPayload,
  decodeDiameterRequest,
  decodeSendSip,
  decodeSip,
  decodeWorkerPayload,
  encodeAssociations,
  encodeConnection,
  encodeDiameter,
  encodeDiameterFailed,
  encodePeerRestarted,
  encodeSendFailed,
  encodeSip,
  encodeUnreachable,
  encodeWorkerMessage,
  frameKind,
  isDiameterRequest,
  type SipFrame,
} from './frame-codec.ts';
import type { SendFailure } from './frame-link.ts';
import { FrameQueue } from './frame-queue.ts';
import { type FrameVisitor, RingReader } from './frame-ring.ts';
import { HeadScan } from './head-scan.ts';
import type { PassOn } from './inline-worker.ts';
import { IntakeLoad } from './intake-load.ts';
import { isShed, overloadRefusal, refusalMark, shedOrder, shedOrderOf } from './overload.ts';
import type { PoolMember } from './pool-member.ts';
import type { RefusedRequests } from './refused-requests.ts';
import type { WorkerUse } from './scaling.ts';
import type { SpareThread } from './spare-thread.ts';
import type { TransportSide } from './transport-side.ts';
import type { WorkerCounts, WorkersOptions } from './worker-control.ts';
import type { ThreadData, ThreadOrder, ThreadReport } from './worker-thread.ts';

/** A worker that has taken nothing of its queue, or left a question unanswered, for this long gets no new calls. */
const stalledMs = 250;
/** Fill of the ring from which on a message is looked at for shedding. */
const shedFromFill = 0.5;
/** A thread that dies this soon, twice running, is started again after a pause. */
const quickDeathMs = 1_000;
const respawnPauseMs = 1_000;

/** What a dead worker had not begun to handle. */
export interface Leftovers {
  readonly sip: readonly SipFrame[];
  /** Diameter requests; answers belong to nobody now. */
  readonly diameter: readonly Buffer[];
}

/** What the threads of a pool work with. */
export interface PoolGround {
  readonly side: TransportSide;
  readonly table: BucketTable;
  readonly refused: RefusedRequests;
  readonly options: WorkersOptions;
  readonly passOn: PassOn;
  readonly spare: SpareThread;
  /** Gets what a thread that has ended leaves behind. */
  readonly rescue: (left: Leftovers) => void;
}

interface Question {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * One worker thread and its successors: starting, serving (busy, leaving or neither), ended. It sheds by its own intake;
 * here only what a full ring has no room for.
 */
export class PooledWorker implements FrameVisitor, PoolMember {
  readonly queue: FrameQueue;
  readonly reader: RingReader;
  readonly #mark: string;
  #shed = 0;
  readonly #load: IntakeLoad;
  #messages = 0;
  #restarts = 0;
  readonly #data: ThreadData;
  readonly #side: TransportSide;
  readonly #table: BucketTable;
  readonly #refused: RefusedRequests;
  readonly #scan = new HeadScan();
  readonly #options: WorkersOptions;
  readonly #passOn: PassOn;
  readonly #rescue: (left: Leftovers) => void;
  readonly #spare: SpareThread;
  readonly #questions = new Map<number, Question>();
  #lastQuestion = 0;
  #thread: Worker | undefined;
  #state: 'starting' | 'serving' | 'ended' = 'ended';
  #stopping = false;
  #leaving = false;
  /** Whether it has served since it joined. */
  #served = false;
  #startedMs = 0;
  #quickDeaths = 0;
  #progress = 0;
  #movedMs = 0;
  /** Since when a question waits: without frames in its queue nothing else tells that it is busy. -1: none does. */
  #askedMs = -1;
  #stalled = false;
  #respawn: NodeJS.Timeout | undefined;
  #lastUse: { readonly thread: Worker; readonly at: EventLoopUtilization } | null = null;

  constructor(data: ThreadData, { side, table, refused, options, passOn, spare, rescue }: PoolGround) {
    this.#data = data;
    this.#spare = spare;
    this.#mark = refusalMark(data.seed);
    this.#passOn = passOn;
    this.#rescue = rescue;
    this.#side = side;
    this.#table = table;
    this.#refused = refused;
    this.#options = options;
    this.queue = new FrameQueue(data.fromMain, new Doorbell(data.bells, data.worker + 1));
    this.reader = new RingReader(data.toMain);
    this.#load = new IntakeLoad(data.load);
  }

  get number(): number {
    return this.#data.worker;
  }

  /** One that leaves is as good as gone for who looks for a worker. */
  get alive(): boolean {
    return this.#state !== 'ended' && !this.#leaving;
  }

  get takesCalls(): boolean {
    return this.#state === 'serving' && !this.#stalled && !this.#leaving;
  }

  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  get backlog(): number {
    return this.queue.backlog + this.#load.octets;
  }

  get isBehind(): boolean {
    return this.#load.octets > 0 || this.queue.fill >= shedFromFill;
  }

  /** Joins the pool; fulfilled when it serves, rejected when its thread ends before that. */
  start(): Promise<void> {
    this.#stopping = false;
    this.#leaving = false;
    this.#served = false;
    return this.#begin();
  }

  /** From now on it gets only what belongs to its calls. */
  leave(): void {
    this.#leaving = true;
  }

  /** It stays after all. */
  rejoin(): void {
    this.#leaving = false;
  }

  #begin(): Promise<void> {
    this.#state = 'starting';
    this.#startedMs = this.#options.nowMs();
    const thread = this.#spare.take();
    this.#thread = thread;
    const { threadId } = thread;
    thread.postMessage({ order: 'begin', data: this.#data } satisfies ThreadOrder);
    return new Promise((resolve, reject) => {
      let failure: Error | undefined;
      thread.on('message', (message: ThreadReport) => {
        if (message.report === 'answer') this.#answered(message);
        else {
          this.#state = 'serving';
          this.#served = true;
          this.#stalled = false;
          this.#askedMs = -1;
          this.#movedMs = this.#options.nowMs();
          resolve();
        }
      });
      thread.on('error', (error) => {
        failure = error as Error;
      });
      thread.on('exit', (code) => {
        this.#options.onThreadExit?.(threadId);
        const words = `worker ${this.#data.worker} ended with code ${code}`;
        const error = failure ?? Object.assign(new Error(words), { code: 'ERR_WORKER_ENDED' });
        this.#ended(error, !this.#served);
        reject(error);
      });
    });
  }

  beginBatch(): void {}

  endBatch(): void {
    this.queue.flush();
  }

  sheds(text: string, flow: Flow, isOwned: boolean): boolean {
    const { fill } = this.queue;
    if (fill < shedFromFill || !isShed(this.#orderOf(text), fill)) return false;
    this.#shed++;
    // What lives of its Call-ID may be this very request: then its copy is lost, as the network may lose it.
    if (flow.transport === 'udp' && isOwned) return true;
    // This thread does not know the associations of UEs: their server port answers, which they take.
    const toSource = this.#side.isProtected(flow.listener);
    const refusal = overloadRefusal(text, flow, this.#mark, toSource, this.#scan);
    if (refusal === null) return true;
    this.#refused.note(this.#scan, this.#options.nowMs());
    this.#side.sip(refusal.text, refusal.target, 0, 0);
    return true;
  }

  #orderOf(text: string): number {
    const order = shedOrderOf(text, this.#scan);
    return order === shedOrder.initial && this.#options.isUrgent?.(text) === true ? shedOrder.never : order;
  }

  hand(text: string, flow: Flow, bucket: number): void {
    if (encodeSip(this.queue, text, flow, bucket)) this.#messages++;
    else {
      this.#shed++;
      if (bucket >= 0) this.#table.release(bucket, this.#data.worker);
    }
  }

  sendFailed(token: number, failure: SendFailure): void {
    encodeSendFailed(this.queue, token, failure);
  }

  unreachable(listener: number, address: string, port: number, failure: SendFailure): void {
    encodeUnreachable(this.queue, listener, address, port, failure);
  }

  connectionClosed(connection: number): void {
    encodeConnection(this.queue, frameKind.connectionClosed, connection);
  }

  diameter(message: Buffer): void {
    encodeDiameter(this.queue, frameKind.diameter, message);
  }

  diameterFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void {
    encodeDiameterFailed(this.queue, hopByHop, reason);
  }

  peerRestarted(host: string): void {
    encodePeerRestarted(this.queue, host);
  }

  /** Of the worker on this thread: it leaves when the loop comes round, whatever batch is open. */
  workerMessage(from: number, kind: number, payload: string): void {
    encodeWorkerMessage(this.queue, from, kind, payload);
    setImmediate(() => this.queue.flush());
  }

  /** Notes whether the worker still takes frames. */
  look(nowMs: number): void {
    const { progress } = this.queue;
    if (progress !== this.#progress || this.queue.backlog === 0) {
      this.#progress = progress;
      this.#movedMs = nowMs;
    }
    const silent = this.#askedMs >= 0 && nowMs - this.#askedMs >= stalledMs;
    this.#stalled = silent || nowMs - this.#movedMs >= stalledMs;
  }

  counts(): WorkerCounts {
    return {
      messages: this.#messages,
      shed: this.#shed + this.#load.shed,
      dropped: this.queue.dropped,
      restarts: this.#restarts,
      backlogBytes: this.backlog,
      state: this.#shownState(),
    };
  }

  use(): WorkerUse {
    const thread = this.#thread;
    const { delayMs } = this.#load;
    if (thread === undefined) return { busy: 0, delayMs };
    const { performance } = thread;
    const at = performance.eventLoopUtilization();
    const last = this.#lastUse?.thread === thread ? this.#lastUse.at : undefined;
    this.#lastUse = { thread, at };
    return { busy: performance.eventLoopUtilization(at, last).utilization, delayMs };
  }

  #shownState(): WorkerCounts['state'] {
    if (this.#state !== 'serving') return this.#state;
    if (this.#leaving) return 'leaving';
    return this.#stalled ? 'busy' : 'serving';
  }

  trigger(what: 'crash' | 'busy', ms: number): void {
    this.#order(what === 'crash' ? { order: 'crash' } : { order: 'busy', ms });
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
      if (this.#askedMs < 0) this.#askedMs = this.#options.nowMs();
      this.#order({ order: 'ask', id, request });
    });
  }

  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#respawn);
    const thread = this.#thread;
    if (!thread || this.#state === 'ended') return;
    const ended = new Promise<void>((resolve) => thread.once('exit', () => resolve()));
    this.queue.flush();
    this.#order({ order: 'stop' });
    const timer = setTimeout(() => (this.#options.endThread ?? endAtOnce)(thread), drainMs);
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
      case frameKind.holdConnection:
        this.#side.holdConnection(b, x === 1);
        break;
      case frameKind.diameterRequest: {
        const { message, route } = decodeDiameterRequest(x, y, a, bytes, start, length);
        this.#side.diameterRequest(message, route);
        break;
      }
      case frameKind.diameterAnswer:
        this.#side.diameterAnswer(copyPayload(bytes, start, length));
        break;
      case frameKind.workerMessage:
        this.#passOn(this.#data.worker, 0, a, decodeWorkerPayload(bytes, start, length));
        break;
      case frameKind.associationOrder:
        this.#serveAssociations(a, decodeWorkerPayload(bytes, start, length));
        break;
    }
  }

  #serveAssociations(id: number, order: string): void {
    void serveAssociations(this.#options.associations ?? null, order, (answer) => {
      encodeAssociations(this.queue, frameKind.associationAnswer, id, answer);
      this.queue.flush();
    });
  }

  #order(order: ThreadOrder): void {
    this.#thread?.postMessage(order);
  }

  #answered(message: Extract<ThreadReport, { report: 'answer' }>): void {
    this.#askedMs = -1;
    const question = this.#questions.get(message.id);
    if (!question) return;
    this.#questions.delete(message.id);
    clearTimeout(question.timer);
    if (message.error === null) question.resolve(message.value);
    else question.reject(new Error(message.error));
  }

  /** Frees what the dead thread held, starts its successor, and gives what it had not begun to whoever serves. */
  #ended(error: Error, beforeServing: boolean): void {
    this.#state = 'ended';
    this.#thread = undefined;
    const left = this.#takeLeftovers(error);
    for (const ring of this.#data.fromWorkers) if (ring !== null) new RingReader(ring).discard();
    this.#table.freeAll(this.#data.worker);
    for (const { reject, timer } of this.#questions.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#questions.clear();
    // A worker that can't even start the first time is the daemon's failure, not a crash to survive.
    if (beforeServing) return;
    if (!this.#stopping) this.#options.onCrash?.(this.#data.worker, error);
    if (this.#stopping || this.#leaving) {
      // What came while it stopped is for others.
      this.#rescue(left);
      return;
    }
    const quick = this.#options.nowMs() - this.#startedMs < quickDeathMs;
    this.#quickDeaths = quick ? this.#quickDeaths + 1 : 0;
    this.#restarts++;
    const respawn = () => void this.#begin().catch(() => {});
    if (this.#quickDeaths > 1) this.#respawn = setTimeout(respawn, respawnPauseMs);
    else respawn();
    this.#rescue(left);
  }

  /**
   * Empties the queue. A frame counts as handled when its handling is over, so where no exception but the engine itself
   * ended the thread, the first one may be what it died of: that one goes no further.
   */
  #takeLeftovers(error: Error): Leftovers {
    const sip: SipFrame[] = [];
    const diameter: Buffer[] = [];
    let suspect = !this.#stopping && ((error as NodeJS.ErrnoException).code?.startsWith('ERR_WORKER_') ?? false);
    const reader = new RingReader(this.#data.fromMain);
    const visitor: FrameVisitor = {
      frame(kind, x, y, a, b, bytes, start, length) {
        if (suspect) suspect = false;
        else if (kind === frameKind.sip) sip.push(decodeSip(x, y, a, b, bytes, start, length));
        else if (kind === frameKind.diameter && isDiameterRequest(bytes, start, length)) {
          diameter.push(copyPayload(bytes, start, length));
        }
      },
    };
    do this.queue.flush();
    while (reader.read(visitor, Number.POSITIVE_INFINITY) > 0);
    this.queue.clear();
    return { sip, diameter };
  }
}

function endAtOnce(thread: Worker): Promise<unknown> {
  return thread.terminate();
}
