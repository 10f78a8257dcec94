import type { Flow, Target } from '#sip/transport/flow';
import { gatherSends } from '#sip/transport/native-sender';
import { type BucketTable, WorkerOwnership } from './dispatch.ts';
import type { DiameterRoute, SendFailure, TransportPort } from './frame-link.ts';
import { defaultIntake, Intake } from './intake.ts';
import type { PoolMember } from './pool-member.ts';
import { ReaderShare } from './reader-share.ts';
import type { TransportSide } from './transport-side.ts';
import type { WorkerCounts, WorkersOptions } from './worker-control.ts';
import type { WorkerInstance, WorkerModule } from './worker-module.ts';

const worker = 0;

/** How a worker reaches the others. */
export type PassOn = (from: number, to: number, kind: number, payload: string) => void;

/** The worker on the main thread, beside the sockets: plain calls both ways. It has the number 0. */
export class InlineWorker implements PoolMember {
  readonly #side: TransportSide;
  readonly #options: WorkersOptions;
  readonly #table: BucketTable;
  readonly #seed: number;
  readonly #passOn: PassOn;
  readonly #share = new ReaderShare();
  readonly #drainAgain = (): void => gatherSends(this.#drain);
  #inbox: WorkerInstance | undefined;
  #intake: Intake | undefined;
  #draining = false;
  #heard: { readonly from: number; readonly kind: number; readonly payload: string }[] = [];
  #messages = 0;
  #lastLook = performance.eventLoopUtilization();

  constructor(side: TransportSide, options: WorkersOptions, table: BucketTable, seed: number, passOn: PassOn) {
    this.#side = side;
    this.#options = options;
    this.#table = table;
    this.#seed = seed;
    this.#passOn = passOn;
  }

  async start(): Promise<void> {
    const { module, workers, config, intake, nowMs } = this.#options;
    const { createInbox } = (await import(module)) as WorkerModule;
    const ownership = new WorkerOwnership(this.#table, worker);
    const inbox = await createInbox(this.#port(), ownership, { worker, workers, config });
    const port = {
      send: (text: string, target: Target) => this.#side.sip(text, target, worker, 0),
      release: (bucket: number) => this.#table.release(bucket, worker),
      nowMs,
    };
    this.#intake = new Intake(inbox, port, { ...defaultIntake, ...intake }, this.#seed);
    inbox.connectIntake?.(this.#intake);
    this.#inbox = inbox;
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
    this.#intake?.sip(text, flow, bucket);
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
    const shed = this.#intake?.shed ?? 0;
    return { messages: this.#messages, shed, dropped: 0, restarts: 0, backlogBytes: this.backlog, state };
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

  #port(): TransportPort {
    const side = this.#side;
    return {
      sip: (text: string, target: Target, token: number) => side.sip(text, target, worker, token),
      closeConnection: (connection: number) => side.closeConnection(connection),
      holdConnection: (connection: number, held: boolean) => side.holdConnection(connection, held),
      diameterRequest: (message: Buffer, route: DiameterRoute) => side.diameterRequest(message, route),
      diameterAnswer: (message: Buffer) => side.diameterAnswer(message),
      worker: (to: number, kind: number, payload: string) => this.#passOn(worker, to, kind, payload),
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
