import { DiameterClient, type RequestHandler } from '#diameter/client';
import type { CommandDefinition } from '#diameter/dictionary/dictionary';
import type { AssociationPort } from '#ipsec/ipsec-backend';
import { ManualClock } from '#service/clock';
import type { NodeLog, Originator } from '#service/node-context';
import { originator } from '#service/originator';
import { guardedHandler } from '#service/serve-diameter';
import type { SipRequest } from '#sip/message/request';
import type { NodeLogic } from '#sip/proxy/node-logic';
import { OwnNames } from '#sip/proxy/route-processing';
import type { Reason } from '#sip/reasons';
import type { HostAddress, ResolverOptions } from '#sip/resolver/resolve-target';
import type { TimerWheel } from '#sip/transaction/timer-wheel';
import { coreTimers, type TimerProfile } from '#sip/transaction/timers';
import type { Flow, Listener, Target, TransportName } from '#sip/transport/flow';
import { ListenerTable } from '#sip/transport/listener-table';
import type { CrewView } from '#workers/crew';
import type { CallOwnership, DiameterRoute, SendFailure, TransportPort } from '#workers/frame-link';
import { type DiameterInbox, WorkerSide, type WorkerTrace } from '#workers/worker-side';

/** What a node's context needs of its worker; add config, store and cx. */
export interface WorkerParts {
  onConfig(rebuild: unknown): void;
  readonly worker: 0;
  readonly workers: 1;
  readonly crew: CrewView;
  readonly listeners: ListenerTable;
  readonly own: OwnNames;
  readonly wheel: TimerWheel;
  readonly clock: ManualClock;
  readonly bootMs: number;
  readonly calls: CallOwnership;
  readonly origin: Originator;
  readonly log: NodeLog;
  /** Where the worker sends; a Diameter client of the test sends there as well. */
  readonly port: TransportPort;
  holdConnection(connection: number, held: boolean): void;
  /** Of the test's DiameterClient, when it made one. */
  readonly diameter: DiameterClient | null;
  readonly ipsec: AssociationPort | null;
  serveDiameter(command: CommandDefinition, handler: RequestHandler): void;
  refused(request: SipRequest, reason: Reason, detail: string): void;
  count(event: string): void;
}

export interface WorkerOptions<Logic extends NodeLogic> {
  /** `gm+mw udp:127.0.0.1:5060`, protected ones as `gm udp:10.0.0.1:5063 server`, `... 5062 client 5063`, in the order of their indices. */
  readonly listeners: readonly string[];
  /** Name in Warning headers. */
  readonly name?: string;
  /** Further names of this node in Route and Request-URI, beside its listeners: `host:port`, port 0 for none. */
  readonly own?: readonly string[];
  /** Host names answered without DNS: `{ 'ims.test': ['udp:127.0.0.1:4060'] }`. */
  readonly hosts?: { readonly [name: string]: readonly string[] };
  /** The DNS; none when left out. */
  readonly dns?: ResolverOptions['dns'];
  /** Names that the DNS is asked for whoever chose them. */
  readonly knownNames?: readonly string[];
  readonly proxyRequire?: readonly string[];
  readonly profileOf?: (listener: Listener, address: string) => TimerProfile;
  /** Wall clock at the start, milliseconds since 1970. */
  readonly wallStartMs?: number;
  /** Octets above which requests go by TCP; never when left out. */
  readonly switchToTcpAbove?: number;
  /** Hears every message, with the journal of edits. */
  readonly trace?: WorkerTrace;
  readonly createLogic: (parts: WorkerParts) => Logic;
  /** The IPsec back end; none when left out. */
  readonly ipsec?: AssociationPort;
  /** Makes the Diameter client of the worker, before the logic. */
  readonly diameter?: (port: TransportPort) => DiameterInbox;
}

/** A message that left the worker. */
export class SentMessage {
  readonly text: string;
  readonly target: Target;
  readonly token: number;
  readonly startLine: string;
  readonly body: string;
  readonly #lines: readonly string[];

