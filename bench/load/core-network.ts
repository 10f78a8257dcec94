import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Daemon } from '#lab/network/daemon';
import { type LabConfig, type LabRole, writeLabConfig } from '#lab/network/lab-config';
import { callManagement } from '#manage/management-client';
import { loadConfig } from '#service/config/config';
import type { SubscriberConfig } from '#service/config/hss-config';
import type { NodeStatus } from '#service/node-status';
import { Cgroups, type Limits, type MemoryReport } from './cgroup.ts';
import { type Usage, usageOf } from './process-usage.ts';

export const cscfRoles = ['pcscf', 'icscf', 'scscf'] as const;
export type CscfRole = (typeof cscfRoles)[number];
export const roles: readonly LabRole[] = [...cscfRoles, 'hss'];

export type Transport = 'udp' | 'tcp' | 'tls';

/** The nodes that the load goes through, started here or by somebody else. */
export interface CoreNetwork {
  readonly domain: string;
  /** Users with keys. */
  readonly range: SubscriberConfig;
  /** Where the P-CSCF listens to phones. */
  readonly proxy: { readonly address: string; readonly port: number };
  /** The same by UDP, for strangers; null when there is none. */
  readonly udpProxy: { readonly address: string; readonly port: number } | null;
  usage(role: LabRole): Usage;
  status(role: CscfRole): Promise<NodeStatus>;
  /** What a limited node has used; null without a limit of memory. */
  memoryOf(role: CscfRole): MemoryReport | null;
  /** Nodes that have ended by themselves. */
  readonly dead: readonly string[];
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly transport: Transport;
  readonly workers: number;
  /** T1 between phones and P-CSCF, milliseconds; T2 and T4 follow. */
  readonly t1Ms: number;
  readonly limits: Limits;
  /** Where the daemons write CPU profiles when they end. */
  readonly profileFolder?: string | undefined;
  /** `key=value` for the daemons, as `--set` of their command lines: `pcscf.log.level=info`. */
  readonly sets: readonly string[];
}

const root = fileURLToPath(new URL('../../', import.meta.url));
const connectedMs = 20_000;
const pollMs = 50;

