import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApplicationServer } from '#lab/as/application-server';
import type { HssFindings, ShownSubscription } from '#lab/hss/hss-methods';
import { Daemon } from '#lab/network/daemon';
import { PortFinder } from '#lab/network/free-ports';
import { type LabConfig, type LabRole, labRoles, writeLabConfig } from '#lab/network/lab-config';
import type { Call, CallEnd } from '#lab/ue/call';
import type { ReceivedSms } from '#lab/ue/short-messages';
import { Ue, type UeOptions } from '#lab/ue/ue';
import { type Usim, usimOf } from '#lab/ue/usim';
import { callManagement } from '#manage/management-client';
import type { NodeStatus } from '#service/node-status';
import { type Criterion, criteriaXml } from '../nodes/scscf/service-profiles.ts';
import { RawUe } from '../torture/raw-ue.ts';
import { HssRelay } from './home-network-relay.ts';
import { until } from './resilient-lab.ts';
import { sweepAway } from './secret-sweep.ts';

/** A subscriber of a test: `name@ims.test` with SIP Digest; whatever else the HSS configuration knows may be said. */
export interface NetworkUser {
  readonly name: string;
  readonly criteria?: readonly Criterion[];
  /** XML of further filter criteria. */
  readonly xml?: string;
  /** The whole template, instead of criteria. */
  readonly profile?: string;
  /** Keys of the HSS configuration. */
  readonly more?: Readonly<Record<string, unknown>>;
}

export interface HomeNetworkOptions {
  /** Users, given the address of a behaviour of the application server, of the one that may be killed, and of a closed port. */
  readonly users?: (
    at: (user: string) => string,
    mortal: (user: string) => string,
    dead: string,
  ) => readonly NetworkUser[];
  readonly change?: (contents: Record<LabRole, Record<string, unknown>>, config: LabConfig) => void;
  /** Stand between the CSCFs and the HSS. */
  readonly relay?: boolean;
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const template = readFileSync(join(root, 'config/profiles/default.xml'), 'utf8');
/** Of all users of tests. */
export const keys = { k: '6c61622d696d732d6b65792d30303031', op: '6c61622d696d732d6f702d3030303031' };

/** A phone that keeps what it hears, and does with calls what it is told. */
export class HomePhone {
  readonly ue: Ue;
  /** Requests that came, as text; those sent again as well. */
  readonly heard: string[];
  readonly calls: Call[] = [];
  readonly sms: ReceivedSms[] = [];
  readonly texts: string[] = [];
  /** What becomes of calls: a status rejects them. */
  takes: 'answer' | 'ring' | number = 'answer';

  constructor(ue: Ue, heard: string[]) {
    this.ue = ue;
    this.heard = heard;
    ue.events = {
      incomingCall: (call) => {
        this.calls.push(call);
        if (typeof this.takes === 'number') call.reject(this.takes);
        else call.ring();
        if (this.takes === 'answer') call.answer();
      },
      sms: (sms) => this.sms.push(sms),
      message: ({ body }) => this.texts.push(body),
    };
  }

  /** Registers, or throws; gives P-Associated-URI. */
  async register(): Promise<readonly string[]> {
    const outcome = await this.ue.register();
    if (outcome.registered !== true) throw new Error(`REGISTER was answered ${outcome.status} ${outcome.words}`);
    return outcome.associatedUris;
  }

  /** Different requests of a method that came. */
  requests(method: string): string[] {
    return [...new Set(this.heard.filter((text) => text.startsWith(`${method} `)))];
  }
}

/** HSS, three CSCFs as daemons, an application server in this process and one of its own, with subscribers of the test's. */
export class HomeNetwork {
  readonly config: LabConfig;
  readonly folder: string;
  server!: ApplicationServer;
  relay: HssRelay | null = null;
  /** Requests and responses that came to the application server, as text. */
  readonly seen: string[] = [];
  /** What the application server says of what happens. */
  readonly notes: string[] = [];
  readonly mortalPort: number;
  readonly #daemons = new Map<string, Daemon>();
  readonly #open: { close(): Promise<unknown> }[] = [];

  private constructor(config: LabConfig, folder: string, mortalPort: number) {
    this.config = config;
    this.folder = folder;
    this.mortalPort = mortalPort;
  }

