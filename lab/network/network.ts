import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LadderBook, type LadderMessage, type LadderParty } from '#manage/ladder';
import { listenForTrace, type TraceListener, traceTo, traceVariable } from '#manage/trace-recorder';
import type { SubscriberConfig } from '#service/config/hss-config';
import { Ue, type UeEvents, type UeOptions } from '../ue/ue.ts';
import { usimOf } from '../ue/usim.ts';
import { Daemon } from './daemon.ts';
import { type LabConfig, type LabRole, labRoles, writeLabConfig } from './lab-config.ts';

export interface NetworkOptions {
  /** Folder with hss.yaml, icscf.yaml, scscf.yaml and pcscf.yaml. */
  readonly base: string;
  /** Other ports than the default ones, for labs side by side. */
  readonly freePorts: boolean;
  /** The phones talk TLS with the P-CSCF, by certificates made now. */
  readonly tls?: boolean;
  /** A line of what is being done. */
  readonly progress: (words: string) => void;
  /** A node ended by itself. */
  readonly died: (words: string) => void;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
/** What the application server is called, and under which name it reports. */
const serverName = 'AS';
const serverNode = 'as';
const names: Readonly<Record<LabRole, string>> = { pcscf: 'P-CSCF', icscf: 'I-CSCF', scscf: 'S-CSCF', hss: 'HSS' };
const peersMs = 15_000;
/** The trace of a step is complete when nothing came for so long. */
const quietMs = 80;
const settleMs = 2_000;
const startTries = 4;

/** A running lab: HSS, three CSCFs, two phones, an application server where profiles ask for it, and the trace of all. */
export class Network {
  readonly config: LabConfig;
  readonly folder: string;
  readonly phones: readonly [Ue, Ue];
  readonly parties: readonly LadderParty[];
  readonly book: LadderBook;
  readonly #nodes: readonly Daemon[];
  readonly #trace: TraceListener;
  readonly #lastEvent: () => number;

  private constructor(
    config: LabConfig,
    folder: string,
    phones: readonly [Ue, Ue],
    parties: readonly LadderParty[],
    book: LadderBook,
    nodes: readonly Daemon[],
    trace: TraceListener,
    lastEvent: () => number,
  ) {
    this.config = config;
    this.folder = folder;
    this.phones = phones;
    this.parties = parties;
    this.book = book;
    this.#nodes = nodes;
    this.#trace = trace;
    this.#lastEvent = lastEvent;
  }

  /**
   * Starts everything; on failure nothing is left running. A port that somebody took in the meantime is no failure yet:
   * it starts anew with others. `events` by phone.
   */
  static async start(options: NetworkOptions, events: readonly [UeEvents, UeEvents]): Promise<Network> {
    for (let tried = 1; ; tried++) {
      try {
        return await Network.#start(options, events);
      } catch (error) {
        if (tried === startTries || !(error as Error).message.includes('is in use')) throw error;
        options.progress('a port was taken meanwhile, trying others');
      }
    }
  }

  static async #start(options: NetworkOptions, events: readonly [UeEvents, UeEvents]): Promise<Network> {
    const folder = mkdtempSync(join(tmpdir(), 'cscf-lab-'));
    const started: { stop(): Promise<void> }[] = [
      { stop: async () => rmSync(folder, { recursive: true, force: true }) },
    ];
    try {
      const config = await writeLabConfig(options.base, folder, options.freePorts, options.tls);
      let lastEventMs = performance.now();
      const late: { book: LadderBook | null } = { book: null };
      const add = (event: Parameters<LadderBook['add']>[0]) => {
        lastEventMs = performance.now();
        late.book?.add(event);
      };
      const socket = join(folder, 'trace.sock');
      const trace = await listenForTrace(socket, add);
      started.push({ stop: () => trace.close() });

      const peers = new PeerWatch([config.names.icscf, config.names.scscf]);
      const nodes: Daemon[] = [];
      const run = (name: string, log: string, command: readonly string[], onLine = (_line: string) => {}) => {
        const logFile = join(folder, `${log}.log`);
        const daemon = new Daemon({
          name,
          command: [join(root, command[0]!), ...command.slice(1)],
          env: { ...process.env, [traceVariable]: socket },
          logFile,
          onLine,
          onDeath: (words) => options.died(`${name} ${words}; its log: ${logFile}`),
        });
        nodes.push(daemon);
        started.push(daemon);
        return daemon;
      };
      const launch = (role: LabRole) => {
        const command = role === 'hss' ? ['bin/lab', 'hss', '--state', join(folder, 'hss')] : [`bin/${role}`];
        const hear = role === 'hss' ? (line: string) => peers.read(line) : () => {};
        return run(names[role], role, [...command, '--config', config.files[role]], hear);
      };
      // The HSS first: a CSCF that finds no peer waits before it tries again.
      options.progress('starting HSS');
      await launch('hss').ready;
      options.progress('starting I-CSCF, S-CSCF, P-CSCF');
      const server = serverCommand(config);
      await Promise.all([
        ...labRoles.filter((role) => role !== 'hss').map((role) => launch(role).ready),
        ...(server === null ? [] : [run(serverName, serverNode, server).ready]),
      ]);
      await peers.complete(peersMs);

      const phones = await openPhones(config, events, add);
      for (const phone of phones) started.push({ stop: () => phone.close() });
      const parties = partiesOf(config, phones);
      const book = new LadderBook(parties);
      late.book = book;
      return new Network(config, folder, phones, parties, book, nodes, trace, () => lastEventMs);
    } catch (error) {
      for (const each of started.reverse()) await each.stop().catch(() => {});
      throw error;
    }
  }

