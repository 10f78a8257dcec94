import { parentPort, workerData } from 'node:worker_threads';
import { readLatin1 } from '#sip/parser/latin1';
import type { Target } from '#sip/transport/flow';
import { nativeSending } from '#sip/transport/native-library';
import { gatherSends } from '#sip/transport/native-sender';
import { AssociationClient } from './association-client.ts';
import { Crew } from './crew.ts';
import { DirectSends } from './direct-sends.ts';
import { BucketTable, WorkerOwnership } from './dispatch.ts';
import { Doorbell, type Drain, DrainLoop } from './doorbell.ts';
import {
  copyPayload,
  decodeDiameterReason,
  decodeFailure,
  decodeSendFailed,
  decodeSip,
  decodeWorkerPayload,
  encodeAssociations,
  encodeConnection,
  encodeDiameter,
  encodeDiameterRequest,
  encodeSendSip,
  encodeWorkerMessage,
  frameKind,
} from './frame-codec.ts';
import type { DiameterRoute, SendFailure, TransportPort } from './frame-link.ts';
import { FrameQueue } from './frame-queue.ts';
import { type FrameVisitor, RingReader } from './frame-ring.ts';
import { defaultIntake, Intake, type IntakeOptions } from './intake.ts';
import { IntakeLoad } from './intake-load.ts';
import { RefusedRequests } from './refused-requests.ts';
import type { WorkerInstance, WorkerModule } from './worker-module.ts';

/** What a worker thread is made with; it serves once it is told to begin. */
export interface SpareData {
  /** URL of the module that exports `createInbox`. */
  readonly module: string;
}

/** What a worker thread begins with. */
export interface ThreadData extends SpareData {
  readonly worker: number;
  /** Who else there is. */
  readonly crew: SharedArrayBuffer;
  readonly config: unknown;
  readonly seed: number;
  readonly buckets: SharedArrayBuffer;
  readonly refused: SharedArrayBuffer;
  /** Bell 0 is the main thread's, bell n + 1 that of worker n. */
  readonly bells: SharedArrayBuffer;
  readonly fromMain: SharedArrayBuffer;
  readonly toMain: SharedArrayBuffer;
  /** Rings from and to the other threads; null at the worker's own place. */
  readonly fromWorkers: readonly (SharedArrayBuffer | null)[];
  readonly toWorkers: readonly (SharedArrayBuffer | null)[];
  readonly coalesce: boolean;
  /** On which descriptors the thread may send by itself, by listener. */
  readonly descriptors: Int32Array;
  readonly intake: Partial<IntakeOptions>;
  /** What waits in the thread, for the choice of a worker; what it has shed. */
  readonly load: SharedArrayBuffer;
  /** Whether the main thread has an IPsec back end. */
  readonly hasAssociations: boolean;
}

/** What the pool says to a thread, beside the rings. */
export type ThreadOrder =
  | { readonly order: 'begin'; readonly data: ThreadData }
  | { readonly order: 'ask'; readonly id: number; readonly request: unknown }
  | { readonly order: 'stop' }
  | { readonly order: 'crash' }
  | { readonly order: 'busy'; readonly ms: number };

/** What a thread says to the pool. */
export type ThreadReport =
  | { readonly report: 'ready' }
  | { readonly report: 'answer'; readonly id: number; readonly value: unknown; readonly error: string | null };

/** Frames handled before the event loop has its turn, per ring. */
const framesPerDrain = 128;
/** A thread whose rings have not been empty for this long has more to do than it can. */
const behindMs = 30;

/** A worker's thread: drains its rings into the inbox, and writes what the inbox sends into the rings out. */
class WorkerThread implements FrameVisitor, Drain, TransportPort {
  readonly #data: ThreadData;
  readonly #crew: Crew;
  readonly #table: BucketTable;
  readonly #readers: RingReader[] = [];
  readonly #toMain: FrameQueue;
  readonly #toWorkers: (FrameQueue | null)[];
  readonly #loop: DrainLoop;
  readonly #load: IntakeLoad;
  readonly #direct: DirectSends;
  /** The back end of the main thread; null where there is none. */
  readonly associations: AssociationClient | null;
  /** One wake's work, with the datagrams it sends leaving together. */
  readonly #work = (): void => this.#handle();
  #handled = 0;
  #inbox: WorkerInstance | undefined;
  #intake: Intake | undefined;
  #own: { readonly kind: number; readonly payload: string }[] = [];
  #draining = false;
  #behindSinceMs = Number.POSITIVE_INFINITY;
  #flushing = false;
  #stopped = false;

