import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon } from '#lab/network/daemon';
import { type LabConfig, type LabRole, labRoles, writeLabConfig } from '#lab/network/lab-config';
import type { Call } from '#lab/ue/call';
import type { Credentials } from '#lab/ue/credentials';
import { Ue } from '#lab/ue/ue';
import { usimOf } from '#lab/ue/usim';
import { callManagement } from '#manage/management-client';
import type { NodeStatus } from '#service/node-status';
import { ParseFailure } from '#sip/errors';
import { parseVia } from '#sip/header/via';
import { Header } from '#sip/message/header-names';
import { parseMessage } from '#sip/parser/parse-message';
import { branchWorker } from '#sip/transaction/transaction-key';
import type { Flow } from '#sip/transport/flow';
import type { ScalingRules } from '#workers/scaling';
import { sweepAway } from './secret-sweep.ts';

export type CscfRole = Exclude<LabRole, 'hss'>;

export interface ResilientLabOptions {
  /** Workers of each CSCF. */
  readonly workers: number | ScalingRules;
  readonly reader?: 'shared' | 'dedicated';
  /** Seconds until a Diameter request counts as unanswered. */
  readonly diameterTimeout?: number;
  /** Scheme of users whose REGISTER names none; left out: the HSS chooses. */
  readonly defaultScheme?: 'Digest-AKAv1-MD5';
  /** Put over the configuration of the P-CSCF. */
  readonly pcscf?: Readonly<Record<string, unknown>>;
  /** How the CSCFs speak to each other; by UDP when left out. */
  readonly core?: { readonly transport?: 'tcp' };
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const pollMs = 25;

/** Waits until a condition holds; throws with its words after `ms`. */
export async function until(words: string, condition: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const startMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startMs > ms) throw new Error(`not after ${ms} ms: ${words}`);
    await sleep(pollMs);
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A phone that keeps what it hears. */
export class Phone {
  readonly ue: Ue;
  /** Requests that came, as text. */
  readonly heard: string[];
  readonly calls: Call[] = [];
  /** Whether it answers calls, or only rings. */
  answers = true;

  private constructor(ue: Ue, heard: string[]) {
    this.ue = ue;
    this.heard = heard;
    ue.events = {
      incomingCall: (call) => {
        this.calls.push(call);
        call.ring();
        if (this.answers) call.answer();
      },
    };
  }

  /** One of the two subscribers with a USIM. */
  static open(config: LabConfig, which: 0 | 1): Promise<Phone> {
    const subscriber = config.phones[which];
    return Phone.#open(config, subscriber.impus![0]!, { impi: subscriber.impi!, usim: usimOf(subscriber) }, 'udp');
  }

  /** A user of the range, who registers with a password and by TCP. */
  static openByTcp(config: LabConfig, number: number): Promise<Phone> {
    const digits = String(number).padStart(6, '0');
    const impi = `user${digits}@${config.domain}`;
    return Phone.#open(config, `sip:${impi}`, { impi, password: `pw${digits}` }, 'tcp');
  }

  static async #open(
    config: LabConfig,
    impu: string,
    credentials: Credentials,
    transport: 'udp' | 'tcp',
  ): Promise<Phone> {
    const heard: string[] = [];
    const ue = await Ue.open({
      domain: config.domain,
      impu,
      credentials,
      proxy: { address: config.address, port: config.ports.gm },
      transport,
      trace: {
        sip(dir, text) {
          if (dir === 'in' && !text.startsWith('SIP/2.0 ')) heard.push(text);
        },
        diameter() {},
      },
    });
    return new Phone(ue, heard);
  }

  /** Registers, or throws. */
  async register(): Promise<void> {
    const outcome = await this.ue.register();
    if (!outcome.registered) throw new Error(`REGISTER was answered ${outcome.status} ${outcome.words}`);
  }

  /** Different requests of a method with this Call-ID that came. */
  requests(method: string, callId: string): Set<string> {
    return new Set(this.heard.filter((text) => text.startsWith(`${method} `) && text.includes(callId)));
  }
}