/** Starts HSS and three CSCFs on free ports of loopback, with their state in a temporary folder. */
export async function startCoreNetwork(options: StartOptions): Promise<CoreNetwork> {
  const folder = mkdtempSync(join(tmpdir(), 'cscf-load-'));
  const daemons = new Map<LabRole, Daemon>();
  const dead: string[] = [];
  let groups: Cgroups | null = null;
  const stop = async () => {
    await Promise.all([...daemons.values()].map((daemon) => daemon.stop()));
    groups?.remove();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const secure = options.transport === 'tls';
    const config = await writeLabConfig(join(root, 'config'), folder, true, secure);
    for (const role of cscfRoles) adaptConfig(config, role, options);
    if (options.limits.cpuPercent !== undefined || options.limits.memoryBytes !== undefined) {
      const made = Cgroups.create(`cscf-load-${process.pid}`, options.limits);
      if (typeof made === 'string') throw new Error(made);
      groups = made;
    }
    const launch = async (role: LabRole) => {
      const daemon = new Daemon({
        name: role,
        command: commandOf(role, config, folder, options, groups),
        env: environmentOf(role, options),
        logFile: join(folder, `${role}.log`),
        onDeath: (words) => {
          const kills = role === 'hss' ? 0 : (groups?.memoryOf(role)?.oomKills ?? 0);
          dead.push(
            `${roleNames[role]} ${words}${kills > 0 ? ' of the kernel: it used more memory than allowed' : ''}`,
          );
        },
      });
      daemons.set(role, daemon);
      await daemon.ready;
    };
    await launch('hss');
    await Promise.all(cscfRoles.map(launch));
    for (const role of ['icscf', 'scscf']) await connected(join(folder, `${role}.sock`));
    const { address, ports, range, domain } = config;
    if (range === undefined) throw new Error('config/hss.yaml has no range of users');
    return {
      domain,
      range,
      proxy: { address, port: secure ? ports.gmTls : ports.gm },
      udpProxy: { address, port: ports.gm },
      usage: (role) => usageOf(daemons.get(role)!.pid ?? 0),
      status: (role) => statusOf(join(folder, `${role}.sock`)),
      memoryOf: (role) => groups?.memoryOf(role) ?? null,
      dead,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Uses nodes that run, by the folder of their configurations. Throws ConfigError, ManagementError, Error. */
export async function attachCoreNetwork(folder: string, transport: Transport): Promise<CoreNetwork> {
  const pcscf = loadConfig({ file: join(folder, 'pcscf.yaml'), role: 'pcscf' }).config;
  const hss = loadConfig({ file: join(folder, 'hss.yaml'), role: 'hss' }).config;
  const sockets = new Map<LabRole, string>([
    ['pcscf', pcscf.management.socket],
    ['icscf', loadConfig({ file: join(folder, 'icscf.yaml'), role: 'icscf' }).config.management.socket],
    ['scscf', loadConfig({ file: join(folder, 'scscf.yaml'), role: 'scscf' }).config.management.socket],
    ['hss', hss.management.socket],
  ]);
  const pids = new Map<LabRole, number>();
  for (const [role, socket] of sockets) pids.set(role, (await statusOf(socket)).pid);
  const listenerFor = (wanted: Transport) =>
    pcscf.listeners.find((each) => each.sides.includes('gm') && each.transport === wanted) ?? null;
  const proxy = listenerFor(transport);
  const range = hss.subscribers.find((each) => each.range !== undefined);
  if (proxy === null) throw new Error(`the P-CSCF has no ${transport} listener toward phones`);
  if (range === undefined) throw new Error('the HSS has no range of users');
  return {
    domain: hss.domain,
    range,
    proxy,
    udpProxy: listenerFor('udp'),
    usage: (role) => usageOf(pids.get(role)!),
    status: (role) => statusOf(sockets.get(role)!),
    memoryOf: () => null,
    dead: [],
    stop: async () => {},
  };
}

/** Puts what a load run needs over the lab's configuration. */
function adaptConfig(config: LabConfig, role: CscfRole, options: StartOptions): void {
  const file = config.files[role];
  const content = JSON.parse(readFileSync(file, 'utf8')) as Record<string, object>;
  Object.assign(content, { workers: options.workers, log: { level: 'warn' } });
  // AKA for everybody, also where the HSS has a password.
  const { t1Ms } = options;
  if (role === 'pcscf') content.timers = { gm: { t1: t1Ms, t2: t1Ms * 8, t4: t1Ms * 8.5 } };
  if (role === 'scscf') content.auth = { defaultScheme: 'Digest-AKAv1-MD5' };
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
}

function commandOf(
  role: LabRole,
  config: LabConfig,
  folder: string,
  options: StartOptions,
  groups: Cgroups | null,
): string[] {
  const sets = options.sets
    .filter((set) => set.startsWith(`${role}.`))
    .flatMap((set) => ['--set', set.slice(role.length + 1)]);
  const program = role === 'hss' ? ['bin/lab', 'hss', '--state', join(folder, 'hss')] : [`bin/${role}`];
  const command = [join(root, program[0]!), ...program.slice(1), '--config', config.files[role], ...sets];
  return role === 'hss' || groups === null ? command : groups.wrap(role, command);
}

function environmentOf(role: LabRole, { profileFolder }: StartOptions): Record<string, string | undefined> {
  if (profileFolder === undefined || role === 'hss') return process.env;
  const profile = `--cpu-prof --cpu-prof-dir=${profileFolder} --cpu-prof-name=${role}.cpuprofile`;
  return { ...process.env, NODE_OPTIONS: profile };
}

async function statusOf(socket: string): Promise<NodeStatus> {
  return (await callManagement(socket, 'status')) as NodeStatus;
}

/** Waits until a node is connected with the HSS. */
async function connected(socket: string): Promise<void> {
  const startMs = performance.now();
  while (!(await statusOf(socket)).peers.every((peer) => peer.state.startsWith('open-'))) {
    if (performance.now() - startMs > connectedMs) throw new Error(`${socket}: not connected with the HSS`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** Names for people. */
export const roleNames: Readonly<Record<LabRole, string>> = {
  pcscf: 'P-CSCF',
  icscf: 'I-CSCF',
  scscf: 'S-CSCF',
  hss: 'HSS',
};
