import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon } from '#lab/network/daemon';
import { PortFinder } from '#lab/network/free-ports';
import { type LabConfig, type LabRole, writeLabConfig } from '#lab/network/lab-config';
import type { Call } from '#lab/ue/call';
import type { Credentials } from '#lab/ue/credentials';
import type { Registered } from '#lab/ue/registration';
import { Ue } from '#lab/ue/ue';
import { usimOf } from '#lab/ue/usim';
import { callManagement } from '#manage/management-client';
import type { NodeStatus } from '#service/node-status';

const root = fileURLToPath(new URL('../../', import.meta.url));
const program = fileURLToPath(new URL('../../../shared/rigs/hss/hss.py', import.meta.url));

/** Whether the strict HSS lies beside the project, and Python is there to run it. */
export const hasStrictHss = existsSync(program);

/** Of every user of the strict HSS. */
const keys = {
  k: Buffer.from('lab-ims-key-0001').toString('hex'),
  op: Buffer.from('lab-ims-op-00001').toString('hex'),
};

/** A phone, and the calls and texts that came to it. */
export interface StrictPhone {
  readonly ue: Ue;
  readonly calls: Call[];
  readonly texts: string[];
}

/** Three CSCFs as daemons and, in the place of the lab's HSS, one that finds fault with every octet. */
export class StrictHssLab {
  readonly config: LabConfig;
  readonly #folder: string;
  readonly #control: number;
  readonly #daemons: Daemon[] = [];
  readonly #phones: Ue[] = [];
  #hss: ChildProcess | undefined;

  private constructor(config: LabConfig, folder: string, control: number) {
    this.config = config;
    this.#folder = folder;
    this.#control = control;
  }

  /** `workers`: of the S-CSCF. */
  static async start(
    workers: number,
    change: (scscf: Record<string, unknown>) => void = () => {},
  ): Promise<StrictHssLab> {
    const folder = mkdtempSync(join(tmpdir(), 'cscf-strict-'));
    const config = await writeLabConfig(join(root, 'config'), folder, true);
    const scscf = JSON.parse(readFileSync(config.files.scscf, 'utf8')) as Record<string, unknown>;
    scscf.workers = workers;
    change(scscf);
    writeFileSync(config.files.scscf, JSON.stringify(scscf));
    const lab = new StrictHssLab(config, folder, await new PortFinder(config.address).take(0));
    try {
      await lab.#startHss();
      await Promise.all((['icscf', 'scscf', 'pcscf'] as const).map((role) => lab.#startNode(role)));
      await lab.#connected('icscf');
      await lab.#connected('scscf');
      return lab;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  /** A phone of a numbered user, with a USIM or with the password. `seen`: highest SQN that the USIM has accepted. */
  async open(
    number: number,
    by: 'aka' | 'password',
    more: { seen?: number; password?: string } = {},
  ): Promise<StrictPhone> {
    const digits = String(number).padStart(6, '0');
    const impi = `user${digits}@${this.config.domain}`;
    const { seen, password = `pw${digits}` } = more;
    const credentials: Credentials =
      by === 'aka' ? { impi, usim: usimOf({ ...keys, ...(seen === undefined ? {} : { seen }) }) } : { impi, password };
    const calls: Call[] = [];
    const texts: string[] = [];
    const ue = await Ue.open({
      domain: this.config.domain,
      impu: `sip:${impi}`,
      credentials,
      proxy: { address: this.config.address, port: this.config.ports.gm },
      events: {
        incomingCall(call) {
          calls.push(call);
          call.ring();
          call.answer();
        },
        message: ({ body }) => texts.push(body),
      },
    });
    this.#phones.push(ue);
    return { ue, calls, texts };
  }

  /** Registers a phone; throws with the refusal. */
  async registered(phone: StrictPhone): Promise<Registered> {
    const outcome = await phone.ue.register();
    if (outcome.registered !== true) throw new Error(`REGISTER was answered ${outcome.status} ${outcome.words}`);
    return outcome;
  }

  /** A call that is answered and hung up; gives 200, or the status by which it was refused. */
  async callStatus(from: StrictPhone, to: string): Promise<number> {
    const call = from.ue.call(to);
    const answered = await call.answered;
    if (answered !== true) return answered.status;
    call.hangUp();
    await call.ended;
    return 200;
  }

  /** Asks the control port of the HSS. */
  async hss(method: 'GET' | 'POST', path: string): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#control}/${path}`, { method });
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  }

  log(role: LabRole): string {
    return readFileSync(join(this.#folder, `${role}.log`), 'utf8');
  }

  status(role: Exclude<LabRole, 'hss'>): Promise<NodeStatus> {
    return callManagement(join(this.#folder, `${role}.sock`), 'status', {}) as Promise<NodeStatus>;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#phones.map((ue) => ue.close()));
    await Promise.all(this.#daemons.map((daemon) => daemon.stop()));
    this.#hss?.kill('SIGTERM');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #startHss(): Promise<void> {
    const { address, domain, names, ports } = this.config;
    const hss = spawn(
      'python3',
      [
        program,
        ...['--listen', `${address}:${ports.hss}`, '--control', `127.0.0.1:${this.#control}`, '--users', '1000'],
        ...['--host', names.hss, '--realm', names.realm, '--domain', domain],
        ...['--charging', `aaa://ccf.${domain}`, '--enforce'],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.#hss = hss;
    await new Promise<void>((resolve, reject) => {
      hss.once('error', reject);
      hss.once('exit', (code) => reject(new Error(`the strict HSS ended with ${code}`)));
      hss.stdout.once('data', () => resolve());
    });
  }

  async #startNode(role: Exclude<LabRole, 'hss'>): Promise<void> {
    const daemon = new Daemon({
      name: role,
      command: [join(root, `bin/${role}`), '--config', this.config.files[role]],
      env: process.env,
      logFile: join(this.#folder, `${role}.log`),
    });
    this.#daemons.push(daemon);
    await daemon.ready;
  }

  async #connected(role: 'icscf' | 'scscf'): Promise<void> {
    const untilMs = performance.now() + 10_000;
    while (!(await this.status(role)).peers.every((peer) => peer.state.startsWith('open-'))) {
      if (performance.now() > untilMs) throw new Error(`${role} is not connected with the HSS: ${this.log(role)}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}
