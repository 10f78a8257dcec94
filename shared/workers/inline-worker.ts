import type { Flow, Target } from '#sip/transport/flow';
import { gatherSends } from '#sip/transport/native-sender';
import type { Crew } from './crew.ts';
import { type BucketTable, WorkerOwnership } from './dispatch.ts';
import { isOfWorkerSide } from './fault-place.ts';
import type { SipFrame } from './frame-codec.ts';
import type { DiameterRoute, SendFailure, TransportPort } from './frame-link.ts';
import { defaultIntake, Intake } from './intake.ts';
import { shedOrder } from './overload.ts';
import type { PoolMember } from './pool-member.ts';
import type { Leftovers } from './pooled-worker.ts';
import { ReaderShare } from './reader-share.ts';
import type { RefusedRequests } from './refused-requests.ts';
import type { WorkerUse } from './scaling.ts';
import type { TransportSide } from './transport-side.ts';
import type { WorkerCounts, WorkersOptions } from './worker-control.ts';
import type { WorkerInstance, WorkerModule } from './worker-module.ts';

const worker = 0;
/** A worker side that comes to harm again this soon is not made anew: it would never end. */
const quickFaultMs = 1_000;
/** Messages that wait while the worker side is made anew. */
const mostWaiting = 4_096;

/** How a worker reaches the others. */
export type PassOn = (from: number, to: number, kind: number, payload: string) => void;

/** What the worker beside the sockets works with. */
export interface InlineGround {
  readonly side: TransportSide;
  readonly options: WorkersOptions;
  readonly table: BucketTable;
  readonly refused: RefusedRequests;
  readonly seed: number;
  readonly crew: Crew;
  readonly passOn: PassOn;
  /** Gets what waited when the worker side was made anew. */
  readonly rescue: (left: Leftovers) => void;
}

/**
 * The worker on the main thread, beside the sockets: plain calls both ways. It has the number 0. An exception of its
 * procedures that nobody caught replaces all but the sockets and the store: see `recover`.
 */
export class InlineWorker implements PoolMember {
  readonly #ground: InlineGround;
  readonly #side: TransportSide;
  readonly #options: WorkersOptions;
  readonly #table: BucketTable;
  /** What a worker side leaves to the next one. */
  readonly #kept = new Map<string, unknown>();
  readonly #share = new ReaderShare();
  readonly #drainAgain = (): void => gatherSends(this.#drain);
  #inbox: WorkerInstance | undefined;
  #intake: Intake | undefined;
  #draining = false;
  #heard: { readonly from: number; readonly kind: number; readonly payload: string }[] = [];
  #messages = 0;
  #restarts = 0;
  #shedBefore = 0;
  #startedMs = 0;
  /** What has come while there is no worker side. */
  #waiting: SipFrame[] = [];
  #retire = (): void => {};
  #lastLook = performance.eventLoopUtilization();
  #lastUse = performance.eventLoopUtilization();

  constructor(ground: InlineGround) {
    this.#ground = ground;
    this.#side = ground.side;
    this.#options = ground.options;
    this.#table = ground.table;
  }

