import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon } from '#lab/network/daemon';
import { type LabConfig, type LabRole, writeLabConfig } from '#lab/network/lab-config';
import { callManagement } from '#manage/management-client';
import type { NodeStatus } from '#service/node-status';
import type { RegistrationPage } from '#service/worker-question';
import { type CscfRole, cscfRoles } from '../../bench/load/core-network.ts';
import { usageOf } from '../../bench/load/process-usage.ts';

export interface ChaosNetworkOptions {
  readonly workers: number;
  /** Most workers of each CSCF, where their number is to change while it runs; it may go down to one. */
  readonly mostWorkers?: number;
  /** T1 everywhere, milliseconds; T2 and T4 follow. */
  readonly t1Ms: number;
  /** Seconds until a Diameter request counts as unanswered. */
  readonly diameterTimeout: number;
  /** Puts more over the configuration of a CSCF. */
  readonly change?: (role: CscfRole, content: Record<string, unknown>, folder: string) => void;
  readonly env?: Readonly<Record<string, string>>;
}

/** What a daemon holds at a moment. */
export interface Footprint {
  readonly files: number;
  readonly rssBytes: number;
  readonly transactions: number;
  readonly sessions: number;
  readonly timers: number;
  readonly diameterPending: number;
}

/** What the memory of a running process and its threads costs. */
export type Footprints = ReadonlyMap<CscfRole, Footprint>;

const root = fileURLToPath(new URL('../../', import.meta.url));
const pollMs = 10;
const connectedMs = 15_000;

/** HSS and three CSCFs as daemons that may be killed, stopped, reloaded and scaled. */
export class ChaosNetwork {
  readonly config: LabConfig;
  readonly folder: string;
  /** Nodes that have ended though nobody killed them. */
  readonly died: string[] = [];
  readonly #daemons = new Map<LabRole, { readonly daemon: Daemon; readonly gone: Promise<void> }>();
  readonly #killed = new Set<Daemon>();

  readonly #env: Readonly<Record<string, string>>;

  /** To how many workers a CSCF is scaled after its start; null: it has them at once. */
  readonly #scaledTo: number | null;

  private constructor(
    config: LabConfig,
    folder: string,
    env: Readonly<Record<string, string>>,
    scaledTo: number | null,
  ) {
    this.#scaledTo = scaledTo;
    this.#env = env;
    this.config = config;
    this.folder = folder;
  }

  static async start(options: ChaosNetworkOptions): Promise<ChaosNetwork> {
    const { workers, mostWorkers, t1Ms, diameterTimeout, change, env = {} } = options;
    const folder = mkdtempSync(join(tmpdir(), 'cscf-chaos-'));
    const config = await writeLabConfig(join(root, 'config'), folder, true);
    const timers = { t1: t1Ms, t2: t1Ms * 8, t4: t1Ms * 10 };
    const network = new ChaosNetwork(config, folder, env, mostWorkers === undefined ? null : workers);
    for (const role of cscfRoles) {
      network.rewrite(role, (content) => {
        content.workers = mostWorkers === undefined ? workers : { min: 1, max: mostWorkers };
        content.log = { level: 'info' };
        content.timers = role === 'pcscf' ? { ...timers, gm: timers } : timers;
        if (role !== 'pcscf') Object.assign(content.diameter as object, { timeout: diameterTimeout, reconnect: 0.2 });
        if (role === 'scscf') content.auth = { defaultScheme: 'Digest-AKAv1-MD5' };
        change?.(role, content, folder);
      });
    }
    try {
      await network.launch('hss');
      await Promise.all(cscfRoles.map((role) => network.launch(role)));
      return network;
    } catch (error) {
      await network.stop();
      throw error;
    }
  }