  static async start(options: HomeNetworkOptions = {}): Promise<HomeNetwork> {
    const folder = mkdtempSync(join(tmpdir(), 'cscf-home-'));
    const config = await writeLabConfig(join(root, 'config'), folder, true);
    const { address, ports, domain } = config;
    const finder = new PortFinder(address);
    const network = new HomeNetwork(config, folder, await finder.take(0));
    try {
      await network.#openServer();
      const at = (user: string) => addressOf(user, `${address}:${network.server.port}`);
      const mortal = (user: string) => addressOf(user, `${address}:${network.mortalPort}`);
      const users = options.users?.(at, mortal, `${address}:${await finder.take(0)}`) ?? [];
      const contents = {} as Record<LabRole, Record<string, unknown>>;
      for (const role of labRoles) contents[role] = JSON.parse(readFileSync(config.files[role], 'utf8'));
      const { hss } = contents;
      const own = users.map((user) => subscriberOf(user, folder, domain));
      hss.subscribers = [...(hss.subscribers as object[]), ...own];
      for (const role of ['icscf', 'scscf'] as const) {
        Object.assign(contents[role].diameter as object, { timeout: 2, reconnect: 0.2 });
      }
      // What the HSS is asked is counted; a SUBSCRIBE of the P-CSCF makes the I-CSCF ask when nobody expects it.
      contents.pcscf.regEvent = { subscribe: false };
      options.change?.(contents, config);
      if (options.relay === true) {
        const behind = await finder.take(0);
        hss.listen = `tcp:${address}:${behind}`;
        const { hss: host, realm } = config.names;
        network.relay = await HssRelay.open(ports.hss, { address, port: behind, host, realm });
      }
      for (const role of labRoles) writeFileSync(config.files[role], JSON.stringify(contents[role]));
      await network.startNode('hss');
      await Promise.all((['icscf', 'scscf', 'pcscf'] as const).map((role) => network.startNode(role)));
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  /** Starts a node; a CSCF with the HSS connected. */
  async startNode(role: LabRole): Promise<void> {
    const program = role === 'hss' ? ['bin/lab', 'hss', '--state', join(this.folder, 'hss')] : [`bin/${role}`];
    await this.#launch(role, [...program, '--config', this.config.files[role]]);
    if (role === 'hss' || role === 'pcscf') return;
    await until(`${role} is connected`, async () =>
      (await this.status(role)).peers.every(({ state }) => state.startsWith('open-')),
    );
  }

  /** Starts the application server that may be killed; gives its process. */
  async startMortal(): Promise<number> {
    const { address, domain, ports } = this.config;
    const at = ['--listen', `${address}:${this.mortalPort}`, '--scscf', `${address}:${ports.scscf}`];
    return this.#launch('as', ['bin/lab', 'as', ...at, '--home', domain, '--json']);
  }

  /** kill -9, and waits until it is gone. */
  async kill(role: LabRole | 'as'): Promise<void> {
    const daemon = this.#daemons.get(role)!;
    process.kill(daemon.pid!, 'SIGKILL');
    await until(`${role} is gone`, () => !isAlive(daemon.pid!));
  }

  /** A phone of a user of the test, by password; of `alice` and `bob`, by AKA. `more`: what is particular about it. */
  async phone(name: string, more: Partial<UeOptions> = {}): Promise<HomePhone> {
    const { address, domain, phones, ports } = this.config;
    const impi = `${name}@${domain}`;
    const known = phones.find((each) => each.impi === impi);
    const credentials = known === undefined ? { impi, password: `${name}-secret` } : { impi, usim: usimOf(known) };
    const heard: string[] = [];
    const ue = await Ue.open({
      domain,
      impu: `sip:${impi}`,
      credentials,
      proxy: { address, port: ports.gm },
      trace: {
        sip(dir, text) {
          if (dir === 'in' && !text.startsWith('SIP/2.0 ')) heard.push(text);
        },
        diameter() {},
      },
      ...more,
    });
    const phone = new HomePhone(ue, heard);
    this.#open.push(ue);
    return phone;
  }

  /** The same, registered. */
  async registered(name: string, more: Partial<UeOptions> = {}): Promise<HomePhone> {
    const phone = await this.phone(name, more);
    await phone.register();
    return phone;
  }

  /** A phone that sends whatever octets it is told: a numbered user. */
  async raw(number: number): Promise<RawUe> {
    const { address, ports } = this.config;
    const ue = await RawUe.open({ address, port: ports.gm }, number);
    this.#open.push(ue);
    return ue;
  }

  /** Calls and hangs up; gives 200 and how long the answer took, or the status of the refusal. */
  async callStatus(from: HomePhone, to: string): Promise<{ readonly status: number; readonly ms: number }> {
    const startMs = performance.now();
    const call = from.ue.call(to);
    const answered: true | CallEnd = await call.answered;
    const ms = performance.now() - startMs;
    if (answered !== true) return { status: answered.status, ms };
    call.hangUp();
    await call.ended;
    return { status: 200, ms };
  }

  hss<T>(method: string, params: Record<string, unknown> = {}): Promise<T> {
    return callManagement(join(this.folder, 'hss.sock'), method, params) as Promise<T>;
  }

  /** State of the implicit sets of an identity at the HSS. */
  async stateOf(identity: string): Promise<string[]> {
    return (await this.hss<ShownSubscription>('hss.show', { identity })).sets.map(({ state }) => state);
  }

  /** Breaches of TS 29.229 that the HSS has found in what the CSCFs sent. */
  async findings(): Promise<HssFindings['latest']> {
    return (await this.hss<HssFindings>('hss.findings')).latest.filter(({ breach }) => breach);
  }

  status(role: Exclude<LabRole, 'hss'>): Promise<NodeStatus> {
    return callManagement(join(this.folder, `${role}.sock`), 'status', {}) as Promise<NodeStatus>;
  }

  log(role: LabRole | 'as'): string {
    return readFileSync(join(this.folder, `${role}.log`), 'utf8');
  }

  /** Different requests of a method that came to the application server, in their order. */
  served(method: string): string[] {
    return [...new Set(this.seen.filter((text) => text.startsWith(`${method} `)))];
  }

  async stop(): Promise<void> {
    await Promise.all(this.#open.map((each) => each.close()));
    await this.server?.close();
    await Promise.all([...this.#daemons.values()].map((daemon) => daemon.stop()));
    await this.relay?.close();
    sweepAway(this.folder);
  }

  async #openServer(): Promise<void> {
    const { address, domain, ports } = this.config;
    this.server = await ApplicationServer.open({
      address,
      port: 0,
      home: domain,
      scscf: { address, port: ports.scscf },
      note: (words) => this.notes.push(words),
      trace: {
        sip: (dir, text) => {
          if (dir === 'in') this.seen.push(text);
        },
        diameter() {},
      },
    });
  }

  async #launch(name: string, [program, ...words]: readonly string[]): Promise<number> {
    const daemon = new Daemon({
      name,
      command: [join(root, program!), ...words],
      env: process.env,
      logFile: join(this.folder, `${name}.log`),
    });
    this.#daemons.set(name, daemon);
    await daemon.ready;
    return daemon.pid!;
  }
}

/** A USIM of a user of tests. `seen`: highest sequence number that it has accepted. */
export function homeUsim(seen?: number): Usim {
  return usimOf({ ...keys, ...(seen === undefined ? {} : { seen }) });
}

/** The value of a header of a message, the first where there are several; null where there is none. */
export function fieldOf(text: string, name: string): string | null {
  return fieldsOf(text, name)[0] ?? null;
}

/** Values of a header of a message, line by line. */
export function fieldsOf(text: string, name: string): string[] {
  const start = `${name.toLowerCase()}:`;
  const head = text.split('\r\n\r\n', 1)[0]!.split('\r\n');
  return head.filter((line) => line.toLowerCase().startsWith(start)).map((line) => line.slice(start.length).trim());
}

/** `sip:failing@host;status=403` of `failing;status=403`. */
function addressOf(user: string, host: string): string {
  const at = user.indexOf(';');
  return at < 0 ? `sip:${user}@${host}` : `sip:${user.slice(0, at)}@${host}${user.slice(at)}`;
}

function subscriberOf({ name, criteria = [], xml = '', profile, more }: NetworkUser, folder: string, domain: string) {
  const file = join(folder, `${name}.xml`);
  writeFileSync(
    file,
    profile ?? template.replace('</ServiceProfile>', `${criteriaXml(criteria)}${xml}</ServiceProfile>`),
  );
  const impus = more?.sets === undefined ? { impus: [`sip:${name}@${domain}`] } : {};
  return { impi: `${name}@${domain}`, ...impus, ...keys, password: `${name}-secret`, profile: file, ...more };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
