import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon } from '#lab/network/daemon';
import { type LabConfig, type LabRole, labRoles, writeLabConfig } from '#lab/network/lab-config';
import { callManagement } from '#manage/management-client';
import type { NodeStatus } from '#service/node-status';
import { Phone, until } from '../flows/resilient-lab.ts';
import type { Address } from './raw-peer.ts';

export type Cscf = Exclude<LabRole, 'hss'>;
export const cscfs: readonly Cscf[] = ['pcscf', 'icscf', 'scscf'];

/** T1 of all listeners: transactions are over after 64 times this. */
export const t1Ms = 50;
export const transactionMs = 64 * t1Ms;

const root = fileURLToPath(new URL('../../', import.meta.url));
const fast = { t1: t1Ms, t2: 8 * t1Ms, t4: 10 * t1Ms };

/**
 * HSS, three CSCFs in processes of their own and two phones, to be tortured and then asked whether they still work.
 * Only 127.0.0.1 is trusted: any other loopback address is a stranger's.
 */
export class TortureLab {
  readonly config: LabConfig;
  readonly folder: string;
  readonly #daemons = new Map<LabRole, Daemon>();
  readonly #pids = new Map<LabRole, number>();
  #alice!: Phone;
  #bob!: Phone;

  private constructor(config: LabConfig, folder: string) {
    this.config = config;
    this.folder = folder;
  }

  /** `settings`: laid over the configuration of each CSCF. `hosts`: names that lead to the I-CSCF. */
  static async start(settings: Record<string, unknown> = {}, hosts: readonly string[] = []): Promise<TortureLab> {
    const folder = mkdtempSync(join(tmpdir(), 'cscf-torture-'));
    const config = await writeLabConfig(join(root, 'config'), folder, true);
    const icscf = [`udp:${config.address}:${config.ports.icscf}`];
    for (const role of cscfs) {
      const content = JSON.parse(readFileSync(config.files[role], 'utf8')) as Record<string, object>;
      // A source that sends in vain is not heard for some seconds: here each message is to be judged.
      const judged = { trusted: [`${config.address}/32`], workers: 1, overload: { refusedPerSource: 0 } };
      Object.assign(content, judged, settings);
      content.timers = role === 'pcscf' ? { ...fast, gm: fast } : fast;
      if (role !== 'icscf')
        content.hosts = { ...content.hosts, ...Object.fromEntries(hosts.map((name) => [name, icscf])) };
      writeFileSync(config.files[role], JSON.stringify(content));
    }
    const lab = new TortureLab(config, folder);
    try {
      await lab.#launch('hss');
      await Promise.all(cscfs.map((role) => lab.#launch(role)));
      for (const role of ['icscf', 'scscf'] as const) {
        await until(`${role} is connected with the HSS`, async () =>
          (await lab.status(role)).peers.every((peer) => peer.state.startsWith('open-')),
        );
      }
      for (const role of labRoles) lab.#pids.set(role, lab.#daemons.get(role)!.pid!);
      lab.#alice = await Phone.open(config, 0);
      lab.#bob = await Phone.open(config, 1);
      await lab.#bob.register();
      await lab.check();
      return lab;
    } catch (error) {
      await lab.stop();
      throw error;
    }
  }

  get alice(): Phone {
    return this.#alice;
  }

  get bob(): Phone {
    return this.#bob;
  }

  /** Where a daemon takes SIP: the P-CSCF's side of the phones, the others' only one. */
  addressOf(role: Cscf): Address {
    const { address, ports } = this.config;
    return { address, port: role === 'pcscf' ? ports.gm : ports[role] };
  }

  status(role: Cscf): Promise<NodeStatus> {
    return callManagement(join(this.folder, `${role}.sock`), 'status', {}) as Promise<NodeStatus>;
  }

  /** How often a daemon refused or dropped for this reason. */
  async refusals(role: Cscf, reason: string): Promise<number> {
    return (await this.status(role)).reasons[reason] ?? 0;
  }

  log(role: Cscf): string {
    return readFileSync(join(this.folder, `${role}.log`), 'utf8');
  }

  /** Throws unless the same processes run, none had an exception, and they register and carry a call. */
  async check(): Promise<void> {
    await this.#alice.register();
    const call = this.#alice.ue.call(this.#bob.ue.impu);
    const answered = await call.answered;
    if (answered !== true) throw new Error(`the call was refused with ${answered.status}: ${answered.words}`);
    call.hangUp();
    const end = await call.ended;
    if (end.by !== 'us' || end.status !== 200) throw new Error(`BYE was answered ${end.status}: ${end.words}`);
    for (const role of cscfs) {
      const { pid, reasons } = await this.status(role);
      if (pid !== this.#pids.get(role)) throw new Error(`the ${role} is not the process that it was`);
      const defects = ['internal', 'worker-crashed'].filter((reason) => reasons[reason] !== undefined);
      if (defects.length > 0) throw new Error(`${role}: ${defects}\n${lastErrors(this.log(role))}`);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#alice?.ue.close(), this.#bob?.ue.close()]);
    await Promise.all([...this.#daemons.values()].map((daemon) => daemon.stop()));
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #launch(role: LabRole): Promise<void> {
    const program = role === 'hss' ? ['bin/lab', 'hss', '--state', join(this.folder, 'hss')] : [`bin/${role}`];
    const daemon = new Daemon({
      name: role,
      command: [join(root, program[0]!), ...program.slice(1), '--config', this.config.files[role]],
      env: process.env,
      logFile: join(this.folder, `${role}.log`),
    });
    this.#daemons.set(role, daemon);
    await daemon.ready;
  }
}

function lastErrors(log: string): string {
  return log
    .split('\n')
    .filter((line) => line.includes('"level":50') || line.includes('"level":"error"'))
    .slice(-3)
    .join('\n');
}