  /** Starts a node and waits until it serves, with its Diameter peers. Gives the milliseconds until its `ready` line. */
  async launch(role: LabRole): Promise<number> {
    const startMs = performance.now();
    const program = role === 'hss' ? ['bin/lab', 'hss', '--state', join(this.folder, 'hss')] : [`bin/${role}`];
    let ended = () => {};
    const gone = new Promise<void>((resolve) => (ended = resolve));
    const daemon: Daemon = new Daemon({
      name: role,
      command: [join(root, program[0]!), ...program.slice(1), '--config', this.config.files[role]],
      env: { ...process.env, CSCF_TEST_TRIGGER: '1', ...this.#env },
      logFile: join(this.folder, `${role}.log`),
      onDeath: (words) => {
        if (!this.#killed.has(daemon)) this.died.push(`${role} ${words}`);
        ended();
      },
    });
    this.#daemons.set(role, { daemon, gone });
    await daemon.ready;
    const readyMs = performance.now() - startMs;
    if (role === 'icscf' || role === 'scscf') await this.connected(role);
    if (role !== 'hss' && this.#scaledTo !== null) await this.ask(role, 'workers.scale', { count: this.#scaledTo });
    return readyMs;
  }

  /** kill -9, and waits until it is gone. */
  async kill(role: LabRole): Promise<void> {
    const { daemon, gone } = this.#daemons.get(role)!;
    this.#killed.add(daemon);
    process.kill(daemon.pid!, 'SIGKILL');
    await gone;
  }

  /** SIGTERM, and waits until it has drained and ended. */
  async end(role: LabRole): Promise<void> {
    const { daemon } = this.#daemons.get(role)!;
    this.#killed.add(daemon);
    await daemon.stop();
  }

  signal(role: LabRole, signal: 'SIGSTOP' | 'SIGCONT' | 'SIGHUP'): void {
    process.kill(this.pid(role), signal);
  }

  pid(role: LabRole): number {
    return this.#daemons.get(role)!.daemon.pid!;
  }

  /** Waits until a node is connected with the HSS. */
  async connected(role: 'icscf' | 'scscf'): Promise<void> {
    const startMs = performance.now();
    const isOpen = (status: NodeStatus | null) => status?.peers.every((peer) => peer.state.startsWith('open-'));
    while (!isOpen(await this.status(role).catch(() => null))) {
      if (performance.now() - startMs > connectedMs) throw new Error(`${role} is not connected with the HSS`);
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }

  status(role: CscfRole): Promise<NodeStatus> {
    return this.ask(role, 'status') as Promise<NodeStatus>;
  }

  ask(role: LabRole, method: string, params: Record<string, unknown> = {}): Promise<unknown> {
    return callManagement(join(this.folder, `${role}.sock`), method, params);
  }

  /** Changes the configuration file of a node. */
  rewrite(role: LabRole, change: (content: Record<string, unknown>) => void): void {
    const content = JSON.parse(readFileSync(this.config.files[role], 'utf8')) as Record<string, unknown>;
    change(content);
    writeFileSync(this.config.files[role], JSON.stringify(content));
  }

  /** Everybody who is registered at the S-CSCF, by the user part of the private identity. */
  async registered(): Promise<Set<string>> {
    const users = new Set<string>();
    for (let from: string | null = ''; from !== null; ) {
      const page = (await this.ask('scscf', 'registrations.list', { from, limit: 1000 })) as RegistrationPage;
      for (const { impi, contacts } of page.rows) {
        if (contacts.length > 0) users.add(impi.slice(0, impi.indexOf('@')));
      }
      from = page.next;
    }
    return users;
  }

  async footprints(): Promise<Footprints> {
    return new Map(await Promise.all(cscfRoles.map(async (role) => [role, await this.#footprint(role)] as const)));
  }

  log(role: LabRole): string {
    return readFileSync(join(this.folder, `${role}.log`), 'utf8');
  }

  /** Ends all; `keep` leaves the folder with logs and stores. */
  async stop(keep = false): Promise<void> {
    for (const { daemon } of this.#daemons.values()) {
      this.#killed.add(daemon);
      // Whoever is stopped would not hear that it is to end.
      if (daemon.pid !== undefined) tryKill(daemon.pid, 'SIGCONT');
    }
    await Promise.all([...this.#daemons.values()].map(({ daemon }) => daemon.stop()));
    if (!keep) rmSync(this.folder, { recursive: true, force: true });
  }

  async #footprint(role: CscfRole): Promise<Footprint> {
    const rows = (await this.ask(role, 'stats.get')) as { name: string; value: number }[];
    const sum = (name: string) => rows.reduce((total, row) => total + (row.name === name ? row.value : 0), 0);
    const status = await this.status(role);
    return {
      files: readdirSync(`/proc/${this.pid(role)}/fd`).length,
      rssBytes: usageOf(this.pid(role)).rssBytes,
      transactions: sum('cscf_transactions'),
      sessions: sum('cscf_sessions'),
      timers: sum('cscf_timers'),
      diameterPending: status.peers.reduce((total, { outstanding }) => total + (outstanding ?? 0), 0),
    };
  }
}

function tryKill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone.
  }
}
