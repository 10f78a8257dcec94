import { randomBytes } from 'node:crypto';
import type { Flow, Target } from '#sip/transport/flow';
import { BucketTable, createBuckets, WorkerOwnership } from './dispatch.ts';
import type { DiameterRoute, SendFailure, TransportPort } from './frame-link.ts';
import type { FrameSink, TransportSide } from './transport-side.ts';
import type { WorkerCounts, Workers, WorkersOptions } from './worker-control.ts';
import type { WorkerInstance, WorkerModule } from './worker-module.ts';

/** Starts the one worker that shares the main thread with the transport side: plain calls both ways. */
export async function startInline(side: TransportSide, options: WorkersOptions): Promise<Workers> {
  const worker = new InlineWorker(side, options.nowMs);
  const { createInbox } = (await import(options.module)) as WorkerModule;
  const ownership = new WorkerOwnership(new BucketTable(createBuckets(), randomBytes(4).readInt32LE()), 0);
  worker.connect(await createInbox(worker.port, ownership, { worker: 0, workers: 1, config: options.config }));
  side.attach(worker);
  return worker;
}

class InlineWorker implements FrameSink, Workers {
  readonly size = 1;
  readonly port: TransportPort;
  readonly #nowMs: () => number;
  #inbox: WorkerInstance | undefined;
  #own: { readonly kind: number; readonly payload: string }[] = [];
  #messages = 0;

  constructor(side: TransportSide, nowMs: () => number) {
    this.#nowMs = nowMs;
    this.port = {
      sip: (text: string, target: Target, token: number) => side.sip(text, target, 0, token),
      closeConnection: (connection: number) => side.closeConnection(connection),
      diameterRequest: (message: Buffer, route: DiameterRoute) => side.diameterRequest(message, route),
      diameterAnswer: (message: Buffer) => side.diameterAnswer(message),
      worker: (to: number, kind: number, payload: string) => this.#toItself(to, kind, payload),
    };
  }

  connect(inbox: WorkerInstance): void {
    this.#inbox = inbox;
  }

  counts(): WorkerCounts {
    return { messages: this.#messages, shed: 0, dropped: 0, restarts: 0, backlogBytes: 0, state: 'serving' };
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
    await this.#inbox?.stop?.();
    this.#inbox = undefined;
  }

  beginBatch(nowMs: number): void {
    this.#inbox?.beginBatch(nowMs);
    if (this.#own.length > 0) this.#deliverOwn();
  }

  endBatch(): void {
    this.#inbox?.endBatch();
  }

  sip(text: string, flow: Flow): void {
    this.#messages++;
    this.#inbox?.sip(text, flow);
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

  #toItself(to: number, kind: number, payload: string): void {
    if (to !== 0) return;
    if (this.#own.push({ kind, payload }) > 1) return;
    setImmediate(() => {
      if (this.#own.length === 0) return;
      this.beginBatch(this.#nowMs());
      this.endBatch();
    });
  }

  #deliverOwn(): void {
    const own = this.#own;
    this.#own = [];
    for (const { kind, payload } of own) this.#inbox?.workerMessage(0, kind, payload);
  }
}