  /** Waits until both ends of what was sent have reported. */
  async settle(): Promise<void> {
    const startMs = performance.now();
    while (performance.now() - startMs < settleMs) {
      const quiet = performance.now() - Math.max(this.#lastEvent(), startMs);
      if (quiet >= quietMs) return;
      await new Promise((resolve) => setTimeout(resolve, quietMs - quiet + 1));
    }
  }

  /** The columns of a ladder: those of all parties, but of the application server only where a message concerns it. */
  partiesOf(messages: readonly LadderMessage[]): readonly LadderParty[] {
    const isThere = messages.some(({ from, to }) => from === serverName || to === serverName);
    return isThere ? this.parties : this.parties.filter(({ node }) => node !== serverNode);
  }

  /** Ends phones and nodes, and removes what they kept. */
  async stop(): Promise<void> {
    await Promise.all(this.phones.map((phone) => phone.close()));
    const [hss, ...cscfs] = this.#nodes;
    await Promise.all(cscfs.map((node) => node.stop()));
    await hss?.stop();
    await this.#trace.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function openPhones(
  config: LabConfig,
  events: readonly [UeEvents, UeEvents],
  add: Parameters<typeof traceTo>[1],
): Promise<readonly [Ue, Ue]> {
  const open = (subscriber: SubscriberConfig, own: UeEvents) =>
    Ue.open({
      domain: config.domain,
      impu: subscriber.impus![0]!,
      credentials: { impi: subscriber.impi!, usim: usimOf(subscriber) },
      ...accessOf(config),
      events: own,
      trace: traceTo(phoneName(subscriber), add),
    });
  return [await open(config.phones[0], events[0]), await open(config.phones[1], events[1])];
}

/** How the application server of a lab is started, null where there is none. */
export function serverCommand({ address, applicationServer, domain, ports }: LabConfig): string[] | null {
  if (applicationServer === null) return null;
  const at = ['--listen', `${address}:${ports.as}`, '--scscf', `${address}:${ports.scscf}`];
  return ['bin/lab', 'as', ...at, '--home', domain, '--name', applicationServer];
}

/** How a phone reaches the P-CSCF: by TLS where the lab has it. */
export function accessOf({ address, ports, tls }: LabConfig): Pick<UeOptions, 'proxy' | 'transport' | 'tls'> {
  if (tls === null) return { proxy: { address, port: ports.gm } };
  return { proxy: { address, port: ports.gmTls }, transport: 'tls', tls: { ca: readFileSync(tls.ca, 'latin1') } };
}

/** The user part of the private identity. */
export function phoneName(subscriber: SubscriberConfig): string {
  return subscriber.impi!.slice(0, subscriber.impi!.indexOf('@'));
}

function partiesOf(config: LabConfig, phones: readonly [Ue, Ue]): LadderParty[] {
  const { address, ports } = config;
  const at = (port: number) => `${address}:${port}`;
  const addresses: Record<LabRole, string[]> = {
    pcscf: [at(ports.gm), at(ports.gmTls), at(ports.mw)],
    icscf: [at(ports.icscf), config.names.icscf],
    scscf: [at(ports.scscf), config.names.scscf],
    hss: [config.names.hss, config.names.realm],
  };
  return [
    ...phones.map((phone, i) => {
      const name = phoneName(config.phones[i]!);
      return { name, node: name, addresses: [`${phone.address}:${phone.port}`] };
    }),
    ...(['pcscf', 'icscf', 'scscf', 'hss'] as const).map((role) => ({
      name: names[role],
      node: role,
      addresses: addresses[role],
    })),
    ...(config.applicationServer === null ? [] : [{ name: serverName, node: serverNode, addresses: [at(ports.as)] }]),
  ];
}

/** Hears in the log of the HSS when its peers are connected. */
class PeerWatch {
  readonly #missing: Set<string>;
  #done = () => {};
  readonly #complete: Promise<void>;

  constructor(hosts: readonly string[]) {
    this.#missing = new Set(hosts);
    this.#complete = new Promise((resolve) => (this.#done = resolve));
  }

  read(line: string): void {
    if (!line.includes('open-responder')) return;
    for (const host of this.#missing) if (line.includes(host)) this.#missing.delete(host);
    if (this.#missing.size === 0) this.#done();
  }

  /** Waits for all, but not for ever: without them the first registration says what is wrong. */
  async complete(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
    await Promise.race([this.#complete, late]);
    clearTimeout(timer);
  }
}