/** Both ends of an established call. */
export interface Pair {
  readonly out: Call;
  readonly into: Call;
}

/** HSS and three CSCFs as daemons of their own that may be killed and started anew, and two phones. */
export class ResilientLab {
  readonly config: LabConfig;
  readonly folder: string;
  alice!: Phone;
  bob!: Phone;
  readonly #daemons = new Map<LabRole, { readonly daemon: Daemon; readonly gone: Promise<void> }>();

  private constructor(config: LabConfig, folder: string) {
    this.config = config;
    this.folder = folder;
  }

  static async start(options: ResilientLabOptions): Promise<ResilientLab> {
    const folder = mkdtempSync(join(tmpdir(), 'cscf-resilience-'));
    const config = await writeLabConfig(join(root, 'config'), folder, true);
    for (const role of labRoles) {
      const content = JSON.parse(readFileSync(config.files[role], 'utf8')) as Record<string, object>;
      if (role !== 'hss')
        Object.assign(content, { workers: options.workers, transport: { reader: options.reader ?? 'shared' } });
      if (role === 'icscf' || role === 'scscf') {
        Object.assign(content.diameter!, { timeout: options.diameterTimeout ?? 2, reconnect: 0.2 });
      }
      if (role === 'pcscf') Object.assign(content, options.pcscf);
      if (options.core?.transport === 'tcp') speakTcp(role, content, config);
      if (role === 'scscf' && options.defaultScheme) content.auth = { defaultScheme: options.defaultScheme };
      writeFileSync(config.files[role], JSON.stringify(content));
    }
    const lab = new ResilientLab(config, folder);
    try {
      await lab.startNode('hss');
      await Promise.all([lab.startNode('icscf'), lab.startNode('scscf'), lab.startNode('pcscf')]);
      lab.alice = await Phone.open(config, 0);
      lab.bob = await Phone.open(config, 1);
      await lab.alice.register();
      await lab.bob.register();
      return lab;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /** Starts a node and waits until it serves, with its Diameter peers. */
  async startNode(role: LabRole): Promise<void> {
    const program = role === 'hss' ? ['bin/lab', 'hss', '--state', join(this.folder, 'hss')] : [`bin/${role}`];
    let died = () => {};
    const gone = new Promise<void>((resolve) => (died = resolve));
    const daemon = new Daemon({
      name: role,
      command: [join(root, program[0]!), ...program.slice(1), '--config', this.config.files[role]],
      env: { ...process.env, CSCF_TEST_TRIGGER: '1' },
      logFile: join(this.folder, `${role}.log`),
      onDeath: () => died(),
    });
    this.#daemons.set(role, { daemon, gone });
    await daemon.ready;
    if (role === 'icscf' || role === 'scscf') await this.connected(role);
  }

  /** Calls a method of a node. */
  manage(role: CscfRole, method: string, params: Record<string, unknown> = {}): Promise<unknown> {
    return this.#ask(role, method, params);
  }

  /** Waits until a node is connected with the HSS. */
  connected(role: 'icscf' | 'scscf'): Promise<void> {
    return until(`${role} is connected with the HSS`, async () =>
      (await this.status(role)).peers.every((peer) => peer.state.startsWith('open-')),
    );
  }

  pid(role: LabRole): number {
    return this.#daemons.get(role)!.daemon.pid!;
  }

  /** kill -9, and waits until it is gone. */
  async kill(role: LabRole): Promise<void> {
    process.kill(this.pid(role), 'SIGKILL');
    await this.#daemons.get(role)!.gone;
  }

  status(role: CscfRole): Promise<NodeStatus> {
    return this.#ask(role, 'status') as Promise<NodeStatus>;
  }

  /** Ends a worker, or keeps it busy. */
  async trigger(role: CscfRole, worker: number, what: 'crash' | 'busy', ms = 0): Promise<void> {
    if ((await this.#ask(role, 'test.trigger', { worker, what, ms })) !== true) throw new Error('not enabled');
  }

  /** Makes a call that is answered. */
  async call(from: Phone, to: Phone): Promise<Pair> {
    const out = from.ue.call(to.ue.impu);
    const answered = await out.answered;
    if (answered !== true) throw new Error(`the call was refused with ${answered.status}: ${answered.words}`);
    const into = to.calls.find((call) => call.callId === out.callId);
    if (into === undefined) throw new Error('somebody else answered');
    if ((await into.answered) !== true) throw new Error('the ACK did not arrive');
    return { out, into };
  }

  /** Makes a call that rings, and is not answered. */
  async ringing(from: Phone, to: Phone): Promise<Call> {
    to.answers = false;
    const call = await new Promise<Call>((resolve, reject) => {
      const made = from.ue.call(to.ue.impu, {
        ringing: () => resolve(made),
        ended: (_call, end) => reject(new Error(`the call was refused with ${end.status}: ${end.words}`)),
      });
    });
    to.answers = true;
    return call;
  }

  /** Hangs up; throws unless the BYE was answered 200 and came to the other end. */
  async release({ out, into }: Pair): Promise<void> {
    out.hangUp();
    const end = await out.ended;
    if (end.by !== 'us' || end.status !== 200) throw new Error(`BYE was answered ${end.status} (${end.words})`);
    const other = await into.ended;
    if (other.by !== 'them') throw new Error('the BYE did not arrive');
  }

  /** A call each way. */
  async callBothWays(): Promise<void> {
    await this.release(await this.call(this.alice, this.bob));
    await this.release(await this.call(this.bob, this.alice));
  }

  /** The worker of a node that handled the INVITE with this Call-ID, by the branches in its Via. */
  owner(role: CscfRole, callId: string): number {
    const { ports } = this.config;
    const own = role === 'pcscf' ? [ports.gm, ports.mw] : [ports[role]];
    const phone = [this.alice, this.bob].find((each) => each.requests('INVITE', callId).size > 0);
    const [text] = phone?.requests('INVITE', callId) ?? [];
    if (text === undefined) throw new Error('the INVITE did not arrive');
    const invite = parseMessage(text, nowhere);
    if (invite.kind !== 'request') throw new Error('no request');
    const workers = new Set<number>();
    for (const value of invite.headers.values(Header.Via)) {
      const via = parseVia(value);
      if (!(via instanceof ParseFailure) && own.includes(via.port)) workers.add(branchWorker(via.branch));
    }
    if (workers.size !== 1) throw new Error(`the INVITE was handled by workers ${[...workers]} of the ${role}`);
    return [...workers][0]!;
  }

  /** The log of a node. */
  log(role: LabRole): string {
    return readFileSync(join(this.folder, `${role}.log`), 'utf8');
  }

  async stop(): Promise<void> {
    await Promise.all([this.alice?.ue.close(), this.bob?.ue.close()]);
    await Promise.all([...this.#daemons.values()].map(({ daemon }) => daemon.stop()));
    sweepAway(this.folder);
  }

  #ask(role: CscfRole, method: string, params: Record<string, unknown> = {}): Promise<unknown> {
    return callManagement(join(this.folder, `${role}.sock`), method, params);
  }
}

/** The I-CSCF and the S-CSCF are known by TCP only. */
function speakTcp(role: LabRole, content: Record<string, unknown>, { address, domain, ports }: LabConfig): void {
  if (role === 'pcscf' || role === 'scscf') content.hosts = { [domain]: [`tcp:${address}:${ports.icscf}`] };
  const uri = `sip:${address}:${ports.scscf};transport=tcp`;
  if (role === 'icscf') content.scscfs = [{ uri, capabilities: [], priority: 1 }];
  if (role === 'scscf') content.uri = uri;
}

const nowhere: Flow = Object.freeze({ listener: 0, transport: 'udp', address: '127.0.0.1', port: 0, connection: 0 });
