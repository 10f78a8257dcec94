import { writeSync } from 'node:fs';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { IpsecError } from '../ipsec-backend.ts';
import type { Descriptors } from './data-path.ts';
import type { DataPathAnswer, DataPathReport, DataPathRequest, DataPathStart } from './data-path-request.ts';

type Waiting = (answer: DataPathAnswer | Error) => void;

const one = Buffer.from(new BigUint64Array([1n]).buffer);

/** The main thread's end of the data path: starts its thread, asks it, and ends it. */
export class DataPathClient {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #wake: number;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #ended: Error | undefined;

  constructor(descriptors: Descriptors, replayWindow: number) {
    const { port1, port2 } = new MessageChannel();
    const start: DataPathStart = { descriptors, replayWindow, port: port2 };
    this.#wake = descriptors.wake;
    this.#port = port1;
    this.#worker = new Worker(new URL('./data-path-thread.ts', import.meta.url), {
      workerData: start,
      transferList: [port2],
      name: 'ipsec',
    });
    this.#port.on('message', (answer: DataPathAnswer) => this.#take(answer));
    this.#worker.once('error', (error) => this.#end(error as Error));
    this.#worker.once('exit', () => this.#end(new Error('its thread has ended')));
    // It holds the process only while somebody waits for an answer.
    this.#worker.unref();
    this.#port.unref();
    process.on('exit', this.#rouse);
  }

  /** Asks and waits for the answer. Rejects with IpsecError. */
  async ask(request: DataPathRequest): Promise<DataPathReport | undefined> {
    if (this.#ended) throw failed(this.#ended);
    const id = ++this.#lastId;
    const answered = new Promise<DataPathAnswer | Error>((resolve) => this.#waiting.set(id, resolve));
    this.#port.ref();
    this.#port.postMessage({ id, request });
    this.#rouse();
    const answer = await answered;
    if (answer instanceof Error) throw failed(answer);
    if (answer.refusal) throw new IpsecError(answer.refusal.code, answer.refusal.message);
    return answer.report;
  }

  /** Ends the thread: no descriptor is used after that. */
  async stop(): Promise<void> {
    process.removeListener('exit', this.#rouse);
    if (this.#ended === undefined) {
      const exited = new Promise((resolve) => this.#worker.once('exit', resolve));
      this.#worker.ref();
      this.#port.postMessage({ id: 0, request: { kind: 'stop' } });
      this.#rouse();
      await exited;
    }
    this.#port.close();
  }

  readonly #rouse = (): void => {
    writeSync(this.#wake, one);
  };

  #take(answer: DataPathAnswer): void {
    this.#waiting.get(answer.id)?.(answer);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#port.unref();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.values()) waiting(error);
    this.#waiting.clear();
    this.#port.unref();
  }
}

function failed(error: Error): IpsecError {
  return new IpsecError('ERR_IPSEC_FAILED', `the IPsec data path does not run: ${error.message}`);
}
