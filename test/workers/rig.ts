import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Listener } from '#sip/transport/flow';
import { TransportSide } from '#workers/transport-side';
import type { Workers, WorkersOptions } from '#workers/worker-control';
import { startWorkers } from '#workers/worker-pool';

export interface Rig {
  readonly side: TransportSide;
  readonly workers: Workers;
  readonly port: number;
  readonly tcpPort: number;
  readonly client: Client;
  stop(): Promise<void>;
}

/** A daemon's transport and worker side on free ports, with a UDP client beside it. */
export async function startRig(
  workers: number,
  options: Partial<WorkersOptions> & { udp?: 'auto' | 'dgram'; address?: string } = {},
): Promise<Rig> {
  const { udp = 'auto', address = '127.0.0.1', ...rest } = options;
  const listener = (index: number, transport: 'udp' | 'tcp'): Listener => ({
    index,
    sides: ['mw'],
    transport,
    address,
    port: 0,
    sentBy: 'x',
  });
  const nowMs = () => performance.now();
  const side = new TransportSide({ listeners: [listener(0, 'udp'), listener(1, 'tcp')], udp, nowMs });
  const pool = await startWorkers(side, {
    workers,
    module: new URL('./echo-worker.ts', import.meta.url).href,
    config: { name: 'test' },
    reader: 'dedicated',
    nowMs,
    ...rest,
  });
  await side.open();
  const client = await Client.open(address, side.portOf(0));
  return {
    side,
    workers: pool,
    port: side.portOf(0),
    tcpPort: side.portOf(1),
    client,
    async stop() {
      client.close();
      await pool.stop();
      await side.close();
    },
  };
}

export interface Answer {
  readonly text: string;
  readonly worker: number;
  readonly callId: string;
  readonly seq: string;
}

/** A UDP peer that collects what it hears. */
export class Client {
  readonly answers: Answer[] = [];
  readonly #socket: Socket;
  readonly #address: string;
  readonly #port: number;
  #look: () => void = () => {};

  static async open(address: string, port: number): Promise<Client> {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.bind(0, address);
    await once(socket, 'listening');
    return new Client(socket, address, port);
  }

  constructor(socket: Socket, address: string, port: number) {
    this.#socket = socket;
    this.#address = address;
    this.#port = port;
    socket.on('message', (bytes) => {
      const text = bytes.toString('latin1');
      const field = (name: string) => new RegExp(`^${name}: *(.*)\r$`, 'm').exec(text)?.[1] ?? '';
      this.answers.push({
        text,
        worker: Number(field('X-Worker') || '-1'),
        callId: field('Call-ID'),
        seq: field('X-Seq'),
      });
      this.#look();
    });
  }

  send(method: string, callId: string, extra = ''): void {
    this.sendText(
      `${method} sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK${callId};rport\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: ${callId}\r\nCSeq: 1 ${method}\r\n${extra}\r\n`,
    );
  }

  sendText(text: string): void {
    this.#socket.send(Buffer.from(text, 'latin1'), this.#port, this.#address);
  }

  /** The answers, once there are at least so many. */
  until(count: number): Promise<readonly Answer[]> {
    return this.when(() => this.answers.length >= count);
  }

  when(condition: () => boolean): Promise<readonly Answer[]> {
    return new Promise((resolve) => {
      this.#look = () => condition() && resolve(this.answers);
      this.#look();
    });
  }

  close(): void {
    this.#socket.close();
  }
}

/** What the echo worker tells of itself. */
export interface Told {
  readonly trail: readonly string[];
  readonly heard: readonly (readonly [number, number, string])[];
  readonly config: unknown;
  readonly worker: number;
}

export async function tell(rig: Rig, worker = 0): Promise<Told> {
  return (await rig.workers.ask(worker, 'tell')) as Told;
}

/** Asks again until the condition holds. */
export async function eventually<T>(ask: () => T | Promise<T>, condition: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await ask();
    if (condition(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
