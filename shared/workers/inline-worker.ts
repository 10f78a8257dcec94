import { randomBytes } from 'node:crypto';
import type { Flow, Target } from '#sip/transport/flow';
import { gatherSends } from '#sip/transport/native-sender';
import { BucketTable, createBuckets, WorkerOwnership } from './dispatch.ts';
import type { DiameterRoute, SendFailure, TransportPort } from './frame-link.ts';
import { defaultIntake, Intake } from './intake.ts';
import type { FrameSink, TransportSide } from './transport-side.ts';
import type { WorkerCounts, Workers, WorkersOptions } from './worker-control.ts';
import type { WorkerInstance, WorkerModule } from './worker-module.ts';

/** Starts the one worker that shares the main thread with the transport side: plain calls both ways. */
export async function startInline(side: TransportSide, options: WorkersOptions): Promise<Workers> {
  const seed = randomBytes(4).readInt32LE();
  const worker = new InlineWorker(side, options, seed);
  const { createInbox } = (await import(options.module)) as WorkerModule;
  const ownership = new WorkerOwnership(new BucketTable(createBuckets(), seed), 0);
  worker.connect(await createInbox(worker.port, ownership, { worker: 0, workers: 1, config: options.config }));
  side.attach(worker);
  return worker;
}

class InlineWorker implements FrameSink, Workers {
  readonly size = 1;
  readonly port: TransportPort;
  readonly #side: TransportSide;
  readonly #options: WorkersOptions;
  readonly #seed: number;
  readonly #drainAgain = (): void => gatherSends(this.#drain);
  #inbox: WorkerInstance | undefined;
  #intake: Intake | undefined;
  #draining = false;
  #own: { readonly kind: number; readonly payload: string }[] = [];
  #messages = 0;

  constructor(side: TransportSide, options: WorkersOptions, seed: number) {
    this.#side = side;
    this.#options = options;
    this.#seed = seed;
    this.port = {
      sip: (text: string, target: Target, token: number) => side.sip(text, target, 0, token),
      closeConnection: (connection: number) => side.closeConnection(connection),
      holdConnection: (connection: number, held: boolean) => side.holdConnection(connection, held),
      diameterRequest: (message: Buffer, route: DiameterRoute) => side.diameterRequest(message, route),
      diameterAnswer: (message: Buffer) => side.diameterAnswer(message),
      worker: (to: number, kind: number, payload: string) => this.#toItself(to, kind, payload),
    };
  }

  connect(inbox: WorkerInstance): void {
    this.#inbox = inbox;
    const { intake, nowMs } = this.#options;
    const port = {
      send: (text: string, target: Target) => this.#side.sip(text, target, 0, 0),
      release() {},
      nowMs,
    };
    this.#intake = new Intake(inbox, port, { ...defaultIntake, ...intake }, this.#seed);
    inbox.connectIntake?.(this.#intake);
  }

  counts(): WorkerCounts {
    const { shed = 0, queue } = this.#intake ?? {};
    const backlogBytes = queue?.octets ?? 0;
    return { messages: this.#messages, shed, dropped: 0, restarts: 0, backlogBytes, state: 'serving' };
  }

  async ask(_worker: number, request: unknown): Promise<unknown> {
    return this.#inbox?.control?.(request);
  }

  trigger(_worker: number, what: 'crash' | 'busy', ms = 0): boolean {
    if (process.env.CSCF_TEST_TRIGGER !== '1') return false;
    setImmediate(() => {
      if (what === 'crash') throw new Error('process ended by the test trigger');
      const until = performance.now() + ms;
      while (performance.now() < until);
    });
    return true;
  }

  async stop(): Promise<void> {
    this.beginBatch(this.#options.nowMs());
    this.#intake?.drainAll();
    this.#inbox?.endBatch();
    this.#intake = undefined;
    await this.#inbox?.stop?.();
    this.#inbox = undefined;
  }

  beginBatch(nowMs: number, freshTurn = false): void {
    this.#inbox?.beginBatch(nowMs);
    this.#intake?.begin(nowMs, freshTurn);
    if (this.#own.length > 0) this.#deliverOwn();
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

  sip(text: string, flow: Flow): void {
    this.#messages++;
    this.#intake?.sip(text, flow, -1);
  }

  sendFailed(_worker: number, token: number, failure: SendFailure): void {
    this.#inbox?.sendFailed(token, failure);
  }

  connectionClosed(connection: number): void {
    this.#inbox?.connectionClosed(connection);
  }

  diameter(message: Buffer): void {
    this.#inbox?.diameter(message);
  }

  diameterFailed(hopByHop: number, reason: 'no-peer' | 'peer-lost'): void {
    this.#inbox?.diameterFailed(hopByHop, reason);
  }

  readonly #drain = (): void => {
    this.#draining = false;
    this.beginBatch(this.#options.nowMs(), true);
    this.#intake?.drain();
    this.endBatch();
  };

  #toItself(to: number, kind: number, payload: string): void {
    if (to !== 0) return;
    if (this.#own.push({ kind, payload }) > 1) return;
    setImmediate(() => {
      if (this.#own.length === 0) return;
      this.beginBatch(this.#options.nowMs());
      this.endBatch();
    });
  }

  #deliverOwn(): void {
    const own = this.#own;
    this.#own = [];
    for (const { kind, payload } of own) this.#inbox?.workerMessage(0, kind, payload);
  }
}
