import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRequest } from '#diameter/codec/message';
import { StreamFramer } from '#diameter/peer/stream-framer';
import { freePort } from '../free-port.ts';

const daemon = 'freeDiameterd';

/** Whether the daemon of the Debian package freediameter is there. */
export const hasFreeDiameter = spawnSync(daemon, ['--version']).error === undefined;

export interface FreeDiameterPeer {
  readonly host: string;
  /** Where it connects to; left out, it waits for that peer. */
  readonly port?: number;
}

/** A running freeDiameter on loopback, TCP alone. */
export class FreeDiameter {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #folder: string;
  #log = '';

  private constructor(port: number, folder: string) {
    this.port = port;
    this.#folder = folder;
    this.#child = spawn(daemon, ['-c', join(folder, 'fd.conf'), '-d'], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('latin1').on('data', (text: string) => (this.#log += text));
    }
  }

  /** Starts it under a name, with the peers it knows; resolves when it listens. */
  static async start(identity: string, peers: readonly FreeDiameterPeer[]): Promise<FreeDiameter> {
    const folder = mkdtempSync(join(tmpdir(), 'cscf-freediameter-'));
    const port = await freePort();
    const subject = ['-subj', `/CN=${identity}`, '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject], {
      stdio: 'ignore',
    });
    writeFileSync(join(folder, 'fd.conf'), configOf(identity, port, folder, peers));
    const running = new FreeDiameter(port, folder);
    for (const endMs = Date.now() + 10_000; ; ) {
      if (running.#child.exitCode !== null) throw new Error(`freeDiameter ended:\n${running.log}`);
      if (await canConnect(port)) return running;
      if (Date.now() > endMs) throw new Error(`freeDiameter does not listen:\n${running.log}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  get log(): string {
    return this.#log;
  }

  /** Ends it in order: it says farewell to its peers. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = new Promise((resolve) => this.#child.once('close', resolve));
      this.#child.kill('SIGTERM');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), 8_000);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function configOf(identity: string, port: number, folder: string, peers: readonly FreeDiameterPeer[]): string {
  const lines = [
    `Identity = "${identity}";`,
    'Realm = "fd.test";',
    `Port = ${port};`,
    'SecPort = 0;',
    'No_SCTP;',
    'No_IPv6;',
    'ListenOn = "127.0.0.1";',
    'TwTimer = 6;',
    'TcTimer = 1;',
    `TLS_Cred = "${join(folder, 'cert.pem')}", "${join(folder, 'key.pem')}";`,
    `TLS_CA = "${join(folder, 'cert.pem')}";`,
    // One that nobody listens on keeps it from being a caller.
    ...peers.map(
      ({ host, port: to }) => `ConnectPeer = "${host}" { ConnectTo = "127.0.0.1"; No_TLS; Port = ${to ?? 1}; };`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** One message that passed a wire: command, and whether it is a request. */
export interface Passed {
  readonly command: number;
  readonly request: boolean;
  readonly octets: Buffer;
}

/** A wire with an ear: passes connections on to a port and notes the messages of both directions. */
export class Tap {
  readonly port: number;
  readonly fromCaller: Passed[] = [];
  readonly fromCalled: Passed[] = [];
  /** Connections that are open at the moment. */
  open = 0;
  readonly #server: Server;
  readonly #gate: Gate | undefined;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, gate: Gate | undefined) {
    this.#server = server;
    this.#gate = gate;
    this.port = (server.address() as { port: number }).port;
  }

  /** `to`: gives the port when somebody calls. With a gate, what a caller says first is held until that opens. */
  static async open(to: () => number, gate?: Gate): Promise<Tap> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const tap = new Tap(server, gate);
    server.on('connection', (caller) => void tap.#pass(caller, to));
    return tap;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  async #pass(caller: Socket, to: () => number): Promise<void> {
    this.#sockets.add(caller);
    this.open++;
    caller.on('error', () => caller.destroy());
    caller.on('close', () => this.open--);
    if (this.#gate !== undefined) {
      await new Promise((resolve) => caller.once('readable', resolve));
      await this.#gate.arrive();
    }
    const called = connect(to(), '127.0.0.1');
    for (const [from, other, heard] of [
      [caller, called, this.fromCaller],
      [called, caller, this.fromCalled],
    ] as const) {
      this.#sockets.add(from);
      const framer = new StreamFramer(1 << 20, (octets) => {
        heard.push({ command: octets.readUIntBE(5, 3), request: isRequest(octets), octets: Buffer.from(octets) });
      });
      from.on('data', (chunk: Buffer) => framer.push(chunk));
      from.on('error', () => other.destroy());
      from.on('close', () => other.destroy());
      from.pipe(other);
    }
  }
}

/** Holds all who arrive until as many as are awaited have. */
export class Gate {
  readonly #opened: Promise<void>;
  #open: () => void = () => undefined;
  #missing: number;

  constructor(awaited: number) {
    this.#missing = awaited;
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  arrive(): Promise<void> {
    if (--this.#missing <= 0) this.#open();
    return this.#opened;
  }
}