  constructor(text: string, target: Target, token: number) {
    this.text = text;
    this.target = target;
    this.token = token;
    const end = text.indexOf('\r\n\r\n');
    const lines = text.slice(0, end).split('\r\n');
    this.startLine = lines[0]!;
    this.#lines = lines.slice(1);
    this.body = text.slice(end + 4);
  }

  /** Method of a request, '' for a response. */
  get method(): string {
    return this.startLine.startsWith('SIP/2.0') ? '' : this.startLine.split(' ', 1)[0]!;
  }

  get requestUri(): string {
    return this.startLine.split(' ')[1]!;
  }

  /** Status of a response, 0 for a request. */
  get status(): number {
    return this.method === '' ? Number(this.startLine.split(' ')[1]) : 0;
  }

  /** Where it goes: `udp 127.0.0.1:5060`. */
  get to(): string {
    const { transport, address, port } = this.target;
    return `${transport} ${address}:${port}`;
  }

  /** Values of all lines with this name. */
  all(name: string): string[] {
    const start = `${name.toLowerCase()}:`;
    return this.#lines
      .filter((line) => line.toLowerCase().startsWith(start))
      .map((line) => line.slice(start.length).trim());
  }

  /** Value of the first line with this name, null when there is none. */
  header(name: string): string | null {
    return this.all(name)[0] ?? null;
  }

  /** Names of the header lines, in order. */
  get names(): string[] {
    return this.#lines.map((line) => line.slice(0, line.indexOf(':')));
  }
}

/**
 * A real worker side with a node's logic, a clock that stands still and a transport that writes down what is sent.
 */
export class WorkerHarness<Logic extends NodeLogic> implements TransportPort {
  readonly clock: ManualClock;
  readonly logic: Logic;
  readonly side: WorkerSide;
  /** What left since the start or the last `take`. */
  readonly sent: SentMessage[] = [];
  readonly diameterSent: { message: Buffer; route: DiameterRoute | null }[] = [];
  readonly workerSent: { to: number; kind: number; payload: string }[] = [];
  readonly closedConnections: number[] = [];
  /** What was said of connections that a registered UE needs, or does not any more. */
  readonly holds: { readonly connection: number; readonly held: boolean }[] = [];
  /** Ids of the reasons of refusals: by procedures, and before them. */
  readonly refusals: string[] = [];
  readonly events: string[] = [];
  readonly logged: { level: string; fields: object; message: string }[] = [];
  /** Exceptions that procedures threw: none, in a good test. */
  readonly failures: unknown[] = [];
  /** Calls held for transactions and dialogs, by Call-ID. */
  readonly held = new Map<string, number>();
  /** Call-IDs that another worker owns, with its number: they cannot be claimed here. */
  readonly owners = new Map<string, number>();

