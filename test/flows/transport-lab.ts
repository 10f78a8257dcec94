import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon } from '#lab/network/daemon';
import { type LabConfig, type LabRole, labRoles, writeLabConfig } from '#lab/network/lab-config';
import type { Call } from '#lab/ue/call';
import { Ue, type UeOptions } from '#lab/ue/ue';
import { callManagement } from '#manage/management-client';
import type { NodeStatus } from '#service/node-status';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What a test changes in the configuration files before the nodes start. */
export type Changes = (contents: Record<LabRole, Record<string, unknown>>, config: LabConfig) => void;

export interface TransportLabOptions {
  readonly tls?: boolean;
  readonly change?: Changes;
  /** Files the P-CSCF may open. */
  readonly openFiles?: number;
}

/** A registered phone of a numbered user, who has a password. */
export interface LabPhone {
  readonly ue: Ue;
  /** Calls that came, newest last; they are answered at once. */
  readonly calls: Call[];
  /** Texts that came. */
  readonly texts: string[];
  /** Why no secure connection came about. */
  readonly insecure: string[];
}

/** HSS and three CSCFs as daemons, and phones that reach the P-CSCF as each test wants. */
export class TransportLab {
  readonly config: LabConfig;
  readonly folder: string;
  readonly #daemons = new Map<LabRole, Daemon>();
  readonly #phones: Ue[] = [];

  private constructor(config: LabConfig, folder: string) {
    this.config = config;
    this.folder = folder;
  }

  static async start(options: TransportLabOptions = {}): Promise<TransportLab> {
    const folder = mkdtempSync(join(tmpdir(), 'cscf-transports-'));
    const config = await writeLabConfig(join(root, 'config'), folder, true, options.tls);
    const contents = {} as Record<LabRole, Record<string, unknown>>;
    for (const role of labRoles) contents[role] = JSON.parse(readFileSync(config.files[role], 'utf8'));
    options.change?.(contents, config);
    for (const role of labRoles) writeFileSync(config.files[role], JSON.stringify(contents[role]));
    const lab = new TransportLab(config, folder);
    try {
      await lab.#launch('hss');
      await Promise.all([lab.#launch('icscf'), lab.#launch('scscf'), lab.#launch('pcscf', options.openFiles)]);
      return lab;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /** A phone that is registered; by UDP unless `how` says otherwise. Throws with the refusal. */
  async phone(number: number, how: Partial<UeOptions> = {}): Promise<LabPhone> {
    const phone = await this.open(number, how);
    const outcome = await phone.ue.register();
    if (!outcome.registered) throw new Error(`REGISTER was answered ${outcome.status} ${outcome.words}`);
    return phone;
  }

  /** The same, before it registers. */
  async open(number: number, how: Partial<UeOptions> = {}): Promise<LabPhone> {
    const { address, domain, ports } = this.config;
    const digits = String(number).padStart(6, '0');
    const impi = `user${digits}@${domain}`;
    const heard = { calls: [] as Call[], texts: [] as string[], insecure: [] as string[] };
    const ue = await Ue.open({
      domain,
      impu: `sip:${impi}`,
      credentials: { impi, password: `pw${digits}` },
      proxy: { address, port: how.transport === 'tls' ? ports.gmTls : ports.gm },
      ...how,
      events: {
        incomingCall(call) {
          heard.calls.push(call);
          call.ring();
          call.answer();
        },
        message: ({ body }) => heard.texts.push(body),
        insecure: (words) => heard.insecure.push(words),
      },
    });
    this.#phones.push(ue);
    return { ue, ...heard };
  }

  /** How a phone uses TLS here. */
  get byTls(): Pick<UeOptions, 'transport' | 'tls'> {
    return { transport: 'tls', tls: { ca: readFileSync(this.config.tls!.ca, 'latin1') } };
  }

  status(role: Exclude<LabRole, 'hss'>): Promise<NodeStatus> {
    return callManagement(join(this.folder, `${role}.sock`), 'status', {}) as Promise<NodeStatus>;
  }

  pid(role: LabRole): number {
    return this.#daemons.get(role)!.pid!;
  }

  log(role: LabRole): string {
    return readFileSync(join(this.folder, `${role}.log`), 'utf8');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#phones.map((ue) => ue.close()));
    await Promise.all([...this.#daemons.values()].map((daemon) => daemon.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #launch(role: LabRole, openFiles = 0): Promise<void> {
    const program = role === 'hss' ? ['bin/lab', 'hss', '--state', join(this.folder, 'hss')] : [`bin/${role}`];
    const command = [join(root, program[0]!), ...program.slice(1), '--config', this.config.files[role]];
    const limited = ['sh', '-c', `ulimit -n ${openFiles}; exec "$@"`, 'sh', ...command];
    const daemon = new Daemon({
      name: role,
      command: openFiles > 0 ? limited : command,
      env: { ...process.env, CSCF_TEST_TRIGGER: '1' },
      logFile: join(this.folder, `${role}.log`),
    });
    this.#daemons.set(role, daemon);
    await daemon.ready;
    if (role !== 'icscf' && role !== 'scscf') return;
    await until(`${role} is connected with the HSS`, async () =>
      (await this.status(role)).peers.every((peer) => peer.state.startsWith('open-')),
    );
  }
}

/** Waits until a condition holds; throws with its words after `ms`. */
export async function until(words: string, condition: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const startMs = performance.now();
  while (!(await condition())) {
    if (performance.now() - startMs > ms) throw new Error(`not after ${ms} ms: ${words}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Calls, talks for a moment and hangs up: throws unless all of it came to the other end. */
export async function callAndRelease(from: LabPhone, to: LabPhone): Promise<void> {
  const call = from.ue.call(to.ue.impu);
  const answered = await call.answered;
  if (answered !== true) throw new Error(`the call was refused with ${answered.status}: ${answered.words}`);
  const taken = to.calls.at(-1);
  if (taken?.callId !== call.callId) throw new Error('somebody else answered');
  if ((await taken.answered) !== true) throw new Error('the ACK did not arrive');
  call.hangUp();
  const [end, other] = await Promise.all([call.ended, taken.ended]);
  if (end.by !== 'us' || end.status !== 200) throw new Error(`BYE was answered ${end.status} (${end.words})`);
  if (other.by !== 'them') throw new Error('the BYE did not arrive');
}

/** Sends a text and throws unless it came. */
export async function write(from: LabPhone, to: LabPhone, text: string): Promise<void> {
  const { status, words } = await from.ue.message(to.ue.impu, text);
  if (status >= 300) throw new Error(`MESSAGE was answered ${status} ${words}`);
  if (to.texts.at(-1) !== text) throw new Error('the MESSAGE did not arrive');
}
