import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { performance } from 'node:perf_hooks';
import { OwnNames } from '#sip/proxy/route-processing';
import { DnsCache } from '#sip/resolver/dns-cache';
import { systemDns } from '#sip/resolver/dns-client';
import { DnsLocator } from '#sip/resolver/dns-locator';
import { coreTimers } from '#sip/transaction/timers';
import type { Listener, Target } from '#sip/transport/flow';
import { ListenerTable } from '#sip/transport/listener-table';
import type { TransportPort } from '#workers/frame-link';
import { TransportSide } from '#workers/transport-side';
import { WorkerSide } from '#workers/worker-side';
import { answerTo } from '../proxy-rig.ts';

export interface RealProxy {
  readonly port: number;
  /** Connections that the proxy has begun. */
  readonly connected: number;
  stop(): Promise<void>;
}

export interface RealProxyOptions {
  /** Name servers. */
  readonly dns: readonly string[];
  readonly budgetMs?: number;
  readonly connectMs?: number;
}

/** A plain proxy with real sockets and a real resolver on a loopback port, UDP and TCP. */
export async function startRealProxy(options: RealProxyOptions): Promise<RealProxy> {
  const { dns, budgetMs = 2000, connectMs = 3000 } = options;
  const nowMs = () => performance.now();
  const port = await freeTwinPort();
  const listener = (index: number, transport: 'udp' | 'tcp'): Listener => {
    return { index, sides: ['mw'], transport, address: '127.0.0.1', port, sentBy: `127.0.0.1:${port}` };
  };
  const listeners = new ListenerTable([listener(0, 'udp'), listener(1, 'tcp')]);
  const side = new TransportSide({ listeners: listeners.all, udp: 'dgram', streamLimits: { connectMs }, nowMs });
  const worker = new WorkerSide(
    portTo(side),
    { retain: () => 0, release() {} },
    {
      worker: 0,
      name: 'proxy.test',
      own: new OwnNames([`127.0.0.1:${port}`]),
      resolver: {
        listeners,
        hosts: new Map(),
        dns: new DnsLocator({
          cache: new DnsCache(systemDns(dns, budgetMs), nowMs),
          listeners,
          budgetMs,
          alarm(ms, ring) {
            const timer = setTimeout(ring, ms);
            return () => clearTimeout(timer);
          },
          random: () => 0,
        }),
      },
      profileOf: () => coreTimers,
      timerCMs: () => 185_000,
      proxyRequire: [],
      allow: [],
      switchToTcpAbove: 1300,
      now: nowMs,
    },
    {
      trace: null,
      received() {},
      rejected() {},
      failed(error) {
        throw error;
      },
      batchDone() {},
    },
    () => ({}),
    null,
  );
  side.attach({
    beginBatch: () => worker.beginBatch(),
    endBatch: () => worker.endBatch(),
    sip: (text, flow) => worker.sip(text, flow),
    sendFailed: (_worker, token, failure) => worker.sendFailed(token, failure),
    connectionClosed: (connection) => worker.connectionClosed(connection),
    diameter() {},
    diameterFailed() {},
    peerRestarted() {},
  });
  await side.open();
  return {
    port,
    get connected() {
      return side.streams.counts.connected;
    },
    async stop() {
      worker.stop();
      await side.close();
    },
  };
}

function portTo(side: TransportSide): TransportPort {
  return {
    sip: (text: string, target: Target, token: number) => side.sip(text, target, 0, token),
    closeConnection: (connection) => side.closeConnection(connection),
    holdConnection: (connection, held) => side.holdConnection(connection, held),
    diameterRequest() {},
    diameterAnswer() {},
    worker() {},
  };
}

/** A port that a moment ago was free for UDP and TCP. */
export async function freeTwinPort(): Promise<number> {
  for (;;) {
    const udp = createSocket('udp4');
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const { port } = udp.address();
    const tcp = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      tcp.once('error', () => resolve(false));
      tcp.listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise<void>((resolve) => udp.close(() => resolve()));
    if (!isFree) continue;
    await new Promise((resolve) => tcp.close(resolve));
    return port;
  }
}

/** A SIP node that answers every request alike and keeps what it heard, as `udp ...` or `tcp ...`. */
export class Peer {
  readonly heard: string[] = [];
  readonly port: number;
  readonly #socket: Socket;
  readonly #server: Server | null;
  #look: () => void = () => {};

  /** `answer`: status and further header lines, null for silence. `tcp`: whether it listens there as well. */
  static async open(answer: (text: string) => [number, ...string[]] | null, tcp = false): Promise<Peer> {
    const port = await freeTwinPort();
    const socket = createSocket('udp4');
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    const server = tcp ? createServer() : null;
    server?.listen(port, '127.0.0.1');
    if (server !== null) await once(server, 'listening');
    return new Peer(port, socket, server, answer);
  }

  constructor(
    port: number,
    socket: Socket,
    server: Server | null,
    answer: (text: string) => [number, ...string[]] | null,
  ) {
    this.port = port;
    this.#socket = socket;
    this.#server = server;
    const take = (transport: string, text: string, reply: (text: string) => void) => {
      this.heard.push(`${transport} ${text}`);
      const given = text.startsWith('SIP/2.0 ') ? null : answer(text);
      if (given !== null) reply(answerTo(text, given[0], 'Answer', given.slice(1) as string[]));
      this.#look();
    };
    socket.on('message', (bytes, remote) => {
      take('udp', bytes.toString('latin1'), (text) => socket.send(text, remote.port, remote.address));
    });
    server?.on('connection', (stream) => {
      stream.on('error', () => {});
      let text = '';
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        const head = text.indexOf('\r\n\r\n') + 4;
        const length = head + Number(/Content-Length: *(\d+)/.exec(text)?.[1] ?? 0);
        if (head < 4 || text.length < length) return;
        take('tcp', text.slice(0, length), (reply) => stream.write(reply));
        text = text.slice(length);
      });
    });
  }

  send(text: string, port: number): void {
    this.#socket.send(Buffer.from(text, 'latin1'), port, '127.0.0.1');
  }

  /** What it heard, once there is so much. */
  until(count: number): Promise<readonly string[]> {
    return new Promise((resolve) => {
      this.#look = () => this.heard.length >= count && resolve(this.heard);
      this.#look();
    });
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
    this.#server?.close();
  }
}