  constructor(options: WorkerOptions<Logic>) {
    this.clock = new ManualClock(options.wallStartMs ?? Date.parse('2026-11-21T12:00:00Z'));
    const listeners = options.listeners.map(parseListener);
    const table = new ListenerTable(listeners);
    const own = new OwnNames([...listeners.map((listener) => listener.sentBy), ...(options.own ?? [])]);
    const holds: string[] = [];
    const calls: CallOwnership = {
      retain: (callId) => {
        this.held.set(callId, (this.held.get(callId) ?? 0) + 1);
        return holds.push(callId) - 1;
      },
      release: (hold) => {
        const callId = holds[hold]!;
        const left = (this.held.get(callId) ?? 0) - 1;
        if (left > 0) this.held.set(callId, left);
        else this.held.delete(callId);
        if (left < 0) this.failures.push(new Error(`${callId} was released more often than retained`));
      },
    };
    const owner = (callId: string) => this.owners.get(callId) ?? -1;
    const ownership = {
      ...calls,
      claim: (callId: string) => owner(callId) <= 0 && calls.retain(callId) >= 0,
      ownerOf: (callId: string) => owner(callId),
    };
    const hosts = new Map<string, HostAddress[]>();
    for (const [name, targets] of Object.entries(options.hosts ?? {})) hosts.set(name, targets.map(parseEndpoint));
    const inbox = options.diameter?.(this) ?? null;
    let logic: Logic | undefined;
    this.side = new WorkerSide(
      this,
      calls,
      {
        worker: 0,
        name: options.name ?? 'node.test',
        own,
        resolver: { listeners: table, hosts, dns: options.dns ?? null, knownNames: new Set(options.knownNames) },
        profileOf: options.profileOf ?? (() => coreTimers),
        timerCMs: () => 185_000,
        proxyRequire: options.proxyRequire ?? [],
        allow: ['INVITE', 'ACK', 'BYE', 'CANCEL', 'OPTIONS'],
        switchToTcpAbove: options.switchToTcpAbove ?? 0,
        answerFlow: (flow) => (logic as { answerFlow?(flow: Flow): Flow } | undefined)?.answerFlow?.(flow) ?? flow,
        now: () => this.clock.nowMs(),
      },
      {
        trace: options.trace ?? null,
        received: () => {},
        rejected: (reason) => void this.refusals.push(reason.id),
        failed: (error) => void this.failures.push(error),
        batchDone: () => {},
      },
      (wheel) => {
        logic = options.createLogic({
          onConfig: () => {},
          worker: 0,
          workers: 1,
          crew: { places: 1, serving: 1, has: (worker) => worker === 0 },
          listeners: table,
          own,
          wheel,
          clock: this.clock,
          bootMs: this.clock.wallMs(),
          calls,
          origin: originator(() => this.side.core, ownership, this),
          log: this.#log(),
          port: this,
          holdConnection: (connection, held) => this.holdConnection(connection, held),
          diameter: inbox instanceof DiameterClient ? inbox : null,
          ipsec: options.ipsec ?? null,
          serveDiameter: (command, handler) => {
            if (!(inbox instanceof DiameterClient)) return;
            const report = { log: this.#log(), failed: () => this.failures.push(command.name) };
            inbox.handle(command, guardedHandler(command, handler, report));
          },
          refused: (_request, reason) => void this.refusals.push(reason.id),
          count: (event) => void this.events.push(event),
        });
        return logic;
      },
      inbox,
    );
    this.logic = logic!;
    const heard: NodeLogic & { workerMessage?(payload: string): void } = this.logic;
    this.side.onWorkerMessage((_from, _kind, payload) => heard.workerMessage?.(payload));
  }

  /** Hands one message in; `from` as `udp 127.0.0.1:5060`, with ` #3` for a connection number. */
  receive(text: string, from: string, listener = 0): void {
    this.side.beginBatch();
    this.side.sip(text, parseFlow(from, listener));
    this.side.endBatch();
  }

  /** Answers a request that left, from where it went to; `lines` are added header lines, `toTag` the tag of To. */
  answer(request: SentMessage, status: number, lines: readonly string[] = [], body = '', toTag = 'remote'): void {
    const { transport, address, port, connection, listener } = request.target;
    this.receive(
      responseTo(request, status, lines, body, toTag),
      `${transport} ${address}:${port} #${connection}`,
      listener,
    );
  }

  /** Says that a message did not leave. */
  failSend(message: SentMessage, failure: SendFailure = 'refused'): void {
    this.side.beginBatch();
    this.side.sendFailed(message.token, failure);
    this.side.endBatch();
  }

  /** What left since the last call. */
  take(): SentMessage[] {
    return this.sent.splice(0);
  }

  /** The one message that left since the last call. */
  takeOne(): SentMessage {
    const taken = this.take();
    if (taken.length !== 1)
      throw new Error(`${taken.length} messages left, not one: ${taken.map((m) => m.startLine).join(' | ')}`);
    return taken[0]!;
  }

  /** Lets time pass, timer by timer. */
  advance(ms: number): void {
    const end = this.clock.nowMs() + ms;
    for (;;) {
      const due = this.side.wheel.nextDueMs();
      if (due < 0 || due > end) break;
      this.clock.advance(Math.max(0, due - this.clock.nowMs()));
      this.side.beginBatch();
      this.side.endBatch();
    }
    this.clock.advance(end - this.clock.nowMs());
    this.side.beginBatch();
    this.side.endBatch();
  }

  /** Lets promises that can go on go on. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    // Word to itself, as the pool delivers it.
    const own = this.workerSent.filter(({ to }) => to === 0);
    for (const { kind, payload } of own) {
      this.side.beginBatch();
      this.side.workerMessage(0, kind, payload);
      this.side.endBatch();
    }
    const others = this.workerSent.filter((message) => !own.includes(message));
    this.workerSent.splice(0, this.workerSent.length, ...others);
  }

  stop(): void {
    this.side.stop();
  }

  sip(text: string, target: Target, token: number): void {
    this.sent.push(new SentMessage(text, target, token));
  }

  closeConnection(connection: number): void {
    this.closedConnections.push(connection);
  }

  holdConnection(connection: number, held: boolean): void {
    this.holds.push({ connection, held });
  }

  diameterRequest(message: Buffer, route: DiameterRoute): void {
    this.diameterSent.push({ message, route });
  }

  diameterAnswer(message: Buffer): void {
    this.diameterSent.push({ message, route: null });
  }

  worker(to: number, kind: number, payload: string): void {
    this.workerSent.push({ to, kind, payload });
  }

  #log(): NodeLog {
    const at = (level: string) => (fields: object, message: string) =>
      void this.logged.push({ level, fields, message });
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }
}

/** Starts a worker; the test stops it. */
export function startWorker<Logic extends NodeLogic>(options: WorkerOptions<Logic>): WorkerHarness<Logic> {
  return new WorkerHarness(options);
}

/** A SIP message of lines without their ends (blank ones and indentation go), with its Content-Length. */
export function sip(lines: string | readonly string[], body = ''): string {
  const all = (typeof lines === 'string' ? lines.split('\n') : lines)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return `${all.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** A response to a request that left: its Via, From, To (with a tag), Call-ID, CSeq and, below 300, Record-Route. */
export function responseTo(
  request: SentMessage,
  status: number,
  lines: readonly string[] = [],
  body = '',
  toTag = 'remote',
): string {
  const copy = (name: string) => request.all(name).map((value) => `${name}: ${value}`);
  const to = request.header('To')!;
  return sip(
    [
      `SIP/2.0 ${status} Whatever`,
      ...copy('Via'),
      ...(status > 100 && status < 300 ? copy('Record-Route') : []),
      ...copy('From'),
      `To: ${to.includes(';tag=') || status === 100 ? to : `${to};tag=${toTag}`}`,
      ...copy('Call-ID'),
      ...copy('CSeq'),
      ...lines,
    ],
    body,
  );
}

function parseListener(text: string, index: number): Listener {
  const [sides, endpoint, protection, pair] = text.split(' ') as [string, string, ('server' | 'client')?, string?];
  const { transport, address, port } = parseEndpoint(endpoint);
  const named = pair === undefined ? port : Number(pair);
  const sentBy = address.includes(':') ? `[${address}]:${named}` : `${address}:${named}`;
  const plain = { index, sides: sides.split('+'), transport, address, port, sentBy };
  return protection === undefined ? plain : { ...plain, protection, sentByPort: named };
}

function parseEndpoint(text: string): HostAddress {
  const colon = text.lastIndexOf(':');
  const [transport] = text.split(':', 1) as [TransportName];
  const address = text
    .slice(transport.length + 1, colon)
    .replace('[', '')
    .replace(']', '');
  return { transport, address, port: Number(text.slice(colon + 1)) };
}

function parseFlow(text: string, listener: number): Flow {
  const [transport, endpoint, connection] = text.split(' ') as [TransportName, string, string | undefined];
  const colon = endpoint.lastIndexOf(':');
  return {
    listener,
    transport,
    address: endpoint.slice(0, colon),
    port: Number(endpoint.slice(colon + 1)),
    connection: connection === undefined ? 0 : Number(connection.slice(1)),
  };
}