  async start(): Promise<void> {
    const { module, config, intake, nowMs } = this.#options;
    const { crew, seed, refused } = this.#ground;
    const { createInbox } = (await import(module)) as WorkerModule;
    const ownership = new WorkerOwnership(this.#table, worker);
    const way = { isOpen: true };
    this.#retire = () => {
      way.isOpen = false;
      ownership.retire();
    };
    const context = { worker, crew, config, kept: this.#kept };
    const inbox = await createInbox(this.#port(way), ownership, context);
    const port = {
      send: (text: string, target: Target) => this.#side.sip(text, target, worker, 0),
      release: (bucket: number) => this.#table.release(bucket, worker),
      nowMs,
    };
    this.#intake = new Intake(inbox, port, { ...defaultIntake, ...intake }, seed, refused);
    inbox.connectIntake?.(this.#intake);
    this.#inbox = inbox;
    this.#startedMs = nowMs();
  }

  async stop(): Promise<void> {
    this.beginBatch(this.#options.nowMs());
    this.#intake?.drainAll();
    this.#inbox?.endBatch();
    this.#intake = undefined;
    await this.#inbox?.stop?.();
    this.#inbox = undefined;
  }

  get alive(): boolean {
    return this.#inbox !== undefined;
  }

  get takesCalls(): boolean {
    return this.alive && !this.isBehind;
  }

  get isBehind(): boolean {
    return this.backlog > 0;
  }

  get backlog(): number {
    return this.#intake?.queue.octets ?? 0;
  }

  /** Whether the next new call stays on this thread though others could take it. */
  takesNext(): boolean {
    return this.takesCalls && this.#share.take();
  }

  beginBatch(nowMs: number, freshTurn = false): void {
    this.#inbox?.beginBatch(nowMs);
    this.#intake?.begin(nowMs, freshTurn);
    if (this.#heard.length > 0) this.#deliverHeard();
  }

  endBatch(): void {
    const intake = this.#intake;
    intake?.end();
    this.#inbox?.endBatch();
    if (intake === undefined || intake.queue.size === 0 || this.#draining) return;
    // What waits has its turns between those of the sockets, timers and peers.
    this.#draining = true;
    setImmediate(this.#drainAgain);
  }

  /** Never: what it has no time for waits in its intake, which refuses what would wait too long. */
  sheds(): boolean {
    return false;
  }

  hand(text: string, flow: Flow, bucket: number): void {
    this.#messages++;
    if (this.#intake !== undefined) this.#intake.sip(text, flow, bucket);
    else this.#keep(text, flow, bucket);
  }

  sendFailed(token: number, failure: SendFailure): void {
    this.#inbox?.sendFailed(token, failure);
  }

  /** Its datagrams leave by the transport side, which tells of failures by their tokens. */
  unreachable(): void {}

  connectionClosed(connection: number): void {
    this.#inbox?.connectionClosed(connection);
  }

  diameter(message: Buffer): void {
    this.#inbox?.diameter(message);
  }

  diameterFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void {
    this.#inbox?.diameterFailed(hopByHop, reason);
  }

  peerRestarted(host: string): void {
    this.#inbox?.peerRestarted(host);
  }

  /** Delivered with the next batch, never from inside a procedure. */
  workerMessage(from: number, kind: number, payload: string): void {
    if (this.#heard.push({ from, kind, payload }) > 1) return;
    setImmediate(() => {
      if (this.#heard.length === 0) return;
      this.beginBatch(this.#options.nowMs());
      this.endBatch();
    });
  }

  look(): void {
    const now = performance.eventLoopUtilization();
    this.#share.note(performance.eventLoopUtilization(now, this.#lastLook).utilization);
    this.#lastLook = now;
  }

  counts(): WorkerCounts {
    const state = this.alive ? 'serving' : 'ended';
    const shed = this.#shedBefore + (this.#intake?.shed ?? 0);
    const restarts = this.#restarts;
    return { messages: this.#messages, shed, dropped: 0, restarts, backlogBytes: this.backlog, state };
  }

  use(nowMs: number): WorkerUse {
    const at = performance.eventLoopUtilization();
    const busy = performance.eventLoopUtilization(at, this.#lastUse).utilization;
    this.#lastUse = at;
    return { busy, delayMs: this.isBehind ? this.#intake!.queue.delayMs(shedOrder.initial, nowMs) : 0 };
  }

  /**
   * Hears of an exception that nobody caught. If it came from this worker's procedures, all of the worker side is made
   * anew on this thread, as the successor of a dead thread would be; what waited is not lost. Gives false where it did
   * not, or where the last worker side had only begun.
   */
  recover(error: unknown): boolean {
    const { module, nowMs, onCrash } = this.#options;
    if (!this.alive || nowMs() - this.#startedMs < quickFaultMs || !isOfWorkerSide(error, module)) return false;
    onCrash?.(worker, error as Error);
    this.#restarts++;
    this.#takeApart();
    void this.#makeAnew();
    return true;
  }

  async ask(request: unknown): Promise<unknown> {
    return this.#inbox?.control?.(request);
  }

  trigger(what: 'crash' | 'busy', ms: number): void {
    setImmediate(() => {
      if (what === 'crash') throw new Error('process ended by the test trigger');
      const until = performance.now() + ms;
      while (performance.now() < until);
    });
  }

  /** Ends the worker side; what it would still do, as answers to what it asked come in, reaches nobody. */
  #takeApart(): void {
    const inbox = this.#inbox!;
    const intake = this.#intake!;
    this.#inbox = undefined;
    this.#intake = undefined;
    this.#shedBefore += intake.shed;
    for (let next = intake.queue.take(); next !== null; next = intake.queue.take())
      this.#keep(next.text, next.flow, next.bucket);
    try {
      inbox.endBatch();
      void inbox.stop?.();
    } catch (error) {
      this.#options.onCrash?.(worker, error as Error);
    }
    this.#retire();
    this.#table.freeAll(worker);
  }

  /** An error here is one that nobody catches: the process ends. */
  async #makeAnew(): Promise<void> {
    await this.start();
    const sip = this.#waiting;
    this.#waiting = [];
    this.#ground.rescue({ sip, diameter: [] });
  }

  #keep(text: string, flow: Flow, bucket: number): void {
    if (bucket >= 0) this.#table.release(bucket, worker);
    if (this.#waiting.length < mostWaiting) this.#waiting.push({ text, flow, bucket: -1 });
  }

  /** `way`: closed when the worker side that sends by it is no more. */
  #port(way: { readonly isOpen: boolean }): TransportPort {
    const side = this.#side;
    const { passOn } = this.#ground;
    return {
      sip: (text: string, target: Target, token: number) => {
        if (way.isOpen) side.sip(text, target, worker, token);
      },
      closeConnection: (connection: number) => {
        if (way.isOpen) side.closeConnection(connection);
      },
      holdConnection: (connection: number, held: boolean) => {
        if (way.isOpen) side.holdConnection(connection, held);
      },
      diameterRequest: (message: Buffer, route: DiameterRoute) => {
        if (way.isOpen) side.diameterRequest(message, route);
      },
      diameterAnswer: (message: Buffer) => {
        if (way.isOpen) side.diameterAnswer(message);
      },
      worker: (to: number, kind: number, payload: string) => {
        if (way.isOpen) passOn(worker, to, kind, payload);
      },
      associations: this.#options.associations ?? null,
    };
  }

  readonly #drain = (): void => {
    this.#draining = false;
    this.beginBatch(this.#options.nowMs(), true);
    this.#intake?.drain();
    this.endBatch();
  };

  #deliverHeard(): void {
    const heard = this.#heard;
    this.#heard = [];
    for (const { from, kind, payload } of heard) this.#inbox?.workerMessage(from, kind, payload);
  }
}