  constructor(data: ThreadData) {
    this.#data = data;
    this.#crew = new Crew(data.crew);
    this.#table = new BucketTable(data.buckets, data.seed);
    this.#load = new IntakeLoad(data.load);
    this.#direct = new DirectSends(data.descriptors, {
      // Never from inside the send: the procedure that sends is not done yet.
      failed: (token, failure) => setImmediate(() => this.#fail(token, failure)),
      queued: () => this.#written(),
      postponed: (listener, text, address, port, token) =>
        this.#toMainThread(text, { listener, transport: 'udp', address, port, connection: 0 }, token),
    });
    this.#readers.push(new RingReader(data.fromMain));
    for (const ring of data.fromWorkers) if (ring !== null) this.#readers.push(new RingReader(ring));
    this.#toMain = new FrameQueue(data.toMain, new Doorbell(data.bells, 0));
    this.#toWorkers = data.toWorkers.map((ring, i) =>
      ring === null ? null : new FrameQueue(ring, new Doorbell(data.bells, i + 1)),
    );
    this.#loop = new DrainLoop(new Doorbell(data.bells, data.worker + 1), this, data.coalesce);
    this.associations = data.hasAssociations ? new AssociationClient((id, order) => this.#orderOf(id, order)) : null;
  }

  async start(): Promise<void> {
    const { module, worker, config, intake, seed, refused } = this.#data;
    const { createInbox } = (await import(module)) as WorkerModule;
    const ownership = new WorkerOwnership(this.#table, worker);
    this.#inbox = await createInbox(this, ownership, { worker, crew: this.#crew, config, kept: new Map() });
    const port = {
      send: (text: string, target: Target) => this.sip(text, target, 0),
      release: (bucket: number) => this.#table.release(bucket, worker),
      nowMs: () => performance.now(),
    };
    const lately = new RefusedRequests(refused, seed);
    this.#intake = new Intake(this.#inbox, port, { ...defaultIntake, ...intake }, seed, lately);
    this.#load.restart();
    this.#inbox.connectIntake?.(this.#intake);
    this.#loop.start();
  }

  async stop(): Promise<void> {
    while (!this.isEmpty()) this.drain();
    this.#loop.stop();
    // From here on nothing is committed any more.
    this.#stopped = true;
    await this.#inbox?.stop?.();
    this.associations?.stop();
    this.#flush();
  }

  ask(request: unknown): unknown {
    return this.#inbox?.control?.(request);
  }

  isEmpty(): boolean {
    if (this.#own.length > 0 || (this.#intake?.queue.size ?? 0) > 0) return false;
    for (let i = 0; i < this.#readers.length; i++) if (!this.#readers[i]!.empty) return false;
    return true;
  }

  drain(): number {
    if (this.isEmpty()) return 0;
    this.#draining = true;
    gatherSends(this.#work);
    this.#draining = false;
    this.#flush();
    return this.#handled;
  }

  #handle(): void {
    const inbox = this.#inbox!;
    const intake = this.#intake!;
    let count = this.#own.length;
    const nowMs = performance.now();
    inbox.beginBatch(nowMs);
    intake.begin(nowMs, true);
    const own = this.#own;
    this.#own = [];
    for (const { kind, payload } of own) inbox.workerMessage(this.#data.worker, kind, payload);
    count += this.#readRings(intake, nowMs);
    intake.drain();
    intake.end();
    inbox.endBatch();
    this.#load.note(intake, nowMs);
    this.#handled = count;
  }

  /**
   * Reads what this turn has time for: the rest is safe in the rings if this thread dies. One that has been behind for a
   * while takes more out, so that the intake can sort it.
   */
  #readRings(intake: Intake, nowMs: number): number {
    const isBehind = intake.queue.size > 0 || nowMs - this.#behindSinceMs >= behindMs;
    let count = 0;
    let isEmpty = true;
    for (let i = 0; i < this.#readers.length; i++) {
      const reader = this.#readers[i]!;
      const most = count + framesPerDrain;
      while (count < most && (isBehind || intake.hasTime()) && reader.read(this, 1) > 0) count++;
      if (!reader.empty) isEmpty = false;
    }
    if (isEmpty) this.#behindSinceMs = Number.POSITIVE_INFINITY;
    else if (this.#behindSinceMs === Number.POSITIVE_INFINITY) this.#behindSinceMs = nowMs;
    return count;
  }

  frame(kind: number, x: number, y: number, a: number, b: number, bytes: Buffer, start: number, length: number): void {
    const inbox = this.#inbox!;
    switch (kind) {
      case frameKind.sip: {
        const { text, flow, bucket } = decodeSip(x, y, a, b, bytes, start, length);
        this.#intake!.sip(text, flow, bucket);
        break;
      }
      case frameKind.sendFailed: {
        const { token, failure } = decodeSendFailed(x, bytes, start);
        inbox.sendFailed(token, failure);
        break;
      }
      case frameKind.unreachable:
        this.#direct.unreachable(a, readLatin1(bytes, start, start + length), y, decodeFailure(x));
        break;
      case frameKind.connectionClosed:
        inbox.connectionClosed(b);
        break;
      case frameKind.diameter:
        inbox.diameter(copyPayload(bytes, start, length));
        break;
      case frameKind.diameterFailed:
        inbox.diameterFailed(a, decodeDiameterReason(x));
        break;
      case frameKind.peerRestarted:
        inbox.peerRestarted(readLatin1(bytes, start, start + length));
        break;
      case frameKind.workerMessage:
        inbox.workerMessage(b, a, decodeWorkerPayload(bytes, start, length));
        break;
      case frameKind.associationAnswer:
        this.associations?.answered(a, decodeWorkerPayload(bytes, start, length));
        break;
    }
  }

  sip(text: string, target: Target, token: number): void {
    const { transport, listener, address, port } = target;
    if (transport === 'udp' && this.#direct.send(listener, text, address, port, token)) return;
    this.#toMainThread(text, target, token);
  }

  #toMainThread(text: string, target: Target, token: number): void {
    encodeSendSip(this.#toMain, text, target, token);
    this.#written();
  }

  #fail(token: number, failure: SendFailure): void {
    this.#inbox?.beginBatch(performance.now());
    this.#inbox?.sendFailed(token, failure);
    this.#inbox?.endBatch();
  }

  closeConnection(connection: number): void {
    encodeConnection(this.#toMain, frameKind.closeConnection, connection);
    this.#written();
  }

  holdConnection(connection: number, held: boolean): void {
    encodeConnection(this.#toMain, frameKind.holdConnection, connection, held);
    this.#written();
  }

  diameterRequest(message: Buffer, route: DiameterRoute): void {
    encodeDiameterRequest(this.#toMain, message, route);
    this.#written();
  }

  diameterAnswer(message: Buffer): void {
    encodeDiameter(this.#toMain, frameKind.diameterAnswer, message);
    this.#written();
  }

  worker(to: number, kind: number, payload: string): void {
    if (to === this.#data.worker) {
      // The loop may be asleep: an immediate looks at it.
      this.#own.push({ kind, payload });
      if (this.#own.length === 1 && !this.#draining) setImmediate(() => this.drain());
      return;
    }
    // The worker on the main thread has no rings of its own.
    const queue = this.#toWorkers[to] ?? (to === 0 ? this.#toMain : null);
    // Nobody reads what is for one that has left, until its number is given again.
    if (queue === null || !this.#crew.has(to)) return;
    encodeWorkerMessage(queue, this.#data.worker, kind, payload);
    this.#written();
  }

  #orderOf(id: number, order: string): boolean {
    const isWritten = encodeAssociations(this.#toMain, frameKind.associationOrder, id, order);
    this.#written();
    return isWritten;
  }

  /** What is sent outside a drain (timers, continuations) leaves when the loop comes round. */
  #written(): void {
    if (this.#draining || this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      // What a continuation has stored is committed before what it sent leaves: the answer may reach another worker.
      if (!this.#stopped) this.#inbox?.endBatch();
      this.#flush();
    });
  }

  #flush(): void {
    this.#direct.flush();
    this.#toMain.flush();
    for (let i = 0; i < this.#toWorkers.length; i++) this.#toWorkers[i]?.flush();
  }
}

/** Loads what the worker of this thread needs, and runs it from when the pool says so until the pool stops it. */
async function runThread(spare: SpareData): Promise<void> {
  let thread: WorkerThread | undefined;
  const report = (message: ThreadReport) => parentPort?.postMessage(message);
  parentPort?.on('message', async (order: ThreadOrder) => {
    switch (order.order) {
      case 'begin':
        thread = new WorkerThread(order.data);
        await thread.start();
        report({ report: 'ready' });
        break;
      case 'ask':
        try {
          report({ report: 'answer', id: order.id, value: await thread?.ask(order.request), error: null });
        } catch (error) {
          report({ report: 'answer', id: order.id, value: undefined, error: String(error) });
        }
        break;
      case 'stop':
        await thread?.stop();
        process.exit(0);
        break;
      case 'crash':
        setImmediate(() => {
          throw new Error('worker ended by the test trigger');
        });
        break;
      case 'busy': {
        const until = performance.now() + order.ms;
        while (performance.now() < until);
        break;
      }
    }
  });
  const { prepare } = (await import(spare.module)) as WorkerModule;
  nativeSending();
  await prepare?.();
}

await runThread(workerData as SpareData);
